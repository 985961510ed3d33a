"""Writes the audit files: a sealed line for each record, a file for each day (UTC), each line tied to the one before.

`gateway.chain` has the form of a line, `gateway.verify` the check. One writer at a time has the folder; of several
workers each has one of its own below it.

A line is in the hands of the kernel when `append` returns, so a crash of the process loses none. Once a second a thread
forces the file to the disk and then replaces `head.json`, which names the last line; both happen on close too. So a
power cut may lose the last second of lines, and after a crash of any kind the lines of the last second may be cut off
unnoticed, as the head does not name them yet. Cutting off more, or any other change, is found.

What is not found: changes by somebody who has the key; an older copy of the head put back together with the lines as
they were then; the removal of the whole folder. Against these, copy the head to another machine from time to time.
A new key needs a new folder: no one key fits lines that two keys sealed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway import chain
from gateway.chain import Line, Position
from gateway.errors import InternalError

if sys.platform != "win32":
    import fcntl

HEAD: Final = "head.json"

_WORKER: Final = "worker-{}"
_NAME: Final = re.compile(r"audit-(\d{4}-\d\d-\d\d)\.jsonl")
_LOCK: Final = "writer.lock"
_FLUSH_S: Final = 1.0
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class AuditError(InternalError):
    """The audit file cannot be written. What is not recorded must not happen, so the request is refused."""


def files(folder: Path) -> list[Path]:
    """The audit files of a folder, oldest first."""
    return sorted(path for path in folder.glob("audit-*.jsonl") if _NAME.fullmatch(path.name))


def worker_folder(folder: Path, number: int) -> Path:
    """Where the worker with that number (from 1) has its chain: whoever takes its place goes on with it."""
    return folder / _WORKER.format(number)


def lines_back(path: Path) -> Iterator[bytes]:
    """The lines of a file from the last to the first, each with its end. Reads no more than is asked for."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        if end == 0:  # an empty file cannot be mapped
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            while end > 0:
                start = content.rfind(b"\n", 0, end - 1) + 1
                yield content[start:end]
                end = start


class Writer:
    """Appends records to the audit files of a folder.

    `keep` is how long a day's file is kept. `now` gives the time in UTC. `fsync` is whether files are forced to the
    disk; `head.json` is written either way. `workers` is how many chains there are beside this one, itself included: it
    stands in the start, so that the others tell of one that is gone. Raises AuditError where the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        keep: timedelta,
        fsync: bool = True,
        workers: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder, self._key, self._keep, self._fsync, self._now = folder, key, keep, fsync, now
        self._workers = workers
        self._chain = secrets.token_hex(8)
        self._seq = 0
        self._last: Position | None = None
        self._turn = threading.Lock()  # whose turn it is to append
        self._settling = threading.Lock()  # taken before `_turn`, so that the head never goes back
        self._failure: OSError | None = None
        self._is_closed = False
        with _as_audit_error(folder):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _hold(self._folder)
        try:
            with _as_audit_error(folder):
                self._open()
        except AuditError:
            os.close(self._lock)
            raise
        self._stop = threading.Event()
        self._flusher = threading.Thread(target=self._flush_often, name="audit-flush", daemon=True)
        self._flusher.start()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record, a mapping that JSON can hold. Raises AuditError; then the record is not in the file."""
        with self._turn:
            if self._is_closed:
                raise AuditError("the audit file is closed")
            if self._failure is not None:
                raise AuditError(f"the audit file cannot be written: {self._failure}") from self._failure
            with _as_audit_error(self._folder):
                now = self._now()
                if now.astimezone(UTC).date() > self._today:
                    self._rotate()
                self._write(record, now)

    def flush(self) -> None:
        """Force what was written to the disk, then let the head name the last line. Raises AuditError."""
        with self._settling, _as_audit_error(self._folder):
            with self._turn:
                descriptor, last = os.dup(self._file), self._last
            try:
                assert last is not None  # the start was written first of all
                self._settle(descriptor, last)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Write the end of the chain, and give the folder back."""
        self._stop.set()
        self._flusher.join()
        try:
            self.append({"event": chain.END})
            self.flush()
        finally:
            with self._turn:
                self._is_closed = True
                os.close(self._file)
                os.close(self._lock)

    def _open(self) -> None:
        present = files(self._folder)
        # A clock that was set back must not bring the files out of their order.
        self._today = max([self._day(), *(_date(path) for path in present[-1:])])
        start: dict[str, Any] = {"event": chain.START}
        if self._workers is not None:
            start[chain.WORKERS] = self._workers
        if present and (torn := _cut_torn_line(present[-1])):
            start["torn"] = torn
        if previous := _last_line(self._key, present):
            self._last = previous
            start["previous"] = previous.as_record()
        if known := _head(self._folder, self._key):
            # The head is about to be replaced; kept here, it still tells of lines that were cut off before this start.
            start["head"] = known.as_record()
        self._use(os.open(self._path(self._today), _FLAGS, 0o600))
        self._settle(self._file, self._write(start, self._now()))
        self._prune()

    def _use(self, file: int) -> None:
        """Append to this open file. Its size is counted from here on, as nobody else appends to it."""
        self._file, self._size = file, os.fstat(file).st_size

    def _rotate(self) -> None:
        """Go on in today's file."""
        today = self._day()
        fresh = os.open(self._path(today), _FLAGS, 0o600)
        self._force(self._file)
        os.close(self._file)
        self._use(fresh)
        self._today = today
        self._prune()

    def _prune(self) -> None:
        """Delete the files that are too old. The record comes first: a deletion without one is found by `verify`."""
        present = files(self._folder)
        old = [path for path in present if _date(path) < self._today - self._keep]
        if not old:
            return
        kept = next((first for path in present if path not in old for first in _readable(self._key, path)), None)
        # Today's file may be new; then the record that is written here is its first line.
        chain_, seq, prev = (
            (kept.position.chain, kept.position.seq, kept.prev) if kept else (self._chain, self._seq, self._prev())
        )
        first = {"chain": chain_, "seq": seq, "prev": prev}
        self._write({"event": chain.PRUNED, "files": [path.name for path in old], "first": first}, self._now())
        self._force(self._file)
        for path in old:
            path.unlink()

    def _prev(self) -> str:
        return self._last.mac if self._last else chain.GENESIS

    def _write(self, record: Mapping[str, Any], now: datetime) -> Position:
        time = now.isoformat(timespec="milliseconds")
        data, position = chain.line(self._key, self._chain, self._seq, self._prev(), time, record)
        self._append(data)
        self._last = position
        self._seq += 1
        return position

    def _append(self, data: bytes) -> None:
        try:
            written = os.write(self._file, data)
        except OSError as error:
            self._take_back(error)
            raise
        if written != len(data):
            short = OSError(f"only {written} of {len(data)} bytes were written")
            self._take_back(short)
            raise short
        self._size += written

    def _take_back(self, error: OSError) -> None:
        """Leave no part of a line behind. Where that fails too, nothing is ever appended to it."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._failure = error

    def _force(self, descriptor: int) -> None:
        if self._fsync:
            os.fsync(descriptor)

    def _settle(self, descriptor: int, last: Position) -> None:
        self._force(descriptor)
        draft = self._folder / f".{HEAD}.new"
        draft.write_bytes(chain.head(self._key, last))
        draft.replace(self._folder / HEAD)

    def _flush_often(self) -> None:
        settled: Position | None = None
        while not self._stop.wait(_FLUSH_S):
            if self._last == settled:
                continue
            settled = self._last
            try:
                self.flush()
            except AuditError as error:
                # After a failed fsync the kernel may have dropped the pages, so a later success would prove nothing.
                self._failure = error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error))

    def _day(self) -> date:
        return self._now().astimezone(UTC).date()

    def _path(self, day: date) -> Path:
        return self._folder / f"audit-{day.isoformat()}.jsonl"


def _date(path: Path) -> date:
    return date.fromisoformat(path.name.removeprefix("audit-").removesuffix(".jsonl"))


def _readable(key: bytes, path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for data in file:
            if found := chain.read_line(key, data.removesuffix(b"\n")):
                yield found


def _last_line(key: bytes, present: list[Path]) -> Position | None:
    """The last line that reads, of all files; one that was tampered with is left for `verify` to report."""
    for path in reversed(present):
        for data in lines_back(path):
            if found := chain.read_line(key, data.removesuffix(b"\n")):
                return found.position
    return None


def _cut_torn_line(path: Path) -> int:
    """Cut off what a crash left of a line, and return its length in bytes. `append` never returned for it."""
    last = next(lines_back(path), b"\n")
    if last.endswith(b"\n"):
        return 0
    os.truncate(path, path.stat().st_size - len(last))
    return len(last)


def _head(folder: Path, key: bytes) -> Position | None:
    path = folder / HEAD
    return chain.read_head(key, path.read_bytes()) if path.exists() else None


def claim(folder: Path) -> int:
    """Hold a folder for workers that write below it, so that no other gateway does. Raises AuditError."""
    with _as_audit_error(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _hold(folder)


def _hold(folder: Path) -> int:
    """Hold the folder while the descriptor is open. The system lets go when the process ends, however it ends.

    Raises AuditError where somebody else has it, and OSError.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise AuditError(f"another gateway writes to the audit folder `{folder}`") from error
    return descriptor


@contextlib.contextmanager
def _as_audit_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditError(f"the audit folder `{folder}` cannot be written: {error}") from error
