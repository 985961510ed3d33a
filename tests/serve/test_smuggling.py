"""Requests that two servers might read differently, by the proxy and inside a tunnel: none comes through."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.errors import Code
from tests.serve.proxying import (
    Proxied,
    Wire,
    allowing,
    client_tls,
    origin,
    proxied,
    server_tls,
    serving,
    tunnelled,
    wired,
)
from tests.serve.test_base_url import Echo


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the origin: how a target and a host are written on it."""

    proxy: Proxied
    wire: Wire
    echo: Echo
    authority: str
    prefix: str

    def written(self, raw: bytes) -> bytes:
        """`{to}` stands for the target `/x` there, `{host}` for the host."""
        return raw.replace(b"{to}", f"{self.prefix}/x".encode()).replace(b"{host}", self.authority.encode())


@asynccontextmanager
async def in_the_clear() -> AsyncIterator[Way]:
    echo = Echo()
    async with (
        origin(echo) as port,
        proxied(serving({"egress": {"up": allowing(port)}})) as proxy,
        wired(proxy) as wire,
    ):
        place = f"up.test:{port}"
        yield Way(proxy, wire, echo, place, f"http://{place}")


@asynccontextmanager
async def within_tls() -> AsyncIterator[Way]:
    echo = Echo()
    async with origin(echo, server_tls()) as port, proxied(serving({"egress": {"up": allowing(port)}})) as proxy:
        place = f"up.test:{port}"
        async with tunnelled(proxy, place, tls=client_tls()) as wire:
            yield Way(proxy, wire, echo, place, "")


@asynccontextmanager
async def within_a_plain_tunnel() -> AsyncIterator[Way]:
    echo = Echo()
    async with origin(echo) as port, proxied(serving({"egress": {"up": allowing(port)}})) as proxy:
        place = f"up.test:{port}"
        async with tunnelled(proxy, place) as wire:
            yield Way(proxy, wire, echo, place, "")


WAYS = pytest.mark.parametrize("way", [in_the_clear, within_tls, within_a_plain_tunnel])

POST = b"POST {to} HTTP/1.1\r\nHost: {host}\r\n"
GET = b"GET {to} HTTP/1.1\r\nHost: {host}\r\n"
HIDDEN = b"GET {to}/hidden HTTP/1.1\r\nHost: {host}\r\n\r\n"

HEADS = {
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + HIDDEN,
    "two equal lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello" + HIDDEN,
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello" + HIDDEN,
    "a negative length": POST + b"Content-Length: -5\r\n\r\nhello" + HIDDEN,
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello" + HIDDEN,
    "a length with a space in it": POST + b"Content-Length: 1 0\r\n\r\nhello" + HIDDEN,
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551621\r\n\r\nhello" + HIDDEN,
    "an unknown coding": POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding spelt otherwise": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a quoted coding": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + HIDDEN,
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked, then another": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + HIDDEN,
    "another, then chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two codings in two fields": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a name with a space in it": GET + b"X One: 1\r\n\r\n",
    "a name with a tab in it": GET + b"X\tOne: 1\r\n\r\n",
    "a name with a NUL in it": GET + b"X\x00One: 1\r\n\r\n",
    "no name at all": GET + b": 1\r\n\r\n",
    "a line without a colon": GET + b"X-One\r\n\r\n",
    "a folded line": GET + b"X-One: 1\r\n 2\r\n\r\n",
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded first field": b"GET {to} HTTP/1.1\r\n X: 1\r\nHost: {host}\r\n\r\n",
    "a line feed alone at the end of a line": GET + b"X-One: 1\nX-Two: 2\r\n\r\n",
    "line feeds alone": b"GET {to} HTTP/1.1\nHost: {host}\n\n",
    "a carriage return alone in a value": GET + b"X-One: 1\rX-Two: 2\r\n\r\n",
    "a NUL in a value": GET + b"X-One: 1\x002\r\n\r\n",
    "a NUL in the target": b"GET {to}\x00y HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a tab in the request line": b"GET {to}\tHTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a space in the target": b"GET {to} y HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "two hosts": GET + b"Host: {host}\r\n\r\n",
    "another host beside": GET + b"Host: other.test\r\n\r\n",
    "no host": b"GET {to} HTTP/1.1\r\nX: 1\r\n\r\n",
    "HTTP/0.9": b"GET {to}\r\n\r\n",
    "HTTP/2 by name": b"GET {to} HTTP/2.0\r\nHost: {host}\r\n\r\n",
    "HTTP/3 by name": b"GET {to} HTTP/3.0\r\nHost: {host}\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a line that is too long": GET + b"X-One: " + b"x" * 70_000 + b"\r\n\r\n",
    "a target that is too long": b"GET {to}" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "too many fields": GET + b"".join(b"X-%d: 1\r\n" % number for number in range(40_000)) + b"\r\n",
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
}
"""What cannot be read at all."""


@WAYS
@pytest.mark.parametrize("case", HEADS)
async def test_a_head_that_can_be_read_in_two_ways_goes_nowhere(
    case: str, way: Callable[[], AbstractAsyncContextManager[Way]]
) -> None:
    async with way() as one:
        got = await one.wire.ask(one.written(HEADS[case]))
        rest = await one.wire.rest()
        record = await one.proxy.recorded()
    assert (got.status, rest) == (400, b"")  # and the connection has ended
    assert json.loads(got.body)["error"]["code"] == Code.UNREADABLE
    assert (record.outcome, record.status, record.code) == ("refused", 400, Code.UNREADABLE)
    assert one.echo.seen == []
