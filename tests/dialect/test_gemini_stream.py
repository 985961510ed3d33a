"""Streams of Gemini: channels, closes, and endings in both framings."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.families import FAMILIES
from gateway.dialect.gemini import GENERATE
from gateway.dialect.gemini_stream import GenerateStream
from gateway.dialect.route import Form
from gateway.errors import Malformed
from gateway.segment import Kind, Trust
from gateway.wire.document import parse
from gateway.wire.frames import Framing, framer
from tests.dialect.laws import REFUSAL, TRANSCRIPTS, doc, joined, play, sse_payloads, wholes


def event(*parts: Any, index: Any = None, finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if index is not None:
        candidate["index"] = index
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini", "responseId": "r1"}


def recorded(case: str) -> list[dict[str, Any]]:
    return sse_payloads((TRANSCRIPTS / "gemini" / case / "response.sse").read_bytes())


def test_text_grows_until_its_candidate_finishes() -> None:
    readings = play(GENERATE.stream(Framing.SSE), recorded("text"))
    assert joined(readings) == {(0, "text"): "Charles Bridge, finished in 1402."}
    assert [reading.closes for reading in readings] == [(), (), ((0, "text"),)]
    assert readings[-1].usage == {"input": 11, "output": 9}


def test_thoughts_have_a_channel_of_their_own_and_calls_come_whole() -> None:
    readings = play(GenerateStream(Framing.SSE), recorded("streamed_tool_call"))
    assert joined(readings) == {(0, "thought"): "The tool knows.", (0, "text"): "I look it up."}
    assert wholes(readings) == ["get_weather", "Oslo, Norway"]
    found = {delta.text: (delta.kind, delta.editable) for reading in readings for delta in reading.deltas}
    assert found["The tool knows."] == (Kind.REASONING, False)
    assert found["Oslo, Norway"] == (Kind.TOOL_CALL, True)
    assert readings[-1].closes == ((0, "thought"), (0, "text"))


def test_candidates_grow_apart() -> None:
    events = [event({"text": "a"}), event({"text": "b"}, index=1), event({"text": "A"}, finish="STOP", index=0)]
    readings = play(GenerateStream(Framing.SSE), events)
    assert joined(readings) == {(0, "text"): "aA", (1, "text"): "b"}
    assert readings[-1].closes == ((0, "text"),)


def test_a_single_candidate_may_stand_without_its_list() -> None:
    reader = GenerateStream(Framing.SSE)
    (reading,) = play(reader, [{"candidates": {"content": {"parts": {"text": "a"}}, "finishReason": "STOP"}}])
    assert joined([reading]) == {(0, "text"): "a"}
    assert reading.closes == ((0, "text"),)
    assert reader.ending(REFUSAL) == b""


def test_streamed_arguments_grow_by_value_until_complete() -> None:
    def call(text: str, *, more: bool) -> dict[str, Any]:
        partial = {"jsonPath": "$.city", "stringValue": text, "willContinue": more}
        return event({"functionCall": {"name": "f", "partialArgs": [partial], "willContinue": True}})

    readings = play(GenerateStream(Framing.SSE), [call("Os", more=True), call("lo", more=False)])
    assert joined(readings) == {(0, "name", 0): "ff", (0, "args", 0, "$.city"): "Oslo"}
    assert [reading.closes for reading in readings] == [(), ((0, "args", 0, "$.city"),)]
    assert {delta.trust for reading in readings for delta in reading.deltas} == {Trust.MODEL}


def test_the_name_of_a_streamed_call_is_open_until_the_call_is_complete() -> None:
    """So the event that announces a call stays until its arguments are judged."""
    begun = {"functionCall": {"name": "f", "willContinue": True}}
    piece = {"functionCall": {"partial_args": [{"json_path": "$.a", "string_value": "x"}], "willContinue": True}}
    ended: dict[str, Any] = {"functionCall": {}}
    readings = play(
        GenerateStream(Framing.SSE), [event(begun), event(piece), event(ended, begun), event(piece), event(ended)]
    )
    assert [reading.closes for reading in readings] == [
        (),
        ((0, "args", 0, "$.a"),),
        ((0, "name", 0), (0, "args", 0, "$.a")),
        ((0, "args", 1, "$.a"),),
        ((0, "name", 1), (0, "args", 1, "$.a")),
    ]
    assert {delta.kind for reading in readings for delta in reading.deltas} == {Kind.TOOL_CALL}
    assert wholes(readings) == []


def test_a_call_whose_argument_goes_on_goes_on_itself() -> None:
    partial = {"jsonPath": "$.a", "stringValue": "x", "willContinue": True}
    (reading,) = play(GenerateStream(Framing.SSE), [event({"functionCall": {"name": "f", "partialArgs": partial}})])
    assert [delta.channel for delta in reading.deltas] == [(0, "name", 0), (0, "args", 0, "$.a")]
    assert reading.closes == ()


@pytest.mark.parametrize("name", [["jsonPath"], {"jsonPath": "x"}])
def test_parts_of_a_call_of_another_type_are_still_read(name: Any) -> None:
    call = {"functionCall": {"name": name, "partialArgs": [{"stringValue": name}], "willContinue": True}}
    readings = play(GenerateStream(Framing.SSE), [event(call), event(finish="STOP")])
    text = "x" if isinstance(name, dict) else "jsonPath"
    assert list(joined(readings).values()) == [text, text]
    assert set(readings[-1].closes) == set(joined(readings))


@pytest.mark.parametrize("index", ["1", 1.5, [0]])
def test_a_candidate_with_an_odd_index_is_refused(index: Any) -> None:
    with pytest.raises(Malformed, match="not a number"):
        play(GenerateStream(Framing.SSE), [event({"text": "x"}, index=index)])


@pytest.mark.parametrize("text", [{"a": "x"}, ["x"], {"text": "x"}, {"stringValue": "x"}])
def test_a_text_of_another_type_is_still_read(text: Any) -> None:
    (reading,) = play(GenerateStream(Framing.SSE), [event({"text": text})])
    assert [delta.text for delta in reading.deltas] == ["x"]


@pytest.mark.parametrize("item", [{"error": {"message": "busy"}}, ["busy"], {"newMember": "busy"}])
def test_texts_of_other_events_are_read_whole(item: Any) -> None:
    assert wholes(play(GenerateStream(Framing.ARRAY), [item])) == ["busy"]


def test_an_event_that_is_not_json_is_one_text() -> None:
    stream = GenerateStream(Framing.SSE)
    stream.sent(None, None, b"x")
    assert [delta.text for delta in stream.read(None, None, b"x").deltas] == ["x"]


@given(st.text(min_size=1, max_size=30), st.data())
@settings(max_examples=40, deadline=None)
def test_pieces_join_to_the_text_however_it_is_cut(text: str, data: st.DataObject) -> None:
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=4))})
    events = [event({"text": text[start:end]}) for start, end in pairwise(cuts)]
    assert joined(play(GenerateStream(Framing.SSE), events)) == {(0, "text"): text}


def finished(payload: dict[str, Any]) -> list[tuple[int | None, str]]:
    """Index and reason of each candidate, as google-genai reads them."""
    candidates = types.GenerateContentResponse.model_validate(payload).candidates or []
    return [(one.index, one.finish_reason.name if one.finish_reason else "") for one in candidates]


def test_an_ending_finishes_every_candidate_that_is_not() -> None:
    stream = GenerateStream(Framing.SSE)
    play(stream, [event({"text": "a"}), event({"text": "b"}, index=1), event({"text": "c"}, index=2, finish="STOP")])
    ending = stream.ending(REFUSAL)
    assert ending.startswith(b"data: ")
    assert ending.endswith(b"\r\n\r\n")
    (payload,) = sse_payloads(ending)
    assert finished(payload) == [(0, "PROHIBITED_CONTENT"), (1, "PROHIBITED_CONTENT")]
    assert (payload["modelVersion"], payload["responseId"]) == ("gemini", "r1")
    assert payload["candidates"][0]["finishMessage"] == REFUSAL.message


def test_an_ending_comes_even_before_the_first_event() -> None:
    (payload,) = sse_payloads(GenerateStream(Framing.SSE).ending(REFUSAL))
    assert finished(payload) == [(0, "PROHIBITED_CONTENT")]


def test_a_finish_that_was_held_back_does_not_count() -> None:
    stream = GenerateStream(Framing.SSE)
    document = doc(event({"text": "a"}, finish="STOP"))
    stream.read(None, document, document.raw)
    (payload,) = sse_payloads(stream.ending(REFUSAL))
    assert finished(payload) == [(0, "PROHIBITED_CONTENT")]


def test_a_stream_that_has_ended_gets_no_second_ending() -> None:
    stream = GenerateStream(Framing.SSE)
    play(stream, [event({"text": "a"}, finish="STOP")])
    assert stream.ending(REFUSAL) == b""


@pytest.mark.parametrize(
    ("events", "reasons"),
    [
        ([event({"text": "a"})], ["", "PROHIBITED_CONTENT"]),
        ([event({"text": "a"}, finish="STOP")], ["STOP"]),
    ],
)
def test_an_array_is_ended_as_an_array(events: list[dict[str, Any]], reasons: list[str]) -> None:
    stream = GenerateStream(Framing.ARRAY)
    play(stream, events)
    whole = b"[" + b"\n,\r\n".join(doc(one).raw for one in events) + b"\n]"
    frames = [frame for frame in framer(Framing.ARRAY, 1000).feed(whole) if frame.data is not None]
    items = json.loads(b"".join(frame.raw for frame in frames) + stream.ending(REFUSAL))
    assert [finished(item)[0][1] for item in items] == reasons


@pytest.mark.parametrize("left", range(4))
def test_an_array_that_is_cut_anywhere_stays_an_array(left: int) -> None:
    """From the route to the last byte: what left and the ending are one JSON array whose last item finishes."""
    route = FAMILIES["gemini"].endpoint("POST", "/v1beta/models/m:streamGenerateContent")
    assert route.answer_form is Form.ARRAY
    stream = route.dialect.stream(Framing.ARRAY)
    events = [event({"text": text}) for text in "abc"]
    cutter = framer(Framing.ARRAY, 1000)
    raw = b" [\r\n" + b"\n,\r\n".join(doc(one).raw for one in events) + b"\n]\n"
    frames = [frame for byte in raw for frame in cutter.feed(bytes([byte]))]
    out = b""
    for frame in frames[:left]:
        assert frame.data is not None
        stream.read(None, parse(frame.data), frame.data)
        stream.sent(None, parse(frame.data), frame.data)
        out += frame.raw
    items = json.loads(out + stream.ending(REFUSAL))
    assert [finished(item)[0][1] for item in items] == [""] * left + ["PROHIBITED_CONTENT"]


def test_an_array_of_which_nothing_was_sent_is_begun_by_its_ending() -> None:
    (item,) = json.loads(GenerateStream(Framing.ARRAY).ending(REFUSAL))
    assert finished(item) == [(0, "PROHIBITED_CONTENT")]
