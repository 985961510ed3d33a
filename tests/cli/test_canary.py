"""The canary, which notes how far clients come, whatever they do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway.cli.canary import Came, Canary, canary
from gateway.trust.authority import Authority, made, pem
from gateway.trust.leaf import Leaves
from gateway.trust.name import subtree
from tests.trust.times import clock

NOW = clock()()
LIMITED = made((subtree("example.com"),), NOW)


@pytest.fixture
async def running() -> AsyncIterator[Canary]:
    async with canary(Leaves(LIMITED, timedelta(days=1))) as found:
        yield found


async def said(running: Canary, first: bytes, *, trusting: Authority | None = None) -> bytes:
    """What the canary answers; `trusting` is whom a client trusts that goes on with TLS and a request inside of it."""
    reader, writer = await asyncio.open_connection(running.address.host, running.address.port)
    try:
        writer.write(first)
        if trusting is None:
            writer.write_eof()
            return await reader.read()
        await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(
            ssl.create_default_context(cadata=pem(trusting.certificate)), server_hostname="a.example.com"
        )
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


async def test_a_request_inside_of_tls_is_trust(running: Canary) -> None:
    answer = await said(running, b"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n", trusting=LIMITED)
    assert answer.endswith(b"\r\n\r\n{}")
    assert running.came == {"a.example.com": Came.TRUSTED}


async def test_a_client_that_does_not_take_the_certificate_is_noted(running: Canary) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await said(running, b"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n", trusting=made((), NOW))
    assert running.came == {"a.example.com": Came.DISTRUSTED}


async def test_trust_is_not_taken_back_by_a_later_failure(running: Canary) -> None:
    await said(running, b"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n", trusting=LIMITED)
    await said(running, b"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n")
    assert running.came == {"a.example.com": Came.TRUSTED}


async def test_a_host_that_cannot_be_signed_for_is_noted_as_such(running: Canary) -> None:
    assert await said(running, b"CONNECT other.org:443 HTTP/1.1\r\n\r\n") == b""
    assert running.came == {"other.org": Came.UNSIGNED}


async def test_a_plain_request_is_answered_and_noted(running: Canary) -> None:
    assert (await said(running, b"GET http://Plain.example:81/x HTTP/1.1\r\n\r\n")).endswith(b"{}")
    assert running.came == {"plain.example": Came.PLAIN}


@pytest.mark.parametrize(
    "first",
    [
        *(b"", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"CONNECT a\r\n\r\n", b"\x16\x03\x01\x00", b"x" * 70000),
        *(b"CONNECT :443 HTTP/1.1\r\n\r\n", b"CONNECT a\x1b[31m:443 HTTP/1.1\r\n\r\n"),
        b"GET http://[ HTTP/1.1\r\n\r\n",
    ],
)
async def test_nonsense_is_hung_up_on_and_not_noted(running: Canary, first: bytes) -> None:
    assert await said(running, first) == b""
    assert running.came == {}
