"""The switch over files and a register: what one side knows reaches the other, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.state.memory import MemoryRegisters
from gateway.state.store import Entry
from gateway.stops.decision import EVERYTHING, LATEST_NS, Decision, Over, Scope, Stops
from gateway.stops.folder import FILE, FLAG, Folder, StopsError
from gateway.stops.switch import REGISTER, Switch, told_stops
from tests.serve.loopback import until

AGENT = Scope(Over.AGENT, "research")


class Broken(MemoryRegisters):
    """Registers that can be away."""

    away = False

    async def read(self, register: str) -> Mapping[str, Entry]:
        if self.away:
            raise StoreError("redis at 127.0.0.1:1 did not answer in time")
        return await super().read(register)

    async def revisions(self, registers: object) -> tuple[int, ...]:
        if self.away:
            raise StoreError("redis at 127.0.0.1:1 did not answer in time")
        return await super().revisions([REGISTER])


def switch(folder: Path, registers: MemoryRegisters | None = None, heard: list[Stops] | None = None) -> Switch:
    return Switch(Folder(folder), registers, (heard if heard is not None else []).append)


async def stop(one: Switch, scope: Scope = EVERYTHING, why: str = "it leaks") -> Decision:
    return await one.decide(scope, stopped=True, why=why, by="ops")


async def resume(one: Switch, scope: Scope = EVERYTHING) -> Decision:
    return await one.decide(scope, stopped=False, why="", by="ops")


async def test_a_stop_holds_at_once_and_over_a_restart(tmp_path: Path) -> None:
    heard: list[Stops] = []
    one = switch(tmp_path, heard=heard)
    decision = await stop(one)
    assert [stops.active for stops in heard] == [(decision,)]
    assert switch(tmp_path).stops.active == (decision,)


async def test_another_process_of_this_machine_takes_it_from_the_file(tmp_path: Path) -> None:
    heard: list[Stops] = []
    gateway, command = switch(tmp_path, heard=heard), switch(tmp_path)
    decision = await stop(command)
    await gateway.look()
    assert heard[-1].active == (decision,)
    await gateway.look()
    assert len(heard) == 1, "nothing new, so nobody is told"


async def test_other_machines_take_it_from_the_register(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    here, there = switch(tmp_path / "here", registers), switch(tmp_path / "there", registers)
    decision = await stop(here, AGENT)
    await there.look()
    assert there.stops.active == (decision,)
    assert Folder(tmp_path / "there").load().active == (decision,), "and keep it for their own restart"
    await resume(there, AGENT)
    await here.look()
    assert here.stops.active == ()


async def test_what_the_disk_did_not_take_is_kept_when_it_does(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    here, there = switch(tmp_path / "here", registers), switch(tmp_path / "there", registers)
    decision = await stop(here, AGENT)
    (tmp_path / "there").write_text("a file where the folder should be")
    await there.look()
    assert there.stops.active == (decision,)
    assert "cannot be written" in (there.fault or "")
    (tmp_path / "there").unlink()
    await there.look()
    assert (there.fault, Folder(tmp_path / "there").load().active) == (None, (decision,))


@pytest.mark.parametrize("blocked", [False, True])
async def test_who_follows_makes_the_folder_that_stops_are_put_in(tmp_path: Path, *, blocked: bool) -> None:
    if blocked:
        (tmp_path / "state").write_text("a file where the folder should be")
    one = switch(tmp_path / "state", None)
    following = asyncio.create_task(one.follow())
    await asyncio.sleep(0)
    assert (tmp_path / "state").is_dir() is not blocked
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_register_that_lost_everything_is_told_again(tmp_path: Path) -> None:
    lost, fresh = MemoryRegisters(), MemoryRegisters()
    decision = await stop(switch(tmp_path, lost))
    await switch(tmp_path, fresh).look()
    other = switch(tmp_path / "other", fresh)
    await other.look()
    assert other.stops.active == (decision,)


async def test_what_was_resumed_while_a_gateway_was_away_stays_resumed(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    away, there = switch(tmp_path / "away", registers), switch(tmp_path / "there", registers)
    await stop(away)
    await there.look()
    await resume(there)
    restarted = switch(tmp_path / "away", registers)
    assert restarted.stops.active != ()
    await restarted.look()
    assert restarted.stops.active == ()


async def test_without_the_store_a_stop_holds_here_and_goes_out_later(tmp_path: Path) -> None:
    registers = Broken()
    here, there = switch(tmp_path / "here", registers), switch(tmp_path / "there", registers)
    registers.away = True
    decision = await stop(here)
    assert here.stops.active == (decision,)
    assert "did not answer in time" in (here.fault or "")
    assert told_stops(here)["fault"] == here.fault
    registers.away = False
    await here.look()
    await there.look()
    assert (here.fault, there.stops.active) == (None, (decision,))


async def test_a_decision_comes_after_what_it_replaces_whatever_the_clocks_say(tmp_path: Path) -> None:
    ahead = Switch(Folder(tmp_path), None, lambda _: None, now=lambda: 9 * 10**18)
    await stop(ahead)
    behind = Switch(Folder(tmp_path), None, lambda _: None, now=lambda: 1)
    await resume(behind)
    assert Folder(tmp_path).load().active == ()


async def test_the_flag_is_this_machine_s_alone(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    heard: list[Stops] = []
    here, there = switch(tmp_path / "here", registers, heard), switch(tmp_path / "there", registers)
    await stop(here, AGENT)
    (tmp_path / "here" / FLAG).write_text("moving house\n")
    await here.look()
    await there.look()
    assert heard[-1].against("other", "openai") == "this gateway is stopped: moving house"
    assert there.stops.here is None
    (tmp_path / "here" / FLAG).unlink()
    await here.look()
    assert heard[-1].here is None
    assert heard[-1].active != (), "and takes no other stop with it"


async def test_a_stop_that_the_disk_does_not_take_holds_in_this_process(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    one = switch(tmp_path / "state")
    with pytest.raises(StopsError, match=r"cannot be written"):
        await stop(one)
    assert one.stops.against("default", "openai") is not None


async def test_a_resume_that_the_disk_does_not_take_does_not_hold(tmp_path: Path) -> None:
    one = switch(tmp_path / "state")
    await stop(one)
    (tmp_path / "state" / FILE).unlink()
    (tmp_path / "state" / "stops.lock").unlink()
    (tmp_path / "state").rmdir()
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(StopsError, match=r"cannot be written"):
        await resume(one)
    assert one.stops.active != ()


async def test_what_another_version_wrote_is_a_fault_and_no_stop_is_lost(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    one = switch(tmp_path, registers)
    decision = await stop(one)
    await registers.write(REGISTER, "team/red", b'{"scope": "team/red"}')
    await one.look()
    assert "cannot read: team/red" in (one.fault or "")
    assert one.stops.active == (decision,)


@pytest.mark.parametrize(
    "value", [b"[" * 100_000, b'{"scope":"all","stopped":true,"why":"","by":"x","at_ns":1%s}' % (b"0" * 40)]
)
async def test_a_document_that_nobody_could_have_written_is_a_fault_and_the_next_stop_is_followed(
    tmp_path: Path, value: bytes
) -> None:
    registers = MemoryRegisters()
    one, other = switch(tmp_path / "one", registers), switch(tmp_path / "other", registers)
    await registers.write(REGISTER, "all", value)
    await one.look()
    assert "cannot read: all" in (one.fault or "")
    decision = await stop(other, AGENT)
    await one.look()
    assert one.stops.active == (decision,)


async def test_a_stop_of_the_last_moment_that_there_is_cannot_be_undone_but_a_resume_can(tmp_path: Path) -> None:
    for stopped in (True, False):
        one = switch(tmp_path / str(stopped))
        Folder(tmp_path / str(stopped)).keep([Decision(AGENT, stopped, "", "x", LATEST_NS)])
        await one.look()
        await (resume(one, AGENT) if stopped else stop(one, AGENT))
        assert [decision.at_ns for decision in switch(tmp_path / str(stopped)).stops.active] == [LATEST_NS]


async def test_following_goes_on_whatever_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stops.switch.LOOK", 0.001)
    failing = True

    def changed(_: Stops) -> None:
        if failing:
            raise OverflowError("a date")

    one = Switch(Folder(tmp_path), None, changed)
    following = asyncio.create_task(one.follow())
    Folder(tmp_path).keep([Decision(AGENT, True, "", "ops", 1)])
    await until(lambda: one.fault == "the stops cannot be followed: OverflowError: a date")
    failing = False
    await until(lambda: one.stops.count == 1 and one.fault is None)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_an_unreadable_document_over_a_known_scope_is_written_anew(tmp_path: Path) -> None:
    registers = MemoryRegisters()
    one = switch(tmp_path, registers)
    decision = await stop(one)
    await registers.write(REGISTER, str(EVERYTHING), b"garbage")
    await one.look()
    assert Decision.decode((await registers.read(REGISTER))["all"].value) == decision


def test_what_is_told_of_it_is_json(tmp_path: Path) -> None:
    Folder(tmp_path).keep([Decision(AGENT, True, "why", "ops", 1_700_000_000_000_000_000)])
    assert told_stops(switch(tmp_path)) == {
        "here": None,
        "active": [{"scope": "agent/research", "why": "why", "by": "ops", "at": "2023-11-14T22:13:20+00:00"}],
        "fault": None,
    }
