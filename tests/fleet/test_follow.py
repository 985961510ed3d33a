"""Following a push: files as the fleet wants them, and nothing that cannot be loaded or does not belong there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from gateway.errors import OperatorError, StoreError
from gateway.fleet.follow import KEY, REGISTER, Follower, kept
from gateway.fleet.push import Member, Push, Stage, Tally, begun, digest
from gateway.state.members import Members
from gateway.state.memory import MemoryRegisters
from tests.serve.loopback import until

PACKS = {"new.toml": "new"}


class Gateway:
    """A follower with its folder; a pack with the text `bad` cannot be loaded."""

    def __init__(self, registers: MemoryRegisters, folder: Path, name: str = "a") -> None:
        self.folder = folder / name
        self.members = Members(registers, name)
        self.tried = 0
        self.served = 1000
        self.follower = Follower(registers, self.members, self.folder, name, self._try)
        self.members.about = lambda: msgspec.to_builtins(
            Member(name, digest(kept(self.folder)), "r", "c", self.follower.problem, Tally(self.served))
        )

    async def _try(self, packs: Mapping[str, str]) -> None:
        self.tried += 1
        if "bad" in packs.values():
            raise OperatorError(("new.toml:1: bad",))

    async def look(self) -> None:
        self.served += 100
        await self.members.beat()
        await self.follower.look()


def everything(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def written(registers: MemoryRegisters, **changes: object) -> Push:
    members = {"a": Member("a", "", "r", "c", None, Tally()), "b": Member("b", "", "r", "c", None, Tally())}
    one = begun("id", PACKS, members, None, share=0.5, watch_s=0, by="ops", why="", now_ns=time.time_ns())
    one = replace(one, **changes)
    await registers.write(REGISTER, KEY, one.encode())
    return one


async def last(registers: MemoryRegisters) -> Push:
    return Push.decode((await registers.read(REGISTER))[KEY].value)


async def test_without_a_push_nothing_is_touched(tmp_path: Path) -> None:
    one = Gateway(MemoryRegisters(), tmp_path)
    await one.look()
    assert not one.folder.exists()
    assert one.follower.status()["push"] is None


async def test_the_files_are_what_is_wanted(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    await written(registers, stage=Stage.DONE, packs={"new.toml": "new", "more.toml": "more"})
    await one.look()
    assert kept(one.folder) == {"new.toml": "new", "more.toml": "more"}
    await written(registers, stage=Stage.DONE, packs={"new.toml": "newer"})
    await one.look()
    assert kept(one.folder) == {"new.toml": "newer"}
    await written(registers, stage=Stage.ROLLED_BACK)
    await one.look()
    assert kept(one.folder) == {}


async def test_who_is_not_first_keeps_what_was(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    gateways = {name: Gateway(registers, tmp_path, name) for name in "ab"}
    push = await written(registers, watch_s=3600)
    for one in gateways.values():
        await one.look()
    assert {name: kept(one.folder) for name, one in gateways.items()} == {
        name: PACKS if name in push.canaries else {} for name in "ab"
    }


async def test_a_set_that_cannot_be_loaded_is_not_written_and_goes_back(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    await written(registers, packs={"new.toml": "bad"}, stage=Stage.ALL)
    await one.look()
    await one.look()
    assert kept(one.folder) == {}
    assert one.follower.problem == "new.toml:1: bad"
    assert one.tried == 1, "it is not tried again and again"
    after = await last(registers)
    assert (after.stage, after.reason) == (Stage.ROLLED_BACK, "the gateway a cannot load it: new.toml:1: bad")
    await one.look()
    await one.look()
    assert one.follower.problem is None


@pytest.mark.parametrize("name", ["../../evil.toml", "/tmp/evil.toml", "evil", ".toml", "a/b.toml", "e\nvil.toml"])
async def test_a_name_that_is_none_of_a_pack_writes_nothing(tmp_path: Path, name: str) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path / "deep" / "deeper")
    await written(registers, packs={name: "new"}, stage=Stage.ALL)
    await one.look()
    assert "is no name of a pack" in (one.follower.problem or "")
    assert not any("evil" in str(path) for path in everything(tmp_path))


@pytest.mark.parametrize("text", ["one\r\ntwo\r\n", "one\rtwo", "one\u2028two\n"])
async def test_a_pack_is_written_once_whatever_its_line_ends(tmp_path: Path, text: str) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    await written(registers, packs={"new.toml": text}, stage=Stage.ALL)
    for _ in range(3):
        await one.look()
    assert (kept(one.folder), one.tried) == ({"new.toml": text}, 1)


async def test_a_file_that_is_no_text_is_written_anew(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    one.folder.mkdir()
    (one.folder / "new.toml").write_bytes(b"\xff")
    await written(registers, stage=Stage.ALL)
    await one.look()
    assert kept(one.folder) == PACKS


async def test_following_goes_on_whatever_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.fleet.follow.LOOK", 0.001)
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    await written(registers, stage=Stage.ALL)

    async def fails(_: Mapping[str, str]) -> None:
        raise ZeroDivisionError("of a rule")

    one.follower._trial = fails
    following = asyncio.create_task(one.follower.follow())
    await until(lambda: one.follower.problem == "the push cannot be followed: ZeroDivisionError: of a rule")
    one.follower._trial = one._try
    await until(lambda: kept(one.folder) == PACKS)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


@pytest.mark.parametrize("document", [b'{"form": 2}', b'{"x":' * 100_000, b"\xff"], ids=["newer", "deep", "binary"])
async def test_a_push_of_another_version_is_a_problem_and_changes_nothing(tmp_path: Path, document: bytes) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    await registers.write(REGISTER, KEY, document)
    await one.look()
    assert "of another version" in (one.follower.problem or "")


async def test_a_disk_that_does_not_take_it_is_a_problem(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    one.folder.write_text("a file where the folder should be")
    await written(registers, stage=Stage.ALL)
    await one.look()
    assert "cannot be written" in (one.follower.problem or "")


async def test_one_member_moves_it_on(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    gateways = [Gateway(registers, tmp_path, name) for name in "ab"]
    for one in gateways:
        await one.look()
    await written(registers, usual=Tally(1000))
    for _ in range(6):
        for one in gateways:
            await one.look()
    assert (await last(registers)).stage is Stage.DONE
    assert all(kept(one.folder) == PACKS for one in gateways)


async def test_who_speaks_otherwise_keeps_no_push_from_moving(tmp_path: Path) -> None:
    """A member of another version, or one that follows no edits: its name may be the first."""
    registers = MemoryRegisters()
    other, one = Members(registers, "0"), Gateway(registers, tmp_path)
    await other.beat()
    await one.look()
    await written(registers, stage=Stage.ALL)
    for _ in range(3):
        await one.look()
    assert (await last(registers)).stage is Stage.DONE


async def test_a_store_that_is_away_is_for_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registers = MemoryRegisters()
    one = Gateway(registers, tmp_path)
    await written(registers, stage=Stage.DONE)

    async def away(*_: object) -> tuple[int, ...]:
        raise StoreError("redis at h:1 did not answer in time")

    with monkeypatch.context() as broken:
        broken.setattr(registers, "revisions", away)
        await one.follower.look()
    assert kept(one.folder) == {}
    await one.follower.look()
    assert kept(one.folder) == PACKS
