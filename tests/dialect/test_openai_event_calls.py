"""Calls in streams of the Responses API: when each is complete, and what a client gets when some are changed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given as quantified
from hypothesis import settings
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from gateway.dialect.openai import RESPONSES
from gateway.dialect.openai_responses_calls import MARK
from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.wire.document import parse
from gateway.wire.frames import Framing
from tests.dialect.calling import Decide, Passed, as_it_is, decided, given, passed, refused
from tests.dialect.laws import doc
from tests.dialect.replay import REFUSAL, StreamEvent, cut
from tests.dialect.test_openai_responses_calls import answer, function, item

DONE: StreamEvent = (None, None, b"[DONE]")


def numbered(events: Iterable[dict[str, Any]]) -> list[StreamEvent]:
    """The events as they come, each with its number and its type as its name."""
    out: list[StreamEvent] = []
    for number, event in enumerate(events):
        document = doc({**event, "sequence_number": number})
        out.append((event["type"], document, document.raw))
    return out


def begun(call: dict[str, Any]) -> dict[str, Any]:
    emptied: dict[str, Any] = {member: "" for member in ("arguments", "input") if member in call}
    return {**call, **emptied, "status": "in_progress"}


def told(call: dict[str, Any], index: int, pieces: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
    """The events of one call."""
    place = {"item_id": call["id"], "output_index": index}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun(call)}
    stem, member = {
        "function_call": ("response.function_call_arguments", "arguments"),
        "custom_tool_call": ("response.custom_tool_call_input", "input"),
    }.get(call["type"], ("", ""))
    if stem:
        for piece in [call[member]] if pieces is None else pieces:
            yield {"type": f"{stem}.delta", **place, "delta": piece}
        yield {"type": f"{stem}.done", **place, member: call[member], "name": call["name"]}
    yield {"type": "response.output_item.done", "output_index": index, "item": call}


def said(text: str, index: int) -> Iterator[dict[str, Any]]:
    """The events of a message."""
    part = {"type": "output_text", "annotations": [], "logprobs": []}
    message = {"id": f"msg_{index}", "type": "message", "role": "assistant"}
    place = {"item_id": message["id"], "output_index": index, "content_index": 0}
    yield {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {**message, "status": "in_progress", "content": []},
    }
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    yield {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": {**part, "text": text}}
    yield {
        "type": "response.output_item.done",
        "output_index": index,
        "item": {**message, "status": "completed", "content": [{**part, "text": text}]},
    }


def response(*middle: dict[str, Any], output: Iterable[Any] = (), last: str = "completed") -> list[StreamEvent]:
    """A stream with these events in its middle; the last event restates `output`."""
    started = answer(status="in_progress")
    return numbered(
        [
            {"type": "response.created", "response": started},
            {"type": "response.in_progress", "response": started},
            *middle,
            {"type": f"response.{last}", "response": answer(*output, status=last)},
        ]
    )


def events_of(stream: Iterable[StreamEvent], decide: Decide = as_it_is) -> Passed:
    return passed(RESPONSES.stream(Framing.SSE), stream, decide)


def types(out: Passed) -> list[str]:
    return [payload["type"].removeprefix("response.") for payload in out.payloads]


F, G = function("f", '{"a": 1}', "cf"), function("g", "{}", "cg")
TWO = response(*told(F, 0, ['{"a":', " 1}"]), *told(G, 1), output=[F, G])
SQL = item("custom_tool_call", "cs", name="sql", input="SELECT 1")
MESSAGE = [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]


class TestCalled:
    def test_a_call_is_complete_when_its_item_is(self) -> None:
        out = events_of(TWO)
        assert out.calls == [Call("f", {"a": 1}, "cf"), Call("g", {}, "cg")]
        f, g = (called.key for called in out.called)
        assert out.calling == [(), (), (f,), (f,), (f,), (f,), (f,), (g,), (g,), (g,), (g,), (f, g)]
        assert [data for _, data in out.events] == [data for _, _, data in TWO]

    def test_interleaved_events_are_put_to_their_calls(self) -> None:
        pairs = itertools.zip_longest(told(F, 0), told(G, 1))
        out = events_of(response(*(event for pair in pairs for event in pair if event), output=[F, G]))
        assert [call.name for call in out.calls] == ["f", "g"]

    @pytest.mark.parametrize(
        "call",
        [
            SQL,
            item("shell_call", action={"commands": ["ls"]}),
            item("apply_patch_call", operation={"path": "x"}),
            {"type": "mcp_approval_request", "id": "m1", "name": "f", "arguments": "{}", "server_label": "s"},
        ],
    )
    def test_calls_of_every_form(self, call: dict[str, Any]) -> None:
        out = events_of(response(*told(call, 0), output=[call]))
        (expected,) = RESPONSES.calls(doc(answer(call)))
        assert out.calls == [expected.call]

    def test_what_the_provider_runs_is_no_call(self) -> None:
        call = item("mcp_call", name="f", arguments="{}", server_label="s")
        events = [*told(call, 0)]
        events.insert(1, {"type": "response.mcp_call_arguments.delta", "output_index": 0, "delta": "{}"})
        assert events_of(response(*events, output=[call])).called == []

    def test_a_call_that_only_the_response_tells_of_is_complete_with_it(self) -> None:
        out = events_of(response(output=[F]))
        assert out.calls == [Call("f", {"a": 1}, "cf")]
        assert out.calling[-1] == (out.called[0].key,)

    def test_a_call_that_was_not_done_is_complete_where_it_is_restated(self) -> None:
        out = events_of(response(*[*told(F, 0)][:2], output=[F]))
        assert out.calls == [Call("f", {"a": 1}, "cf")]

    @pytest.mark.parametrize("events", [1, 2, 3])
    def test_a_call_that_nothing_ended_is_as_far_as_it_was_told(self, events: int) -> None:
        (call,) = events_of(response(*[*told(F, 0)][:events], last="failed")).calls
        assert call == Call("f", {} if events == 1 else {"a": 1}, "cf")

    def test_a_stream_that_just_ends_leaves_calls_unfinished(self) -> None:
        assert events_of(response(*[*told(F, 0)][:2])[:-1]).calls == [Call("f", {"a": 1}, "cf")]

    def test_a_call_that_breaks_off_cannot_be_read(self) -> None:
        out = events_of([*response(*[*told(F, 0, ['{"a":'])][:2])[:-1], DONE])
        assert out.calls == [Call("f", '{"a":', "cf", is_readable=False)]

    def test_another_call_in_the_response_is_judged_by_itself(self) -> None:
        other = function("f", '{"a": 2}', "cf")
        out = events_of(response(*told(F, 0), output=[other]))
        assert [call.arguments for call in out.calls] == [{"a": 1}, {"a": 2}]

    def test_a_done_that_tells_of_another_call_is_judged_by_itself(self) -> None:
        other = function("rm", "{}", "cf")
        again = {"type": "response.output_item.done", "output_index": 0, "item": other}
        out = events_of(response(*told(F, 0), again, output=[other]))
        assert [call.name for call in out.calls] == ["f", "rm"]

    def test_ids_made_anew_for_each_event_mean_nothing(self) -> None:
        out = events_of(response(*told(F, 0), output=[F | {"call_id": "other", "id": "other"}]))
        assert len(out.called) == 1

    def test_two_alike_are_told_apart_by_their_place_or_id(self) -> None:
        twins = [function("f", "{}", identity) for identity in ("a", "b")]
        out = events_of(response(*told(twins[0], 0), *told(twins[1], 1), output=twins))
        assert out.calling[-1] == tuple(called.key for called in out.called)

    @pytest.mark.parametrize("position", [1, 2])
    def test_pieces_that_come_to_another_call_are_refused(self, position: int) -> None:
        events = [*told(F, 0)]
        member = "delta" if position == 1 else "arguments"
        events[position] = events[position] | {member: '{"a": 2}'}
        with pytest.raises(Malformed, match="come to another one"):
            events_of(response(*events, output=[F]))

    def test_arguments_that_are_said_to_be_of_another_tool_are_refused(self) -> None:
        """There are clients, of Realtime above all, that act on this event alone."""
        events = [*told(F, 0)]
        events[2] = events[2] | {"name": "another"}
        with pytest.raises(Malformed, match="told under two names"):
            events_of(response(*events, output=[F]))

    def test_a_piece_behind_the_end_is_refused(self) -> None:
        late = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a": 2}'}
        with pytest.raises(Malformed, match="come to another one"):
            events_of(response(*told(F, 0), late, output=[F]))

    def test_the_same_arguments_behind_the_end_are_nothing_new(self) -> None:
        late = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'}
        odd = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": None}
        out = events_of(response(*told(F, 0), late, odd, output=[F]))
        assert len(out.called) == 1

    def test_a_stream_that_is_taken_up_in_its_middle(self) -> None:
        out = events_of(numbered([*told(F, 0)][1:]), refused("f"))
        assert out.calls == [Call("f", {"a": 1}, "cf")]
        assert types(out) == MESSAGE


class TestRefused:
    def test_the_events_of_a_message_come_where_the_call_began(self) -> None:
        out = events_of(TWO, refused("f"))
        assert types(out)[2:8] == MESSAGE
        assert types(out)[8:] == [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
        assert [name for name, _ in out.events] == [payload["type"] for payload in out.payloads]

    def test_events_are_numbered_without_a_gap(self) -> None:
        for names in (["f"], ["g"], ["f", "g"]):
            out = events_of(TWO, refused(*names))
            assert [payload["sequence_number"] for payload in out.payloads] == list(range(len(out.payloads)))

    def test_events_without_numbers_get_none(self) -> None:
        stream: list[StreamEvent] = []
        for name, document, _ in TWO:
            assert document is not None
            value = {key: member for key, member in document.value.items() if key != "sequence_number"}
            stream.append((name, doc(value), doc(value).raw))
        assert all("sequence_number" not in payload for payload in events_of(stream, refused("f")).payloads)

    def test_the_message_is_the_same_in_all_events(self) -> None:
        out = events_of(TWO, refused("f", "g")).payloads
        for index, words in enumerate(["No `f`.", "No `g`."]):
            own = [one for one in out if one.get("output_index") == index]
            (done,) = [one["item"] for one in own if one["type"] == "response.output_item.done"]
            assert done["content"][0]["text"] == words
            assert {one["item_id"] for one in own if "item_id" in one} == {done["id"]}
            assert done["id"].startswith(MARK)
            assert out[-1]["response"]["output"][index] == done

    def test_the_status_of_the_response_stays(self) -> None:
        for last in ("completed", "incomplete"):
            out = events_of(response(*told(F, 0), output=[F], last=last), refused("f"))
            assert out.payloads[-1]["response"]["status"] == last

    def test_a_response_that_restates_its_output_as_it_goes_is_changed_too(self) -> None:
        progress = {"type": "response.in_progress", "response": answer(F, status="in_progress")}
        out = events_of(response(*told(F, 0), progress, output=[F]), refused("f"))
        assert [one["response"]["output"][0]["type"] for one in out.payloads[-2:]] == ["message", "message"]

    def test_a_call_that_only_the_response_tells_of(self) -> None:
        out = events_of(response(output=[F, G]), refused("g"))
        assert [one["type"] for one in out.payloads[-1]["response"]["output"]] == ["function_call", "message"]

    def test_what_stands_before_it_leaves_as_it_came(self) -> None:
        out = events_of(TWO, refused("g"))
        assert [data for _, data in out.events[:7]] == [data for _, _, data in TWO[:7]]

    def test_a_stream_that_is_cut_behind_it_ends_with_the_next_number(self) -> None:
        reader = RESPONSES.stream(Framing.SSE)
        out = passed(reader, TWO[:-1], refused("f"))
        ((_, last, _),) = cut(reader.ending(REFUSAL))
        assert last is not None
        assert last.get("sequence_number") == len(out.payloads)

    def test_the_end_of_the_stream_stays(self) -> None:
        assert events_of([*TWO, DONE], refused("f")).events[-1] == (None, b"[DONE]")

    def test_lines_without_names_get_none(self) -> None:
        stream = [(None, document, data) for _, document, data in TWO]
        assert {name for name, _ in events_of(stream, refused("f")).events} == {None}


class TestRewritten:
    def test_arguments_are_the_same_in_all_events(self) -> None:
        out = events_of(TWO, given({"b": 2}, "f"))
        assert types(out)[2:6] == [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
        ]
        added, delta, done, whole = out.payloads[2:6]
        assert added["item"]["arguments"] == ""
        assert delta["delta"] == done["arguments"] == whole["item"]["arguments"] == '{"b":2}'
        assert out.payloads[-1]["response"]["output"] == [F | {"arguments": '{"b":2}'}, G]
        assert [payload["sequence_number"] for payload in out.payloads] == list(range(len(out.payloads)))

    def test_free_text(self) -> None:
        out = events_of(response(*told(SQL, 0, ["SELECT", " 1"]), output=[SQL]), given("SELECT 2", "sql"))
        assert out.payloads[3]["delta"] == out.payloads[4]["input"] == "SELECT 2"

    def test_a_call_that_was_told_whole_as_it_began(self) -> None:
        events = [*told(F, 0)]
        events[0] = {"type": "response.output_item.added", "output_index": 0, "item": F}
        del events[1]
        out = events_of(response(*events, output=[F]), given({"b": 2}, "f"))
        assert out.payloads[2]["item"]["arguments"] == '{"b":2}'

    def test_pieces_of_other_forms_go(self) -> None:
        shell = item("shell_call", "cs", action={"commands": ["rm"]})
        piece = {"output_index": 0, "command_index": 0}
        middle = [*told(shell, 0)]
        middle[1:1] = [
            {"type": "response.shell_call_command.added", **piece, "command": ""},
            {"type": "response.shell_call_command.delta", **piece, "delta": "rm"},
            {"type": "response.shell_call_command.done", **piece, "command": "rm"},
            {"type": "response.shell_call.in_progress", "output_index": 0},
        ]
        out = events_of(response(*middle, output=[shell]), given({"commands": ["ls"]}, "shell"))
        assert types(out)[2:5] == ["output_item.added", "shell_call.in_progress", "output_item.done"]
        assert {json.dumps(one["item"]["action"]) for one in out.payloads if "item" in one} == {'{"commands": ["ls"]}'}


def test_only_events_may_be_kept_alive() -> None:
    assert RESPONSES.stream(Framing.SSE).keepalive == b": keep-alive\n"
    assert RESPONSES.stream(Framing.MESSAGE).keepalive == b""


# --- the law: what a client puts together is what it would have got at once

_NAMES = st.sampled_from("fgh")
_TEXTS = st.text(st.sampled_from('ab é"\\'), max_size=6)
_ARGUMENTS = st.dictionaries(_TEXTS, _TEXTS | st.integers(0, 9), max_size=2).map(json.dumps)


@st.composite
def outputs(draw: st.DrawFn, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An item and its events."""
    if draw(st.integers(0, 3)) == 0:
        events = list(said(draw(_TEXTS.filter(bool)), index))
        return events[-1]["item"], events
    arguments = draw(_ARGUMENTS)
    points = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
    pieces = [arguments[start:end] for start, end in zip([0, *points], [*points, len(arguments)], strict=True)]
    call = function(draw(_NAMES), arguments, f"c{index}")
    return call, list(told(call, index, pieces))


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[StreamEvent]]:
    """The items of an answer, and its stream, in which items may be told side by side."""
    parts = [draw(outputs(index)) for index in range(draw(st.integers(0, 4)))]
    rest = [list(events) for _, events in parts]
    is_orderly = draw(st.booleans())
    middle = []
    while any(rest):
        ready = [events for events in rest if events]
        middle.append((ready[0] if is_orderly else draw(st.sampled_from(ready))).pop(0))
    output = [one for one, _ in parts]
    return output, response(*middle, output=output)


def put_together(out: Passed) -> tuple[list[Any], list[Any]]:
    """The output that the SDK makes of a stream's pieces, and the one it gives in the end."""
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    done: list[Any] = []
    for payload in out.payloads:
        for event in state.handle_event(construct_type(type_=ResponseStreamEvent, value=payload)):
            done += [event.response] if event.type == "response.completed" else []
    pieces = [shortly(state._output_items[index].to_dict()) for index in sorted(state._output_items)]
    (last,) = done
    return pieces, [shortly(one.to_dict()) for one in last.output]


def shortly(output: dict[str, Any]) -> tuple[str, ...]:
    if output["type"] == "message":
        return output["id"], *(part["text"] for part in output["content"])
    return output["call_id"], output["name"], output["arguments"]


_DECISIONS = st.dictionaries(_NAMES, st.sampled_from([Change(refusal="No."), Change(arguments={"é": [1]})]), max_size=3)


@settings(max_examples=200, deadline=None)
@quantified(streams(), _DECISIONS)
def test_a_stream_comes_to_what_the_whole_answer_is(
    stream: tuple[list[dict[str, Any]], list[StreamEvent]], decisions: dict[str, Change]
) -> None:
    def decide(call: Call) -> Change | None:
        return decisions.get(call.name)

    output, events = stream
    out = events_of(events, decide)
    document = doc(answer(*output))
    called = RESPONSES.calls(document)
    assert sorted(map(repr, out.calls)) == sorted(repr(one.call) for one in called)
    changed = parse(RESPONSES.changed(document, decided(called, decide))).get("output")
    expected = [shortly(one) for one in changed]
    assert put_together(out) == (expected, expected)
    assert out.payloads[-1]["response"]["output"] == changed
    assert [payload["sequence_number"] for payload in out.payloads] == list(range(len(out.payloads)))
    if not any(call.name in decisions for call in out.calls):
        assert [data for _, data in out.events] == [data for _, _, data in events]
