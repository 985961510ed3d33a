"""Which endpoint of the Gemini API speaks what, and the methods it has in common with Vertex AI.

Source: the REST reference of generativelanguage.googleapis.com, the paths of google-genai 3.6, and "OpenAI
compatibility" in the Gemini API guides (2026-11).
"""

from __future__ import annotations

import re
from typing import Final

from gateway.dialect import meter
from gateway.dialect.base import Coverage
from gateway.dialect.gemini import GENERATE
from gateway.dialect.interactions import INTERACTIONS
from gateway.dialect.openai_family import OPENAI
from gateway.dialect.plain import Plain
from gateway.dialect.refusals import Shape
from gateway.dialect.route import Endpoint, Family, Form, Route, family, route

REST: Final = Endpoint(Plain(Shape.GEMINI), Coverage.TEXT, meter=meter.UNCOUNTED)
"""What no row names: predictions, operations, files' metadata, and whatever comes next."""

_VERSION: Final = "/v1(?:alpha|beta)?"
_GENERATES: Final = Endpoint(GENERATE, Coverage.DIALECT, generates=True, meter=meter.GEMINI)
_STREAMS: Final = Endpoint(GENERATE, Coverage.DIALECT, answer_form=Form.ARRAY, generates=True, meter=meter.GEMINI)
_JOBS: Final = Endpoint(GENERATE, Coverage.DIALECT, generates=True, meter=meter.UNCOUNTED)
_EMBEDS: Final = Endpoint(GENERATE, Coverage.DIALECT, meter=meter.GEMINI_INPUTS)
_READS_LATER: Final = Endpoint(GENERATE, Coverage.DIALECT, meter=meter.UNCOUNTED)
_READS: Final = Endpoint(GENERATE, Coverage.DIALECT)
_INTERACTS: Final = Endpoint(INTERACTIONS, Coverage.DIALECT, generates=True, meter=meter.INTERACTIONS)
_INTERACTIONS: Final = Endpoint(INTERACTIONS, Coverage.DIALECT)
_BYTES: Final = Endpoint(REST.dialect, Coverage.PASS, request_form=Form.BYTES, answer_form=Form.BYTES)


def methods(prefix: str) -> tuple[Route, ...]:
    """Methods of models, interactions, and cached contents, which instructions go into as they are prompts of later
    requests."""
    return (
        route("POST", prefix + "/.+:streamGenerateContent", _STREAMS),
        route("POST", prefix + "/.+:generateContent", _GENERATES),
        route("POST", prefix + "/.+:batchGenerateContent", _JOBS),
        route("POST", prefix + "/.+:(countTokens|computeTokens)", _READS),
        route("POST", prefix + "/.+:(embedContent|batchEmbedContents)", _EMBEDS),
        route("POST", prefix + "/.+:asyncBatchEmbedContent", _READS_LATER),
        route("POST", prefix + "/(?:.+/)?cachedContents", _JOBS),
        route("POST", prefix + "/(?:.+/)?interactions", _INTERACTS),
        route("*", prefix + "/(?:.+/)?interactions(/[^/]+(/cancel)?)?", _INTERACTIONS),
    )


def compatible(prefix: str) -> tuple[Route, ...]:
    """The OpenAI API below another one's path."""
    return tuple(
        Route(row.methods, re.compile(f"{prefix}(?:{row.pattern.pattern})"), row.endpoint) for row in OPENAI.routes
    )


GEMINI: Final[Family] = family(
    "gemini",
    (
        *compatible(_VERSION + "/openai"),
        *methods(_VERSION),
        route("GET", _VERSION + "/(batches|operations)/[^/]+", _READS),
        route("*", "/upload/.*", Endpoint(REST.dialect, Coverage.TEXT, request_form=Form.BYTES)),
        route("GET", "/download/.*", _BYTES),
        route("GET", _VERSION + "/files/[^/]+:download", _BYTES),
    ),
    REST,
    "x-goog-api-key",
    query_keys=frozenset({"key"}),
)
