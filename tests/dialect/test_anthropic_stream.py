"""Streams of Anthropic Messages: channels, closes, and an ending that the SDK takes for a message."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.anthropic import MESSAGES
from gateway.dialect.anthropic_stream import MessageStream
from gateway.errors import Malformed
from gateway.segment import Kind, Trust
from gateway.wire.frames import Framing
from tests.dialect.laws import REFUSAL, TRANSCRIPTS, doc, joined, play, sse_payloads, wholes

START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1},
    },
}
STOP: dict[str, Any] = {"type": "message_stop"}


def block(index: int, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": members}


def delta(index: int, kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **members}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def recorded(case: str) -> list[dict[str, Any]]:
    return sse_payloads((TRANSCRIPTS / "anthropic" / case / "response.sse").read_bytes())


def test_text_grows_in_the_channel_of_its_block_and_closes_with_it() -> None:
    readings = play(MESSAGES.stream(Framing.SSE), recorded("text"), named=True)
    assert joined(readings) == {(0, "text"): "Charles Bridge, finished in 1402."}
    assert [reading.closes for reading in readings if reading.closes] == [((0, "text"),)]
    assert [reading.closes_all for reading in readings] == [False] * 8 + [True]
    assert readings[0].usage == {"input": 25, "output": 1}
    assert readings[-2].usage == {"input": 25, "output": 12}


def test_thinking_and_arguments_grow_in_channels_of_their_own() -> None:
    readings = play(MessageStream(), recorded("streamed_tool_call"), named=True)
    assert joined(readings) == {
        (0, "thinking"): "The tool knows.",
        (1, "name"): "get_weather",
        (1, "partial_json"): '{"city": "Oslo, Norway"}',
    }
    assert wholes(readings) == []
    found = {delta.text: (delta.kind, delta.editable) for reading in readings for delta in reading.deltas}
    assert found["The tool knows."] == (Kind.REASONING, False)
    assert found['way"}'] == (Kind.TOOL_CALL, True)
    assert found["get_weather"] == (Kind.TOOL_CALL, False)


@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use", "mcp_tool_use"])
def test_the_name_of_a_call_is_open_until_its_block_stops(kind: str) -> None:
    """So the event that announces a call stays until its arguments are judged."""
    arguments = delta(0, "input_json_delta", partial_json="{}")
    readings = play(MessageStream(), [START, block(0, type=kind, id="t", name="f", input={}), arguments, stop(0)])
    (name,) = readings[1].deltas
    assert (name.channel, name.kind, name.editable, name.whole) == ((0, "name"), Kind.TOOL_CALL, False, False)
    assert [reading.closes for reading in readings] == [(), (), (), ((0, "name"), (0, "partial_json"))]


def test_cached_tokens_count_as_input() -> None:
    (reading,) = play(MessageStream(), [START])
    assert reading.usage == {"input": 13, "output": 1, "cached": 4}


def test_a_block_that_starts_with_text_goes_on_with_it() -> None:
    readings = play(MessageStream(), [START, block(0, type="text", text="Hel"), delta(0, "text_delta", text="lo")])
    assert joined(readings) == {(0, "text"): "Hello"}


def test_a_message_that_starts_with_content_goes_on_with_it() -> None:
    begun = {"type": "message_start", "message": {**START["message"], "content": [{"type": "text", "text": "Hel"}]}}
    readings = play(MessageStream(), [begun, delta(0, "text_delta", text="lo"), block(1, type="text", text="x")])
    assert joined(readings) == {(0, "text"): "Hello", (1, "text"): "x"}


def test_results_of_the_providers_tools_come_whole_and_untrusted() -> None:
    item = {"type": "web_search_result", "title": "Web", "url": "https://w.example", "encrypted_content": "xx"}
    found = block(0, type="web_search_tool_result", tool_use_id="t", content=[item])
    reading = play(MessageStream(), [START, found])[1]
    assert [(delta.text, delta.whole, delta.trust) for delta in reading.deltas] == [
        ("Web", True, Trust.UNTRUSTED),
        ("https://w.example", True, Trust.UNTRUSTED),
    ]
    assert [part.what for part in reading.uninspected] == ["encrypted"]


def test_what_a_citation_repeats_is_read_whole() -> None:
    cite = {"type": "char_location", "cited_text": "a page", "document_title": None, "document_index": 0}
    readings = play(
        MessageStream(), [START, block(0, type="text", text=""), delta(0, "citations_delta", citation=cite)]
    )
    assert wholes(readings) == ["a page"]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
        {"type": "new_event", "text": "busy", "inner": ["overloaded_error"]},
        {"type": "message_delta", "delta": {"stop_sequence": "busy"}},
        {"type": "ping", "note": "busy"},
    ],
)
def test_texts_of_other_events_are_read_whole(event: dict[str, Any]) -> None:
    readings = play(MessageStream(), [event])
    assert "busy" in wholes(readings)
    assert joined(readings) == {}


def test_an_unknown_delta_grows_as_data_until_its_block_stops() -> None:
    pieces = [delta(0, "compaction_delta", content=[{"text": text}]) for text in ("su", "m")]
    readings = play(MessageStream(), [block(0, type="compaction"), *pieces, stop(0)])
    assert joined(readings) == {(0, "content", 0, "text"): "sum"}
    assert readings[1].deltas[0].trust is Trust.UNTRUSTED
    assert wholes(readings) == ["compaction", "compaction_delta", "compaction_delta"]
    assert readings[-1].closes == ((0, "content", 0, "text"),)


def test_an_error_ends_every_channel() -> None:
    (reading,) = play(MessageStream(), [{"type": "error", "error": {"message": "x"}}])
    assert reading.closes_all


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([delta(0, "text_delta", text="x")], "not open"),
        ([block(0, type="text", text=""), stop(0), delta(0, "text_delta", text="x")], "not open"),
        ([stop(0)], "not open"),
        ([block(0, type="text", text=""), block(0, type="text", text="")], "starts twice"),
        ([{"type": "content_block_start", "content_block": {}}], "no index"),
        ([{"type": "content_block_delta", "index": True, "delta": {}}], "no index"),
    ],
)
def test_events_that_clients_would_read_differently_are_refused(events: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        play(MessageStream(), events)


def test_an_event_whose_name_is_not_its_type_is_refused() -> None:
    document = doc(STOP)
    with pytest.raises(Malformed, match="differ"):
        MessageStream().read("ping", document, document.raw)


def test_an_event_that_is_not_json_is_one_text() -> None:
    stream = MessageStream()
    stream.sent(None, None, b"[DONE]")
    assert [part.text for part in stream.read(None, None, b"[DONE]").deltas] == ["[DONE]"]


@given(st.text(min_size=1, max_size=30), st.data())
@settings(max_examples=40, deadline=None)
def test_pieces_join_to_the_text_however_it_is_cut(text: str, data: st.DataObject) -> None:
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=4))})
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    events = [START, block(0, type="text", text=""), *(delta(0, "text_delta", text=piece) for piece in pieces)]
    assert joined(play(MessageStream(), events)) == {(0, "text"): text}


ENDINGS: list[tuple[str, list[dict[str, Any]], str]] = [
    ("nothing was sent", [], ""),
    ("a message began", [START], ""),
    ("a text is open", [START, block(0, type="text", text=""), delta(0, "text_delta", text="Hel")], "Hel"),
    ("a text is done", [START, block(0, type="text", text=""), delta(0, "text_delta", text="Hi"), stop(0)], "Hi"),
    ("a call is open", [START, block(0, type="tool_use", id="t", name="n", input={})], ""),
]


@pytest.mark.parametrize(("events", "text"), [case[1:] for case in ENDINGS], ids=[case[0] for case in ENDINGS])
def test_the_sdk_takes_a_cut_stream_for_a_refused_message(events: list[dict[str, Any]], text: str) -> None:
    stream = MessageStream()
    play(stream, events)
    sent = b"".join(f"event: {event['type']}\n".encode() + b"data: " + doc(event).raw + b"\n\n" for event in events)
    message = _received(sent + stream.ending(REFUSAL))
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.stop_details.explanation == REFUSAL.message
    assert "".join(part.text for part in message.content if part.type == "text") == text


def _received(body: bytes) -> anthropic.types.Message:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as received,
    ):
        return received.get_final_message()


def test_an_ending_for_a_client_that_saw_nothing_names_the_message_that_came() -> None:
    stream = MessageStream()
    document = doc(START)
    stream.read("message_start", document, document.raw)
    started, stopped, last = sse_payloads(stream.ending(REFUSAL))
    assert (started["message"]["id"], started["message"]["model"]) == ("msg_1", "claude-sonnet-4-5")
    assert (stopped["usage"], last) == ({"output_tokens": 0}, STOP)


def test_an_ending_counts_the_tokens_that_were_told() -> None:
    stream = MessageStream()
    play(stream, [START, {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}}])
    assert sse_payloads(stream.ending(REFUSAL))[0]["usage"] == {"output_tokens": 7}


def test_a_stream_that_has_ended_gets_no_second_ending() -> None:
    stream = MessageStream()
    play(stream, [START, STOP])
    assert stream.ending(REFUSAL) == b""
