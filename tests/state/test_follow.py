"""Following registers, on every store and while one is away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from gateway.errors import StoreError
from gateway.state.follow import Follower
from gateway.state.memory import MemoryRegisters
from gateway.state.store import Entry, Store


class Seen(list[dict[str, bytes]]):
    """What was handed over, one after the other."""

    def take(self, found: Mapping[str, Entry]) -> None:
        self.append({key: entry.value for key, entry in found.items()})


class Away(MemoryRegisters):
    away = False
    reads = 0

    async def revisions(self, registers: Sequence[str]) -> tuple[int, ...]:
        if self.away:
            raise StoreError("redis at h:1 did not answer in time")
        return await super().revisions(registers)

    async def read(self, register: str) -> Mapping[str, Entry]:
        self.reads += 1
        return await super().read(register)


async def test_what_is_there_and_every_change_is_handed_over(store: Store) -> None:
    rules, others = Seen(), Seen()
    follower = Follower(store.registers, {"rules": rules.take, "others": others.take})
    await store.registers.write("rules", "a", b"1")
    await follower.look()
    await follower.look()
    await store.registers.write("rules", "b", b"2")
    await follower.look()
    await store.registers.remove("rules", "a")
    await follower.look()
    assert rules == [{"a": b"1"}, {"a": b"1", "b": b"2"}, {"b": b"2"}]
    assert others == [{}]
    assert follower.fault is None


async def test_what_changed_while_the_store_was_away_is_handed_over_after_it() -> None:
    registers, seen = Away(), Seen()
    follower = Follower(registers, {"rules": seen.take})
    await follower.look()
    registers.away = True
    await follower.look()
    assert follower.fault == "redis at h:1 did not answer in time"
    await registers.write("rules", "a", b"1")
    registers.away = False
    await follower.look()
    assert seen == [{}, {"a": b"1"}]
    assert follower.fault is None


async def test_a_register_that_went_back_is_read_too() -> None:
    registers, seen = Away(), Seen()
    follower = Follower(registers, {"rules": seen.take})
    for at in range(3):
        await registers.write("rules", str(at), b"")
    await follower.look()
    registers._documents["rules"].popitem()
    registers._revisions["rules"] -= 1
    await follower.look()
    assert [len(found) for found in seen] == [3, 2]


async def test_what_fails_to_be_taken_is_handed_over_again() -> None:
    registers, seen = Away(), Seen()

    def fails_once(found: Mapping[str, Entry]) -> None:
        seen.take(found)
        if len(seen) == 1:
            raise RuntimeError("once")

    follower = Follower(registers, {"rules": fails_once})
    with pytest.raises(RuntimeError):
        await follower.look()
    await follower.look()
    assert seen == [{}, {}]


async def test_it_goes_on_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.state.follow.LOOK", 0.001)
    registers, seen, changed = Away(), Seen(), asyncio.Event()

    def take(found: Mapping[str, Entry]) -> None:
        seen.take(found)
        if found:
            changed.set()

    following = asyncio.create_task(Follower(registers, {"rules": take}).follow())
    await asyncio.sleep(0.01)
    await registers.write("rules", "a", b"1")
    async with asyncio.timeout(10):
        await changed.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert registers.reads == 2, "what did not change is not read"
