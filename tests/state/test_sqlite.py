"""Registers in a file: what holds beyond the contract, and what becomes of files that cannot be used."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import private_file
from gateway.errors import StoreError
from gateway.state.sqlite import FILE, FORM, SqliteRegisters

needs_modes = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / FILE


@pytest.fixture
async def registers(file: Path) -> AsyncIterator[SqliteRegisters]:
    made = SqliteRegisters(file)
    yield made
    await made.close()


async def reopened(file: Path, register: str = "things") -> dict[str, bytes]:
    """What a process reads that starts later."""
    other = SqliteRegisters(file)
    try:
        return {key: entry.value for key, entry in (await other.read(register)).items()}
    finally:
        await other.close()


def link(file: Path, to: Path) -> None:
    file.symlink_to(to)


def move(file: Path) -> None:
    file.rename(file.with_name("moved"))


def content(file: Path) -> bytes:
    return file.read_bytes()


def damage(file: Path) -> None:
    """Write over three pages in its middle."""
    with file.open("r+b") as opened:
        opened.seek(4096 * 3)
        opened.write(b"\xaa" * 4096 * 3)


async def test_documents_and_versions_outlive_the_process(file: Path) -> None:
    first, second = SqliteRegisters(file), SqliteRegisters(file)
    version = await first.write("things", "a", b"1")
    await first.close()
    try:
        assert (await second.read("things"))["a"].version == version
        assert await second.write("things", "a", b"2", version=version) is not None
    finally:
        await second.close()
    assert await reopened(file) == {"a": b"2"}


async def test_who_only_reads_makes_no_file(registers: SqliteRegisters, file: Path) -> None:
    assert await registers.read("things") == {}
    assert await registers.revisions(["things", "others"]) == (0, 0)
    assert not await registers.remove("things", "a")
    assert not file.parent.exists()


async def test_who_comes_after_it_was_closed_is_told_so(file: Path) -> None:
    registers = SqliteRegisters(file)
    await registers.write("things", "a", b"1")
    await registers.close()
    with pytest.raises(StoreError, match="is closed"):
        await registers.read("things")


async def test_two_who_have_it_open_see_each_other(registers: SqliteRegisters, file: Path) -> None:
    await registers.write("things", "a", b"1")
    other = SqliteRegisters(file)
    try:
        before = await registers.revisions(["things"])
        await other.write("things", "b", b"2")
        assert await registers.revisions(["things"]) > before
        assert set(await registers.read("things")) == {"a", "b"}
    finally:
        await other.close()


_RACER = """
import asyncio, sys
from pathlib import Path
from gateway.state.sqlite import SqliteRegisters

async def race() -> None:
    registers = SqliteRegisters(Path(sys.argv[1]), timeout=30)
    won = 0
    for turn in range(20):
        won += await registers.write("things", str(turn), sys.argv[2].encode(), version=0) is not None
    print(won)
    await registers.close()

asyncio.run(race())
"""


def test_of_many_processes_one_wins_each_document(file: Path) -> None:
    """They also make the file together, which is when SQLite locks the most."""
    racers = [
        subprocess.Popen([sys.executable, "-c", _RACER, str(file), str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    ends = [(racer.communicate(timeout=120)[0], racer.returncode) for racer in racers]
    assert [code for _, code in ends] == [0] * 4
    assert sum(int(won) for won, _ in ends) == 20
    assert len(asyncio.run(reopened(file))) == 20


@needs_modes
async def test_the_file_and_what_is_beside_it_are_the_owners_alone(registers: SqliteRegisters, file: Path) -> None:
    await registers.write("things", "a", b"1")
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    assert modes == {FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_what_root_makes_belongs_to_whom_the_folder_does(
    registers: SqliteRegisters, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners: list[tuple[int, int]] = []
    monkeypatch.setattr(private_file, "heir", lambda _: (1234, 1234))
    monkeypatch.setattr(os, "fchown", lambda _, *owner: owners.append(owner))
    await registers.write("things", "a", b"1")
    assert owners == [(1234, 1234)]


@needs_modes
async def test_a_file_that_others_may_read_is_refused(registers: SqliteRegisters, file: Path) -> None:
    file.parent.mkdir()
    private_file.replace(file, b"", mode=0o640)
    with pytest.raises(StoreError, match=r"others may read it \(mode 0640\); accepted: 0600"):
        await registers.write("things", "a", b"1")


async def test_a_link_is_not_followed(registers: SqliteRegisters, file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    file.parent.mkdir()
    link(file, elsewhere)
    with pytest.raises(StoreError, match="it is no file"):
        await registers.write("things", "a", b"1")
    assert not elsewhere.exists()


async def test_a_folder_that_cannot_be_made_is_a_fault_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    registers = SqliteRegisters(tmp_path / "state" / FILE)
    with pytest.raises(StoreError, match=r"cannot be used: (File exists|Not a directory)"):
        await registers.write("things", "a", b"1")
    await registers.close()


class TestDamage:
    async def test_a_file_that_is_no_database_is_moved_aside_and_kept(self, file: Path) -> None:
        told: list[str] = []
        private_file.create(file, b"these are no registers" * 100)
        registers = SqliteRegisters(file, told.append)
        with pytest.raises(StoreError, match=r"was damaged .* its registers begin anew") as raised:
            await registers.read("things")
        assert told == [str(raised.value)]
        (aside,) = file.parent.glob(f"{FILE}.damaged-*")
        assert aside.read_bytes() == b"these are no registers" * 100
        assert f"is now `{aside}`" in told[0]
        assert await registers.write("things", "a", b"1", version=0) is not None
        await registers.close()
        assert await reopened(file) == {"a": b"1"}

    async def test_damage_within_is_found_when_it_is_opened(self, file: Path) -> None:
        registers = SqliteRegisters(file)
        for number in range(200):
            await registers.write("things", str(number), b"x" * 200)
        before = await registers.revisions(["things"])
        await registers.close()
        damage(file)
        again = SqliteRegisters(file)
        with pytest.raises(StoreError, match="was damaged"):
            await again.read("things")
        assert await again.read("things") == {}
        await again.write("things", "a", b"1")
        assert await again.revisions(["things"]) > before, "no version may come twice"
        await again.close()

    async def test_who_still_has_the_old_file_goes_on_with_the_new_one(
        self, registers: SqliteRegisters, file: Path
    ) -> None:
        await registers.write("things", "old", b"1")
        move(file)
        assert await registers.read("things") == {}
        await registers.write("things", "new", b"2")
        assert await reopened(file) == {"new": b"2"}

    async def test_what_another_moved_aside_already_is_left_alone(
        self, registers: SqliteRegisters, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two find the damage at once; the second must not move the file that the first began anew."""
        private_file.create(file, b"these are no registers" * 100)
        lock = file.with_name(f"{FILE}.lock")
        opened = os.open

        def first_come(path: str | Path, flags: int, mode: int = 0o777) -> int:
            if path == lock:
                move(file)
                private_file.create(file, b"")
            return opened(path, flags, mode)

        monkeypatch.setattr(os, "open", first_come)
        with pytest.raises(StoreError, match="another process moved it aside"):
            await registers.read("things")
        monkeypatch.undo()
        assert content(file) == b""

    async def test_where_it_cannot_be_moved_that_is_told(
        self, registers: SqliteRegisters, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        private_file.create(file, b"these are no registers" * 100)

        def refused(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "rename", refused)
        with pytest.raises(StoreError, match="damaged, and cannot be moved aside: Permission denied"):
            await registers.read("things")

    async def test_a_file_of_a_newer_version_is_left_as_it_is(self, file: Path) -> None:
        registers = SqliteRegisters(file)
        await registers.write("things", "a", b"1")
        await registers.close()
        with sqlite3.connect(file) as connection:
            connection.execute(f"PRAGMA user_version = {FORM + 1}")
        connection.close()
        later = SqliteRegisters(file)
        with pytest.raises(StoreError, match=f"written by a newer version of the gateway \\(form {FORM + 1}"):
            await later.read("things")
        await later.close()
        assert [one.name for one in file.parent.glob("*damaged*")] == []


class TestWaiting:
    async def test_one_that_another_process_holds_is_a_fault_and_the_loop_goes_on(self, file: Path) -> None:
        first = SqliteRegisters(file)
        await first.write("things", "a", b"1")
        holder = sqlite3.connect(file, autocommit=True)
        holder.execute("BEGIN IMMEDIATE")
        waiting = SqliteRegisters(file, timeout=0.4)
        turns = 0

        async def turning() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(turning())
        with pytest.raises(StoreError, match="locked"):
            await waiting.write("things", "a", b"2")
        task.cancel()
        assert turns > 10
        assert (await waiting.read("things"))["a"].value == b"1", "readers need not wait for who writes"
        holder.execute("ROLLBACK")
        assert await waiting.write("things", "a", b"2") is not None
        holder.close()
        await first.close()
        await waiting.close()

    async def test_a_new_file_that_another_process_is_at_is_waited_for(self, file: Path) -> None:
        """SQLite by itself refuses at once here: who brings a file into WAL mode has no patience."""
        file.parent.mkdir()
        private_file.create(file, b"")
        holder = sqlite3.connect(file, autocommit=True)
        holder.execute("BEGIN IMMEDIATE")
        waiting = SqliteRegisters(file)
        writing = asyncio.create_task(waiting.write("things", "a", b"1"))
        await asyncio.sleep(0.1)
        assert not writing.done()
        holder.execute("ROLLBACK")
        assert await writing is not None
        holder.close()
        await waiting.close()

    async def test_a_new_file_that_another_process_keeps_is_a_fault(self, file: Path) -> None:
        file.parent.mkdir()
        private_file.create(file, b"")
        holder = sqlite3.connect(file, autocommit=True)
        holder.execute("BEGIN IMMEDIATE")
        waiting = SqliteRegisters(file, timeout=0.4)
        with pytest.raises(StoreError, match="locked"):
            await waiting.write("things", "a", b"1")
        holder.close()
        await waiting.close()

    async def test_a_disk_that_hangs_is_waited_for_so_long(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        let_go = threading.Event()
        registers = SqliteRegisters(file, timeout=0.05)
        monkeypatch.setattr(Path, "exists", lambda _: let_go.wait())
        with pytest.raises(StoreError, match=r"did not answer within 0.05 s"):
            await registers.read("things")
        await registers.close()  # nor does it hang here
        let_go.set()
