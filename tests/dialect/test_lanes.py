"""Answers side by side in one session: none mixes with another, and each is forgotten with its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialect.lanes import Lanes
from gateway.dialect.openai_sockets import RealtimeSocket, ResponsesSocket
from gateway.errors import Malformed, OverLimit
from gateway.wire.frames import Framing
from tests.dialect.replay import REFUSAL, event, play
from tests.fakes import openai_responses, realtime
from tests.fakes.script import Say


def lanes(socket: ResponsesSocket | RealtimeSocket | None = None) -> Lanes:
    reader = (socket or ResponsesSocket()).stream(Framing.MESSAGE)
    assert isinstance(reader, Lanes)
    return reader


def delta(text: str, lane: str | None = None) -> dict[str, Any]:
    found = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text}
    return found if lane is None else found | {"stream_id": lane}


CREATED = {"type": "response.created", "response": {"id": "resp_1", "output": []}}
COMPLETED = {"type": "response.completed", "response": {"id": "resp_1", "output": []}}


def test_one_place_in_two_answers_is_two_texts() -> None:
    heard = play(lanes(), [event(one) for one in (CREATED, delta("a"), COMPLETED, CREATED, delta("b"), COMPLETED)])
    assert list(heard.texts.values()) == ["a", "b"]
    assert heard.closed == list(heard.texts)
    assert not heard.ended


def test_one_place_in_two_lanes_is_two_texts() -> None:
    stream = [event(one) for one in (delta("a", "x"), delta("b", "y"), delta("c", "x"))]
    assert list(play(lanes(), stream).texts.values()) == ["ac", "b"]


def test_an_answer_may_not_go_on_after_its_end() -> None:
    reader = lanes()
    play(reader, [event(one) for one in (CREATED, delta("a"), COMPLETED)])
    with pytest.raises(Malformed, match="goes on after its end"):
        reader.read(*event(delta("b")))


@pytest.mark.parametrize("first", [[], [COMPLETED], [{"type": "error", "error": {"message": "x"}}]])
def test_what_ends_no_answer_is_no_end(first: list[Any]) -> None:
    assert list(play(lanes(), [event(one) for one in (*first, delta("a"))]).texts.values()) == ["a"]


def test_an_answer_whose_end_never_came_ends_with_the_next() -> None:
    reader = lanes()
    heard = play(reader, [event(one) for one in (CREATED, delta("a"), CREATED, delta("b"))])
    assert list(heard.texts.values()) == ["a", "b"]
    assert heard.closed == [next(iter(heard.texts))]
    assert len(reader.ending(REFUSAL).splitlines()) == 1


def test_an_error_ends_the_answer_of_its_lane_alone() -> None:
    error = {"type": "error", "error": {"message": "x"}, "stream_id": "x"}
    heard = play(lanes(), [event(one) for one in (delta("a", "x"), delta("b", "y"), error)])
    (closed,) = heard.closed
    assert heard.texts[closed] == "a"


def test_it_is_idle_between_answers() -> None:
    socket = ResponsesSocket()
    idle = [socket.is_idle]
    for one in (CREATED, delta("a"), COMPLETED):
        play(lanes(socket), [event(one)])
        idle.append(socket.is_idle)
    assert idle == [True, False, False, True]


def test_counts_of_tokens_add_up() -> None:
    stream = [event(one) for _ in range(3) for one in openai_responses.messages(Say("a"), {})]
    assert play(lanes(), stream).usage == {"input": 27, "output": 36}


def test_there_is_a_bound_on_answers_at_once() -> None:
    reader = lanes()
    for number in range(256):
        reader.read(*event(CREATED | {"stream_id": str(number)}))
    with pytest.raises(OverLimit, match="more than 256 answers at once"):
        reader.read(*event(CREATED | {"stream_id": "one more"}))


def test_only_so_many_ends_are_remembered() -> None:
    reader = lanes()
    for number in range(300):
        play(reader, [event(one | {"stream_id": str(number)}) for one in (CREATED, COMPLETED)])
    assert len(reader._over) == 256
    assert reader._unended == {}


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(Malformed, match="not JSON"):
        lanes().read(None, None, b"[DONE]")


def test_a_type_that_is_no_string_is_read_as_unknown() -> None:
    assert [one.text for one in play(lanes(), [event({"type": 5, "a": "b"})]).wholes] == ["b"]


def test_each_answer_that_the_client_knows_is_ended_once() -> None:
    reader = lanes()
    for lane in ("x", "y"):
        stream = openai_responses.messages(Say("hello"), {"stream_id": lane})
        play(reader, [event(one) for one in stream][: 99 if lane == "x" else 5])
    (ending,) = map(json.loads, reader.ending(REFUSAL).splitlines())
    assert (ending["type"], ending["stream_id"], ending["sequence_number"]) == ("response.incomplete", "y", 5)


def test_an_event_that_waits_ends_no_answer_that_began_behind_it() -> None:
    reader = lanes()
    error = {"type": "error", "error": {"message": "x"}}
    waiting = [event(one) for one in (error, CREATED, delta("a"))]
    for one in waiting:
        reader.read(*one)
    for one in waiting:
        reader.sent(*one)
    kinds = [json.loads(line)["type"] for line in reader.ending(REFUSAL).splitlines()]
    assert kinds == ["response.incomplete"]


def test_an_event_of_another_kind_in_between_changes_no_ending() -> None:
    reader = lanes()
    play(reader, [event(one) for one in (CREATED, delta("a"), {"type": "codex.rate_limits", "delta": "b"})])
    (ending,) = map(json.loads, reader.ending(REFUSAL).splitlines())
    assert ending["type"] == "response.incomplete"


def test_an_answer_that_was_read_and_never_left_is_begun_and_ended() -> None:
    reader = lanes()
    for one in (CREATED, delta("a"), COMPLETED):
        reader.read(*event(one))
    kinds = [json.loads(line)["type"] for line in reader.ending(REFUSAL).splitlines()]
    assert kinds == ["response.created", "response.incomplete"]


def test_in_realtime_an_answer_is_told_by_its_id() -> None:
    reader = lanes(RealtimeSocket())
    both = zip(realtime.response(Say("one")), realtime.response(Say("two"), 2), strict=True)
    heard = play(reader, [event(one) for pair in both for one in pair])
    assert list(heard.texts.values()) == ["one", "two"]


def test_in_realtime_an_ending_names_the_response() -> None:
    reader = lanes(RealtimeSocket())
    play(reader, [event(one) for one in realtime.response(Say("one"))][:4])
    play(reader, [event(one) for one in realtime.heard("two", 1)][:1])
    (ending,) = map(json.loads, reader.ending(REFUSAL).splitlines())
    assert (ending["type"], ending["response"]["id"], ending["event_id"]) == ("response.done", "resp_1", "event_req-1")
    assert ending["response"]["status_details"]["reason"] == "content_filter"
