"""Streams of typed events: one text is one channel, restatements stand alone, and a cut stream ends as it should."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseCreatedEvent, ResponseIncompleteEvent

from gateway.dialect.openai import RESPONSES
from gateway.errors import Malformed
from gateway.segment import Kind
from gateway.wire.frames import Framing
from tests.dialect.replay import REFUSAL, Played, StreamEvent, cut, event, events, play


def played(*stream: StreamEvent) -> Played:
    return play(RESPONSES.stream(Framing.SSE), stream)


def typed(kind: str, **members: Any) -> StreamEvent:
    return event({"type": kind, "output_index": 0, "item_id": "i", **members})


def test_a_text_is_one_channel_and_its_restatements_stand_alone() -> None:
    heard = played(*events("openai_responses", "streamed_text", "response.sse"))
    text = "Hi there! How can I assist you today?"
    assert heard.texts == {(0, "content", 0, "text"): text}
    assert heard.closed == [(0, "content", 0, "text")]
    # output_text.done, content_part.done, output_item.done, response.completed
    assert [(d.text, d.whole) for d in heard.wholes] == [(text, True)] * 4
    assert heard.ended
    assert heard.usage == {"input": 37, "output": 11}


def test_the_text_is_closed_by_the_first_event_that_says_it_is_done() -> None:
    heard = played(*events("openai_responses", "streamed_text", "response.sse"))
    (position,) = (n for n, reading in enumerate(heard.readings) if reading.closes)
    assert heard.readings[position].deltas[0].whole


def test_the_arguments_of_a_call_are_one_channel_and_stay_one_text() -> None:
    heard = played(*events("openai_responses", "streamed_tool", "response.sse"))
    arguments = '{"location":"Bogotá, Colombia","unit":"celsius"}'
    assert heard.texts == {
        (0, "summary", 0, "text"): "The user wants the weather.",
        (1, "name"): "get_weather",
        (1, "arguments"): arguments,
    }
    assert heard.closed == [(0, "summary", 0, "text"), (1, "arguments"), (1, "name")]
    restated = [d for d in heard.wholes if d.text == arguments]
    assert [(d.kind, d.place.inner) for d in restated] == [(Kind.TOOL_CALL, None)] * 3
    assert [p.what for r in heard.readings for p in r.uninspected] == ["encrypted_content"] * 2


@pytest.mark.parametrize(
    ("stem", "extra", "done", "channel", "kind"),
    [
        ("response.output_text", {"content_index": 2}, "text", (0, "content", 2, "text"), "text"),
        ("response.refusal", {"content_index": 1}, "refusal", (0, "content", 1, "refusal"), "refusal"),
        ("response.reasoning_text", {"content_index": 0}, "text", (0, "content", 0, "text"), "reasoning"),
        ("response.reasoning_summary_text", {"summary_index": 3}, "text", (0, "summary", 3, "text"), "reasoning"),
        ("response.function_call_arguments", {}, "arguments", (0, "arguments"), "tool_call"),
        ("response.mcp_call_arguments", {}, "arguments", (0, "arguments"), "tool_call"),
        ("response.custom_tool_call_input", {}, "input", (0, "input"), "tool_call"),
        ("response.code_interpreter_call_code", {}, "code", (0, "code"), "tool_call"),
        ("response.shell_call_command", {"command_index": 1}, "command", (0, "action", "commands", 1), "tool_call"),
        ("response.audio.transcript", {}, "transcript", (0, "transcript"), "text"),
        ("transcript.text", {}, "text", (0, "text"), "text"),
    ],
)
def test_every_growing_text(stem: str, extra: dict[str, int], done: str, channel: tuple[Any, ...], kind: str) -> None:
    heard = played(
        typed(f"{stem}.delta", delta="one ", **extra),
        typed(f"{stem}.delta", delta="two", **extra),
        typed(f"{stem}.done", **{done: "one two"}, **extra),
    )
    assert heard.texts == {channel: "one two"}
    assert heard.closed == [channel]
    assert [(d.text, d.kind.value) for d in heard.wholes] == [("one two", kind)]


@pytest.mark.parametrize(
    ("begin", "delta", "text"),
    [
        (
            typed("response.content_part.added", content_index=0, part={"type": "output_text", "text": "be"}),
            typed("response.output_text.delta", content_index=0, delta="gun"),
            {(0, "content", 0, "text"): "begun"},
        ),
        (
            typed(
                "response.reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": "be"}
            ),
            typed("response.reasoning_summary_text.delta", summary_index=0, delta="gun"),
            {(0, "summary", 0, "text"): "begun"},
        ),
        (
            typed("response.output_item.added", item={"type": "function_call", "arguments": "be"}),
            typed("response.function_call_arguments.delta", delta="gun"),
            {(0, "arguments"): "begun"},
        ),
        (
            typed(
                "response.output_item.added",
                item={"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "be"}]},
            ),
            typed("response.output_text.delta", content_index=0, delta="gun"),
            {(0, "content", 0, "text"): "begun"},
        ),
        (
            typed("response.shell_call_command.added", command_index=0, command="be"),
            typed("response.shell_call_command.delta", command_index=0, delta="gun"),
            {(0, "action", "commands", 0): "begun"},
        ),
    ],
)
def test_what_an_item_begins_with_belongs_to_its_text(
    begin: StreamEvent, delta: StreamEvent, text: dict[Any, str]
) -> None:
    assert played(begin, delta).texts == text


def test_the_output_of_a_shell_grows_on_two_channels() -> None:
    heard = played(
        typed("response.shell_call_output_content.delta", command_index=0, delta={"stdout": "a"}),
        typed("response.shell_call_output_content.delta", command_index=0, delta={"stdout": "b", "stderr": "c"}),
        typed("response.shell_call_output_content.done", command_index=0, output=[{"stdout": "ab", "stderr": "c"}]),
    )
    assert heard.texts == {(0, "output", 0, "stdout"): "ab", (0, "output", 0, "stderr"): "c"}
    assert heard.closed == [(0, "output", 0, "stdout"), (0, "output", 0, "stderr")]
    assert [d.text for d in heard.wholes] == ["ab", "c"]


def test_a_part_closes_its_own_texts_and_an_item_all_of_its() -> None:
    heard = played(
        typed("response.output_text.delta", content_index=0, delta="a"),
        typed("response.output_text.delta", content_index=1, delta="b"),
        typed("response.refusal.delta", content_index=1, delta="c"),
        typed("response.content_part.done", content_index=1, part={"type": "output_text", "text": "b"}),
    )
    assert heard.closed == [(0, "content", 1, "text"), (0, "content", 1, "refusal")]
    heard = played(
        typed("response.output_text.delta", content_index=0, delta="a"),
        event({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "b"}),
        typed("response.output_item.done", item={"type": "message", "role": "assistant", "content": []}),
    )
    assert heard.closed == [(0, "content", 0, "text")]


def test_items_without_an_index_are_told_apart_by_their_id() -> None:
    heard = played(
        event({"type": "response.output_text.delta", "item_id": "a", "delta": "x"}),
        event({"type": "response.output_text.delta", "item_id": "b", "delta": "y"}),
    )
    assert list(heard.texts.values()) == ["x", "y"]


def piece(text: str, **item: Any) -> StreamEvent:
    return event({"type": "response.output_text.delta", "content_index": 0, "delta": text, **item})


@pytest.mark.parametrize(
    "items",
    [
        [{"output_index": 0, "item_id": "i"}, {"item_id": "i"}, {"output_index": 0}],
        [{"item_id": "i"}, {"output_index": 0, "item_id": "i"}, {"output_index": 0}],
        [{"output_index": 0}, {"output_index": 0, "item_id": "i"}, {"item_id": "i"}],
        [{"output_index": 0, "item_id": "i"}, {"output_index": 0, "item_id": "j"}, {"item_id": "j"}],
    ],
    ids=["both first", "id first", "index first", "an id for each event"],
)
def test_an_items_index_and_its_id_name_one_text(items: list[dict[str, Any]]) -> None:
    heard = played(*(piece(text, **item) for text, item in zip("abc", items, strict=True)))
    assert list(heard.texts.values()) == ["abc"]


def test_an_items_id_is_learned_where_the_item_is_announced() -> None:
    item = {"type": "message", "id": "i", "role": "assistant", "content": []}
    heard = played(
        event({"type": "response.output_item.added", "output_index": 3, "item": item}),
        piece("a", item_id="i"),
        piece("b", output_index=3),
    )
    assert heard.texts == {(3, "content", 0, "text"): "ab"}


def test_items_with_one_id_are_told_apart_by_their_index() -> None:
    heard = played(piece("a", output_index=0, item_id="i"), piece("b", output_index=1, item_id="i"))
    assert list(heard.texts.values()) == ["a", "b"]


def test_an_item_that_had_two_names_is_refused() -> None:
    with pytest.raises(Malformed, match="under its id alone"):
        played(piece("a", output_index=0), piece("b", item_id="i"), piece("c", output_index=0, item_id="i"))


def test_the_name_of_a_call_is_open_until_its_item_is_done() -> None:
    """So the event that announces a call stays until its arguments are judged."""
    item = {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": ""}
    heard = played(
        typed("response.output_item.added", item=item),
        typed("response.function_call_arguments.delta", delta="{}"),
        typed("response.function_call_arguments.done", arguments="{}"),
        typed("response.output_item.done", item=item | {"arguments": "{}"}),
    )
    (name,) = heard.readings[0].deltas
    assert (name.channel, name.kind, name.whole) == ((0, "name"), Kind.TOOL_CALL, False)
    assert [reading.closes for reading in heard.readings] == [(), (), ((0, "arguments"),), ((0, "name"),)]


def test_probabilities_are_named_as_not_inspected() -> None:
    heard = played(piece("a", output_index=0, logprobs=[]), piece("a", output_index=0, logprobs=[{"token": "a"}]))
    assert [part.what for reading in heard.readings for part in reading.uninspected] == ["logprobs"]


def test_a_text_that_goes_on_after_it_was_done_is_refused() -> None:
    reader = RESPONSES.stream(Framing.SSE)
    play(reader, [typed("response.output_text.done", content_index=0, text="a")])
    with pytest.raises(Malformed, match="goes on after"):
        reader.read(*typed("response.output_text.delta", content_index=0, delta="b"))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"type": "response.new.happened", "note": "text"}, "text"),
        ({"note": "text"}, "text"),
        ({"type": 7, "note": "text"}, "text"),
        ({"type": "error", "message": "text"}, "text"),
        ({"type": "response.failed", "response": {"error": {"message": "text"}}}, "text"),
        (
            {"type": "response.output_text.annotation.added", "annotation": {"type": "url_citation", "title": "text"}},
            "text",
        ),
        ({"type": "response.output_text.delta", "new": "text"}, "text"),
    ],
)
def test_what_is_not_a_known_piece_is_judged_alone(value: dict[str, Any], found: str) -> None:
    heard = played(event(value))
    assert [d.text for d in heard.wholes] == [found]
    assert heard.texts == {}


def test_pieces_of_a_new_type_join() -> None:
    heard = played(
        typed("response.new.delta", delta="a"),
        typed("response.other.delta", delta="x"),
        typed("response.new.delta", delta="b"),
    )
    assert list(heard.texts.values()) == ["ab", "x"]


@pytest.mark.parametrize(
    "last",
    [
        event({"type": "response.completed", "response": {}}),
        event({"type": "response.incomplete", "response": {}}),
        event({"type": "response.failed", "response": {}}),
        event({"type": "error", "message": "m"}),
        event({"error": {"message": "m"}}),
        (None, None, b"[DONE]"),
    ],
)
def test_last_events_close_everything(last: StreamEvent) -> None:
    assert played(last).ended


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"type": "response.image_generation_call.partial_image", "partial_image_b64": "iVBO"}, "image"),
        ({"type": "image_generation.partial_image", "b64_json": "iVBO"}, "image"),
        ({"type": "image_edit.completed", "b64_json": "iVBO"}, "image"),
        ({"type": "response.audio.delta", "delta": "UklG"}, "audio"),
        ({"type": "speech.audio.delta", "audio": "UklG"}, "audio"),
    ],
)
def test_binary_events_are_named_as_not_inspected(value: dict[str, Any], what: str) -> None:
    (reading,) = played(event(value)).readings
    assert [part.what for part in reading.uninspected] == [what]
    assert reading.deltas == ()


@pytest.mark.parametrize(
    "bad",
    [
        (None, None, b"garbage"),
        event({"type": "response.output_text.delta", "output_index": "0", "delta": "x"}),
        typed("response.output_text.delta", content_index=[0], delta="x"),
    ],
)
def test_events_that_cannot_be_trusted_are_refused(bad: StreamEvent) -> None:
    with pytest.raises(Malformed):
        RESPONSES.stream(Framing.SSE).read(*bad)


def test_the_name_of_the_event_stands_in_for_a_missing_type() -> None:
    _, document, data = event({"output_index": 0, "delta": "x"})
    assert played(("response.output_text.delta", document, data)).texts == {(0, "content", 0, "text"): "x"}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.text(min_size=1))))
def test_pieces_join_to_the_final_text(pieces: list[tuple[int, int, str]]) -> None:
    heard = played(
        *(
            event({"type": "response.output_text.delta", "output_index": item, "content_index": part, "delta": text})
            for item, part, text in pieces
        )
    )
    final: dict[tuple[Any, ...], str] = {}
    for item, part, text in pieces:
        final[(item, "content", part, "text")] = final.get((item, "content", part, "text"), "") + text
    assert heard.texts == final


TRANSCRIPT = events("openai_responses", "streamed_text", "response.sse")


@pytest.mark.parametrize("length", range(1, len(TRANSCRIPT)))
def test_a_cut_stream_ends_incomplete_with_the_next_number(length: int) -> None:
    reader = RESPONSES.stream(Framing.SSE)
    play(reader, TRANSCRIPT[:length])
    ((name, last, _),) = cut(reader.ending(REFUSAL))
    assert last is not None
    assert name == "response.incomplete"
    parsed = ResponseIncompleteEvent.model_validate(last.value)
    assert parsed.sequence_number == length
    assert parsed.response.status == "incomplete"
    assert parsed.response.incomplete_details is not None
    assert parsed.response.incomplete_details.reason == "content_filter"
    assert parsed.response.output == []
    assert parsed.response.id == "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654"


@pytest.mark.parametrize("read", [0, 1])
def test_a_stream_cut_before_its_first_event_has_left_begins_first(read: int) -> None:
    reader = RESPONSES.stream(Framing.SSE)
    for held in TRANSCRIPT[:read]:
        reader.read(*held)
    (_, first, _), (_, last, _) = cut(reader.ending(REFUSAL))
    assert first is not None
    assert last is not None
    begun = ResponseCreatedEvent.model_validate(first.value)
    ended = ResponseIncompleteEvent.model_validate(last.value)
    assert (begun.sequence_number, ended.sequence_number) == (0, 1)
    expected = (
        ("resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654", "gpt-5.4-2026-03-05") if read else ("resp_req-1", "")
    )
    assert (begun.response.id, begun.response.model) == expected
    assert ended.response.id == begun.response.id


def test_events_without_a_number_leave_the_count_as_it_was() -> None:
    reader = RESPONSES.stream(Framing.SSE)
    play(reader, [TRANSCRIPT[0], typed("response.ping"), (None, None, b"[DONE]"), typed("response.ping")])
    assert b'"sequence_number":1}' in reader.ending(REFUSAL)


def test_a_stream_of_another_api_ends_in_an_error() -> None:
    reader = RESPONSES.stream(Framing.SSE)
    play(reader, [event({"type": "transcript.text.delta", "delta": "x"})])
    ending = reader.ending(REFUSAL)
    assert ending.startswith(b"data: ")
    assert ending.endswith(b"\n\n")
    assert json.loads(ending[6:])["error"]["code"] == "content_blocked"
