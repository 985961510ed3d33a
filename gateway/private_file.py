"""Files for their owner alone: made whole and once, replaced whole, and read only where nobody else may read them."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError

PRIVATE: Final = 0o600

type Owner = tuple[int, int]
"""The numbers of a user and of a group."""


def read(path: Path, what: str) -> str:
    """The text of that file; `what` is how a message calls it, such as "the secret file".

    Raises ConfigError where others may read the file too, or it cannot be read.
    """
    with faults_of(path, what):
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
        if os.name == "posix" and mode & 0o077:
            raise ConfigError((f"{path}: others may read {what} (mode {mode:04o}); accepted: {PRIVATE:04o}",))
    return text


def create(path: Path, data: bytes, owner: Owner | None = None) -> None:
    """Make the file with all of the data, or leave the one that is there: of two that start together, one wins.

    Its folder is made too, for its owner alone. With `owner` the file is theirs before it is in its place. Raises
    OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = _draft(path, data, PRIVATE, owner)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def replace(path: Path, data: bytes, mode: int = PRIVATE, owner: Owner | None = None) -> None:
    """Put a new file in the place of the old one: a reader sees all of the one or all of the other. Raises OSError.

    `mode` is cut by the umask. With `owner` the file is theirs before it is in its place.
    """
    draft = _draft(path, data, mode, owner)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise


@contextmanager
def faults_of(path: Path, what: str) -> Iterator[None]:
    """Turn a fault of the disk into a ConfigError that names the file."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError((f"{path}: {what} cannot be used: {reason}",)) from error


def heir(folder: Path) -> Owner | None:
    """To whom the superuser gives what it makes in that folder; None where it is ours already. Raises OSError.

    What root made for itself alone, the service that the folder belongs to could not read.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    found = folder.stat()
    owner = found.st_uid, found.st_gid
    return owner if owner != (0, 0) else None


def _draft(path: Path, data: bytes, mode: int, owner: Owner | None = None) -> Path:
    """The data on the disk, beside its place and under a name that nobody else has."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(descriptor, *owner)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft
