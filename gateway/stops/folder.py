"""Where a machine keeps its stops: two files in the folder of the gateway's state.

`stops.json` has the decisions; gateways, their workers and the command line write it in turn, each merging what it
knows into what is there. `STOP` is for people without a command line: while it exists, this machine's gateways stand
still.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway import private_file
from gateway.errors import InternalError
from gateway.stops.decision import Decision, Stops, one_line

if sys.platform != "win32":
    import fcntl

FILE: Final = "stops.json"
FLAG: Final = "STOP"
_LOCK: Final = "stops.lock"

PATIENCE: Final = 0.5
"""Seconds to wait for another process that writes, which takes as long as a disk does. A gateway stands still while it
waits, so one that holds the lock for longer must not hold the gateway with it."""
_RETRY: Final = 0.005

type Stamp = tuple[tuple[int, int, int] | None, ...]
"""How the two files looked: inode, time of change and size of each, None where it is not there."""


class StopsError(InternalError):
    """A decision could not be kept on the disk."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of the gateway's state."""

    path: Path

    def make(self) -> None:
        """Make it, for its owner alone, where it is not there. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def stamp(self) -> Stamp:
        """What tells whether anything changed since."""
        return _stamp(self.path / FILE), _stamp(self.path / FLAG)

    def load(self) -> Stops:
        """What the files say. A file of decisions that cannot be read is a stop: it may have held one."""
        try:
            decisions = _read(self.path / FILE)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return Stops(
                here=one_line(f"`{self.path / FILE}` cannot be read ({why}); mend it, or stop and resume anew")
            )
        return Stops(here=_flag(self.path / FLAG)).merged(decisions)

    def keep(self, decisions: Iterable[Decision]) -> None:
        """Merge these into the file; they are on the disk when this returns. Raises StopsError.

        A file that cannot be read is moved aside first: whoever decides anew sees to it. What root writes belongs to
        whom the folder does, so that a gateway of that user follows it.
        """
        try:
            self.make()
            with self._turn():
                known = Stops().merged(self._known())
                merged = known.merged(decisions)
                if merged is not known or not (self.path / FILE).exists():
                    heir = private_file.heir(self.path)
                    private_file.replace(self.path / FILE, _written(merged), owner=heir)
                    _sync(self.path)
        except OSError as error:
            raise StopsError(f"`{self.path / FILE}` cannot be written: {error.strerror or error}") from error

    def _known(self) -> tuple[Decision, ...]:
        try:
            return _read(self.path / FILE)
        except ValueError:
            (self.path / FILE).replace(self.path / f"{FILE}.unreadable")
            return ()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One writer at a time, over all processes of this machine."""
        descriptor = self._lock()
        try:
            if sys.platform != "win32":
                _wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self) -> int:
        """The lock's file, made where it is not there. A link in its place is not followed: root may be writing."""
        path, flags = self.path / _LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, private_file.PRIVATE)
        except FileExistsError:
            return os.open(path, flags)
        if (heir := private_file.heir(self.path)) is not None:
            os.fchown(descriptor, *heir)
        return descriptor


def _wait_for(descriptor: int) -> None:
    """Take the lock. Raises OSError where another process holds it for longer than `PATIENCE`."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise OSError(f"another process has held its lock for {PATIENCE} s") from None
            time.sleep(_RETRY)
        else:
            return


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _flag(path: Path) -> str | None:
    """What the file says, in one line; None where it is not there. One that cannot be read stops all the same."""
    try:
        text = path.read_bytes()[:4096].decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError:
        text = ""
    return one_line(text) or f"the file `{path}` is there"


def _read(path: Path) -> tuple[Decision, ...]:
    """The decisions in a file; none where it is not there. Raises ValueError for a file that holds anything else."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    match value:
        case {"stops": list(stops)}:
            return tuple(Decision.decode(json.dumps(one).encode()) for one in stops)
    raise ValueError("it holds no list of `stops`")


def _written(stops: Stops) -> bytes:
    decisions = [json.loads(stops.decisions[scope].encode()) for scope in sorted(stops.decisions)]
    return json.dumps({"stops": decisions}, indent=2).encode() + b"\n"


def _sync(folder: Path) -> None:
    """Force the folder's entries to the disk, so that a renamed file is found after a power cut (POSIX, fsync(2))."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
