"""Registers in a file: they outlive the process, and all processes of one machine share them.

For a gateway without a shared store. SQLite in WAL mode (sqlite.org/wal.html) lets one write while others read, over
processes; it needs a disk of this machine. Every call runs on a thread of its own, so that no disk holds up the loop.

A file that is damaged is moved aside, with what SQLite keeps beside it, and the call that found it fails: nobody is to
take an empty register for one that was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from gateway import private_file
from gateway.errors import StoreError
from gateway.state.limit import SECOND_NS
from gateway.state.memory import Clock
from gateway.state.store import Entry

if sys.platform != "win32":
    import fcntl

FILE: Final = "registers.db"
"""Its name in the folder of the gateway's state."""

PATIENCE: Final = 2.0
"""Seconds that a call may take. A disk takes milliseconds; another process holds the file for one write at a time."""

_BREATH: Final = 0.005
"""Seconds between two tries at what SQLite does not wait for by itself."""

FORM: Final = 1
"""The form of the tables, as `user_version` of the file."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS documents (
    register TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL, over_at INTEGER,
    PRIMARY KEY (register, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revisions (register TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
"""
_LIVING: Final = "register = ? AND (over_at IS NULL OR over_at > ?)"
_BESIDE: Final = ("-wal", "-shm")
"""What SQLite keeps beside a file, by the ends of their names."""

type _Identity = tuple[int, int]
"""Device and inode of a file."""


class SqliteRegisters:
    """`Registers` in a file, which the first write makes, for its owner alone. `close` it.

    `told` takes a line for the log of the operator; `now` is the clock of Unix time in nanoseconds, as processes that
    start one after the other share no other.
    """

    def __init__(
        self,
        file: Path,
        told: Callable[[str], None] = lambda _: None,
        timeout: float = PATIENCE,
        now: Clock = time.time_ns,
    ) -> None:
        self._file = file
        self._told = told
        self._timeout = timeout
        self._now = now
        self._thread = ThreadPoolExecutor(1, "registers")
        self._is_closed = False
        self._connection: sqlite3.Connection | None = None
        self._identity: _Identity | None = None

    async def read(self, register: str) -> Mapping[str, Entry]:
        def work(connection: sqlite3.Connection) -> dict[str, Entry]:
            rows = connection.execute(
                f"SELECT key, value, version FROM documents WHERE {_LIVING}",  # noqa: S608 -- a constant
                (register, self._now()),
            )
            return {key: Entry(value, version) for key, value, version in rows}

        return await self._done(work, {})

    async def write(
        self, register: str, key: str, value: bytes, *, version: int | None = None, ttl: float | None = None
    ) -> int | None:
        def work(connection: sqlite3.Connection) -> int | None:
            with self._turn(connection, register):
                if version is not None and version != _version(connection, register, key):
                    return None
                over_at = None if ttl is None else self._now() + round(ttl * SECOND_NS)
                revision = self._changed(connection, register)
                connection.execute(
                    "REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", (register, key, value, revision, over_at)
                )
                return revision

        return await self._done(work)

    async def remove(self, register: str, key: str, *, version: int | None = None) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            with self._turn(connection, register):
                known = _version(connection, register, key)
                if known == 0 or (version is not None and version != known):
                    return False
                connection.execute("DELETE FROM documents WHERE register = ? AND key = ?", (register, key))
                self._changed(connection, register)
                return True

        return await self._done(work, False)

    async def revisions(self, registers: Sequence[str]) -> tuple[int, ...]:
        def work(connection: sqlite3.Connection) -> tuple[int, ...]:
            known: dict[str, int] = dict(connection.execute("SELECT register, revision FROM revisions"))
            return tuple(known.get(register, 0) for register in registers)

        return await self._done(work, (0,) * len(registers))

    async def close(self) -> None:
        """Let go of the file. A call that hangs on its disk is left to itself."""
        self._is_closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- a call, in the loop and then on the thread

    async def _done[V](self, work: Callable[[sqlite3.Connection], V], absent: V | None = None) -> V:
        """What the work gives; `absent` where there is no file yet, unless it is None and the file is to be made.

        A call that is late may still be done after StoreError was raised, as with every store that is far away.
        """
        if self._is_closed:
            raise StoreError(f"`{self._file}` is closed")
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work, absent)
        except TimeoutError as error:
            raise StoreError(f"`{self._file}` did not answer within {self._timeout:g} s") from error

    def _work[V](self, work: Callable[[sqlite3.Connection], V], absent: V | None) -> V:
        try:
            self._keep_to_the_file()
            if self._connection is None and absent is not None and not self._file.exists():
                return absent
            return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    def _keep_to_the_file(self) -> None:
        """Let go of a file that is no longer in its place: what is written there, nobody reads."""
        if self._connection is not None and _identity(self._file) != self._identity:
            self._let_go()

    def _opened(self) -> sqlite3.Connection:
        """Raises sqlite3.Error, OSError and StoreError."""
        if self._connection is not None:
            return self._connection
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._file.is_symlink() and not self._file.exists():
            # SQLite gives what it puts beside the file the same mode and owner.
            private_file.create(self._file, b"", private_file.heir(self._file.parent))
        self._identity = _checked(self._file)
        self._connection = sqlite3.connect(self._file, timeout=self._timeout / 2, autocommit=True)
        _keep_a_journal_of_writes(self._connection, self._timeout / 2)
        _prepare(self._connection, self._file)
        return self._connection

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def _turn(self, connection: sqlite3.Connection, register: str) -> Iterator[None]:
        """One who writes at a time, over all processes; documents whose time is over are gone first."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("DELETE FROM documents WHERE register = ? AND over_at <= ?", (register, self._now()))
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _changed(self, connection: sqlite3.Connection, register: str) -> int:
        """The next revision. The first begins at the time (microseconds), so that none comes twice after a file was
        lost."""
        (revision,) = connection.execute(
            "INSERT INTO revisions VALUES (?, ?) ON CONFLICT DO UPDATE SET revision = revision + 1 RETURNING revision",
            (register, self._now() // 1000),
        ).fetchone()
        return int(revision)

    # -- what goes wrong

    def _fault(self, error: sqlite3.Error | OSError) -> StoreError:
        """The error to raise; a file that is damaged is moved aside."""
        with contextlib.suppress(sqlite3.Error):
            self._let_go()
        if isinstance(error, OSError):
            return StoreError(f"`{self._file}` cannot be used: {error.strerror or error}")
        if not _is_damage(error):
            return StoreError(f"`{self._file}` cannot be used: {error}")
        try:
            aside = self._moved_aside()
        except OSError as fault:
            return StoreError(f"`{self._file}` is damaged, and cannot be moved aside: {fault.strerror or fault}")
        if aside is None:
            return StoreError(f"`{self._file}` was damaged, and another process moved it aside")
        words = f"`{self._file}` was damaged ({error}) and is now `{aside}`; its registers begin anew"
        self._told(words)
        return StoreError(words)

    def _moved_aside(self) -> Path | None:
        """Where it is now; None where the file in its place is another one already. Raises OSError."""
        with _alone(self._file.with_name(f"{self._file.name}.lock")):
            if _identity(self._file) != self._identity:
                return None
            aside = self._file.with_name(f"{self._file.name}.damaged-{self._now() // 1_000_000}")
            for end in (*_BESIDE, ""):  # the file last: it alone says that there is something to move
                part = self._file.with_name(self._file.name + end)
                with contextlib.suppress(FileNotFoundError):
                    part.rename(aside.with_name(aside.name + end))
            return aside


def _keep_a_journal_of_writes(connection: sqlite3.Connection, patience: float) -> None:
    """Bring the file into WAL mode. Raises sqlite3.Error.

    Of several processes that do so to a new file at once, SQLite refuses all but one without waiting, whatever the
    connection's own patience: each holds what the other needs (sqlite.org/c3ref/busy_handler.html).
    """
    until = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _kind(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_BREATH)
        else:
            return


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Check the file and make its tables. Raises sqlite3.Error and StoreError."""
    connection.execute("PRAGMA synchronous = FULL")  # what a person decided is to outlive a power cut
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        damage = sqlite3.DatabaseError(str(found).replace("\n", " "))
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form > FORM:
        raise StoreError(f"`{file}` was written by a newer version of the gateway (form {form}; accepted: {FORM})")
    if form < FORM:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {FORM}; COMMIT;")


def _version(connection: sqlite3.Connection, register: str, key: str) -> int:
    """The version of what is there; 0 where nothing is. What is over was taken out when the turn began."""
    row = connection.execute("SELECT version FROM documents WHERE register = ? AND key = ?", (register, key)).fetchone()
    return int(row[0]) if row is not None else 0


def _checked(file: Path) -> _Identity:
    """Which file it is. Raises StoreError where it is none, or others may read it too."""
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"`{file}` cannot be used: it is no file")
    mode = stat.S_IMODE(found.st_mode)
    if os.name == "posix" and mode & 0o077:
        raise StoreError(
            f"`{file}` cannot be used: others may read it (mode {mode:04o}); accepted: {private_file.PRIVATE:04o}"
        )
    return found.st_dev, found.st_ino


def _identity(file: Path) -> _Identity | None:
    try:
        found = file.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_damage(error: sqlite3.Error) -> bool:
    return _kind(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _kind(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None for an error that the module raised by itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Nobody else of this machine moves the file meanwhile. Who has the lock renames three files, and ends. A link in
    its place is not followed: root may be here. Raises OSError."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), private_file.PRIVATE)
    try:
        if (heir := private_file.heir(lock.parent)) is not None:
            os.fchown(descriptor, *heir)
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
