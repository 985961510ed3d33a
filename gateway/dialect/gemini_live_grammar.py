"""The grammar of Google's Live API: the messages of its clients and its servers, each an object with one main member.

Source: `LiveClientMessage` and `LiveServerMessage` in the types of google-genai 3.6, and the WebSockets reference of
the Live API (2026-11).
"""

from __future__ import annotations

from typing import Any, Final

from gateway.dialect import gemini_grammar as gemini
from gateway.dialect import grammar as g
from gateway.dialect.containers import members_of
from gateway.dialect.gemini_grammar import Spoken, each
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.openai_realtime import HEARD
from gateway.dialect.plain import ANSWERED, Voice
from gateway.dialect.proto_json import fields, member
from gateway.segment import Path

_asked: Final = g.opaque(g.UNKNOWN)
_answered: Final = g.opaque(ANSWERED)
_spelt_again: Final = g.uninspected("word_info")


# --- what a client sends

_TRANSCRIPTION: Final = fields(
    {
        "customVocabulary": g.opaque(g.SYSTEM),
        "adaptationPhrases": g.opaque(g.SYSTEM),
        "sourceText": g.text(g.SYSTEM),
        **g.skipped("wordTimestamp diarization mode"),
        **g.ignored("languageCodes languageAuto languageHints"),
    },
    _asked,
)
_RESUMED: Final = fields({"handle": g.uninspected("stored_context"), "transparent": g.skip}, _asked)
_SETUP: Final = fields(
    {
        "systemInstruction": gemini.parts(g.SYSTEM),
        "tools": each(gemini.TOOL),
        "generationConfig": gemini.CONFIG,
        "inputAudioTranscription": _TRANSCRIPTION,
        "outputAudioTranscription": _TRANSCRIPTION,
        "sessionResumption": _RESUMED,
        **g.skipped("model explicitVadSignal"),
        **g.ignored(
            "realtimeInputConfig contextWindowCompression proactivity historyConfig avatarConfig safetySettings"
        ),
    },
    _asked,
)
_UPDATE: Final = fields(
    {
        "systemInstruction": gemini.parts(g.SYSTEM),
        "tools": fields({"tools": each(gemini.TOOL)}, g.uninspected("hosted_tool")),
    },
    _asked,
)
_TURNS: Final = fields({"turns": each(gemini.content), "turnComplete": g.skip}, _asked)
_MEDIA: Final = gemini.media(g.USER)
_REALTIME: Final = fields(
    {
        "text": g.text(g.USER),
        "mediaChunks": each(_MEDIA),
        "audio": _MEDIA,
        "video": _MEDIA,
        **g.skipped("audioStreamEnd"),
        **g.ignored("activityStart activityEnd"),
    },
    _asked,
)
_RETURNED: Final = fields({"functionResponses": each(gemini.FUNCTION_RESPONSE)}, g.opaque(g.RESULT_LABEL))

CLIENT_MESSAGE: Final[Rule] = fields(
    {
        "setup": _SETUP,
        "contextUpdate": _UPDATE,
        "clientContent": _TURNS,
        "realtimeInput": _REALTIME,
        "toolResponse": _RETURNED,
    },
    _asked,
)
"""A message of a client."""


# --- what a server sends


def _piece(voice: Voice) -> Rule:
    return g.growing(g.text(voice))


def _transcription(voice: Voice, spoken: Spoken) -> Rule:
    """What was said, as text. Its words one by one spell it again."""
    table: dict[str, Rule] = {"text": spoken(voice), "words": _spelt_again}
    return fields({**table, **g.skipped("finished languageCode speakerLabel startOffset endOffset")}, g.unknown(voice))


_CONTENT: Final = fields(
    {
        "modelTurn": gemini.parts(g.ASSISTANT, _piece),
        "inputTranscription": _transcription(HEARD, _piece),
        "interimInputTranscription": _transcription(HEARD, g.text),  # each replaces the one before
        "outputTranscription": _transcription(g.ASSISTANT, _piece),
        **dict.fromkeys(("groundingMetadata", "urlContextMetadata"), gemini.FOUND),
        **g.skipped("turnComplete turnCompleteReason interrupted generationComplete waitingForInput interactionStatus"),
    },
    _answered,
)
_CALLS: Final = fields({"functionCalls": each(gemini.function_call(g.text))}, g.opaque(g.CALL))
_MESSAGE: Final = fields(
    {
        "serverContent": _CONTENT,
        "toolCall": _CALLS,
        **g.ignored(
            "setupComplete toolCallCancellation usageMetadata goAway sessionResumptionUpdate voiceActivity"
            " voiceActivityDetectionSignal"
        ),
    },
    _answered,
)


def server_message(sink: Sink, value: Any, path: Path) -> None:
    """A message of a server."""
    _MESSAGE(sink, value, path)


def content_of(value: Any) -> dict[str, Any]:
    """The `serverContent` of a message, empty where it has none."""
    return members_of(member(value, "serverContent") if isinstance(value, dict) else None, "serverContent")
