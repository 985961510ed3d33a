"""`lockgate ca`: look at the certificate authority, hand out its certificate, and put a new one in its place."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway import config as configuration
from gateway import private_file
from gateway.cli.options import CertificateForm
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.trust import bundle, folder
from gateway.trust.authority import der, fingerprint, permitted

_PUBLIC: Final = 0o666  # cut by the umask, as any file that is not secret


def show(path: Path | None) -> None:
    """Print what agents trust: the authority in force, and earlier ones that have not expired."""
    where = configuration.ca_folder(_config(path), os.environ)
    now = datetime.now(UTC)
    if folder.current(where, now) is None:
        raise ConfigError((f"{where}: there is no certificate authority yet; `lockgate ca export` makes one",))
    print(f"folder       {where}")
    for number, certificate in enumerate(folder.certificates(where, now)):
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        print(f"{'earlier' if number else 'in force':<12} {certificate.subject.rfc4514_string()}")
        print(f"  sha-256    {fingerprint(certificate)}")
        print(f"  valid      {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, {(ends - now).days} days left")
        print(f"  signs for  {', '.join(map(str, permitted(certificate))) or 'all names'}")


def export(path: Path | None, form: CertificateForm, to: Path | None) -> None:
    """Write the certificates that agents are to trust; never a key. An authority is made where there is none yet."""
    config = _config(path)
    where, now = configuration.ca_folder(config, os.environ), datetime.now(UTC)
    newest = folder.ensure(where, config.proxy.name_constraints, now).certificate
    if form is CertificateForm.DER:
        data = der(newest)
    else:
        files = bundle.write(where, folder.certificates(where, now), os.environ)
        data = (files.everything if form is CertificateForm.BUNDLE else files.ours).read_bytes()
    if to is None:
        sys.stdout.buffer.write(data)
        return
    with private_file.faults_of(to, "the file to write to"):
        private_file.replace(to, data, _PUBLIC)


def rotate(path: Path | None) -> None:
    """Put a new authority in force, and say what is left to do."""
    config = _config(path)
    where, now = configuration.ca_folder(config, os.environ), datetime.now(UTC)
    fresh = folder.rotate(where, config.proxy.name_constraints, now)
    bundle.write(where, folder.certificates(where, now), os.environ)
    print(f"in force from the gateway's next start: {fresh.subject.rfc4514_string()}, SHA-256 {fingerprint(fresh)}")
    print("first restart the agents, which read what to trust when they start, then the gateway")


def _config(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()
