"""Calls in interactions: found, refused and given other arguments, whole and streamed, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from google.genai._gaos.types.interactions import Interaction, InteractionSSEEvent
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.dialect.base import Denials
from gateway.dialect.interactions import INTERACTIONS
from gateway.dialect.interactions_stream import InteractionStream
from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.segment import Kind
from gateway.wire.document import parse
from gateway.wire.frames import Framing
from tests.dialect.calling import Decide, as_it_is, decided, given, passed, refused
from tests.dialect.laws import REFUSAL, doc, joined, play, sse_payloads, wholes
from tests.dialect.refusing import CUTS, pieces_of, through
from tests.dialect.replay import StreamEvent
from tests.fakes import interactions as fake
from tests.fakes.script import Call as Scripted
from tests.fakes.script import Say

SEND = {"type": "function_call", "id": "c1", "name": "send", "arguments": {"to": "a@b.example"}}
LOOK = {"type": "function_call", "id": "c2", "name": "look", "arguments": {}}
SAID = {"type": "model_output", "content": [{"type": "text", "text": "I send it."}]}
SEARCHED = {"type": "google_search_call", "id": "c3", "arguments": {"queries": ["x"]}}
STRANGE = {"type": "space_call", "id": "c4", "name": "fly", "target": "moon"}
NO_SEND = {"type": "text", "text": "No `send`."}
REFUSED_SEND = {"type": "model_output", "content": [NO_SEND]}


def answer(*steps: Any, status: str = "requires_action", **more: Any) -> dict[str, Any]:
    return {"id": "int_1", "status": status, "steps": list(steps), **more}


def left(body: Any, decide: Decide) -> Any:
    document = doc(body)
    return json.loads(INTERACTIONS.changed(document, decided(INTERACTIONS.calls(document), decide)))


class TestWhole:
    def test_calls_are_those_that_the_agent_runs(self) -> None:
        found = INTERACTIONS.calls(doc(answer(SAID, SEARCHED, SEND, LOOK, STRANGE)))
        assert [(one.key, one.call) for one in found] == [
            (("steps", 2), Call("send", {"to": "a@b.example"}, "c1")),
            (("steps", 3), Call("look", {}, "c2")),
            (("steps", 4), Call("fly", STRANGE, "c4", is_readable=False)),
        ]

    def test_a_call_is_over_by_a_result_that_comes_after_it(self) -> None:
        """Ids may come again; a result of before is that of another call."""
        result = {"type": "function_result", "call_id": "c1", "result": "sent"}
        found = INTERACTIONS.calls(doc(answer(SEND, result, SEND)))
        assert [one.key for one in found] == [("steps", 2)]

    def test_a_refused_call_is_a_step_of_the_models_words_and_the_rest_stands(self) -> None:
        assert left(answer(SAID, SEND, LOOK), refused("send")) == answer(SAID, REFUSED_SEND, LOOK)
        adapter: TypeAdapter[Any] = TypeAdapter(Interaction)
        assert adapter.validate_python(left(answer(SAID, SEND), refused("send"))).output_text == "I send it.No `send`."

    def test_an_interaction_that_waits_for_nothing_any_more_is_completed(self) -> None:
        assert left(answer(SEND, LOOK), refused("send", "look"))["status"] == "completed"
        assert left(answer(SEND, status="incomplete"), refused("send"))["status"] == "incomplete"

    def test_calls_among_contents_are_found_and_become_texts(self) -> None:
        """Earlier revisions have `outputs`, and a lenient client may look into any list of contents."""
        body = {"status": "requires_action", "outputs": [NO_SEND, SEND]}
        assert left(body, refused("send")) == {"status": "completed", "outputs": [NO_SEND, NO_SEND]}
        within = answer({"type": "model_output", "content": [LOOK, SEND]})
        assert left(within, refused("send"))["steps"] == [{"type": "model_output", "content": [LOOK, NO_SEND]}]

    @pytest.mark.parametrize("step", [SEND, {"type": "function_call", "id": "c1", "name": "send"}])
    def test_a_call_is_given_other_arguments(self, step: Any) -> None:
        assert left(answer(step), given({"to": "me"}, "send")) == answer({**step, "arguments": {"to": "me"}})

    def test_all_other_bytes_stay(self) -> None:
        raw = json.dumps(answer(SAID, SEND, LOOK, usage={"total_tokens": 1}), indent=1).encode()
        document = parse(raw)
        start, end = document.span(("steps", 1))
        changes = decided(INTERACTIONS.calls(document), refused("send"))
        words = json.dumps(REFUSED_SEND, separators=(",", ":")).encode()
        assert INTERACTIONS.changed(document, changes) == raw[:start] + words + raw[end:]
        assert INTERACTIONS.changed(document, {}) == raw

    def test_a_call_whose_result_is_stored_beside_it_is_over(self) -> None:
        """So nobody is asked about it again, and the provider is brought no second result."""
        document = doc(answer(SEND, {"type": "function_result", "call_id": "c1", "result": "gone"}, LOOK))
        changes = decided(INTERACTIONS.calls(document), refused("send", "look"))
        assert list(changes) == [("steps", 2)]
        (kept,) = INTERACTIONS.denials(document, changes)
        assert [item["call_id"] for item in kept.items] == ["c2"]

    @pytest.mark.parametrize("value", [{}, 3, {"steps": None}, {"steps": [3, {"type": 3}]}, {"error": {}}])
    def test_an_answer_of_another_form_has_no_calls(self, value: Any) -> None:
        assert INTERACTIONS.calls(doc(value)) == ()

    @pytest.mark.parametrize(
        "value", [[SEND], {"steps": SEND}, {"outputs": {"0": SEND}}, answer({"type": "model_output", "content": SEND})]
    )
    def test_calls_where_none_may_stand_are_refused(self, value: Any) -> None:
        with pytest.raises(Malformed):
            INTERACTIONS.calls(doc(value))


# --- streams


def started(step: Any, index: int = 0) -> dict[str, Any]:
    return {"event_type": "step.start", "index": index, "step": step, "event_id": f"ev_{index}"}


def piece(delta: Any, index: int = 0) -> dict[str, Any]:
    return {"event_type": "step.delta", "index": index, "delta": delta}


def written(arguments: str, index: int = 0) -> dict[str, Any]:
    return piece({"type": "arguments_delta", "arguments": arguments}, index)


def stopped(index: int = 0) -> dict[str, Any]:
    return {"event_type": "step.stop", "index": index}


def told(step: Any, *arguments: str, index: int = 0) -> list[dict[str, Any]]:
    begun = {**step, "arguments": {}} if arguments else step
    return [started(begun, index), *(written(one, index) for one in arguments), stopped(index)]


def ended(status: str = "requires_action", kind: str = "interaction.completed", **more: Any) -> dict[str, Any]:
    return {"event_type": kind, "interaction": {"id": "int_1", "status": status, **more}}


WAITS = {"event_type": "interaction.status_update", "interaction_id": "int_1", "status": "requires_action"}


def through_reader(events: Sequence[dict[str, Any]], decide: Decide = as_it_is) -> Any:
    stream = [(one["event_type"], doc(one), json.dumps(one).encode()) for one in events]
    return passed(InteractionStream(Framing.SSE), stream, decide)


class TestStreams:
    def test_many_calls_that_are_alike_are_restated_in_a_moment(self) -> None:
        """It took as long as the cube of their number."""
        number = 20_000
        (reading,) = play(InteractionStream(Framing.SSE), [ended(steps=[LOOK] * number)])
        assert len(reading.called) == number

    def test_a_call_is_complete_when_its_step_stops(self) -> None:
        out = through_reader([*told(SEND, '{"to": "a@', 'b.example"}'), *told(LOOK, index=1), ended()])
        assert out.calls == [Call("send", {"to": "a@b.example"}, "c1"), Call("look", {}, "c2")]
        assert out.calling[:4] == [(("call", 0),)] * 4
        assert out.calling[-1] == (("call", 0), ("call", 1)), "the status tells of calls, so it waits for all"

    def test_a_refused_call_is_a_step_of_text_that_stops_where_the_call_did(self) -> None:
        events = [*told(SAID), *told(SEND, '{"to": ', '"x"}', index=1), *told(LOOK, index=2), WAITS, ended()]
        out = through_reader(events, refused("send"))
        assert out.payloads == [
            *told(SAID),
            started({"type": "model_output"}, 1),
            piece(NO_SEND, 1),
            stopped(1),
            *told(LOOK, index=2),
            WAITS,
            ended(),
        ]
        assert [name for name, _ in out.events][2:5] == ["step.start", "step.delta", "step.stop"]

    def test_without_calls_the_interaction_is_completed_wherever_its_status_stands(self) -> None:
        out = through_reader([*told(SEND), WAITS, ended(steps=[SEND])], refused("send"))
        assert out.payloads[-2:] == [{**WAITS, "status": "completed"}, ended("completed", steps=[REFUSED_SEND])]

    def test_other_arguments_are_in_the_first_piece(self) -> None:
        out = through_reader([*told(SEND, "{", "}"), ended(steps=[{**SEND, "arguments": {}}])], given({"a": 1}, "send"))
        assert out.payloads == [
            started({**SEND, "arguments": {}}),
            written('{"a":1}'),
            stopped(),
            ended(steps=[{**SEND, "arguments": {"a": 1}}]),
        ]

    def test_other_arguments_are_where_the_call_begins_that_has_no_pieces(self) -> None:
        out = through_reader(told(SEND), given({"a": 1}, "send"))
        assert out.payloads == told({**SEND, "arguments": {"a": 1}})

    def test_a_restated_call_that_is_another_one_is_ruled_on(self) -> None:
        other = {**SEND, "arguments": {"to": "x@evil.example"}}
        out = through_reader([*told(SEND), ended(steps=[other])], refused("send"))
        assert [call.arguments for call in out.calls] == [{"to": "a@b.example"}, {"to": "x@evil.example"}]
        assert out.payloads[-1] == ended("completed", steps=[REFUSED_SEND])

    def test_calls_that_are_alike_are_restated_each_for_itself(self) -> None:
        """One may be approved, and the next not."""
        stream = [*told(SEND), *told(SEND, index=1), ended(steps=[SEND, SEND, SEND])]
        seen: list[Call] = []

        def second(call: Call) -> Change | None:
            seen.append(call)
            return Change(refusal="No `send`.") if len(seen) == 2 else None

        out = through_reader(stream, second)
        assert len(out.calls) == 3
        assert out.payloads[-1] == ended(steps=[SEND, REFUSED_SEND, SEND])

    @pytest.mark.parametrize("end", [[ended()], [], "done"])
    def test_a_call_that_nothing_stopped_is_over_at_the_end(self, end: Any) -> None:
        stream: list[StreamEvent] = [(None, doc(one), b"{}") for one in told(SEND, '{"to"')[:-1]]
        stream += [("done", None, b"[DONE]")] if end == "done" else [(None, doc(one), b"{}") for one in end]
        out = passed(InteractionStream(Framing.SSE), stream, as_it_is)
        assert out.calls == [Call("send", '{"to"', "c1", is_readable=False)]

    def test_a_call_of_a_strange_type_is_told_with_its_pieces(self) -> None:
        (call,) = through_reader(told(STRANGE, '{"to": 1}')).calls
        assert (call.name, call.is_readable) == ("fly", False)
        assert call.arguments["arguments"] == '{"to": 1}'

    def test_so_is_one_that_a_piece_tells_whole(self) -> None:
        whole = {"event_type": "content.delta", "index": 0, "delta": STRANGE}
        out = through_reader([whole, {"event_type": "content.stop", "index": 0}], refused("fly"))
        assert out.calls == [Call("fly", {**STRANGE, "arguments": None}, "c4", is_readable=False)]
        assert out.payloads[0]["delta"] == {"type": "text", "text": "No `fly`."}

    def test_a_restated_call_that_only_python_takes_for_the_same_is_ruled_on(self) -> None:
        one, other = ({**SEND, "arguments": {"force": value}} for value in (True, 1))
        assert len(through_reader([*told(one), ended(steps=[other])]).calls) == 2

    def test_a_piece_that_says_nothing_and_a_restated_call_that_is_left_stay(self) -> None:
        empty = piece({"type": "arguments_delta"}, 1)
        events = [*told(SEND), started(LOOK, 1), empty, stopped(1), ended(steps=[SEND, LOOK])]
        out = through_reader(events, refused("send"))
        assert out.payloads[-3:] == [empty, stopped(1), ended(steps=[REFUSED_SEND, LOOK])]

    def test_what_the_provider_runs_is_no_call(self) -> None:
        search = piece({"type": "google_search_call", "arguments": {"queries": ["x"]}})
        events = [started({"type": "google_search_call", "id": "c"}), search, written("{}"), stopped()]
        assert through_reader(events).calls == []

    @pytest.mark.parametrize(
        "events",
        [
            [{"event_type": "step.start", "step": SEND}],
            [{"event_type": "step.delta", "index": "0", "delta": {}}],
            [{"event_type": "step.stop", "index": True}],
            [started(SEND), started(LOOK)],
            [*told(SEND), started(SEND)],
            [*told(SEND), written("{}")],
            [written("{}")],
            [started(SEND), written("{}"), stopped()],
            [started(LOOK), piece({"type": "arguments_delta", "arguments": {"to": 1}})],
            [{**ended(), "interaction": {"steps": SEND}}],
            [started({"type": "model_output", "content": [SEND]})],
            [started(SAID), piece({"type": "text", "text": "", "content": {"type": "text", "content": [SEND]}})],
            [{**started(SAID), "content": SEND}],
            [started({"type": "function_call"}), piece(SEND), written("{}"), stopped()],
            [[]],
        ],
    )
    def test_a_stream_that_can_be_read_in_two_ways_is_refused(self, events: list[Any]) -> None:
        with pytest.raises(Malformed):
            play(InteractionStream(Framing.SSE), events)

    def test_an_event_that_is_neither_json_nor_the_end_is_refused(self) -> None:
        with pytest.raises(Malformed):
            InteractionStream(Framing.SSE).read(None, None, b"what")


class TestEarlierRevisions:
    """`content.start` and its like, and calls that are told whole in one piece."""

    @staticmethod
    def told(*pieces: Any, begun: Any = None) -> list[dict[str, Any]]:
        start = {"event_type": "content.start", "index": 0, "content": begun or {"type": "function_call"}}
        deltas = [{"event_type": "content.delta", "index": 0, "delta": one} for one in pieces]
        return [start, *deltas, {"event_type": "content.stop", "index": 0}]

    @pytest.mark.parametrize("begun", [None, {"type": "function_call", "id": "c1", "name": "send"}, SEND])
    def test_a_call_is_told_whole(self, begun: Any) -> None:
        assert through_reader(self.told(SEND, begun=begun)).calls == [Call("send", {"to": "a@b.example"}, "c1")]

    def test_also_where_nothing_began_it(self) -> None:
        events = self.told(SEND)[1:]
        assert through_reader(events).calls == [Call("send", {"to": "a@b.example"}, "c1")]
        (only, _) = through_reader(events, refused("send")).payloads
        assert only == {"event_type": "content.delta", "index": 0, "delta": NO_SEND}

    def test_a_refused_one_is_a_text(self) -> None:
        last = ended(kind="interaction.complete", outputs=[SEND])
        assert through_reader([*self.told(SEND), last], refused("send")).payloads == [
            *self.told(NO_SEND, begun={"type": "text", "text": ""}),
            ended("completed", kind="interaction.complete", outputs=[NO_SEND]),
        ]

    def test_one_with_other_arguments_has_them_in_its_piece(self) -> None:
        other = {**SEND, "arguments": {"a": 1}}
        assert through_reader(self.told(SEND), given({"a": 1}, "send")).payloads == self.told(other)
        both = through_reader(self.told(SEND, begun=SEND), given({"a": 1}, "send")).payloads
        assert both == self.told(other, begun=other)

    @pytest.mark.parametrize("second", [LOOK, {**SEND, "arguments": {"to": "x"}}])
    def test_one_that_is_told_in_two_ways_is_refused(self, second: Any) -> None:
        with pytest.raises(Malformed):
            through_reader(self.told(SEND, second))


class TestTexts:
    def test_pieces_of_a_step_are_one_text_with_what_it_began_with(self) -> None:
        summary = {"type": "thought_summary", "content": {"type": "text", "text": "hm"}}
        found = play(
            InteractionStream(Framing.SSE),
            [
                started({"type": "thought", "summary": [{"type": "text", "text": "a"}]}),
                piece(summary),
                stopped(),
                started({"type": "model_output", "content": [{"type": "text", "text": "I "}]}, 1),
                piece({"type": "text", "text": "see"}, 1),
                piece({"type": "text_annotation_delta", "annotations": [{"type": "url_citation", "title": "T"}]}, 1),
                stopped(1),
            ],
        )
        assert joined(found) == {(0, "summary"): "ahm", (1, "text"): "I see"}
        assert "T" in wholes(found)
        assert found[-1].closes == ((1, "text"),)

    def test_a_calls_arguments_grow_and_are_closed_with_it(self) -> None:
        found = play(InteractionStream(Framing.SSE), told(SEND, '{"to": ', "1}"))
        assert joined(found) == {(0, "name"): "send", (0, "arguments"): '{"to": 1}'}
        assert found[-1].closes == ((0, "name"), (0, "arguments"))

    def test_what_a_hosted_tool_found_is_untrusted_and_held_until_its_step_stops(self) -> None:
        result = piece({"type": "code_execution_result", "result": "one line"})
        found = play(InteractionStream(Framing.SSE), [started({"type": "code_execution_result"}), result, stopped()])
        (delta,) = [one for one in found[1].deltas if not one.whole]
        assert (delta.kind, delta.channel) == (Kind.TOOL_RESULT, (0, "result"))

    def test_what_is_not_known_is_read(self) -> None:
        found = play(
            InteractionStream(Framing.SSE),
            [piece({"type": "song", "lyrics": "la"}), {"event_type": "interaction.sung", "verse": "la la"}],
        )
        assert set(joined(found).values()) == {"song", "la", "la la"}

    @pytest.mark.parametrize(
        "event",
        [
            ended("completed", usage={"total_input_tokens": 5, "total_output_tokens": 3}),
            {**WAITS, "usage": {"total_input_tokens": 5, "total_output_tokens": 3}},
            {
                **piece({"type": "text", "text": ""}),
                "metadata": {"total_usage": {"total_input_tokens": 5, "total_output_tokens": 3}},
            },
        ],
    )
    def test_counts_are_taken_from_wherever_they_stand(self, event: Any) -> None:
        (reading,) = play(InteractionStream(Framing.SSE), [event])
        assert reading.usage == {"input": 5, "output": 3}


class TestEndings:
    def test_steps_are_stopped_and_the_interaction_is_incomplete(self) -> None:
        reader = InteractionStream(Framing.SSE)
        created = {**ended("in_progress", kind="interaction.created", model="gemini", object="interaction")}
        play(reader, [created, *told(SAID), started({"type": "model_output"}, 1)])
        raw = reader.ending(REFUSAL)
        assert sse_payloads(raw.replace(b"data: [DONE]", b"")) == [
            stopped(1),
            {"event_type": "error", "error": {"code": "secret_blocked", "message": REFUSAL.message}},
            ended("incomplete", model="gemini", object="interaction"),
        ]
        assert raw.endswith(b"event: done\ndata: [DONE]\n\n")
        adapter: TypeAdapter[Any] = TypeAdapter(InteractionSSEEvent)
        for event in sse_payloads(raw.replace(b"data: [DONE]", b"")):
            assert not getattr(adapter.validate_python(event), "is_unknown", False)

    def test_one_before_anything_left_still_has_an_id(self) -> None:
        last = sse_payloads(InteractionStream(Framing.SSE).ending(REFUSAL).replace(b"data: [DONE]", b""))[-1]
        assert last == {**ended("incomplete"), "interaction": {"id": "lockgate_lg-1", "status": "incomplete"}}

    def test_an_earlier_revision_ends_in_its_own_words(self) -> None:
        reader = InteractionStream(Framing.SSE)
        play(reader, [ended("in_progress", kind="interaction.start"), *TestEarlierRevisions.told()[:1]])
        kinds = [one["event_type"] for one in sse_payloads(reader.ending(REFUSAL).replace(b"data: [DONE]", b""))]
        assert kinds == ["content.stop", "error", "interaction.complete"]

    def test_what_is_over_ends_once(self) -> None:
        reader = InteractionStream(Framing.SSE)
        play(reader, [ended("completed")])
        assert reader.ending(REFUSAL) == b"event: done\ndata: [DONE]\n\n"
        reader.read("done", None, b"[DONE]")
        reader.sent("done", None, b"[DONE]")
        assert reader.ending(REFUSAL) == b""

    def test_in_another_framing_there_is_no_word_for_the_end(self) -> None:
        raw = InteractionStream(Framing.LINES).ending(REFUSAL)
        assert [json.loads(line)["event_type"] for line in raw.splitlines()] == ["error", "interaction.completed"]
        assert InteractionStream(Framing.LINES).keepalive == b""


NAMES = st.lists(st.sampled_from(["send", "look", "wipe"]), max_size=4)


@examples(NAMES, st.integers(1, 9), CUTS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_cut_does_not_matter(names: list[str], step: int, cuts: list[int], is_refused: bool) -> None:
    calls = tuple(
        Scripted(name, json.dumps({"to": f"Zürich {index}"}), f"c{index}") for index, name in enumerate(names)
    )
    raw = b"".join(fake.events(Say("Grüße.", calls=calls, thinking="Hm.", step=step), {}))

    def decide(called: Any) -> Change | None:
        return Change(refusal="No.") if is_refused and called.call.name == "send" else None

    once = through([raw], InteractionStream(Framing.SSE), Framing.SSE, decide)
    assert through(pieces_of(raw, cuts), InteractionStream(Framing.SSE), Framing.SSE, decide) == once
    assert once == raw or (is_refused and "send" in names)


# --- what the provider keeps

RESULT = {"type": "function_result", "call_id": "c1", "name": "send", "result": "No `send`.", "is_error": True}
KEPT = Denials(("int_1",), (RESULT,))


class TestRemembered:
    def test_results_of_refused_calls_by_the_id_of_the_interaction(self) -> None:
        document = doc(answer(SEND, LOOK))
        assert INTERACTIONS.denials(document, decided(INTERACTIONS.calls(document), refused("send"))) == (KEPT,)

    @pytest.mark.parametrize("decide", [as_it_is, given({}, "send")])
    def test_nothing_of_calls_that_were_not_refused(self, decide: Decide) -> None:
        document = doc(answer(SEND))
        assert INTERACTIONS.denials(document, decided(INTERACTIONS.calls(document), decide)) == ()

    @pytest.mark.parametrize("identity", [None, "", 3])
    def test_nothing_of_an_interaction_without_an_id(self, identity: Any) -> None:
        document = doc({**answer(SEND), "id": identity})
        assert INTERACTIONS.denials(document, decided(INTERACTIONS.calls(document), refused("send"))) == ()

    def test_a_call_without_a_name_is_answered_by_its_id(self) -> None:
        document = doc(answer({"type": "function_call", "id": "c1", "arguments": {}}))
        (kept,) = INTERACTIONS.denials(document, decided(INTERACTIONS.calls(document), refused("")))
        assert kept.items[0] == {"type": "function_result", "call_id": "c1", "result": "No ``.", "is_error": True}

    def test_a_stream_is_remembered_as_the_whole_is(self) -> None:
        reader = INTERACTIONS.stream(Framing.SSE)
        changes: dict[Any, Change] = {}
        for event in [WAITS, *told(SEND), *told(LOOK, index=1)]:
            changes |= decided(reader.read(None, doc(event), b"").called, refused("send"))
        assert reader.denials(changes) == (KEPT,)
        assert reader.denials({}) == ()


class TestLeaning:
    @pytest.mark.parametrize(
        ("body", "names"),
        [
            ({"previous_interaction_id": "int_1"}, ("int_1",)),
            ({"previousInteractionId": "int_1"}, ("int_1",)),
            ({"previous_interaction_id": "int_1", "continuation_token": "t"}, ()),
            ({"previous_interaction_id": None}, ()),
            ({"previous_interaction_id": 3}, ()),
            ({}, ()),
        ],
    )
    def test_a_request_leans_on_the_interaction_that_it_goes_on_from(self, body: Any, names: Any) -> None:
        document = doc({"input": "x", **body})
        assert INTERACTIONS.leans_on(document) == names
        assert INTERACTIONS.may_lean(document.raw) or not names

    def test_an_escaped_name_may_lean(self) -> None:
        assert INTERACTIONS.may_lean(b'{"previous_\\u0069nteraction_id": "x"}')

    @pytest.mark.parametrize(
        ("raw", "out"),
        [
            (
                b'{"input": "Gr\\u00fc\\u00dfe" }',
                b'{"input": [OUT,{"type":"user_input","content":[{"type":"text","text":"Gr\\u00fc\\u00dfe"}]}] }',
            ),
            (
                b'{"input": {"type": "text", "text": "x"}}',
                b'{"input": [OUT,{"type":"user_input","content":[{"type": "text", "text": "x"}]}]}',
            ),
            (b'{"input": {"type": "user_input"}}', b'{"input": [OUT,{"type": "user_input"}]}'),
            (
                b'{"input": [ {"type": "text", "text": "x"} ]}',
                b'{"input": [OUT,{"type":"user_input","content":[ {"type": "text", "text": "x"} ]}]}',
            ),
            (b'{"input": [ {"type": "user_input"} ]}', b'{"input": [OUT, {"type": "user_input"} ]}'),
            (b'{"input": [{"role": "user"}]}', b'{"input": [{"role":"user","content":[OUT]},{"role": "user"}]}'),
            (b'{"input": []}', b'{"input": [OUT]}'),
            (b'{"input": null}', b'{"input": [OUT]}'),
            (b'{"model": "m"}', b'{"model": "m","input":[OUT]}'),
        ],
    )
    def test_the_results_come_before_all_that_the_request_brings(self, raw: bytes, out: bytes) -> None:
        result = json.dumps(RESULT, separators=(",", ":")).encode()
        assert INTERACTIONS.resumed(parse(raw), [KEPT]) == out.replace(b"OUT", result)

    @pytest.mark.parametrize(
        "given_", [[RESULT], RESULT, [{"role": "user", "content": [RESULT]}], [{"type": "x", "content": RESULT}]]
    )
    def test_what_the_client_brings_itself_is_not_doubled(self, given_: Any) -> None:
        document = doc({"input": given_})
        assert INTERACTIONS.resumed(document, [KEPT]) is document.raw

    def test_a_request_with_nothing_to_bring_stays(self) -> None:
        document = doc({"input": ["x"]})
        assert INTERACTIONS.resumed(document, []) is document.raw
