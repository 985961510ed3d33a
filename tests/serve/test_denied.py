"""What is remembered of refused calls: in memory, for other workers, and never of another agent's answers."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect.base import Denials
from gateway.errors import StoreError
from gateway.serve import denied
from gateway.serve.denied import MOST, REGISTER, Denied, Whose
from gateway.state.memory import MemoryRegisters

BOT = Whose("bot", "openai")
ONE = Denials(("resp_1", "conv_1"), ({"type": "function_call_output", "call_id": "c", "output": "no"},))


class Gone(MemoryRegisters):
    async def revisions(self, *_: Any) -> tuple[int, ...]:
        raise StoreError("gone")

    async def write(self, *_: Any, **__: Any) -> int | None:
        raise StoreError("gone")


async def test_it_is_found_under_each_of_its_names() -> None:
    memory = Denied(None, b"k")
    await memory.remember(BOT, [ONE])
    assert await memory.recall(BOT, ["resp_1"]) == (ONE,)
    assert await memory.recall(BOT, ["conv_1", "resp_9"]) == (ONE,)
    assert await memory.recall(BOT, ["resp_9"]) == ()


@pytest.mark.parametrize("other", [Whose("another", "openai"), Whose("bot", "azure")])
async def test_an_id_means_nothing_to_others(other: Whose) -> None:
    memory = Denied(None, b"k")
    await memory.remember(BOT, [ONE])
    assert await memory.recall(other, ["resp_1"]) == ()


async def test_another_worker_finds_it_and_so_does_the_next_process() -> None:
    registers = MemoryRegisters()
    other = Denied(registers, b"k")
    assert await other.recall(BOT, ["resp_1"]) == ()
    await Denied(registers, b"k").remember(BOT, [ONE])
    assert await other.recall(BOT, ["resp_1"]) == (ONE,)
    assert await Denied(registers, b"k").recall(BOT, ["conv_1"]) == (ONE,)


async def test_the_register_holds_no_ids() -> None:
    registers = MemoryRegisters()
    await Denied(registers, b"k").remember(BOT, [ONE])
    assert not any("resp" in key for key in await registers.read(REGISTER))


async def test_a_store_that_fails_costs_only_what_others_know() -> None:
    memory = Denied(Gone(), b"k")
    await memory.remember(BOT, [ONE])
    assert await memory.recall(BOT, ["resp_1", "resp_9"]) == (ONE,)


async def test_what_another_version_wrote_is_left_alone() -> None:
    registers = MemoryRegisters()
    await registers.write(REGISTER, "x", b"[7]")
    assert await Denied(registers, b"k").recall(BOT, ["resp_1"]) == ()


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST > 1
    monkeypatch.setattr(denied, "MOST", 1)
    memory = Denied(None, b"k")
    await memory.remember(BOT, [Denials(("a",), ()), Denials(("b",), ())])
    assert await memory.recall(BOT, ["a", "b"]) == (Denials(("b",), ()),)
