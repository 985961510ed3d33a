"""Heavy events are judged in a thread, one at a time, and what a machine has said is never lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gateway.exchange.machine import Exchange
from gateway.exchange.session import Session
from gateway.serve.carrier import Carrier
from gateway.serve.judging import HEAVY, Feed
from gateway.serve.websocket import SocketCarrier
from tests.serve.loopback import ask, dialled, through, until
from tests.serve.sockets import Side, between, client
from tests.serve.test_base_url import request


@dataclass(slots=True)
class Scale:
    """A machine whose events are their weights. What is heavy waits in its thread until it may go on."""

    go_on: threading.Event = field(default_factory=threading.Event)
    threads: dict[int, int] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    inside: int = 0
    most_inside: int = 0
    finished: bool = False

    def weighs(self, event: int) -> int:
        return event

    def receive(self, event: int) -> Sequence[str]:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.threads[event] = threading.get_ident()
        if event >= HEAVY:
            assert self.go_on.wait(10)
        self.order.append(event)
        self.inside -= 1
        if event > 2 * HEAVY:
            raise ValueError(str(event))
        return [str(event)]


async def test_light_events_are_judged_at_once_and_heavy_ones_in_a_thread_while_the_loop_goes_on() -> None:
    scale = Scale()
    feed = Feed[int, str](scale)
    assert await feed.receive(HEAVY - 1) == [str(HEAVY - 1)]
    asyncio.get_running_loop().call_soon(scale.go_on.set)  # which only a loop that goes on will call
    assert await feed.receive(HEAVY) == [str(HEAVY)]
    assert scale.threads[HEAVY - 1] == threading.get_ident() != scale.threads[HEAVY]
    assert feed.spent > 0


async def test_events_are_judged_one_at_a_time_and_in_order() -> None:
    scale = Scale()
    feed = Feed[int, str](scale)
    tasks = [asyncio.create_task(feed.receive(event)) for event in (HEAVY, 1, HEAVY + 1, 2)]
    await asyncio.sleep(0)
    assert scale.order == []
    scale.go_on.set()
    await asyncio.gather(*tasks)
    assert scale.order == [HEAVY, 1, HEAVY + 1, 2]
    assert scale.most_inside == 1
    assert scale.threads[1] == scale.threads[2] == threading.get_ident()


async def test_settled_waits_for_the_thread() -> None:
    scale = Scale()
    feed = Feed[int, str](scale)
    task = asyncio.create_task(feed.receive(HEAVY))
    await until(lambda: HEAVY in scale.threads)
    asyncio.get_running_loop().call_soon(scale.go_on.set)
    await feed.settled()
    assert scale.order == [HEAVY]
    assert await task == [str(HEAVY)]


async def test_what_fails_in_a_thread_fails_in_its_caller() -> None:
    scale = Scale()
    scale.go_on.set()
    with pytest.raises(ValueError, match=str(3 * HEAVY)):
        await Feed[int, str](scale).receive(3 * HEAVY)


async def test_who_is_cancelled_meanwhile_gets_the_commands_first() -> None:
    scale = Scale()
    feed = Feed[int, str](scale)
    got: list[Sequence[str]] = []

    async def caller() -> None:
        got.append(await feed.receive(HEAVY))
        await asyncio.sleep(0)
        got.append(["not reached"])

    task = asyncio.create_task(caller())
    await until(lambda: HEAVY in scale.threads)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    scale.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert got == [[str(HEAVY)]]


async def test_a_time_limit_around_it_is_still_known_as_one() -> None:
    scale = Scale()
    feed = Feed[int, str](scale)
    asyncio.get_running_loop().call_later(0.05, scale.go_on.set)

    async def in_time() -> None:
        async with asyncio.timeout(0):
            assert await feed.receive(HEAVY) == [str(HEAVY)]
            await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await in_time()


# --- in the shells


@dataclass(slots=True)
class Held:
    """Holds each exchange or session that judges in a thread, until it may go on."""

    go_on: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0

    def hold(self, monkeypatch: pytest.MonkeyPatch, machine: Any) -> None:
        receive = machine.receive

        def held(this: object, event: object) -> object:
            if threading.current_thread() is not threading.main_thread():
                self.waiting += 1
                assert self.go_on.wait(10)
            return receive(this, event)

        monkeypatch.setattr(machine, "receive", held)


BODY = b'{"a": "' + b"x" * HEAVY + b'"}'


async def test_others_are_served_while_a_large_body_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    held.hold(monkeypatch, Exchange)
    async with through() as running:
        slow = asyncio.create_task(ask(running.address, request("POST /up/read/x", body=BODY)))
        await until(lambda: held.waiting == 1)
        got = await ask(running.address, request("POST /up/read/x", body=b"{}"))
        assert got.status == 200
        held.go_on.set()
        assert (await slow).status == 200


async def test_a_client_that_goes_while_its_body_is_judged_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    held.hold(monkeypatch, Exchange)
    async with through() as running:
        async with dialled(running.address) as (_, writer):
            writer.write(request("POST /up/read/x", body=BODY))
            await until(lambda: held.waiting == 1)
        await asyncio.sleep(0.05)
        assert running.base_url.live
        held.go_on.set()
        record = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert record.outcome == "client_gone"
    assert record.request.bytes == len(BODY)


async def test_a_refusal_that_is_judged_while_the_client_goes_is_recorded_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = Held()
    held.hold(monkeypatch, Exchange)
    async with through() as running:
        async with dialled(running.address) as (_, writer):
            writer.write(request("POST /up/read/x", body=b'{"a": 1, "a": 2, "b": "' + b"x" * HEAVY + b'"}'))
            await until(lambda: held.waiting == 1)
        await asyncio.sleep(0.05)
        held.go_on.set()
        assert (await running.recorded()).outcome == "refused"


async def test_an_exchange_that_is_cut_while_its_body_is_judged_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    held.hold(monkeypatch, Exchange)
    async with through() as running:
        asked = asyncio.create_task(ask(running.address, request("POST /up/read/x", body=BODY)))
        await until(lambda: held.waiting == 1)
        (carrier,) = running.base_url.live
        assert isinstance(carrier, Carrier)
        carrier.cut()
        await asyncio.sleep(0.05)
        held.go_on.set()
        record = await running.recorded()
        assert (await asked).status == 500
    assert record.fault == "shutdown: cut after the drain period"


async def test_an_exchange_that_is_stopped_while_its_body_is_judged_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came: list[int] = []

    async def upstream(http: web.BaseRequest) -> web.StreamResponse:
        came.append(len(await http.content.read()))
        return web.Response()

    held = Held()
    async with through(upstream) as running:
        # The connection that is left open would take the next request at once.
        assert (await ask(running.address, request("POST /up/read/x", body=b"{}"))).status == 200
        held.hold(monkeypatch, Exchange)
        asked = asyncio.create_task(ask(running.address, request("POST /up/read/x", body=BODY)))
        await until(lambda: held.waiting == 1)
        (carrier,) = running.base_url.live
        carrier.stop("it leaks")
        held.go_on.set()
        got = await asked
        await asyncio.sleep(0.05)
    assert (got.status, b"it leaks" in got.body) == (503, True)
    assert came == [2]


async def test_a_message_that_is_judged_while_its_session_is_stopped_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came: list[Any] = []
    note = came.append

    async def talk(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            note(message.data)

    held = Held()
    held.hold(monkeypatch, Session)
    async with between(Side(talk)) as running, client(running) as socket:
        await socket.send("y" * HEAVY)
        await until(lambda: held.waiting == 1)
        (carrier,) = running.base_url.live
        carrier.stop("it leaks")
        held.go_on.set()
        record = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert (record.outcome, came) == ("cut", [])


async def test_a_session_that_is_stopped_twice_is_told_so_and_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    held.hold(monkeypatch, Session)
    async with between(Side()) as running, client(running) as socket:
        await socket.send("y" * HEAVY)
        await until(lambda: held.waiting == 1)
        (carrier,) = running.base_url.live
        for why in ("it leaks", "it leaks more"):
            carrier.stop(why)
            await asyncio.sleep(0.05)
        held.go_on.set()
        record = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert (record.outcome, record.told) == ("cut", "it leaks")


@pytest.mark.parametrize("sender", ["client", "server"])
async def test_a_session_that_is_cut_while_a_message_is_judged_is_recorded(
    sender: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        if sender == "server":
            await socket.receive()
            await socket.send_str("y" * HEAVY)

    held = Held()
    held.hold(monkeypatch, Session)
    async with between(Side(talk)) as running, client(running) as socket:
        await socket.send("x" if sender == "server" else "y" * HEAVY)
        await until(lambda: held.waiting == 1)
        (carrier,) = running.base_url.live
        assert isinstance(carrier, SocketCarrier)
        carrier.cut()
        await asyncio.sleep(0.05)
        assert not running.records
        held.go_on.set()
        record = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert record.outcome == "forwarded"
    assert (record.request.bytes, record.answer.bytes) == ((HEAVY, 0) if sender == "client" else (1, HEAVY))
