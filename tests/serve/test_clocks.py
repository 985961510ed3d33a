"""Clocks that an exchange sets."""

from __future__ import annotations

import asyncio

from gateway.serve.clocks import Clocks


async def test_each_clock_rings_once_for_what_it_is() -> None:
    clocks, rung = Clocks(), asyncio.Queue[str]()
    clocks.start("a", 0.02, 1.0, lambda: rung.put_nowait("a"))
    clocks.start("b", 0.01, 1.0, lambda: rung.put_nowait("b"))
    assert [await rung.get(), await rung.get()] == ["b", "a"]
    clocks.start("a", 0.01, 1.0, lambda: rung.put_nowait("again"))
    assert await rung.get() == "again"
    clocks.stop()


async def test_one_that_is_begun_anew_rings_by_the_later_time() -> None:
    clocks, rung = Clocks(), asyncio.Queue[str]()
    clocks.start(None, 0.01, 60.0, lambda: rung.put_nowait("first"))
    clocks.start(None, 0.02, 60.0, lambda: rung.put_nowait("second"))
    assert await rung.get() == "second"


async def test_but_not_for_longer_than_it_may_in_all() -> None:
    clocks, rung = Clocks(), asyncio.Queue[str]()
    clocks.start(None, 60.0, 0.02, lambda: rung.put_nowait("first"))
    clocks.start(None, 60.0, 60.0, lambda: rung.put_nowait("second"))
    async with asyncio.timeout(20):
        assert await rung.get() == "second"


async def test_what_is_stopped_rings_no_more() -> None:
    clocks, rung = Clocks(), asyncio.Queue[str]()
    clocks.start("a", 0.01, 1.0, lambda: rung.put_nowait("a"))
    clocks.stop()
    clocks.start("b", 0.02, 1.0, lambda: rung.put_nowait("b"))
    assert await rung.get() == "b"
