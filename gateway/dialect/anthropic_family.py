"""Which endpoint of Anthropic's API speaks what.

Source: the paths of anthropic-sdk-python 2.12 and "OpenAI SDK compatibility" in Anthropic's API guides (2026-11).
"""

from __future__ import annotations

from typing import Final

from gateway.dialect import meter
from gateway.dialect.anthropic import MESSAGE_BATCHES, MESSAGES
from gateway.dialect.base import Coverage
from gateway.dialect.openai_family import OPENAI
from gateway.dialect.plain import Plain
from gateway.dialect.refusals import Shape
from gateway.dialect.route import Endpoint, Family, Form, family, route

_REST: Final = Plain(Shape.ANTHROPIC)
_UPLOAD: Final = Endpoint(_REST, Coverage.TEXT, request_form=Form.BYTES)
_DOWNLOAD: Final = Endpoint(_REST, Coverage.PASS, answer_form=Form.BYTES)
_BATCHES: Final = Endpoint(MESSAGE_BATCHES, Coverage.DIALECT, generates=True, meter=meter.UNCOUNTED)
_RESULTS: Final = Endpoint(MESSAGE_BATCHES, Coverage.DIALECT, answer_form=Form.LINES)

ANTHROPIC: Final[Family] = family(
    "anthropic",
    (
        route("POST", "/v1/messages", Endpoint(MESSAGES, Coverage.DIALECT, generates=True, meter=meter.ANTHROPIC)),
        route("POST", "/v1/messages/count_tokens", Endpoint(MESSAGES, Coverage.DIALECT)),
        route("POST", "/v1/messages/batches", _BATCHES),
        route("GET", "/v1/messages/batches/[^/]+/results", _RESULTS),
        route("POST", "/v1/chat/completions", OPENAI.endpoint("POST", "/v1/chat/completions")),
        route("POST", "/v1/files", _UPLOAD),
        route("GET", "/v1/files/[^/]+/content", _DOWNLOAD),
        route("POST", "/v1/skills(/[^/]+/versions)?", _UPLOAD),
        route("GET", "/v1/skills/[^/]+/versions/[^/]+/content", _DOWNLOAD),
    ),
    Endpoint(_REST, Coverage.TEXT, meter=meter.UNCOUNTED),
    "x-api-key",
)
