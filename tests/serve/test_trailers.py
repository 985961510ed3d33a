"""Fields after a body: they go no further, either way, and those that are announced are named in the record."""

from __future__ import annotations

import asyncio

import pytest

from gateway.exchange.recorded import Inspected
from gateway.exchange.trailers import with_trailers
from gateway.segment import Uninspected
from tests.serve.proxying import allowing, client_tls, proxied, server_tls, serving, talking, tunnelled

TRAILERS = Uninspected("trailers")


@pytest.mark.parametrize("is_announced", [True, False])
async def test_trailers_go_no_further_and_are_named_where_they_are_announced(is_announced: bool) -> None:
    announced = "Trailer: X-Sum\r\n" if is_announced else ""
    body = b"4\r\nwork\r\n0\r\nX-Sum: 7\r\n\r\n"
    came = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.extend(await reader.readuntil(b"\r\n\r\n"))
        came.extend(await reader.readexactly(4))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{announced}Transfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.read()

    async with (
        talking(talk, server_tls()) as port,
        proxied(serving({"egress": {"up": allowing(port)}})) as proxy,
        tunnelled(proxy, f"up.test:{port}", tls=client_tls()) as wire,
    ):
        head = f"POST / HTTP/1.1\r\nHost: up.test:{port}\r\nContent-Type: text/plain\r\n{announced}"
        got = await wire.ask(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + body)
        record = await proxy.recorded()
    assert (got.body, got.complete, got.all("trailer"), got.all("x-sum")) == (b"work", True, [], [])
    assert b"x-sum" not in bytes(came).lower()
    assert bytes(came).endswith(b"work")
    assert record.outcome == "forwarded"
    assert (TRAILERS in record.request.uninspected) is is_announced
    assert (TRAILERS in record.answer.uninspected) is is_announced


def test_what_was_not_inspected_for_another_reason_is_kept() -> None:
    other = Uninspected("binary_body")
    inspected = Inspected(3, uninspected=(other,))
    assert with_trailers(inspected, [(b"TRAILER", b"x")]).uninspected == (other, TRAILERS)
    assert with_trailers(inspected, [(b"X", b"trailer")]) is inspected
