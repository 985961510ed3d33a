"""Which endpoint of Google's Vertex AI, which resells models, speaks what.

Source: the REST reference of Vertex AI, and `lib/vertex` of anthropic-sdk-python 2.12 (2026-11).
"""

from __future__ import annotations

from typing import Final

from gateway.dialect import meter
from gateway.dialect.anthropic import MESSAGES
from gateway.dialect.base import Coverage
from gateway.dialect.gemini_family import REST, compatible, methods
from gateway.dialect.openai import CHAT
from gateway.dialect.route import Endpoint, Family, family, route

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
