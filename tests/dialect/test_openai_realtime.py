"""The events of the Realtime API: which text in them is whose, and what is named and not read."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from gateway.dialect.base import Reading
from gateway.dialect.openai_sockets import RealtimeSocket
from gateway.wire.frames import Framing
from tests.dialect.laws import assert_edits_stay_in_place, assert_unknown_members_are_read
from tests.dialect.replay import Played, event, made, not_read, play, rows
from tests.fakes import realtime
from tests.fakes.script import Call, Say


def asked(value: Any) -> Reading:
    return RealtimeSocket().request(made(value), apart=True)


def played(*values: Any) -> Played:
    return play(RealtimeSocket().stream(Framing.MESSAGE), [event(value) for value in values])


FUNCTION = {
    "type": "function",
    "name": "mail",
    "description": "Sends mail.",
    "parameters": {"type": "object", "properties": {"to": {"type": "string", "description": "An address."}}},
}
SESSION = {
    "type": "realtime",
    "model": "gpt-realtime",
    "instructions": "Be brief.",
    "output_modalities": ["text"],
    "tools": [FUNCTION],
    "tool_choice": "auto",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "whisper-1", "prompt": "Names: Ann.", "keywords": ["Lockgate"]},
            "turn_detection": {"type": "server_vad"},
        },
        "output": {"voice": "marin"},
    },
    "prompt": {"id": "pmpt_1", "variables": {"city": "Zürich"}},
}
BETA = {
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "alloy",
    "input_audio_transcription": {"model": "whisper-1", "prompt": "Names: Ann."},
    "turn_detection": None,
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
}
UPDATE = {"type": "session.update", "event_id": "e", "session": SESSION}
CREATE = {
    "type": "response.create",
    "event_id": "e",
    "response": {
        "instructions": "Only now.",
        "conversation": "none",
        "metadata": {"topic": "rain"},
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "item_reference", "id": "item_9"},
        ],
    },
}


def test_a_session_is_read_as_the_operators_words_and_the_tools_as_data() -> None:
    reading = asked(UPDATE)
    assert rows(reading) == [
        ("session.instructions", "Be brief.", "system/operator/text"),
        ("session.tools.0.name", "mail", "system/untrusted/tool_definition!"),
        ("session.tools.0.description", "Sends mail.", "system/untrusted/tool_definition"),
        ("session.tools.0.parameters.properties.to.description", "An address.", "system/untrusted/tool_definition"),
        ("session.audio.input.transcription.prompt", "Names: Ann.", "system/operator/text"),
        ("session.audio.input.transcription.keywords.0", "Lockgate", "system/operator/text"),
        ("session.prompt.variables.city", "Zürich", "user/principal/text"),
    ]
    assert not_read(reading) == [("stored_context", "session.prompt")]


def test_a_session_of_the_beta_is_read_too() -> None:
    assert rows(asked({"type": "session.update", "session": BETA})) == [
        ("session.instructions", "Be brief.", "system/operator/text"),
        ("session.input_audio_transcription.prompt", "Names: Ann.", "system/operator/text"),
    ]


def test_a_response_may_bring_instructions_and_items_of_its_own() -> None:
    reading = asked(CREATE)
    assert rows(reading) == [
        ("response.instructions", "Only now.", "system/operator/text"),
        ("response.metadata.topic", "rain", "user/principal/opaque"),
        ("response.input.0.content.0.text", "hi", "user/principal/text"),
    ]
    assert not_read(reading) == [("stored_context", "response.input.1")]


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "a"}]},
            [("item.content.0.text", "a", "system/operator/text")],
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": "a"}]},
            [("item.content.0.transcript", "a", "user/principal/text")],
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "a"}]},
            [("item.content.0.transcript", "a", "assistant/model/text")],
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]},
            [("item.content.0.text", "a", "assistant/model/text")],
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "a"},
            [("item.output", "a", "tool/untrusted/tool_resultw")],
        ),
        (
            {"type": "function_call", "name": "n", "arguments": '{"x": "a"}'},
            [
                ("item.name", "n", "assistant/model/tool_call!"),
                ("item.arguments>x", "a", "assistant/model/tool_call"),
            ],
        ),
        (
            {"type": "mcp_approval_response", "approve": False, "reason": "a"},
            [("item.reason", "a", "user/principal/text")],
        ),
    ],
)
def test_items_speak_with_their_own_voice(item: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    assert rows(asked({"type": "conversation.item.create", "item": {"id": "i", **item}})) == found


@pytest.mark.parametrize("kind", ["input_audio_buffer.append", "session.input_audio_buffer.append"])
def test_sound_is_named_and_not_read(kind: str) -> None:
    reading = asked({"type": kind, "event_id": "e", "audio": realtime.SOUND})
    assert (rows(reading), not_read(reading)) == ([], [("audio", "audio")])


def test_sound_in_an_item_is_named_and_its_transcript_read() -> None:
    content = [{"type": "input_audio", "audio": realtime.SOUND, "transcript": "a"}]
    reading = asked(
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}
    )
    assert not_read(reading) == [("audio", "item.content.0.audio")]
    assert [text for _, text, _ in rows(reading)] == ["a"]


def test_events_of_ids_hold_no_text_and_new_ones_are_read() -> None:
    truncate = {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1500}
    assert rows(asked(truncate)) == []
    assert rows(asked({"type": "brand.new", "words": "a b"})) == [("words", "a b", "user/principal/opaque")]
    assert rows(asked(["a b"])) == [("0", "a b", "user/principal/opaque")]


@pytest.mark.parametrize("value", [UPDATE, CREATE, {"type": "session.update", "session": BETA}])
def test_laws_of_reading(value: Any) -> None:
    assert_edits_stay_in_place(value, RealtimeSocket().request)
    without_text = ("format", "turn_detection", "output", "output_modalities", "modalities")
    assert_unknown_members_are_read(value, RealtimeSocket().request, without_text)


# --- what the server sends


@pytest.mark.parametrize("spoken", [False, True])
@pytest.mark.parametrize("beta", [False, True])
def test_a_text_is_one_channel_and_its_restatements_stand_alone(beta: bool, spoken: bool) -> None:
    heard = played(*realtime.response(Say("Hello there."), beta=beta, spoken=spoken))
    assert list(heard.texts.values()) == ["Hello there."]
    # done, content_part.done, output_item.done, response.done
    assert [delta.text for delta in heard.wholes] == ["Hello there."] * 4
    assert heard.closed == list(heard.texts)
    assert heard.usage == {"input": 9, "output": 12}
    named = {part.what for reading in heard.readings for part in reading.uninspected}
    assert named == ({"audio"} if spoken else set())


def test_a_call_is_one_text_and_closed_with_its_item() -> None:
    heard = played(*realtime.response(Say(calls=(Call("mail", '{"to": "ann"}'),))))
    assert list(heard.texts.values()) == ["mail", '{"to": "ann"}']
    assert set(heard.closed) == set(heard.texts)


def test_what_a_user_said_is_one_text() -> None:
    heard = played(*realtime.heard("hello you", 2))
    assert list(heard.texts.values()) == ["hello you"]
    assert [delta.text for delta in heard.wholes] == ["hello you"]
    assert heard.closed == list(heard.texts)


def test_what_could_not_be_understood_ends_the_text() -> None:
    first, *_ = realtime.heard("hello", 9)
    failed = {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "item_u",
        "content_index": 0,
        "error": {"type": "x", "message": "no words"},
    }
    heard = played(first, failed)
    assert heard.closed == list(heard.texts)
    assert [delta.text for delta in heard.wholes] == ["x", "no words"]


def test_pieces_by_speaker_are_joined() -> None:
    stem = "conversation.item.input_audio_transcription.segment"
    place = {"type": stem, "item_id": "i", "content_index": 0, "id": "s", "speaker": "A", "start": 0.0, "end": 1.0}
    assert list(played({**place, "text": "one "}, {**place, "text": "two"}).texts.values()) == ["one two"]


def test_a_translation_has_two_texts_without_items() -> None:
    out = {"type": "session.output_transcript.delta", "event_id": "e"}
    other = {**out, "type": "session.input_transcript.delta", "delta": "hi"}
    heard = played({**out, "delta": "bon"}, {**out, "delta": "jour"}, other)
    assert list(heard.texts.values()) == ["bonjour", "hi"]


@pytest.mark.parametrize(
    "value",
    [
        realtime.session("Be nice."),
        {"type": "session.updated", "session": {"instructions": "Be nice."}},
        {"type": "rate_limits.updated", "rate_limits": [{"name": "tokens", "remaining": 3}]},
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 1000, "item_id": "item_2"},
        {"type": "output_audio_buffer.stopped", "response_id": "resp_1"},
        {"type": "conversation.item.deleted", "item_id": "item_2"},
    ],
)
def test_echoes_settings_and_progress_hold_no_text(value: Any) -> None:
    assert played(value).wholes == []


def test_an_error_and_a_new_event_are_read() -> None:
    error = {"type": "error", "event_id": "e", "error": {"type": "t", "code": "c", "message": "a b", "param": None}}
    assert [delta.text for delta in played(error).wholes] == ["t", "c", "a b"]
    new = {"type": "brand.new.delta", "delta": "piece", "words": "a b"}
    heard = played(new)
    assert (list(heard.texts.values()), [delta.text for delta in heard.wholes]) == (["piece"], ["a b"])


@pytest.mark.parametrize("spoken", [False, True])
@pytest.mark.parametrize("beta", [False, True])
def test_the_fake_server_speaks_as_the_sdk_reads(beta: bool, spoken: bool) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(BetaServerEvent if beta else RealtimeServerEvent)
    said = [*realtime.response(Say("Hi.", (Call("mail"),)), beta=beta, spoken=spoken), *realtime.heard("hello", 2)]
    for value in said:
        assert adapter.validate_python(value).type == value["type"]


def test_the_samples_of_a_client_are_those_of_the_sdk() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
    for value in (
        UPDATE,
        {"type": "response.create", "response": {"instructions": "Only now.", "conversation": "none"}},
    ):
        assert adapter.validate_python(value).type == value["type"]
