"""The shapes in which a refusal reaches a client: one table from shape to body.

Every body carries the code, the request's id and the ids of the rules; none carries matched text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from gateway.verdict import Refusal


class Shape(StrEnum):
    """Whose error body it is."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    BEDROCK = "bedrock"
    PLAIN = "plain"


def body(shape: Shape, refusal: Refusal) -> bytes:
    """The JSON error body for `refusal` in `shape`."""
    return encode(_BUILDERS[shape](refusal))


def encode(value: Any) -> bytes:
    """Compact JSON in ASCII, so that no client can trip over a line separator within a string."""
    return json.dumps(value, separators=(",", ":")).encode()


SOON: Final = 60
"""Seconds of waiting up to which a client is told to try again by itself: beyond, the OpenAI and Anthropic SDKs heed no
`Retry-After` and come back within seconds (`_calculate_retry_timeout` of openai-python 3.54)."""


def is_soon(refusal: Refusal) -> bool:
    """Whether a client may try again by itself, for all that is known of when."""
    return refusal.retry_after is not None and refusal.retry_after <= SOON


def error_type(types: Mapping[int, str], status: int) -> str:
    """The name that a provider gives errors of an HTTP status: the status' own, or that of its hundred (400, 500)."""
    return types.get(status) or types[500 if status >= 500 else 400]


OPENAI_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
}
"""`error.type` by HTTP status, after "Error codes" of the OpenAI API documentation (2026-11)."""

ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""`error.type` by HTTP status, after "Errors" of the Anthropic API documentation (2026-11)."""

GEMINI_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""`error.status` by HTTP status: the mapping in the comments of google/rpc/code.proto."""


def _openai(refusal: Refusal) -> dict[str, Any]:
    return {
        "error": {
            "message": refusal.message,
            "type": error_type(OPENAI_TYPES, refusal.status),
            "param": None,
            "code": refusal.code,
            "request_id": refusal.request_id,
            "rules": refusal.rules,
        }
    }


def _anthropic(refusal: Refusal) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {
            "type": error_type(ANTHROPIC_TYPES, refusal.status),
            "message": refusal.message,
            "code": refusal.code,
            "rules": refusal.rules,
        },
        "request_id": refusal.request_id,
    }


def _gemini(refusal: Refusal) -> dict[str, Any]:
    """google.rpc.Status with google.rpc.ErrorInfo, whose metadata maps strings to strings (google/rpc/*.proto)."""
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": refusal.code,
            "domain": "lockgate",
            "metadata": {"request_id": refusal.request_id, "rules": ",".join(refusal.rules)},
        }
    ]
    if refusal.retry_after is not None:
        delay = f"{refusal.retry_after}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return {
        "error": {
            "code": refusal.status,
            "message": refusal.message,
            "status": error_type(GEMINI_STATUSES, refusal.status),
            "details": details,
        }
    }


def _ollama(refusal: Refusal) -> dict[str, Any]:
    """Ollama's `error` is the message itself; its clients ignore members beside it."""
    return {
        "error": refusal.message,
        "code": refusal.code,
        "request_id": refusal.request_id,
        "rules": refusal.rules,
    }


def _bedrock(refusal: Refusal) -> dict[str, Any]:
    """Amazon's clients read the message alone; what is wrong they read from a field of the answer."""
    return {
        "message": refusal.message,
        "reason": refusal.code,
        "request_id": refusal.request_id,
        "rules": refusal.rules,
    }


def _plain(refusal: Refusal) -> dict[str, Any]:
    return {
        "error": {
            "code": refusal.code,
            "message": refusal.message,
            "request_id": refusal.request_id,
            "rules": refusal.rules,
        }
    }


_BUILDERS: Final[Mapping[Shape, Callable[[Refusal], dict[str, Any]]]] = {
    Shape.OPENAI: _openai,
    Shape.ANTHROPIC: _anthropic,
    Shape.GEMINI: _gemini,
    Shape.OLLAMA: _ollama,
    Shape.BEDROCK: _bedrock,
    Shape.PLAIN: _plain,
}
