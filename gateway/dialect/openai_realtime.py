"""The grammar of the OpenAI Realtime API: the events of its clients and its servers, in the current names and in those
of the beta.

Source: `openai.types.realtime` and `openai.types.beta.realtime` of openai-python 3.54.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialect import grammar as g
from gateway.dialect import openai_responses as responses
from gateway.dialect import openai_tools as tools
from gateway.dialect.grammar import Rule
from gateway.dialect.openai_events import PART, Event, event, texts
from gateway.dialect.plain import Voice
from gateway.segment import Role, Trust

_unknown: Final = g.opaque(g.UNKNOWN)
_unknown_answer: Final = g.opaque(g.UNKNOWN_ANSWER)
_audio: Final = g.uninspected("audio")
_stored: Final = g.uninspected("stored_context")
_reported: Final = g.opaque(g.RESULT_LABEL)

HEARD: Final = Voice(Role.USER, Trust.MODEL)
"""What a model understood of a user's speech."""


# --- items


def _part(voice: Voice) -> Rule:
    """A part of a message. Audio is named; its transcript is a text like any other."""
    sound = g.members({"audio": _audio, "transcript": g.text(voice), **g.skipped("type id format")}, g.unknown(voice))
    table: dict[str, Rule] = {
        **dict.fromkeys(("input_audio", "output_audio", "audio"), sound),
        "item_reference": _stored,
    }
    return g.by("type", table, responses.part(voice))


def _item(others: Rule, unknown: Rule) -> Rule:
    """An item: a message of this API, or one of `others`, which both APIs have alike."""

    def message(voice: Voice) -> Rule:
        members = {"content": g.either(voice, _part(voice)), **g.skipped("type id object role status phase")}
        return g.members(members, g.unknown(voice))

    roles = {"system": g.SYSTEM, "user": g.USER, "assistant": g.ASSISTANT}
    messages = g.by("role", {role: message(voice) for role, voice in roles.items()}, unknown)
    return g.by("type", {"message": messages}, others)


ITEM: Final[Rule] = _item(responses.ITEM, _unknown)
"""An item that the client adds."""

ANSWER_ITEM: Final[Rule] = _item(responses.ANSWER_ITEM, _unknown_answer)
"""An item that the server tells of."""


# --- what a client sends

_TRANSCRIPTION: Final[Rule] = g.members(
    {
        "prompt": g.text(g.SYSTEM),
        "keywords": g.opaque(g.SYSTEM),
        **g.skipped("delay language model"),
        **g.ignored("languages"),
    },
    _unknown,
)
_INPUT: Final[Rule] = g.members(
    {"transcription": _TRANSCRIPTION, **g.ignored("format noise_reduction turn_detection")}, _unknown
)
_SOUND: Final[Rule] = g.members({"input": _INPUT, **g.ignored("output")}, _unknown)

# What a session and a single response have in common.
_SETTINGS: Final[dict[str, Rule]] = {
    "instructions": g.text(g.SYSTEM),
    "tools": g.each(tools.tool, tools.UNKNOWN),
    "tool_choice": tools.chosen,
    "prompt": responses.PROMPT,
    "audio": _SOUND,
    "input_audio_transcription": _TRANSCRIPTION,
    **g.skipped(
        "type id object model voice speed temperature max_output_tokens max_response_output_tokens conversation"
        " input_audio_format output_audio_format expires_at parallel_tool_calls"
    ),
    **g.ignored(
        "include modalities output_modalities reasoning truncation turn_detection input_audio_noise_reduction"
        " client_secret"
    ),
}
_SESSION: Final[Rule] = g.members(_SETTINGS, _unknown)
_WANTED: Final[Rule] = g.members({**_SETTINGS, "input": g.each(ITEM, _unknown)}, _unknown)


def _sent(table: Mapping[str, Rule], ids: str = "") -> Rule:
    return g.members({**g.skipped(f"type event_id {ids}"), **table}, _unknown)


CLIENT_EVENT: Final[Rule] = g.by(
    "type",
    {
        "session.update": _sent({"session": _SESSION}),
        "transcription_session.update": _sent({"session": _SESSION}),
        "conversation.item.create": _sent({"item": ITEM}, "previous_item_id"),
        "response.create": _sent({"response": _WANTED}),
        "input_audio_buffer.append": _sent({"audio": _audio}),
        "session.input_audio_buffer.append": _sent({"audio": _audio}),
    },
    _sent({}, "item_id response_id content_index audio_end_ms"),
)
"""An event of a client. Those that are not listed hold ids alone, or are new and read as text."""


# --- what a server sends

_ANSWER: Final[Rule] = g.members(
    {
        "output": g.each(ANSWER_ITEM, _unknown_answer),
        "status_details": g.members({"error": _reported, **g.skipped("type reason")}, _unknown_answer),
        **g.skipped(
            "id object status conversation_id max_output_tokens voice output_audio_format temperature created_at"
        ),
        **g.ignored("audio metadata modalities output_modalities usage"),
    },
    _unknown_answer,
)
_ADDED: Final = event({"item": ANSWER_ITEM, "previous_item_id": g.skip})
_ECHO: Final = event({"session": g.ignore})  # what it repeats was read when it was set
_TRANSCRIPT: Final = "conversation.item.input_audio_transcription"

SERVER_EVENTS: Final[Mapping[str, Event]] = {
    **texts("response.output_text", g.ASSISTANT, "text", *PART, "text"),
    **texts("response.text", g.ASSISTANT, "text", *PART, "text"),
    **texts("response.output_audio_transcript", g.ASSISTANT, "transcript", *PART, "transcript"),
    **texts("response.audio_transcript", g.ASSISTANT, "transcript", *PART, "transcript"),
    **texts("response.function_call_arguments", g.CALL, "arguments", "arguments"),
    **texts("response.mcp_call_arguments", g.CALL, "arguments", "arguments"),
    **texts("session.output_transcript", g.ASSISTANT, "transcript", "output"),  # of a translation, which has no items
    **texts("session.input_transcript", HEARD, "transcript", "input"),
    "response.created": event({"response": _ANSWER}),
    "response.done": event({"response": _ANSWER}),
    "response.output_item.added": event({"item": g.growing(ANSWER_ITEM)}),
    "response.output_item.done": event({"item": ANSWER_ITEM}, closes=True),
    "response.content_part.added": event({"part": g.growing(_part(g.ASSISTANT))}, *PART),
    "response.content_part.done": event({"part": _part(g.ASSISTANT)}, *PART, closes=True),
    "response.output_audio.delta": event({"delta": _audio}),
    "response.audio.delta": event({"delta": _audio}),
    "session.output_audio.delta": event({"delta": _audio, **g.skipped("channels elapsed_ms format sample_rate")}),
    **dict.fromkeys(
        (f"conversation.item.{what}" for what in ("created", "added", "done", "retrieved")),
        _ADDED,
    ),
    f"{_TRANSCRIPT}.delta": event({"delta": g.growing(g.text(HEARD))}, *PART, "transcript"),
    f"{_TRANSCRIPT}.segment": event(
        {"text": g.growing(g.text(HEARD)), **g.skipped("id speaker start end")}, *PART, "segments"
    ),
    f"{_TRANSCRIPT}.completed": event({"transcript": g.text(HEARD), "languages": g.ignore}, *PART, closes=True),
    f"{_TRANSCRIPT}.failed": event({"error": _reported}, *PART, closes=True),
    **dict.fromkeys(
        (
            "session.created",
            "session.updated",
            "transcription_session.created",
            "transcription_session.updated",
        ),
        _ECHO,
    ),
    "rate_limits.updated": event({"rate_limits": g.ignore}),
}
"""The events of a server. Those that are not listed hold ids and times alone, or are new and read as text."""

LAST: Final = frozenset({"response.done", f"{_TRANSCRIPT}.completed", f"{_TRANSCRIPT}.failed"})
"""Types after which nothing more comes of an answer, or of what a user said."""
