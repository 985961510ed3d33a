"""Streams of chat completions: which text each piece belongs to, when it is complete, and how a cut stream ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from openai.types.completion import Completion

from gateway.dialect.openai import CHAT, COMPLETIONS
from gateway.errors import Malformed
from gateway.segment import Kind
from gateway.wire.frames import Framing
from tests.dialect.replay import REFUSAL, Played, StreamEvent, cut, event, events, play

DONE: StreamEvent = (None, None, b"[DONE]")


def chunk(*choices: dict[str, Any], **more: Any) -> StreamEvent:
    return event({"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": choices} | more)


def choice(delta: dict[str, Any], index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish} | more


def chat(*stream: StreamEvent) -> Played:
    return play(CHAT.stream(Framing.SSE), stream)


def texts(played: Played) -> list[str]:
    return list(played.texts.values())


def test_choices_are_texts_of_their_own() -> None:
    played = chat(*events("openai_chat", "two_choices", "response.sse"))
    assert played.texts == {
        ("choices", 0, "delta", "content"): "Bonjour ! 😀 Ça",
        ("choices", 1, "delta", "content"): "Salut, ça va\u00a0? Bien.",
    }
    assert played.closed == [("choices", 0, "delta", "content"), ("choices", 1, "delta", "content")]
    assert played.ended
    assert played.usage == {"input": 21, "output": 14}
    assert played.wholes == []


def test_interleaved_parallel_calls_are_texts_of_their_own() -> None:
    played = chat(*events("openai_chat", "parallel_tools", "response.sse"))
    assert texts(played) == [
        "get_weather",
        '{"city":"Paris, France"}',
        "get_weather",
        '{"city":"Bogotá, Colombia"}',
    ]
    assert {d.kind for r in played.readings for d in r.deltas} == {Kind.TOOL_CALL}
    assert sorted(map(str, played.closed)) == sorted(map(str, played.texts))


def test_a_finish_reason_closes_only_its_choice() -> None:
    played = chat(
        chunk(choice({"content": "a"}, 0), choice({"content": "b"}, 1)),
        chunk(choice({}, 1, "stop")),
        chunk(choice({"content": "c"}, 0)),
    )
    assert played.closed == [("choices", 1, "delta", "content")]
    assert played.texts[("choices", 0, "delta", "content")] == "ac"


def test_the_index_counts_and_not_the_position() -> None:
    played = chat(chunk(choice({"content": "b"}, 1), choice({"content": "a"}, 0)), chunk(choice({"content": "c"}, 1)))
    assert played.texts == {
        ("choices", 1, "delta", "content"): "bc",
        ("choices", 0, "delta", "content"): "a",
    }


def test_text_after_its_finish_reason_is_refused() -> None:
    reader = CHAT.stream(Framing.SSE)
    play(reader, [chunk(choice({"content": "a"}, 0, "stop"))])
    with pytest.raises(Malformed, match="goes on after"):
        reader.read(*chunk(choice({"content": "b"}, 0)))


def call(identity: str | None, arguments: str, name: str | None = None) -> StreamEvent:
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return chunk(choice({"tool_calls": [{"index": 0, "id": identity, "function": function}]}))


def test_calls_that_share_an_index_are_told_apart_by_a_new_id_with_a_name() -> None:
    played = chat(
        call("x", '{"a":', "f"), call(None, "1}"), call("y", '{"b":2}', "g"), chunk(choice({}, finish="tool_calls"))
    )
    place = ("choices", 0, "delta", "tool_calls", 0)
    assert played.texts == {
        (*place, 0, "function", "name"): "f",
        (*place, 0, "function", "arguments"): '{"a":1}',
        (*place, 1, "function", "name"): "g",
        (*place, 1, "function", "arguments"): '{"b":2}',
    }
    assert [reading.closes for reading in played.readings] == [
        (),
        (),
        ((*place, 0, "function", "name"), (*place, 0, "function", "arguments")),
        ((*place, 1, "function", "name"), (*place, 1, "function", "arguments")),
    ]


def test_calls_that_share_an_index_may_come_in_one_event() -> None:
    calls = [
        {"index": 0, "id": identity, "function": {"name": "f", "arguments": f'{{"a":"{identity}"}}'}}
        for identity in ("x", "y")
    ]
    played = chat(chunk(choice({"tool_calls": calls})), chunk(choice({}, finish="tool_calls")))
    assert texts(played) == ["f", '{"a":"x"}', "f", '{"a":"y"}']
    assert played.closed == list(played.texts)


@pytest.mark.parametrize("ids", [("a", "b"), (None, "b"), ("a", None), ("a", "")])
def test_an_id_without_a_name_begins_no_call(ids: tuple[str | None, str | None]) -> None:
    """Clients join by index, so pieces under two ids are one text to them."""
    played = chat(call(ids[0], '{"a":"tok_ab'), call(ids[1], 'cd1234"}'))
    assert texts(played) == ['{"a":"tok_abcd1234"}']


@pytest.mark.parametrize("begun", ['{"a":"tok_ab', "[1]", "12"])
def test_a_call_cannot_begin_where_another_is_not_complete(begun: str) -> None:
    with pytest.raises(Malformed, match="not complete"):
        chat(call("x", begun, "f"), call("y", 'cd1234"}', "f"))


def test_calls_without_an_index_are_told_apart_by_their_place() -> None:
    calls = [{"function": {"arguments": "1"}}, {"function": {"arguments": "2"}}]
    assert texts(chat(chunk(choice({"tool_calls": calls})))) == ["1", "2"]


@pytest.mark.parametrize(
    ("delta", "found"),
    [
        ({"refusal": "no"}, ("no", "refusal")),
        ({"reasoning_content": "hm"}, ("hm", "reasoning")),
        ({"reasoning": "hm"}, ("hm", "reasoning")),
        ({"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "hm"}]}, ("hm", "reasoning")),
        ({"audio": {"id": "a", "transcript": "said"}}, ("said", "text")),
        ({"function_call": {"name": "f"}}, ("f", "tool_call")),
        ({"function_call": {"arguments": "{}"}}, ("{}", "tool_call")),
        ({"tool_calls": [{"index": 0, "custom": {"input": "raw"}}]}, ("raw", "tool_call")),
    ],
)
def test_pieces_of_every_kind(delta: dict[str, Any], found: tuple[str, str]) -> None:
    (reading,) = chat(chunk(choice(delta))).readings
    assert [(d.text, d.kind.value, d.whole) for d in reading.deltas] == [(*found, False)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (choice({"new": {"tok_abcd1234": 1}}), "tok_abcd1234"),
        (choice({"new": 4111111111111111}), "4111111111111111"),
        (choice({}, new="text"), "text"),
        (choice({"annotations": [{"type": "url_citation", "url_citation": {"title": "text"}}]}), "text"),
    ],
)
def test_what_is_not_a_known_piece_is_judged_alone(value: dict[str, Any], found: str) -> None:
    played = chat(chunk(value))
    assert [delta.text for delta in played.wholes] == [found]
    assert played.texts == {}


@pytest.mark.parametrize(
    "delta",
    [
        lambda text: {"thinking_text": text},
        lambda text: {"new": {"x": [{"text": text}]}},
        lambda text: {"tool_calls": [{"index": 0, "new": text}]},
        lambda text: {"tool_calls": [{"index": 0, "function": {"new": text}}]},
        lambda text: {"audio": {"new": text}},
    ],
)
def test_members_of_a_delta_that_are_not_known_grow(delta: Callable[[str], dict[str, Any]]) -> None:
    played = chat(chunk(choice(delta("tok_ab"))), chunk(choice(delta("cd1234"))), chunk(choice({}, finish="stop")))
    assert texts(played) == ["tok_abcd1234"]
    assert played.closed == list(played.texts)


def test_an_empty_member_may_follow_a_finish_reason() -> None:
    played = chat(chunk(choice({}, finish="stop")), chunk(choice({"new": ""})))
    assert played.texts == {}


def test_probabilities_in_a_stream_are_named_as_not_inspected() -> None:
    tokens = {"content": [{"token": "a", "logprob": 0, "bytes": None, "top_logprobs": []}]}
    played = chat(chunk(choice({"content": "a"}, logprobs=tokens)), chunk(choice({"content": "b"}, logprobs=None)))
    assert [part.what for reading in played.readings for part in reading.uninspected] == ["logprobs"]


def test_audio_in_a_stream_is_named_as_not_inspected() -> None:
    (reading,) = chat(chunk(choice({"audio": {"data": "UklGRg=="}}))).readings
    assert [part.what for part in reading.uninspected] == ["audio"]


def test_an_error_in_a_stream_is_read_and_ends_it() -> None:
    played = chat(event({"error": {"message": "overloaded", "code": "server_error"}}))
    assert [delta.text for delta in played.wholes] == ["overloaded", "server_error"]
    assert played.ended


@pytest.mark.parametrize(
    "bad",
    [
        (None, None, b"not JSON"),
        (None, None, b""),
        chunk({"index": "0", "delta": {"content": "x"}}),
        chunk(choice({"tool_calls": [{"index": [0], "function": {"arguments": "x"}}]})),
    ],
)
def test_events_that_cannot_be_trusted_are_refused(bad: StreamEvent) -> None:
    with pytest.raises(Malformed):
        CHAT.stream(Framing.SSE).read(*bad)


@pytest.mark.parametrize("odd", [[], {"choices": "x"}, {"choices": ["x"]}, {"choices": [{"delta": "x"}]}])
def test_odd_shapes_are_read_as_text(odd: Any) -> None:
    played = chat(event(odd))
    assert all(delta.text == "x" for delta in played.wholes)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["content", "refusal"]), st.text(min_size=1))))
def test_pieces_join_to_the_final_text(pieces: list[tuple[int, str, str]]) -> None:
    played = chat(*(chunk(choice({member: text}, index)) for index, member, text in pieces))
    final: dict[tuple[Any, ...], str] = {}
    for index, member, text in pieces:
        final[("choices", index, "delta", member)] = final.get(("choices", index, "delta", member), "") + text
    assert played.texts == final


def ended(*stream: StreamEvent, framing: Framing = Framing.SSE) -> bytes:
    reader = CHAT.stream(framing)
    play(reader, stream)
    return reader.ending(REFUSAL)


def test_a_cut_stream_finishes_each_open_choice_and_says_done() -> None:
    ending = ended(
        chunk(choice({"role": "assistant"}, 0), choice({}, 1), choice({}, 2)),
        chunk(choice({}, 1, "stop")),
    )
    assert ending.endswith(b"data: [DONE]\n\n")
    (_, last, _), done = cut(ending)
    assert done == DONE
    assert last is not None
    assert last.value == {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "content_filter"},
            {"index": 2, "delta": {}, "logprobs": None, "finish_reason": "content_filter"},
        ],
    }
    ChatCompletionChunk.model_validate(last.value, strict=True)


def test_a_stream_cut_after_its_last_finish_reason_only_says_done() -> None:
    assert ended(chunk(choice({}, 0, "stop"))) == b"data: [DONE]\n\n"


def test_a_stream_cut_before_its_first_event_still_ends_in_a_chunk() -> None:
    (_, last, _), _ = cut(ended())
    assert last is not None
    parsed = ChatCompletionChunk.model_validate(last.value)
    assert parsed.choices[0].finish_reason == "content_filter"
    assert parsed.id == "chatcmpl-req-1"


def test_the_head_of_the_ending_is_the_first_that_is_not_empty() -> None:
    ending = ended(chunk(id="", model="", created=0), chunk(choice({}, 0), id="c7"), chunk(id="c8"))
    assert ending.startswith(b'data: {"id":"c7","object":"chat.completion.chunk","created":5,"model":"m"')


def test_a_choice_that_was_held_back_is_finished_too() -> None:
    reader = CHAT.stream(Framing.SSE)
    reader.read(*chunk(choice({"content": "held"}, 1, "stop")))
    (_, last, _), _ = cut(reader.ending(REFUSAL))
    assert last is not None
    assert [c["index"] for c in last.value["choices"]] == [1]


def test_done_that_has_left_changes_nothing() -> None:
    assert ended(chunk(choice({}, 0)), DONE).startswith(b'data: {"id":"c1"')


def test_choices_with_an_odd_index_do_not_break_the_ending() -> None:
    reader = CHAT.stream(Framing.SSE)
    reader.sent(*chunk({"index": "0", "delta": {}}))
    (_, last, _), _ = cut(reader.ending(REFUSAL))
    assert last is not None
    assert [c["index"] for c in last.value["choices"]] == [0]


def test_a_text_completion_ends_in_its_own_shape() -> None:
    reader = COMPLETIONS.stream(Framing.SSE)
    first = event(
        {"id": "t1", "object": "text_completion", "created": 5, "model": "m", "choices": [{"index": 0, "text": "Hi"}]}
    )
    played = play(reader, [first])
    assert played.texts == {("choices", 0, "text"): "Hi"}
    (_, last, _), _ = cut(reader.ending(REFUSAL))
    assert last is not None
    assert Completion.model_validate(last.value).choices[0].finish_reason == "content_filter"
    assert last.value["choices"][0]["text"] == ""


def test_a_stream_of_lines_ends_in_a_line() -> None:
    ending = ended(chunk(choice({}, 0)), framing=Framing.LINES)
    assert ending.count(b"\n") == 1
    assert json.loads(ending)["choices"][0]["finish_reason"] == "content_filter"
