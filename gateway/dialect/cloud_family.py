"""Which endpoint of the clouds that resell models speaks what: Amazon Bedrock and Google Vertex AI.

Source: the API reference of Bedrock Runtime, the REST reference of Vertex AI, and `lib/bedrock` and `lib/vertex` of
anthropic-sdk-python 2.12 (2026-11).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.dialect import meter
from gateway.dialect.anthropic import MESSAGES
from gateway.dialect.base import Coverage
from gateway.dialect.gemini_family import REST, compatible, methods
from gateway.dialect.openai import CHAT
from gateway.dialect.plain import PLAIN
from gateway.dialect.route import Endpoint, Family, Form, family, route

_TEXT: Final = Endpoint(PLAIN, Coverage.TEXT, meter=meter.UNCOUNTED)
_TEXT_STREAM: Final = replace(_TEXT, answer_form=Form.BYTES)
_CONVERSE: Final = Endpoint(PLAIN, Coverage.TEXT, meter=meter.CONVERSE)
_CLAUDE: Final = "/model/[^/]*anthropic[.][^/]*"

BEDROCK: Final[Family] = family(
    "bedrock",
    (
        route("POST", _CLAUDE + "/invoke", Endpoint(MESSAGES, Coverage.DIALECT, meter=meter.ANTHROPIC)),
        route(
            "POST",
            _CLAUDE + "/invoke-with-response-stream",
            Endpoint(MESSAGES, Coverage.DIALECT, answer_form=Form.BYTES, meter=meter.ANTHROPIC),
        ),
        route("POST", "/model/[^/]+/converse", _CONVERSE),
        route("POST", "/model/[^/]+/converse-stream", replace(_CONVERSE, answer_form=Form.BYTES)),
        route("POST", "/model/[^/]+/invoke-with-response-stream", _TEXT_STREAM),
        route(
            "*",
            "/model/[^/]+/invoke-with-bidirectional-stream",
            Endpoint(PLAIN, Coverage.PASS, request_form=Form.BYTES, answer_form=Form.BYTES, meter=meter.UNCOUNTED),
        ),
    ),
    _TEXT,
    "authorization",
    "Bearer ",
)
"""Bedrock Runtime. Most clients sign the body (SigV4), so any edit makes Amazon refuse the request: nothing is added to
it by itself (the hierarchy does not apply), and a redaction ends in that refusal, not in a leak. Streams come as
application/vnd.amazon.eventstream, a binary framing that is passed and recorded as not inspected."""

_VERSION: Final = "/v1(?:beta1)?"
_ANTHROPIC: Final = _VERSION + "/(?:.+/)?publishers/anthropic/models"
_CHATTING: Final = _VERSION + "/(?:.+/)?publishers/(?:mistralai|ai21)/models/(?!mistral-ocr)"
"""Publishers whose own API is that of OpenAI's chat, which `rawPredict` passes on ("Mistral AI models", "AI21 Labs
models" in the guides of Vertex AI, 2026-11); reading documents is another API."""

VERTEX: Final[Family] = family(
    "vertex",
    (
        route("POST", _ANTHROPIC + "/count-tokens:rawPredict", Endpoint(MESSAGES, Coverage.DIALECT)),
        route(
            "POST",
            _ANTHROPIC + "/[^/:]+:(rawPredict|streamRawPredict)",
            Endpoint(MESSAGES, Coverage.DIALECT, generates=True, meter=meter.ANTHROPIC),
        ),
        route(
            "POST",
            _CHATTING + "[^/:]+:(rawPredict|streamRawPredict)",
            Endpoint(CHAT, Coverage.DIALECT, generates=True, meter=meter.VERTEX_CHAT),
        ),
        *compatible(_VERSION + "/.+/endpoints/[^/:]+"),
        *methods(_VERSION),
    ),
    REST,
    "authorization",
    "Bearer ",
)
"""Vertex AI: Gemini, Claude, and others through the OpenAI-compatible endpoint or in its form. What other publishers
take, and models that an operator deploys, is read as text."""
