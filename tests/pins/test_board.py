"""The board of pins: judged at once, kept in the store, the same for all who share it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from gateway.errors import StoreError
from gateway.pins.board import REGISTER, Board, PinsError, Turn, Waiting, What
from gateway.pins.shown import all_shown
from gateway.policy.integrity import Pin, Standing, canonical
from gateway.state.memory import MemoryRegisters
from gateway.state.store import Entry
from tests.policy.test_integrity import tool
from tests.serve.loopback import until


def listing(board: Board, *definitions: dict[str, Any], server: str = "files", trusting: bool = True) -> list[Standing]:
    found = board.listed(server, definitions, goes_on=False, trusting=trusting)
    return [one.standing for one in found]


async def read(registers: MemoryRegisters | None, **more: Any) -> Board:
    """A board that knows what was accepted before."""
    board = Board(registers, **more)
    await board.look()
    return board


class Gone(MemoryRegisters):
    """Registers that cannot be reached."""

    async def revisions(self, *_: Any) -> tuple[int, ...]:
        raise StoreError("gone")


async def test_a_listing_is_judged_at_once_and_by_others_once_it_is_told() -> None:
    registers = MemoryRegisters()
    one, other = await read(registers), await read(registers)
    assert listing(one, tool()) == [Standing.ACCEPTED]
    await one.look()
    await other.look()
    assert listing(other, tool(description="worse")) == [Standing.CHANGED]
    await other.look()
    await one.look()
    assert one.waiting == [Waiting("files", "read_file", one.known["files"].tools["read_file"])]


async def test_a_new_process_knows_what_was_accepted() -> None:
    registers = MemoryRegisters()
    before = await read(registers)
    listing(before, tool())
    await before.look()
    after = await read(registers)
    assert listing(after, tool("send_mail", "Send.")) == [Standing.NEW]


async def test_two_that_met_a_server_at_the_same_time_agree() -> None:
    registers = MemoryRegisters()
    one, other = await read(registers), await read(registers)
    listing(one, tool())
    listing(other, tool(description="another"))
    await one.look()
    await other.look()
    await one.look()
    assert one.known == other.known
    assert one.known["files"].tools["read_file"].accepted == canonical(tool())


async def test_without_a_store_pins_last_as_long_as_the_process() -> None:
    board = Board(None)
    listing(board, tool())
    await board.look()
    assert listing(board, tool(description="worse")) == [Standing.CHANGED]
    await board.decide("files", "read_file", is_accepted=True, by="ann")
    assert listing(board, tool(description="worse")) == [Standing.ACCEPTED]


class TestCalls:
    @pytest.mark.parametrize(
        ("name", "standing"),
        [("read_file", Standing.ACCEPTED), ("changed", Standing.CHANGED), ("unheard", Standing.NEW)],
    )
    def test_a_call_stands_as_its_definition_does(self, name: str, standing: Standing) -> None:
        board = Board(None)
        listing(board, tool(), tool("changed"))
        listing(board, tool(), tool("changed", "worse"))
        assert board.standing("files", name) is standing

    def test_a_server_that_has_listed_nothing_is_not_judged_by_it(self) -> None:
        assert Board(None).standing("files", "read_file") is Standing.ACCEPTED

    async def test_a_denied_tool_stays_denied(self) -> None:
        board = Board(None)
        listing(board, tool())
        await board.decide("files", "read_file", is_accepted=False, by="ann")
        assert board.standing("files", "read_file") is Standing.DENIED


class TestDecisions:
    async def waiting(self) -> tuple[MemoryRegisters, Board]:
        registers = MemoryRegisters()
        board = await read(registers)
        listing(board, tool())
        await board.look()
        listing(board, tool(description="worse"))
        await board.look()
        return registers, board

    @pytest.mark.parametrize(("is_accepted", "standing"), [(True, Standing.ACCEPTED), (False, Standing.DENIED)])
    async def test_a_decision_holds_everywhere(self, is_accepted: bool, standing: Standing) -> None:
        registers, board = await self.waiting()
        decided = await Board(registers).decide("files", "read_file", is_accepted=is_accepted, by="ann")
        assert decided.by == "ann"
        await board.look()
        assert listing(board, tool(description="worse")) == [standing]
        assert board.waiting == []

    async def test_what_is_not_listed_cannot_be_decided(self) -> None:
        _, board = await self.waiting()
        with pytest.raises(PinsError, match="has listed no tool `nothing`"):
            await board.decide("files", "nothing", is_accepted=True, by="ann")

    async def test_nothing_is_accepted_that_does_not_wait(self) -> None:
        board = Board(None)
        listing(board, tool())
        with pytest.raises(PinsError, match="nothing of `files/read_file` waits"):
            await board.decide("files", "read_file", is_accepted=True, by="ann")

    async def test_a_server_that_is_forgotten_is_met_anew(self) -> None:
        registers, board = await self.waiting()
        await board.forget("files")
        assert listing(board, tool(description="worse")) == [Standing.ACCEPTED]
        other = Board(registers)
        await other.look()
        assert other.known == {}

    async def test_only_what_is_known_is_forgotten(self) -> None:
        with pytest.raises(PinsError, match="no tools of `files` are pinned"):
            await Board(None).forget("files")

    async def test_decisions_that_always_meet_others_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        registers, board = await self.waiting()

        async def taken(*_: Any, **__: Any) -> None:
            return None

        monkeypatch.setattr(registers, "write", taken)
        with pytest.raises(PinsError, match="try again"):
            await board.decide("files", "read_file", is_accepted=True, by="ann")


class TestAStoreThatFails:
    async def test_listings_are_judged_all_the_same_and_told_later(self) -> None:
        registers = MemoryRegisters()
        board = await read(registers)
        board._registers = Gone()
        assert listing(board, tool()) == [Standing.ACCEPTED]
        with pytest.raises(StoreError):
            await board.look()
        board._registers = registers
        await board.look()
        assert await registers.read(REGISTER)

    async def test_until_it_is_known_what_was_accepted_nothing_is(self) -> None:
        board = Board(Gone())
        assert listing(board, tool()) == [Standing.NEW]
        assert board.standing("files", "read_file") is Standing.NEW
        assert (board.is_read, board.known) == (False, {})
        board._registers = MemoryRegisters()
        await board.look()
        assert listing(board, tool()) == [Standing.ACCEPTED]

    async def test_a_document_that_cannot_be_read_does_not_pass_for_none(self) -> None:
        registers = MemoryRegisters()
        await registers.write(REGISTER, "files", b'{"tools": 7}')
        board = Board(registers)
        with pytest.raises(StoreError, match="the pins of `files` cannot be read"):
            await board.look()

    async def test_whoever_follows_goes_on_and_says_why_it_could_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.pins.board.LOOK", 0.01)
        board = Board(Gone())
        task = asyncio.create_task(board.follow())
        await until(lambda: board.fault is not None)
        assert "gone" in (board.fault or "")
        registers = MemoryRegisters()
        board._registers = registers
        await until(lambda: board.is_read)
        listing(board, tool())
        await until(lambda: board.fault is None and not board._untold)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def test_a_write_that_meets_anothers_is_made_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        registers = MemoryRegisters()
        board, meant = await read(registers), await read(registers)
        listing(board, tool())
        reading = registers.read

        async def met(register: str) -> Mapping[str, Entry]:
            found = await reading(register)
            if not found:
                monkeypatch.setattr(registers, "read", reading)
                listing(meant, tool("other", "Other."))
                await meant.look()
            return found

        monkeypatch.setattr(registers, "read", met)
        await board.look()
        await board.look()
        kept = Board(registers)
        await kept.look()
        assert set(kept.known["files"].tools) == {"read_file", "other"}


class TestWhatIsTold:
    async def test_what_comes_to_wait_is_told_once(self) -> None:
        turns: list[Turn] = []
        registers = MemoryRegisters()
        board = await read(registers, told=turns.append)
        listing(board, tool())
        await board.look()
        assert turns == []
        for _ in range(2):
            listing(board, tool(description="worse"))
            await board.look()
        assert turns == [Turn(What.WAITS, "files", "read_file", board.known["files"].tools["read_file"])]
        again: list[Turn] = []
        listing(await read(registers, told=again.append), tool(description="worse"))
        assert again == []

    @pytest.mark.parametrize(("is_accepted", "what"), [(True, What.ACCEPTED), (False, What.DENIED)])
    async def test_a_decision_is_told_where_it_is_taken_and_where_it_is_seen(
        self, is_accepted: bool, what: What
    ) -> None:
        here: list[Turn] = []
        there: list[Turn] = []
        registers = MemoryRegisters()
        one, other = await read(registers, told=here.append), await read(registers, told=there.append)
        listing(one, tool())
        listing(one, tool(description="worse"))
        await one.look()
        await other.look()
        here.clear()
        decided = await one.decide("files", "read_file", is_accepted=is_accepted, by="ann")
        await other.look()
        assert here == there == [Turn(what, "files", "read_file", decided)]

    async def test_that_a_server_is_forgotten_is_told(self) -> None:
        here: list[Turn] = []
        there: list[Turn] = []
        registers = MemoryRegisters()
        one, other = await read(registers, told=here.append), await read(registers, told=there.append)
        listing(one, tool())
        await one.look()
        await other.look()
        await one.forget("files", "ann")
        await other.look()
        assert here == [Turn(What.FORGOTTEN, "files", pin=Pin(by="ann"))]
        assert there == [Turn(What.FORGOTTEN, "files")]


async def test_a_decision_is_on_what_was_looked_at() -> None:
    board = Board(None)
    listing(board, tool())
    listing(board, tool(description="worse"))
    seen = all_shown(board.known)[0]["digest"]
    listing(board, tool(description="worst"))
    with pytest.raises(PinsError, match="has changed since you looked"):
        await board.decide("files", "read_file", is_accepted=True, by="ann", seen=seen)
    seen = all_shown(board.known)[0]["digest"]
    assert (await board.decide("files", "read_file", is_accepted=True, by="ann", seen=seen)).by == "ann"


def test_a_pin_says_no_more_than_it_has_to() -> None:
    assert Pin("x").denied == ()
