"""Calls in streams of chat completions: when each is complete, and what a client gets when some are changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given as quantified
from hypothesis import settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from gateway.dialect.openai import CHAT
from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.wire.document import parse
from gateway.wire.frames import Framing
from tests.dialect.calling import Decide, Passed, as_it_is, decided, given, passed, refused
from tests.dialect.laws import doc
from tests.dialect.replay import StreamEvent, event, events

DONE: StreamEvent = (None, None, b"[DONE]")
HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m"}


def chunk(*choices: dict[str, Any], **more: Any) -> StreamEvent:
    return event(HEAD | {"choices": choices} | more)


def delta(index: int = 0, finish: str | None = None, **held: Any) -> dict[str, Any]:
    return {"index": index, "delta": held, "logprobs": None, "finish_reason": finish}


def begun(name: str, index: int = 0, arguments: str = "") -> dict[str, Any]:
    return {
        "index": index,
        "id": f"call_{name}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def more(arguments: str, index: int = 0) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}}


def chat(stream: Iterable[StreamEvent], decide: Decide = as_it_is) -> Passed:
    return passed(CHAT.stream(Framing.SSE), stream, decide)


def deltas(out: Passed) -> list[dict[str, Any]]:
    return [choice["delta"] for payload in out.payloads for choice in payload["choices"]]


TWO = (
    chunk(delta(role="assistant", content=None, tool_calls=[begun("f")])),
    chunk(delta(tool_calls=[more('{"a":')])),
    chunk(delta(tool_calls=[more("1}")])),
    chunk(delta(tool_calls=[begun("g", 1, "{}")])),
    chunk(delta(finish="tool_calls")),
    DONE,
)


class TestCalled:
    def test_a_call_is_complete_when_its_choice_is(self) -> None:
        out = chat(TWO)
        assert out.calls == [Call("f", {"a": 1}, "call_f"), Call("g", {}, "call_g")]
        f, g = (called.key for called in out.called)
        assert out.calling == [(f,), (f,), (f,), (g,), (f, g), ()]

    def test_interleaved_pieces_are_put_to_their_calls(self) -> None:
        out = chat(events("openai_chat", "parallel_tools", "response.sse"))
        assert [(call.name, call.arguments) for call in out.calls] == [
            ("get_weather", {"city": "Paris, France"}),
            ("get_weather", {"city": "Bogotá, Colombia"}),
        ]

    def test_a_call_is_complete_where_another_begins_at_its_index(self) -> None:
        reader = CHAT.stream(Framing.SSE)
        assert not reader.read(*chunk(delta(tool_calls=[begun("f", arguments="{}")]))).called
        (called,) = reader.read(*chunk(delta(tool_calls=[begun("g")]))).called
        assert called.call.name == "f"
        assert [one.call.name for one in reader.unfinished()] == ["g"]

    @pytest.mark.parametrize("last", [DONE, event({"error": {"message": "overloaded"}})])
    def test_a_call_that_no_finish_reason_ends_is_complete_at_the_end(self, last: StreamEvent) -> None:
        out = chat([chunk(delta(tool_calls=[begun("f", arguments='{"a":')])), last])
        assert out.calls == [Call("f", '{"a":', "call_f", is_readable=False)]

    def test_a_stream_that_just_ends_leaves_calls_unfinished(self) -> None:
        out = chat([chunk(delta(tool_calls=[begun("f", arguments="{}")]))])
        assert out.calls == [Call("f", {}, "call_f")]

    def test_custom_tools_and_the_older_function_call(self) -> None:
        out = chat(
            [
                chunk(delta(tool_calls=[{"index": 0, "id": "x", "type": "custom", "custom": {"name": "sql"}}])),
                chunk(delta(tool_calls=[{"index": 0, "custom": {"input": "DROP "}}])),
                chunk(delta(tool_calls=[{"index": 0, "custom": {"input": "TABLE t"}}])),
                chunk(delta(1, function_call={"name": "f", "arguments": ""})),
                chunk(delta(1, function_call={"arguments": '{"a":1}'})),
                chunk(delta(finish="tool_calls"), delta(1, finish="function_call")),
            ]
        )
        assert out.calls == [Call("sql", "DROP TABLE t", "x"), Call("f", {"a": 1})]

    @pytest.mark.parametrize(
        "piece",
        [
            {"index": 0, "type": "teleport", "where": "there"},
            {"index": 0, "function": "f"},
            {"index": 0, "function": {"arguments": {"a": 1}}},
        ],
    )
    def test_a_piece_of_an_unknown_form_makes_a_call_unreadable(self, piece: Any) -> None:
        (call,) = chat([chunk(delta(tool_calls=[begun("f")])), chunk(delta(tool_calls=[piece])), DONE]).calls
        assert (call.id, call.is_readable) == ("call_f", False)

    def test_a_piece_that_only_names_its_call_changes_nothing(self) -> None:
        stream = [chunk(delta(tool_calls=[{"index": 0, "id": "call_f"}])), *TWO]
        assert chat(stream).calls == chat(TWO).calls

    @pytest.mark.parametrize("choices", [{}, [1], [{"delta": 1}], [{"delta": {"tool_calls": {}}}]])
    def test_events_without_calls(self, choices: Any) -> None:
        assert chat([event(HEAD | {"choices": choices})]).calling == [()]

    def test_an_index_that_is_no_number_is_refused(self) -> None:
        with pytest.raises(Malformed, match="not a number"):
            chat([chunk(delta(tool_calls=[{"index": "0", "id": "x"}]))])


class TestRefused:
    def test_the_words_come_where_the_call_began(self) -> None:
        out = chat(TWO, refused("f", "g"))
        assert deltas(out) == [
            {"role": "assistant", "content": "No `f`."},
            {},
            {},
            {"content": "\n\nNo `g`."},
            {},
        ]
        assert out.payloads[-1]["choices"][0]["finish_reason"] == "stop"
        assert out.events[-1] == (None, b"[DONE]")

    def test_calls_behind_it_move_up(self) -> None:
        out = chat(TWO, refused("f"))
        assert deltas(out)[3] == {"tool_calls": [begun("g", 0, "{}")]}
        assert out.payloads[-1]["choices"][0]["finish_reason"] == "tool_calls"

    def test_calls_before_it_leave_as_they_came(self) -> None:
        out = chat(TWO, refused("g"))
        assert [data for _, data in out.events[:3]] == [data for _, _, data in TWO[:3]]
        assert deltas(out)[3:] == [{"content": "No `g`."}, {}]
        assert out.payloads[-1]["choices"][0]["finish_reason"] == "tool_calls"

    def test_the_words_stand_behind_what_the_model_said(self) -> None:
        out = chat([chunk(delta(content="Let me see.")), *TWO], refused("f"))
        assert deltas(out)[1] == {"role": "assistant", "content": "\n\nNo `f`."}

    def test_text_in_the_same_delta_stays(self) -> None:
        stream = [chunk(delta(content="So. ", tool_calls=[begun("f"), begun("g", 1)])), *TWO[4:]]
        assert deltas(chat(stream, refused("f")))[0] == {
            "content": "So. \n\nNo `f`.",
            "tool_calls": [begun("g", 0)],
        }

    def test_several_that_begin_in_one_delta(self) -> None:
        stream = [chunk(delta(tool_calls=[begun("f"), begun("g", 1), begun("h", 2)])), *TWO[4:]]
        assert deltas(chat(stream, refused("f", "h")))[0] == {
            "content": "No `f`.\n\nNo `h`.",
            "tool_calls": [begun("g", 0)],
        }

    def test_calls_without_an_index_get_one_where_they_moved(self) -> None:
        calls = [{"id": name, "function": {"name": name, "arguments": "{}"}} for name in "fgh"]
        out = chat([chunk(delta(tool_calls=calls)), *TWO[4:]], refused("f"))
        assert deltas(out)[0]["tool_calls"] == [calls[1] | {"index": 0}, calls[2] | {"index": 1}]

    def test_a_call_behind_another_at_its_index_keeps_it(self) -> None:
        stream = [chunk(delta(tool_calls=[begun(name, 0, "{}")])) for name in "fg"]
        stream += [chunk(delta(tool_calls=[begun("h", 1, "{}")])), *TWO[4:]]
        assert deltas(chat(stream, refused("f"))) == [
            {"content": "No `f`."},
            {"tool_calls": [begun("g", 0, "{}")]},
            {"tool_calls": [begun("h", 1, "{}")]},
            {},
        ]

    def test_several_refused_at_one_index_leave_one_gap(self) -> None:
        stream = [chunk(delta(tool_calls=[begun("f", 0, "{}") | {"id": identity}])) for identity in "xy"]
        stream += [chunk(delta(tool_calls=[begun("h", 1, "{}")])), *TWO[4:]]
        assert deltas(chat(stream, refused("f")))[2] == {"tool_calls": [begun("h", 0, "{}")]}

    def test_the_older_function_call(self) -> None:
        stream = [
            chunk(delta(role="assistant", function_call={"name": "f", "arguments": ""})),
            chunk(delta(function_call={"arguments": "{}"})),
            chunk(delta(finish="function_call")),
        ]
        out = chat(stream, refused("f"))
        assert deltas(out) == [{"role": "assistant", "content": "No `f`."}, {}, {}]
        assert out.payloads[-1]["choices"][0]["finish_reason"] == "stop"

    def test_choices_are_changed_apart(self) -> None:
        stream = [
            chunk(delta(0, tool_calls=[begun("f")]), delta(1, tool_calls=[begun("g")])),
            chunk(delta(1, finish="tool_calls")),
            chunk(delta(0, finish="tool_calls")),
        ]
        out = chat(stream, refused("f"))
        assert deltas(out)[:2] == [{"content": "No `f`."}, {"tool_calls": [begun("g")]}]
        reasons = [choice["finish_reason"] for payload in out.payloads[1:] for choice in payload["choices"]]
        assert reasons == ["tool_calls", "stop"]

    def test_probabilities_that_spell_the_call_go(self) -> None:
        spelt: Any = {"content": [{"token": "f", "logprob": 0.0, "bytes": None, "top_logprobs": []}], "refusal": None}
        stream = [chunk(delta(tool_calls=[begun("f")]) | {"logprobs": spelt}), *TWO[4:]]
        assert chat(stream, refused("f")).payloads[0]["choices"][0]["logprobs"] is None

    def test_everything_else_stays_byte_for_byte(self) -> None:
        raw = b'{"choices" : [{"delta": {"tool_calls": [{"function": {"name": "f"}}] }, "n": 1e3}], "usage": null }'
        stream: list[StreamEvent] = [(None, parse(raw), raw), *TWO[4:]]
        (_, first), *_ = chat(stream, refused("f")).events
        assert first == b'{"choices" : [{"delta": {"content":"No `f`."}, "n": 1e3}], "usage": null }'


class TestRewritten:
    def test_the_first_piece_of_arguments_has_them_all(self) -> None:
        out = chat(TWO, given({"b": 2}, "f"))
        assert deltas(out)[:4] == [
            {"role": "assistant", "content": None, "tool_calls": [begun("f", 0, '{"b":2}')]},
            {"tool_calls": [more("")]},
            {"tool_calls": [more("")]},
            {"tool_calls": [begun("g", 1, "{}")]},
        ]

    def test_a_call_that_had_none_gets_them_where_it_begins(self) -> None:
        call = {"index": 0, "id": "x", "function": {"name": "f"}}
        out = chat([chunk(delta(tool_calls=[call])), *TWO[4:]], given({"b": 2}, "f"))
        assert deltas(out)[0]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"b":2}'}

    def test_a_piece_without_arguments_stays_as_it_is(self) -> None:
        name = {"index": 0, "id": "x", "function": {"name": "f"}}
        stream = [chunk(delta(tool_calls=[name])), chunk(delta(tool_calls=[more("{}")])), *TWO[4:]]
        out = chat(stream, given({"b": 2}, "f"))
        assert [one.get("tool_calls") for one in deltas(out)] == [[name], [more('{"b":2}')], None]

    def test_one_behind_a_refused_call_moves_up(self) -> None:
        def decide(call: Call) -> Change:
            return Change(refusal="No.") if call.name == "f" else Change(arguments={"b": 2})

        assert deltas(chat(TWO, decide))[3] == {"tool_calls": [begun("g", 0, '{"b":2}')]}


class TestWhole:
    """Some servers send a whole message as an event, where they had to wait for its calls."""

    def whole(self, name: str) -> StreamEvent:
        call = {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return chunk({"index": 0, "message": message, "finish_reason": "tool_calls"})

    def test_its_calls_are_complete_with_it(self) -> None:
        out = chat([self.whole("f"), self.whole("g"), DONE])
        assert out.calls == [Call("f", {}, "call_f"), Call("g", {}, "call_g")]
        assert [len(keys) for keys in out.calling] == [1, 1, 0]

    def test_it_is_changed_as_a_whole_answer_is(self) -> None:
        first, second = chat([self.whole("f"), self.whole("g"), DONE], refused("f")).payloads
        assert first["choices"][0]["message"] == {"role": "assistant", "content": "No `f`."}
        assert first["choices"][0]["finish_reason"] == "stop"
        assert second["choices"][0]["message"]["tool_calls"]


@pytest.mark.parametrize(
    ("framing", "between"), [(Framing.SSE, b": keep-alive\n"), (Framing.LINES, b""), (Framing.MESSAGE, b"")]
)
def test_only_events_may_be_kept_alive(framing: Framing, between: bytes) -> None:
    assert CHAT.stream(framing).keepalive == between


# --- the law: what a client puts together is what it would have got at once

_TEXTS = st.text(st.sampled_from('ab é"\\'), max_size=6)
_ARGUMENTS = st.dictionaries(_TEXTS, _TEXTS | st.integers(0, 9), max_size=2).map(json.dumps)
_CALLS = st.lists(st.tuples(st.sampled_from("fgh"), _ARGUMENTS), max_size=4)


_JOINS = st.booleans()


@st.composite
def cuts(draw: st.DrawFn, text: str) -> list[str]:
    """A division of a text, in which pieces may be empty."""
    points = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *points], [*points, len(text)], strict=True)]


@st.composite
def choices(draw: st.DrawFn, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A choice as a whole, and its deltas; calls may be interleaved."""
    text, calls = draw(_TEXTS), draw(_CALLS)
    made: list[dict[str, Any]] = [begun(name, place, arguments) for place, (name, arguments) in enumerate(calls)]
    for place, call in enumerate(made):
        call["id"] = f"call_{index}_{place}"
    pieces: list[list[dict[str, Any]]] = []
    for call in made:
        first, *others = draw(cuts(call["function"]["arguments"]))
        head = call | {"function": call["function"] | {"arguments": first}}
        pieces.append([head, *(more(other, call["index"]) for other in others)])
    said: list[dict[str, Any]] = [{"content": piece} for piece in draw(cuts(text))] if text else []
    held = [{"tool_calls": group} for group in draw(grouped(pieces))]
    start: dict[str, Any] = {"role": "assistant", "content": None}
    stream = [delta(index, **one) for one in [start, *said, *held]]
    finish = "tool_calls" if made else "stop"
    if draw(st.booleans()):
        stream[-1]["finish_reason"] = finish
    else:
        stream.append(delta(index, finish))
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if made:
        message["tool_calls"] = [{key: call[key] for key in ("id", "type", "function")} for call in made]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}, stream


@st.composite
def grouped(draw: st.DrawFn, pieces: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """The pieces of calls in the order of each, one after the other or interleaved, some of them in one delta.

    Each call begins behind those before it, as all servers have it.
    """
    if draw(_JOINS):
        flat = [piece for call in pieces for piece in call]
    else:
        flat = [call[0] for call in pieces]
        rest = [call[1:] for call in pieces]
        while any(rest):
            flat.append(draw(st.sampled_from([call for call in rest if call])).pop(0))
    groups: list[list[dict[str, Any]]] = []
    for piece in flat:
        is_joined = draw(_JOINS)
        # The SDK takes one piece of a call in a delta.
        if groups and is_joined and all(piece["index"] != other["index"] for other in groups[-1]):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[StreamEvent]]:
    """An answer as a whole and as a stream, its choices side by side."""
    parts = [draw(choices(index)) for index in range(draw(st.integers(1, 2)))]
    streams = [list(stream) for _, stream in parts]
    out = [chunk(stream.pop(0)) for stream in streams]  # the SDK takes no choice before those with a lower index
    while any(streams):
        ready = [stream for stream in streams if stream]
        out.append(chunk(draw(st.sampled_from(ready)).pop(0)))
    whole = HEAD | {"object": "chat.completion", "choices": [choice for choice, _ in parts]}
    return whole, [*out, DONE]


def put_together(out: Passed) -> list[dict[str, Any]]:
    """The choices that the SDK makes of a stream."""
    state: Any = ChatCompletionStreamState()
    for payload in out.payloads:
        state.handle_chunk(ChatCompletionChunk.model_validate(payload, strict=True))
    return [shortly(choice) for choice in state.current_completion_snapshot.to_dict()["choices"]]


def shortly(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    ]
    return {"content": message.get("content") or "", "calls": calls, "finish": choice["finish_reason"]}


_DECISIONS = st.dictionaries(
    st.sampled_from("fgh"), st.sampled_from([Change(refusal="No."), Change(arguments={"é": [1]})]), max_size=3
)


@settings(max_examples=200, deadline=None)
@quantified(answers(), _DECISIONS)
def test_a_stream_comes_to_what_the_whole_answer_is(
    answer: tuple[dict[str, Any], list[StreamEvent]], decisions: dict[str, Change]
) -> None:
    def decide(call: Call) -> Change | None:
        return decisions.get(call.name)

    whole, stream = answer
    out = chat(stream, decide)
    document = doc(whole)
    called = CHAT.calls(document)
    assert sorted(map(repr, out.calls)) == sorted(repr(one.call) for one in called)
    expected = parse(CHAT.changed(document, decided(called, decide))).value
    assert put_together(out) == [shortly(choice) for choice in expected["choices"]]
    if not any(call.name in decisions for call in out.calls):
        assert [data for _, data in out.events] == [data for _, _, data in stream]
