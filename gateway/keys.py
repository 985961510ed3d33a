"""The gateway's secret, and the keys derived from it, one for each purpose.

A fleet shares one secret, so that markers, placeholders and fingerprints are the same on each of its gateways.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError

MIN_SECRET: Final = 16
"""Bytes. One audit line is enough to try secrets against, offline, so a secret must be out of reach of guessing."""

_SALT: Final = b"lockgate/1"
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
    try:
        if not path.exists():
            _create(path)
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((f"{path}: the secret file cannot be used: {_reason(error)}",)) from error
    if os.name == "posix" and mode & 0o077:
        raise ConfigError((f"{path}: others may read the secret file (mode {mode:04o}); accepted: 0600",))
    return secret_from_text(text, str(path))


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _create(path: Path) -> None:
    """Make the file whole or not at all: of two gateways that start together, one wins and both read the same."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_NEW_SECRET) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
