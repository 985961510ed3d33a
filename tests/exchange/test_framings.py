"""Streams whose label names another framing than their API has: clients go by the API, so the label is not believed."""

from __future__ import annotations

import json

import pytest

from gateway.exchange.events import AnswerData, AnswerStarted, BeginAnswer, LimitsTaken, RequestData, Respond
from tests.dialect.test_bedrock_invoke import chunks
from tests.exchange.gates import gate
from tests.exchange.test_machine import JSON, exchange, feed, only, started
from tests.fakes import bedrock
from tests.fakes.script import Call, Say

CALLS = Say(calls=(Call("wipe", "{}"),))
ASKED = b'{"anthropic_version": "x", "messages": []}'
CONVERSE, CHUNKS = "/model/m/converse-stream", "/model/anthropic.c/invoke-with-response-stream"
AMAZON = "application/vnd.amazon.eventstream"


@pytest.mark.parametrize(
    ("family", "target", "label", "raw"),
    [
        ("bedrock", CONVERSE, "text/event-stream", b"".join(bedrock.events(CALLS, {}))),
        ("bedrock", CONVERSE, "application/x-ndjson", b"".join(bedrock.events(CALLS, {}))),
        ("bedrock", CHUNKS, "text/event-stream", b"".join(chunks(CALLS))),
        ("anthropic", "/v1/messages", AMAZON, b"".join(chunks(CALLS))),
        ("gemini", "/v1beta/interactions", AMAZON, b"".join(chunks(CALLS))),
    ],
)
def test_a_stream_in_a_framing_that_its_api_does_not_have_is_refused(
    family: str, target: str, label: str, raw: bytes
) -> None:
    one = exchange(gate(), family)
    feed(one, started(target=target, headers=JSON), LimitsTaken(), RequestData(ASKED, last=True))
    commands = feed(one, AnswerStarted(200, (("Content-Type", label),)), AnswerData(raw, last=True))
    assert not [command for command in commands if isinstance(command, BeginAnswer)]
    reply = only(commands, Respond)
    assert reply.status == 502
    assert "another framing" in json.dumps(json.loads(reply.body))
