"""Error bodies: each client library finds its own shape, and every body tells code, request and rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.dialect.refusals import Shape, body, encode
from gateway.errors import Code
from gateway.verdict import Refusal

REFUSAL = Refusal(Code.PII, 400, "a card number was found by `pii.card`; remove it", "req-7", ("pii.card", "pii.iban"))


def shaped(shape: Shape, status: int = 400) -> Any:
    return json.loads(body(shape, replace(REFUSAL, status=status)))


@pytest.mark.parametrize("shape", Shape)
def test_every_body_carries_code_request_rules_and_message(shape: Shape) -> None:
    text = body(shape, REFUSAL).decode()
    for part in ("pii_blocked", "req-7", "pii.card", "pii.iban", REFUSAL.message):
        assert part in text


def test_openai_shape() -> None:
    assert shaped(Shape.OPENAI) == {
        "error": {
            "message": REFUSAL.message,
            "type": "invalid_request_error",
            "param": None,
            "code": "pii_blocked",
            "request_id": "req-7",
            "rules": ["pii.card", "pii.iban"],
        }
    }


def test_anthropic_shape() -> None:
    assert shaped(Shape.ANTHROPIC) == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": REFUSAL.message,
            "code": "pii_blocked",
            "rules": ["pii.card", "pii.iban"],
        },
        "request_id": "req-7",
    }


def test_gemini_shape_is_a_google_rpc_status() -> None:
    assert shaped(Shape.GEMINI) == {
        "error": {
            "code": 400,
            "message": REFUSAL.message,
            "status": "INVALID_ARGUMENT",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "pii_blocked",
                    "domain": "lockgate",
                    "metadata": {"request_id": "req-7", "rules": "pii.card,pii.iban"},
                }
            ],
        }
    }


def test_gemini_tells_when_to_retry() -> None:
    value = json.loads(body(Shape.GEMINI, replace(REFUSAL, status=429, retry_after=30)))
    assert value["error"]["details"][1] == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "30s",
    }


def test_ollama_error_is_the_message_itself() -> None:
    assert shaped(Shape.OLLAMA) == {
        "error": REFUSAL.message,
        "code": "pii_blocked",
        "request_id": "req-7",
        "rules": ["pii.card", "pii.iban"],
    }


def test_plain_shape() -> None:
    assert shaped(Shape.PLAIN)["error"] == {
        "code": "pii_blocked",
        "message": REFUSAL.message,
        "request_id": "req-7",
        "rules": ["pii.card", "pii.iban"],
    }


@pytest.mark.parametrize(
    ("status", "openai", "anthropic", "gemini"),
    [
        (400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
        (401, "authentication_error", "authentication_error", "UNAUTHENTICATED"),
        (403, "permission_error", "permission_error", "PERMISSION_DENIED"),
        (404, "not_found_error", "not_found_error", "NOT_FOUND"),
        (413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"),
        (429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"),
        (500, "server_error", "api_error", "INTERNAL"),
        (502, "server_error", "api_error", "UNAVAILABLE"),
        (503, "server_error", "overloaded_error", "UNAVAILABLE"),
        (504, "server_error", "timeout_error", "DEADLINE_EXCEEDED"),
        (529, "server_error", "overloaded_error", "INTERNAL"),
    ],
)
def test_type_follows_the_status(status: int, openai: str, anthropic: str, gemini: str) -> None:
    assert shaped(Shape.OPENAI, status)["error"]["type"] == openai
    assert shaped(Shape.ANTHROPIC, status)["error"]["type"] == anthropic
    assert shaped(Shape.GEMINI, status)["error"]["status"] == gemini


def test_encoding_is_compact_ascii() -> None:
    assert encode({"a": ["é", "\u2028"]}) == b'{"a":["\\u00e9","\\u2028"]}'
