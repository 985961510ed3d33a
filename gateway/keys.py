"""The gateway's secret, and the keys derived from it, one for each purpose.

A fleet shares one secret, so that markers, placeholders and fingerprints are the same on each of its gateways.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from gateway import private_file
from gateway.errors import ConfigError

MIN_SECRET: Final = 16
"""Bytes. One audit line is enough to try secrets against, offline, so a secret must be out of reach of guessing."""

KEY_BYTES: Final = 32
"""The length of a key: that of a SHA-256 digest."""

_SALT: Final = b"lockgate/1"
_FILE: Final = "the secret file"
_NEW_SECRET: Final = 32  # bytes of randomness in a secret made here: the length of a SHA-256 digest


def derive(secret: bytes, purpose: str) -> bytes:
    """The 32-byte key for a purpose: HKDF with SHA-256 (RFC 5869), one block of output, `purpose` as the info."""
    extracted = hmac.digest(_SALT, secret, hashlib.sha256)
    return hmac.digest(extracted, purpose.encode() + b"\x01", hashlib.sha256)


def secret_from_text(text: str, origin: str) -> bytes:
    """The secret as an operator gave it. Raises ConfigError, naming `origin`, where it is too short to be one."""
    secret = text.strip().encode()
    if len(secret) < MIN_SECRET:
        raise ConfigError((f"{origin}: the secret is too short; accepted: at least {MIN_SECRET} characters",))
    return secret


def secret_from_file(path: Path) -> bytes:
    """The secret in that file; a new one is made on the first run, readable by its owner alone.

    Raises ConfigError where others may read the file, or it cannot be read or made.
    """
    with private_file.faults_of(path, _FILE):
        if not path.exists():
            private_file.create(path, f"{secrets.token_hex(_NEW_SECRET)}\n".encode())
    return secret_in_file(path)


def secret_in_file(path: Path) -> bytes:
    """The secret in that file, which has to be there. Raises ConfigError as `secret_from_file` does."""
    return secret_from_text(private_file.read(path, _FILE), str(path))
