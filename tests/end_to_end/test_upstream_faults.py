"""What upstreams do wrong: each time there is a refusal and a record, never a silent pass and never a hang."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Start
from tests.end_to_end.faults import BOMB, CLEAN, CLEAN_STREAM, SSE, UNJUDGED, post
from tests.end_to_end.running import SECRET, Running, configured, running
from tests.end_to_end.self_signed import self_signed
from tests.fakes.script import Fail, Raw, Say
from tests.fakes.upstream import Upstream, fake_upstream


def events(*texts: str) -> tuple[bytes, ...]:
    """Chat chunks with these texts."""
    choices = ([{"index": 0, "delta": {"content": text}, "finish_reason": None}] for text in texts)
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt"}
    return tuple(f"data: {json.dumps({**head, 'choices': choice})}\n\n".encode() for choice in choices)


def json_answer(body: str, **fields: str) -> Raw:
    """A whole answer; `fields` are further header fields, with underscores for hyphens."""
    more = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Raw((body.encode("utf-8", "surrogateescape"),), headers=(("Content-Type", "application/json"), *more))


def squeezed(body: bytes) -> Raw:
    return Raw((body,), headers=(("Content-Type", "application/json"), ("Content-Encoding", "gzip")))


PAGE = (("Content-Type", "text/html"),)

ANSWERS: dict[str, tuple[Raw | Fail, str]] = {
    "no JSON": (json_answer(f"<html>{UNJUDGED}</html>"), "upstream_error"),
    "half of a JSON": (json_answer(f'{{"choices":[{{"message":{{"content":"{UNJUDGED}"'), "upstream_error"),
    "duplicate keys": (json_answer(f'{{"choices":[],"choices":["{UNJUDGED}"]}}'), "upstream_error"),
    "invalid UTF-8": (json_answer(f'{{"choices":["{UNJUDGED}\udcff"]}}'), "upstream_error"),
    "over the limit": (json_answer(f'{{"choices":["{UNJUDGED}{"x" * 30_000}"]}}'), "upstream_error"),
    "an array for an object": (json_answer(f'["{SECRET}"]'), "secret_blocked"),
    "a text for a list": (json_answer(f'{{"choices":"{SECRET}"}}'), "secret_blocked"),
    "a number for a message": (json_answer(f'{{"choices":[{{"message":7,"x":"{SECRET}"}}]}}'), "secret_blocked"),
    "a secret in an error page": (Raw((f"<p>{SECRET}".encode(),), status=502, headers=PAGE), "secret_blocked"),
    "a secret in an error": (Fail(400, f"bad key {SECRET}"), "secret_blocked"),
    "decompression bomb": (squeezed(BOMB), "upstream_error"),
    "a compressed secret": (squeezed(gzip.compress(f'{{"x":"{SECRET}"}}'.encode())), "secret_blocked"),
    "broken compression": (squeezed(UNJUDGED.encode()), "upstream_error"),
    "cut off, in chunks": (replace(json_answer(f'{{"choices":["{UNJUDGED}"]}}'), cut=True), "upstream_error"),
    "cut off, with a length": (
        replace(json_answer(f'{{"choices":["{UNJUDGED}"]}}', Content_Length="900"), cut=True),
        "upstream_error",
    ),
}
"""What the upstream answers; the code of the refusal."""


@pytest.mark.parametrize("fault", ANSWERS)
async def test_an_answer_that_cannot_be_read_is_refused(fault: str, start: Start, upstream: Upstream) -> None:
    upstream.script, code = ANSWERS[fault]
    async with start(gateway="max_answer = 20000") as gateway:
        got = await post(gateway, CLEAN)
        record = await gateway.recorded()
    assert got.code == code
    assert got.status >= 400
    assert UNJUDGED not in got.body
    assert SECRET not in got.body
    assert record["code"] == code
    assert record["outcome"] in {"refused", "failed"}


STREAMS: dict[str, tuple[bytes, ...]] = {
    "garbage for JSON": (b"data: {unjudged words}\n\n",),
    "duplicate keys": (b'data: {"choices":[],"choices":["unjudged words"]}\n\n',),
    "invalid UTF-8": (b'data: {"choices":["unjudged words\xff"]}\n\n',),
    "an endless event": (b'data: {"unjudged words":"', b"x" * 30_000, b'"}\n\n'),
    "words after the end": (b"data: [DONE]\n\n", b"data: {unjudged words}\n\n"),
}


@pytest.mark.parametrize("fault", STREAMS)
async def test_a_stream_that_cannot_be_read_is_cut_before_it(fault: str, start: Start, upstream: Upstream) -> None:
    upstream.script = Raw((*events("Fine so far. "), *STREAMS[fault]), headers=SSE)
    async with start(gateway="max_event = 20000") as gateway:
        got = await post(gateway, CLEAN_STREAM)
        record = await gateway.recorded()
    assert "Fine so far." in got.body
    assert UNJUDGED not in got.body
    assert not got.whole or "content_filter" in got.body or got.body.endswith("data: [DONE]\n\n")
    assert record["code"] == "upstream_error"
    assert record["outcome"] in {"refused", "cut", "failed"}


@pytest.mark.parametrize("event", ['["%s"]', '{"choices":{"0":"%s"}}', '"%s"'])
async def test_an_event_of_an_unknown_form_is_still_read(event: str, gateway: Running, upstream: Upstream) -> None:
    upstream.script = Raw((f"data: {event % SECRET}\n\n".encode(),), headers=SSE)
    got = await post(gateway, CLEAN_STREAM)
    assert SECRET not in got.body
    assert (await gateway.recorded())["code"] in {"secret_blocked", "upstream_error"}


async def test_a_stream_that_breaks_off_is_not_ended_as_if_it_were_whole(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Raw(events("Half a ", "sentence"), headers=SSE, cut=True)
    got = await post(gateway, CLEAN_STREAM)
    assert "sentence" in got.body
    assert not got.whole
    assert (await gateway.recorded())["outcome"] == "failed"


async def test_a_secret_that_a_broken_stream_began_does_not_pass(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Raw(events("Key: ", SECRET[:9], SECRET[9:]), headers=SSE, cut=True)
    got = await post(gateway, CLEAN_STREAM)
    assert "SEKRET" not in got.body
    assert (await gateway.recorded())["code"] == "secret_blocked"


async def test_an_upstream_that_says_nothing_is_a_time_out(start: Start, upstream: Upstream) -> None:
    upstream.script = Raw(delay=30)
    async with start(gateway='first_byte_timeout = "200ms"\nconnect_timeout = "200ms"') as gateway:
        got = await post(gateway, CLEAN)
        assert (got.status, got.code) == (504, "upstream_timeout")
        assert (await gateway.recorded())["code"] == "upstream_timeout"
    await upstream.departure()


async def test_an_upstream_that_falls_silent_in_a_stream_is_given_up(start: Start, upstream: Upstream) -> None:
    upstream.script = Say("One two three four.", pause_after=4)
    async with start(gateway='idle_timeout = "300ms"') as gateway:
        got = await post(gateway, CLEAN_STREAM)
        assert not got.whole
        assert (await gateway.recorded())["outcome"] == "failed"


async def test_an_upstream_that_is_down_is_a_bad_gateway(tmp_path: Path) -> None:
    async with running(configured("http://127.0.0.1:9"), tmp_path) as gateway:
        got = await post(gateway, CLEAN)
        assert (got.status, got.code) == (502, "upstream_error")
        record = await gateway.recorded()
    assert (record["outcome"], record["code"]) == ("failed", "upstream_error")


async def test_an_upstream_with_a_certificate_that_nobody_vouches_for_is_a_bad_gateway(tmp_path: Path) -> None:
    context = self_signed(tmp_path)
    async with fake_upstream(tls=context) as upstream, running(configured(upstream.url), tmp_path) as gateway:
        got = await post(gateway, CLEAN)
        assert (got.status, got.code) == (502, "upstream_error")
        assert (await gateway.recorded())["outcome"] == "failed"
        assert upstream.requests == []
