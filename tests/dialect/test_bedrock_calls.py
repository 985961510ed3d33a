"""Calls in answers of Converse, whole and streamed, the texts of streams, and their endings, as boto3 reads them."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import EventStreamError
from botocore.parsers import EventStreamJSONParser
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.base import EventReading
from gateway.dialect.bedrock_converse import CONVERSE
from gateway.dialect.bedrock_converse_stream import ConverseStream
from gateway.dialect.bedrock_stream import KEEPALIVE
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Kind, Trust
from gateway.wire.document import parse
from gateway.wire.frames import Framing, framer
from tests.dialect.laws import doc, joined
from tests.dialect.refusing import CUTS, REFUSAL, Decide, pieces_of, through
from tests.dialect.replay import REFUSAL as CUT
from tests.dialect.test_wrong_types import WRONG, attempt, changed, paths
from tests.fakes import amazon, bedrock
from tests.fakes.script import Call as Asked
from tests.fakes.script import Say

REFUSED = Change(refusal=REFUSAL)
SEND = Asked("send_mail", '{"to": "a"}', "t1")
SERVED = {"toolUseId": "s1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}


def use(number: int, **arguments: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": f"t{number}", "name": "send_mail", "input": arguments}}


def answer(*blocks: dict[str, Any], stop: str = "tool_use") -> dict[str, Any]:
    return {"output": {"message": {"role": "assistant", "content": list(blocks)}}, "stopReason": stop}


class TestWhole:
    def test_calls_are_known_by_their_blocks(self) -> None:
        document = doc(answer({"text": "I do."}, use(1, to="a"), {"toolUse": SERVED}, {"toolUse": {"name": "f"}}))
        assert CONVERSE.calls(document) == (
            Called(1, Call("send_mail", {"to": "a"}, "t1")),
            Called(3, Call("f", {}, "")),
        )

    def test_a_call_of_a_type_that_is_not_known_is_one(self) -> None:
        assert CONVERSE.calls(doc(answer({"toolUse": {"name": "f", "type": "new_tool_use"}})))

    def test_all_calls_refused_the_turn_is_over(self) -> None:
        document = doc(answer({"text": "I do."}, use(1), {"toolUse": SERVED}, use(2)))
        changed = json.loads(CONVERSE.changed(document, {1: REFUSED, 3: REFUSED}))
        refusal = {"text": REFUSAL}
        assert changed == answer({"text": "I do."}, refusal, {"toolUse": SERVED}, refusal, stop="end_turn")

    def test_a_call_that_is_left_is_still_made(self) -> None:
        document = doc(answer(use(1, to="x"), use(2), {"toolUse": {"name": "f"}}))
        changes: dict[Hashable, Change] = {1: REFUSED, 0: Change(arguments={"to": "y"}), 2: Change(arguments={"a": 1})}
        assert json.loads(CONVERSE.changed(document, changes)) == answer(
            use(1, to="y"), {"text": REFUSAL}, {"toolUse": {"name": "f", "input": {"a": 1}}}
        )

    @pytest.mark.parametrize("stop", ["max_tokens", "guardrail_intervened", "content_filtered"])
    def test_another_reason_to_stop_stays(self, stop: str) -> None:
        document = doc(answer(use(1), stop=stop))
        assert json.loads(CONVERSE.changed(document, {0: REFUSED}))["stopReason"] == stop

    def test_with_no_change_the_bytes_are_those_that_came(self) -> None:
        document = doc(answer(use(1)))
        assert CONVERSE.changed(document, {}) == document.raw

    @pytest.mark.parametrize(
        "body",
        [
            {"output": [answer()]},
            {"output": {"message": [use(1)]}},
            {"output": {"message": {"content": use(1)}}},
            answer({"toolUse": [use(1)]}),
        ],
    )
    def test_calls_in_containers_of_another_type_are_refused(self, body: Any) -> None:
        with pytest.raises(Malformed, match="where a"):
            CONVERSE.calls(doc(body))

    @pytest.mark.parametrize("body", [{}, [], {"output": {"message": {"content": ["x", None]}}}, {"output": "x"}])
    def test_an_answer_without_calls_has_none(self, body: Any) -> None:
        assert CONVERSE.calls(doc(body)) == ()


# Streams.

START = ("messageStart", {"role": "assistant"})
OVER = ("messageStop", {"stopReason": "tool_use"})


def begin(index: Any, start: dict[str, Any]) -> tuple[str, Any]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": start}


def calling(index: int) -> tuple[str, Any]:
    return begin(index, {"toolUse": {"toolUseId": f"t{index}", "name": "send_mail"}})


def delta(index: int, value: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": value}


def piece(index: int, text: Any) -> tuple[str, Any]:
    return delta(index, {"toolUse": {"input": text}})


def stop(index: int) -> tuple[str, Any]:
    return "contentBlockStop", {"contentBlockIndex": index}


def play(reader: ConverseStream, events: Iterable[tuple[str, Any]]) -> list[EventReading]:
    readings = []
    for name, value in events:
        document = doc(value)
        readings.append(reader.read(name, document, document.raw))
        reader.sent(name, document, document.raw)
    return readings


def told(events: Iterable[tuple[str, Any]]) -> list[tuple[tuple[Any, ...], tuple[Called, ...]]]:
    return [(reading.calling, reading.called) for reading in play(ConverseStream(), events)]


class TestReading:
    def test_texts_grow_in_their_blocks(self) -> None:
        events = [
            START,
            delta(0, {"reasoningContent": {"text": "Let me "}}),
            delta(0, {"reasoningContent": {"text": "think."}}),
            delta(0, {"reasoningContent": {"signature": "c2ln"}}),
            stop(0),
            delta(1, {"text": "I lo"}),
            delta(2, {"text": "Other."}),
            delta(1, {"text": "ok."}),
            delta(1, {"citation": {"title": "T", "sourceContent": [{"text": "page"}]}}),
            stop(1),
            calling(3),
            piece(3, '{"a":'),
            piece(3, "1}"),
            stop(3),
            begin(4, {"toolResult": {"toolUseId": "t", "type": "nova_result", "status": "success"}}),
            delta(4, {"toolResult": [{"text": "From "}, {"json": {"k": "whole text"}}]}),
            delta(4, {"toolResult": [{"text": "the web."}]}),
            stop(4),
            OVER,
        ]
        readings = play(ConverseStream(), events)
        assert joined(readings) == {
            (0, "delta", "reasoningContent", "text"): "Let me think.",
            (1, "delta", "text"): "I look.",
            (2, "delta", "text"): "Other.",
            (3, "start", "toolUse", "name"): "send_mail",
            (3, "delta", "toolUse", "input"): '{"a":1}',
            (4, "delta", "toolResult", "text"): "From the web.",
        }
        assert [one.text for reading in readings for one in reading.deltas if one.whole] == ["T", "page", "whole text"]
        assert readings[4].closes == ((0, "delta", "reasoningContent", "text"),)
        assert set(readings[13].closes) == {(3, "start", "toolUse", "name"), (3, "delta", "toolUse", "input")}
        assert [reading.closes_all for reading in readings] == [*([False] * 18), True]
        kinds = {one.channel: (one.kind, one.trust, one.editable) for reading in readings for one in reading.deltas}
        assert kinds[0, "delta", "reasoningContent", "text"] == (Kind.REASONING, Trust.MODEL, False)
        assert kinds[4, "delta", "toolResult", "text"] == (Kind.TOOL_RESULT, Trust.UNTRUSTED, True)

    def test_counts_come_behind_the_end(self) -> None:
        counts = {"inputTokens": 3, "outputTokens": 4, "cacheReadInputTokens": 2}
        (reading,) = play(ConverseStream(), [("metadata", {"usage": counts, "metrics": {"latencyMs": 1}})])
        assert reading.usage == {"input": 5, "output": 4, "cached": 2}

    def test_traces_of_guardrails_are_read(self) -> None:
        trace = {"guardrail": {"modelOutput": ["what was said first"]}}
        (reading,) = play(ConverseStream(), [("metadata", {"trace": trace})])
        assert [(one.text, one.whole) for one in reading.deltas] == [("what was said first", True)]

    def test_images_and_what_is_encrypted_are_named(self) -> None:
        events = [
            begin(0, {"image": {"format": "png"}}),
            delta(0, {"image": {"source": {"bytes": "iVBO"}}}),
            delta(1, {"reasoningContent": {"redactedContent": "b3Bh"}}),
        ]
        found = [part.what for reading in play(ConverseStream(), events) for part in reading.uninspected]
        assert found == ["image", "encrypted"]

    def test_a_delta_of_a_new_type_grows(self) -> None:
        readings = play(ConverseStream(), [delta(0, {"newText": "a"}), delta(0, {"newText": "b"})])
        assert joined(readings) == {(0, "delta", "newText"): "ab"}

    @pytest.mark.parametrize(
        ("events", "why"),
        [
            ([delta(0, {"text": "a"}), stop(0), delta(0, {"text": "b"})], "begins twice, or goes on"),
            ([calling(0), calling(0)], "begins twice"),
            ([delta(0, {"text": "a"}), calling(0)], "begins twice"),
            ([stop(0), stop(0)], "goes on after its end"),
            ([begin(None, {})], "has no index"),
            ([begin(True, {})], "has no index"),
            ([begin(-1, {})], "has no index"),
            ([piece(0, "{}")], "a piece of a call belongs to no call"),
            ([delta(0, {"text": "a"}), piece(0, "{}")], "a piece of a call belongs to no call"),
            ([begin(0, {}), piece(0, "{}")], "a piece of a call belongs to no call"),
            ([begin(0, {"image": {"format": "png"}}), piece(0, "{}")], "a piece of a call belongs to no call"),
            ([calling(0), piece(0, {"to": "x"})], "arguments is no text"),
            ([begin(0, {"toolUse": {"name": "n", "input": {"a": 1}}}), piece(0, "{}"), stop(0)], "goes on with others"),
            ([begin(0, {"toolUse": [1]})], "is a list where"),
            ([delta(0, [{"toolUse": {"input": "x"}}])], "is a list where"),
            ([calling(0), piece(0, '{"a": 1, "a": 2}'), stop(0)], "twice"),
        ],
    )
    def test_what_clients_put_together_differently_is_refused(self, events: list[tuple[str, Any]], why: str) -> None:
        with pytest.raises(Malformed, match=why):
            play(ConverseStream(), events)

    def test_an_event_that_is_not_json_is_refused(self) -> None:
        with pytest.raises(Malformed, match="holds no JSON"):
            ConverseStream().read("messageStop", None, b"")


def test_events_with_a_wrong_type_are_read_or_refused_and_the_stream_can_be_ended() -> None:
    stream = [START, delta(0, {"text": "a"}), stop(0), calling(1), piece(1, "{}"), stop(1), OVER]
    for position, (name, value) in enumerate(stream):
        for number, path in enumerate(paths(value)):
            reader = ConverseStream()
            wrong = changed(value, path, WRONG[(number + position) % len(WRONG)])
            attempt(play, reader, [*stream[:position], (name, wrong)])
            document = doc(wrong)
            reader.changed(name, document, document.raw, {1: REFUSED})
            reader.ending(CUT)


class TestCalls:
    def test_a_call_is_complete_when_its_block_stops(self) -> None:
        done = Called(0, Call("send_mail", {"to": "a"}, "t0"))
        assert told([START, calling(0), piece(0, '{"to":'), piece(0, ' "a"}'), stop(0), OVER]) == [
            ((), ()),
            ((0,), ()),
            ((0,), ()),
            ((0,), ()),
            ((0,), (done,)),
            ((), ()),
        ]

    def test_a_call_without_arguments_has_none(self) -> None:
        assert told([calling(0), piece(0, None), stop(0)])[-1][1][0].call.arguments == {}

    @pytest.mark.parametrize("written", ['{"to": "a', "not json"])
    def test_arguments_that_are_no_json_are_a_text_that_is_not_readable(self, written: str) -> None:
        (called,) = told([calling(0), piece(0, written), stop(0)])[-1][1]
        assert (called.call.arguments, called.call.is_readable) == (written, False)

    def test_calls_that_bedrock_makes_are_none_of_the_agents(self) -> None:
        start = {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}}
        assert told([begin(0, start), piece(0, "{}"), stop(0), OVER]) == [((), ())] * 4

    def test_a_call_that_nothing_stopped_is_complete_with_the_message(self) -> None:
        assert told([calling(0), piece(0, "{}"), OVER])[-1] == ((0,), (Called(0, Call("send_mail", {}, "t0")),))
        reader = ConverseStream()
        play(reader, [calling(0), piece(0, '{"to":')])
        assert reader.unfinished() == (Called(0, Call("send_mail", '{"to":', "t0", is_readable=False)),)
        assert reader.unfinished() == ()

    def test_a_refused_block_has_no_text_but_the_refusal(self) -> None:
        stray = delta(0, {"text": "run rm -rf"})
        left = written([START, calling(0), stray, piece(0, "{}"), stop(0), OVER], lambda _: REFUSED)
        assert heard(left) == ([{"text": REFUSAL}], "end_turn")

    def test_other_deltas_of_a_call_with_other_arguments_stay(self) -> None:
        stray = delta(0, {"newText": "x"})
        left = written([calling(0), stray, piece(0, "{}"), stop(0), OVER], lambda _: Change(arguments={"a": 1}))
        assert b"newText" in left
        assert left.count(b'"toolUse"') == 2

    def test_an_error_stays(self) -> None:
        assert ConverseStream().changed(None, None, b"words", {0: REFUSED}) == ((None, b"words"),)

    ARGUMENTS = st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(-9, 9), max_size=3)
    FATES = st.none() | st.just(REFUSED) | ARGUMENTS.map(lambda some: Change(arguments=some))

    @given(st.lists(st.tuples(ARGUMENTS, FATES), max_size=3), st.sampled_from(["", "I do."]), st.integers(1, 9), CUTS)
    @settings(max_examples=60, deadline=None)
    def test_what_boto3_makes_of_a_changed_stream_is_the_changed_answer(
        self, asked: list[tuple[dict[str, Any], Change | None]], text: str, step: int, cuts: list[int]
    ) -> None:
        calls = tuple(Asked("send_mail", json.dumps(some), f"t{number}") for number, (some, _) in enumerate(asked))
        fate = {f"t{number}": change for number, (_, change) in enumerate(asked)}
        say = Say(text, calls, thinking="Hm.", step=step)
        raw = b"".join(bedrock.events(say, {}))

        def decide(called: Called) -> Change | None:
            return fate[called.call.id]

        document = doc(bedrock.whole(say, {}))
        found = CONVERSE.calls(document)
        assert [one.call.arguments for one in found] == [some for some, _ in asked]
        changes = {one.key: change for one in found if (change := decide(one)) is not None}
        left = through(pieces_of(raw, cuts), ConverseStream(), Framing.AMAZON, decide)
        if not changes:
            assert left == raw
        changed = json.loads(CONVERSE.changed(document, changes))
        assert heard(left) == (changed["output"]["message"]["content"], changed["stopReason"])


def written(events: Iterable[tuple[str, Any]], decide: Decide) -> bytes:
    raw = b"".join(amazon.event(name, value) for name, value in events)
    return through([raw], ConverseStream(), Framing.AMAZON, decide)


class _Raw:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def stream(self) -> Iterator[bytes]:
        yield self.data


def by_boto3(raw: bytes) -> list[dict[str, Any]]:
    """The events that boto3 gives its caller."""
    shape = Session().get_service_model("bedrock-runtime").shape_for("ConverseStreamOutput")
    return list(EventStream(_Raw(raw), shape, EventStreamJSONParser(), "ConverseStream"))


def heard(raw: bytes) -> tuple[list[Any], str | None]:
    """The blocks and the reason to stop, as an agent puts them together from boto3's events."""
    blocks: dict[int, dict[str, Any]] = {}
    reason = None
    for event in by_boto3(raw):
        ((name, value),) = event.items()
        block = blocks.setdefault(value["contentBlockIndex"], {}) if "contentBlockIndex" in value else {}
        if name == "contentBlockStart":
            block["toolUse"] = {**value["start"]["toolUse"], "input": ""}
        elif name == "contentBlockDelta":
            _add(block, value["delta"])
        elif name == "contentBlockStop" and "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
        elif name == "messageStop":
            reason = value["stopReason"]
    return list(blocks.values()), reason


def _add(block: dict[str, Any], part: dict[str, Any]) -> None:
    if "text" in part:
        block["text"] = block.get("text", "") + part["text"]
    elif "toolUse" in part:
        block["toolUse"]["input"] += part["toolUse"]["input"]
    else:
        thought = block.setdefault("reasoningContent", {"reasoningText": {}})["reasoningText"]
        ((key, value),) = part["reasoningContent"].items()
        thought[key] = thought.get(key, "") + value


class TestEnding:
    def cut_after(self, count: int) -> bytes:
        events = list(bedrock.events(Say("Some words that go on.", calls=(SEND,), step=5), {}))[:count]
        reader = ConverseStream()
        for frame in framer(Framing.AMAZON, 10_000).feed(b"".join(events)):
            assert frame.data is not None
            document = parse(frame.data)
            reader.read(frame.event, document, frame.data)
            reader.sent(frame.event, document, frame.data)
        return b"".join(events) + reader.ending(CUT)

    @pytest.mark.parametrize("count", range(8))
    def test_a_stream_that_was_cut_is_one_that_was_filtered(self, count: int) -> None:
        events = by_boto3(self.cut_after(count))
        assert events[0] == {"messageStart": {"role": "assistant"}}
        assert events[-1]["messageStop"] == {
            "stopReason": "content_filtered",
            "additionalModelResponseFields": {
                "refusal": {"message": CUT.message, "reason": "content_blocked", "rules": ["r1", "r2"]}
            },
        }
        opened = {event["contentBlockDelta"]["contentBlockIndex"] for event in events if "contentBlockDelta" in event}
        stopped = [event["contentBlockStop"]["contentBlockIndex"] for event in events if "contentBlockStop" in event]
        assert sorted(opened) == stopped

    def test_behind_the_end_of_the_message_nothing_is_added_that_says_anything(self) -> None:
        reader = ConverseStream()
        play(reader, [START, delta(0, {"text": "a"}), stop(0), OVER])
        assert reader.ending(CUT) == KEEPALIVE
        assert by_boto3(KEEPALIVE) == []

    @pytest.mark.parametrize(
        "raw", [amazon.exception("throttlingException", "too fast"), amazon.error("InternalFailure", "too fast")]
    )
    def test_an_exception_is_raised_by_boto3_and_nothing_follows_it(self, raw: bytes) -> None:
        reader = ConverseStream()
        (frame,) = framer(Framing.AMAZON, 10_000).feed(raw)
        document = parse(frame.data) if frame.event and frame.data else None
        reading = reader.read(frame.event, document, frame.data or b"")
        reader.sent(frame.event, document, frame.data or b"")
        assert [one.text for one in reading.deltas] == ["too fast"]
        assert reading.closes_all
        assert reader.ending(CUT) == b""
        with pytest.raises(EventStreamError, match="too fast"):
            by_boto3(written([], lambda _: None) + raw)

    def test_a_stream_is_kept_alive_by_events_that_boto3_passes_over(self) -> None:
        first, *rest = bedrock.events(Say("One two."), {})
        assert heard(KEEPALIVE + first + ConverseStream().keepalive + b"".join(rest)) == (
            [{"text": "One two."}],
            "end_turn",
        )
