"""What an agent is to trust, as files: the roots of this machine with our authorities, and our authorities alone.

Some runtimes add the file they are given to the roots they have; most use it in their place, so it has both.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway import private_file
from gateway.errors import ConfigError
from gateway.trust.authority import pem

OVERRIDE: Final = "SSL_CERT_FILE"
"""Where an operator whose network has roots of its own says so (OpenSSL: X509_get_default_cert_file_env)."""

_PLACES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep their roots: Debian, Fedora and RHEL, older RHEL, openSUSE, OpenELEC, Alpine and macOS (the list
of Go's crypto/x509, root_linux.go and root_bsd.go)."""

_EVERYTHING: Final = "bundle.pem"
_OURS: Final = "ca.pem"
_WHAT: Final = "the bundle of certificates"
_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Two files. `everything` has the roots of this machine and our authorities, `ours` only the latter.

    `roots` is how many roots of this machine there are.
    """

    everything: Path
    ours: Path
    roots: int


def write(folder: Path, ours: Iterable[x509.Certificate], environ: Mapping[str, str]) -> Bundle:
    """Bring the files in that folder up to date; one that is as it should be is left alone. Raises ConfigError."""
    everything, ours_alone = folder / _EVERYTHING, folder / _OURS
    own = tuple(pem(certificate) for certificate in ours)
    roots = tuple(root for root in _roots_for(folder, environ) if root not in own)
    _refresh(ours_alone, "".join(own))
    _refresh(everything, "".join((*own, *roots)))
    return Bundle(everything, ours_alone, len(roots))


def _roots_for(folder: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The roots of this machine, or where the environment was made by us (a shell in `lockgate exec`), what they were
    then: it no longer says what it would be without us."""
    everything = folder / _EVERYTHING
    named = environ.get(OVERRIDE)
    if not named or not _is_same(Path(named), everything):
        return host_roots(named)
    if not everything.exists():
        return host_roots(None)
    with private_file.faults_of(everything, _WHAT):
        own = certificates_in((folder / _OURS).read_bytes())
        return tuple(root for root in certificates_in(everything.read_bytes()) if root not in own)


def host_roots(named: str | None) -> tuple[str, ...]:
    """The certificates that this machine trusts, in PEM, each once.

    From the file that is `named` by `SSL_CERT_FILE`, else from where the system keeps them. Raises ConfigError where
    the named file cannot be used.
    """
    if named:
        with private_file.faults_of(Path(named), f"the file that {OVERRIDE} names"):
            found = certificates_in(Path(named).read_bytes())
        if not found:
            raise ConfigError((f"{named}: {OVERRIDE} names it, but it holds no certificate in PEM; unset {OVERRIDE}",))
        return found
    for place in _PLACES:
        try:
            found = certificates_in(Path(place).read_bytes())
        except OSError:
            continue
        if found:
            return found
    # Windows and others keep them elsewhere, and Python knows where.
    system = ssl.create_default_context().get_ca_certs(binary_form=True)
    return tuple(dict.fromkeys(ssl.DER_cert_to_PEM_cert(root) for root in system))


def certificates_in(data: bytes) -> tuple[str, ...]:
    """The certificates in a PEM file, each once and rewritten; names and remarks between them are left out."""
    found: dict[str, None] = {}
    for block in _BLOCK.findall(data.decode("latin-1")):
        try:
            root = base64.b64decode("".join(block.split()), validate=True)
        except binascii.Error:
            continue
        found[ssl.DER_cert_to_PEM_cert(root)] = None
    return tuple(found)


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _refresh(path: Path, text: str) -> None:
    data = text.encode("ascii")
    with private_file.faults_of(path, _WHAT):
        if not path.exists() or path.read_bytes() != data:
            private_file.replace(path, data)
