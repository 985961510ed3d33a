"""The authority as mitmproxy looks for it: a folder within the authority's own, with a copy of key and certificate.

The copy is as secret as the original. It is written anew whenever mitmproxy is to be started, and goes when the
authority is rotated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway import private_file
from gateway.trust.authority import Authority

_FOLDER: Final = "mitmproxy"
_FILE: Final = "mitmproxy-ca.pem"
"""What mitmproxy calls it (its `CertStore.from_store`, version 12.3)."""


def write(folder: Path, authority: Authority) -> Path:
    """Give mitmproxy the authority of that folder, and return the folder to name to it. Raises ConfigError."""
    confdir = folder / _FOLDER
    with private_file.faults_of(confdir, "the folder of mitmproxy's certificate authority"):
        confdir.mkdir(mode=0o700, exist_ok=True)
        confdir.chmod(0o700)
        private_file.replace(confdir / _FILE, authority.text().encode())
    return confdir


def remove(folder: Path) -> None:
    """Take the copy of the key away, if there is one. Raises ConfigError."""
    file = folder / _FOLDER / _FILE
    with private_file.faults_of(file, "mitmproxy's copy of the certificate authority"):
        file.unlink(missing_ok=True)
