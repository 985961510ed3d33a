"""The two sessions of the OpenAI API: what counts as a request, what a refusal looks like, what an edit needs."""

from __future__ import annotations

import json

import pytest
from openai.types.realtime import RealtimeErrorEvent, ResponseDoneEvent
from openai.types.responses.responses_server_event import ResponseWsError

from gateway.dialect.openai_sockets import RealtimeSocket, ResponsesSocket
from gateway.dialect.socket import PLAIN_SOCKET
from gateway.wire.frames import Framing
from tests.dialect.replay import REFUSAL, event, made, patched, play, rows
from tests.fakes import realtime
from tests.fakes.script import Say


def test_a_request_of_responses_is_a_body_with_a_type() -> None:
    value = {"type": "response.create", "stream_id": "a", "generate": False, "model": "gpt", "input": "hello"}
    reading = ResponsesSocket().request(made(value), apart=True)
    assert (rows(reading), reading.model) == ([("input", "hello", "user/principal/text")], "gpt")


@pytest.mark.parametrize(
    ("kind", "in_responses", "in_realtime"),
    [
        ("response.create", True, True),
        ("response.steer", True, False),
        ("session.update", False, False),
        ("conversation.item.create", False, False),
        (None, False, False),
    ],
)
def test_what_makes_a_model_answer(kind: str | None, in_responses: bool, in_realtime: bool) -> None:
    message = made({"type": kind})
    assert ResponsesSocket().asks(message) is in_responses
    assert RealtimeSocket().asks(message) is in_realtime
    assert PLAIN_SOCKET.asks(message) is False


def test_a_complaint_of_realtime_is_the_sdks_error() -> None:
    raw = RealtimeSocket().complaint(REFUSAL, made({"type": "response.create", "event_id": "mine"}))
    told = RealtimeErrorEvent.model_validate_json(raw)
    assert (told.type, told.error.event_id, told.error.code, told.error.type) == (
        "error",
        "mine",
        "content_blocked",
        "invalid_request_error",
    )
    assert json.loads(raw)["error"]["rules"] == ["r1", "r2"]


@pytest.mark.parametrize("message", [None, made({"event_id": 7}), made([])])
def test_a_complaint_about_nothing_in_particular_names_no_event(message: object) -> None:
    told = json.loads(RealtimeSocket().complaint(REFUSAL, message))  # type: ignore[arg-type]
    assert told["error"]["event_id"] is None


def test_a_complaint_of_responses_is_the_sdks_error() -> None:
    told = ResponseWsError.model_validate_json(ResponsesSocket().complaint(REFUSAL, made({"stream_id": "a"})))
    assert (told.status, told.stream_id, told.error.code) == (400, "a", "content_blocked")
    assert "stream_id" not in json.loads(ResponsesSocket().complaint(REFUSAL))


def test_an_unknown_session_has_no_complaint() -> None:
    assert PLAIN_SOCKET.complaint(REFUSAL) == b""
    assert PLAIN_SOCKET.is_idle
    PLAIN_SOCKET.went(made({}))


def test_the_ending_of_a_response_is_the_sdks_event() -> None:
    reader = RealtimeSocket().stream(Framing.MESSAGE)
    play(reader, [event(one) for one in realtime.response(Say("one"))][:2])
    done = ResponseDoneEvent.model_validate_json(reader.ending(REFUSAL))
    assert (done.response.status, done.response.output) == ("incomplete", [])


def test_probabilities_of_an_edited_transcript_are_taken_out() -> None:
    heard = made(
        {"type": "conversation.item.input_audio_transcription.delta", "delta": "x", "logprobs": [{"token": "x"}]}
    )
    socket = RealtimeSocket()
    assert patched(heard, socket.after_edit(heard, ("delta",)))["logprobs"] is None
    assert socket.after_edit(made({"delta": "x"}), ("delta",)) == ()
    assert socket.after_edit(heard, ("item", "content")) == ()


def test_instructions_that_are_no_text_are_left_to_the_server() -> None:
    message = made({"type": "session.update", "session": {"instructions": ["x"]}})
    assert RealtimeSocket().instruct(message, "rules") == ()
