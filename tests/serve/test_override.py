"""An entry that names methods holds for those that a request asks for beside its own."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from gateway.errors import Code
from tests.serve.proxying import allowing, origin, proxied, serving, wired


@pytest.mark.parametrize(
    ("target", "field", "where"),
    [
        ("/x", "X-HTTP-Method-Override: DELETE", "X-HTTP-Method-Override"),
        ("/x", "X-Method-Override: delete", "X-Method-Override"),
        ("/x", "X-HTTP-Method: DELETE", "X-HTTP-Method"),
        ("/x?_method=delete", "Accept: */*", "?_method"),
    ],
)
@pytest.mark.parametrize(
    ("entry", "status"),
    [({"methods": ["GET", "POST"]}, 403), ({"methods": ["GET", "POST", "DELETE"]}, 200), ({}, 200)],
    ids=["not listed", "listed", "all methods"],
)
async def test_an_override_is_held_against_the_list(
    target: str, field: str, where: str, entry: dict[str, list[str]], status: int
) -> None:
    seen: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.method)
        return web.Response(text="hello")

    async with (
        origin(handle) as port,
        proxied(serving({"egress": {"up": allowing(port, **entry)}})) as proxy,
        wired(proxy) as wire,
    ):
        place = f"up.test:{port}"
        raw = f"POST http://{place}{target} HTTP/1.1\r\nHost: {place}\r\n{field}\r\nContent-Length: 0\r\n\r\n"
        got = await wire.ask(raw.encode())
        record = await proxy.recorded()
    assert (got.status, record.status) == (status, status)
    assert seen == ([] if status == 403 else ["POST"])
    if status == 403:
        message = json.loads(got.body)["error"]["message"]
        assert f"`{where}` asks for another method: [egress.up] allows GET, POST to" in message
        assert record.code is Code.EGRESS
        assert record.told == message
