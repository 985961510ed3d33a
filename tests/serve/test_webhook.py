"""Notices to a webhook: signed, tried again for a bounded time, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.approve.notice import SIGNATURE, TIMESTAMP, signature
from gateway.serve import webhook
from gateway.serve.listener import Listener
from gateway.serve.webhook import Webhook
from tests.serve.loopback import ANY_PORT, until


class Receiver:
    """Answers with these statuses in turn, the last again and again. `hangs` keeps it from answering."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses or (204,))
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        await self.hangs.wait()
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSES", (0.001, 0.001, 0.001))


@asynccontextmanager
async def hooked(receiver: Receiver, secret: str | None = "shared") -> AsyncIterator[tuple[Webhook, list[str]]]:
    listener, told = Listener(receiver), list[str]()
    at = await listener.start(ANY_PORT)
    hook = Webhook(f"http://{at}/path/token-in-url", secret, told.append, now=lambda: 1_800_000_000.5)
    try:
        yield hook, told
    finally:
        receiver.hangs.set()
        await hook.close()
        await listener.close()


async def test_a_notice_is_signed_over_its_time_and_its_body() -> None:
    receiver = Receiver()
    async with hooked(receiver) as (hook, told):
        hook.send(b'{"event": "asked"}')
        await until(lambda: len(receiver.got) == 1)
    fields, body = receiver.got[0]
    assert body == b'{"event": "asked"}'
    assert fields["Content-Type"] == "application/json"
    assert fields[TIMESTAMP] == "1800000000"
    assert fields[SIGNATURE] == signature(b"shared", 1_800_000_000, body)
    assert told == []


async def test_without_a_secret_it_is_not_signed() -> None:
    receiver = Receiver()
    async with hooked(receiver, None) as (hook, _):
        hook.send(b"{}")
        await until(lambda: len(receiver.got) == 1)
    assert SIGNATURE not in receiver.got[0][0]


@pytest.mark.parametrize(
    ("statuses", "tries", "lost"),
    [
        ((500, 429, 200), 3, False),
        ((503,), 4, True),
        ((404,), 1, True),
        ((302,), 1, True),
    ],
)
async def test_it_is_tried_again_where_that_may_help(statuses: tuple[int, ...], tries: int, lost: bool) -> None:
    receiver = Receiver(*statuses)
    async with hooked(receiver) as (hook, told):
        hook.send(b"{}")
        await until(lambda: not hook._under_way)
    assert len(receiver.got) == tries
    assert told == ([f"a notice of an approval is lost: the webhook answered {statuses[-1]}"] if lost else [])


async def test_where_nobody_listens_that_is_told_without_the_url() -> None:
    told: list[str] = []
    hook = Webhook("http://127.0.0.1:1/token-in-url", None, told.append)
    hook.send(b"{}")
    await until(lambda: bool(told))
    await hook.close()
    assert told[0].startswith("a notice of an approval is lost: the webhook cannot be reached: Client")
    assert "token-in-url" not in told[0]


async def test_one_that_hangs_holds_nobody_up_and_takes_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MOST", 2)
    receiver = Receiver()
    async with hooked(receiver) as (hook, told):
        receiver.hangs.clear()
        for _ in range(3):
            hook.send(b"{}")
        assert told == ["a notice of an approval is lost: 2 are under way to the webhook"]
        await until(lambda: len(receiver.got) == 2)
