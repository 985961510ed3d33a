"""What clients do wrong: each time there is a refusal and a record, never a silent pass and never a hang."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import aiohttp
import pytest

from gateway.serve import client_body
from gateway.serve.answer import Answer
from tests.end_to_end.conftest import Start
from tests.end_to_end.faults import BOMB, CLEAN, CLEAN_STREAM, PATH, PATIENCE, SECRET_BODY, post
from tests.end_to_end.running import SECRET, Running
from tests.fakes.script import Say
from tests.fakes.upstream import Upstream

LIMITED = "max_request = 20000"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A request body that must be refused, with the status and the code of the refusal."""

    body: bytes
    content_type: str = "application/json"
    coding: str | None = None
    status: int = 400
    code: str = "unreadable_body"


def with_member(member: bytes) -> bytes:
    return CLEAN[:-1] + b"," + member + b"}"


REQUESTS = {
    "malformed JSON": Wrong(CLEAN[:-3]),
    "no JSON at all": Wrong(b"hello"),
    "two documents": Wrong(CLEAN + CLEAN),
    "duplicate keys": Wrong(with_member(b'"messages":[]')),
    "duplicate keys, escaped": Wrong(with_member(b'"m\\u006fdel":"x"')),
    "NaN": Wrong(with_member(b'"temperature":NaN')),
    "a lone surrogate": Wrong(CLEAN.replace(b"hello", b"\\ud800")),
    "too deep": Wrong(with_member(b'"x":' + b"[" * 5000 + b"]" * 5000)),
    "invalid UTF-8": Wrong(CLEAN.replace(b"hello", b"\xff\xfe")),
    "UTF-16": Wrong(CLEAN.decode().encode("utf-16")),
    "a form": Wrong(b"model=gpt&messages=hello", "application/x-www-form-urlencoded"),
    "a secret as plain text": Wrong(SECRET_BODY, "text/plain", code="secret_blocked"),
    "a secret as binary": Wrong(SECRET_BODY, "application/octet-stream", code="secret_blocked"),
    "over the limit": Wrong(CLEAN.replace(b"hello", b"x" * 20_000), status=413, code="body_too_large"),
    "decompression bomb": Wrong(BOMB, coding="gzip", status=413, code="body_too_large"),
    "a bomb in a bomb": Wrong(gzip.compress(BOMB), coding="gzip, gzip", status=413, code="body_too_large"),
    "a compressed secret": Wrong(gzip.compress(SECRET_BODY), coding="gzip", code="secret_blocked"),
    "a deflated secret": Wrong(zlib.compress(SECRET_BODY), coding="deflate", code="secret_blocked"),
    "broken compression": Wrong(gzip.compress(CLEAN)[:-9], coding="gzip"),
    "an unknown coding": Wrong(CLEAN, coding="rot13"),
}


@pytest.mark.parametrize("fault", REQUESTS)
async def test_a_request_that_cannot_be_read_is_refused(fault: str, start: Start, upstream: Upstream) -> None:
    wrong = REQUESTS[fault]
    async with start(gateway=LIMITED) as gateway:
        got = await post(gateway, wrong.body, wrong.content_type, wrong.coding)
        record = await gateway.recorded()
    assert (got.status, got.code, got.headers.get("x-should-retry")) == (wrong.status, wrong.code, "false")
    assert SECRET not in got.body
    assert (record["outcome"], record["code"], record["status"]) == ("refused", wrong.code, wrong.status)
    assert upstream.requests == []


async def test_a_clean_body_under_a_wrong_content_type_is_judged_and_passes(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.script = Say("hello")
    assert (await post(gateway, CLEAN, "text/plain")).status == 200
    assert (await gateway.recorded())["request"]["coverage"] == "dialect"


async def test_a_body_over_the_limit_is_refused_while_it_streams_in(start: Start, upstream: Upstream) -> None:
    """Chunked, without a length, and never ending: the refusal may not wait for its end."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 4096
            await asyncio.sleep(0)

    async with start(gateway=LIMITED) as gateway:
        with suppress(aiohttp.ClientError):  # a client that still writes may see the connection close first
            got = await post(gateway, endless())
            assert (got.status, got.code) == (413, "body_too_large")
        record = await gateway.recorded()
    assert (record["outcome"], record["code"]) == ("refused", "body_too_large")
    assert upstream.requests == []


async def test_a_client_that_falls_silent_in_its_body_is_refused(
    gateway: Running, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_body, "SLOW_CLIENT", 0.2)
    host, port = gateway.url.removeprefix("http://").split(":")
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n".encode())
        writer.write(b"Content-Length: 900\r\n\r\n" + CLEAN[:20])
        head = await reader.readuntil(b"\r\n")
        writer.close()
    assert int(head.split()[1]) >= 400
    assert (await gateway.recorded())["outcome"] in {"failed", "refused"}
    assert upstream.requests == []


async def test_a_client_that_drips_its_body_is_refused(
    gateway: Running, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then is not progress: it would hold a connection and its memory for days."""
    monkeypatch.setattr(client_body, "SLOW_CLIENT", 0.2)

    async def drip() -> AsyncIterator[bytes]:
        for byte in CLEAN:
            yield bytes([byte])
            await asyncio.sleep(0.1)

    with suppress(aiohttp.ClientError):  # a client that still writes may see the connection close first
        assert (await post(gateway, drip())).status >= 400
    assert (await gateway.recorded())["outcome"] in {"failed", "refused"}
    assert upstream.requests == []


async def test_a_client_that_leaves_just_before_the_end_of_its_answer_is_recorded(
    gateway: Running, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The openai SDK closes its connection on `[DONE]`, so the last write of a stream may find nobody there."""

    async def gone(*_: object) -> NoReturn:
        raise ConnectionResetError("cannot write to closing transport")

    monkeypatch.setattr(Answer, "write_eof", gone)
    upstream.script = Say("hello")
    with suppress(aiohttp.ClientError):
        await post(gateway, CLEAN_STREAM)
    assert (await gateway.recorded())["outcome"] in {"forwarded", "edited", "client_gone"}
