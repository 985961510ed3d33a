"""Which endpoint speaks what, for the families of Anthropic, Google, Amazon and plain HTTP."""

from __future__ import annotations

import pytest

from gateway.dialect.base import Coverage
from gateway.dialect.families import FAMILIES
from gateway.dialect.route import Form

DIALECT, TEXT, PASS = Coverage.DIALECT, Coverage.TEXT, Coverage.PASS
JSON, LINES, BYTES, ARRAY, MEDIA = Form.JSON, Form.LINES, Form.BYTES, Form.ARRAY, Form.MEDIA
GOOGLE = "/v1/projects/p/locations/us/publishers/google/models/gemini-2.5-pro"
PUBLISHERS = "/v1/projects/p/locations/us/publishers"
CLAUDE = f"{PUBLISHERS}/anthropic/models"
BEDROCK = "/model/us.anthropic.claude-sonnet-4-5-v1%3A0"

type Row = tuple[str, str, str, str, Coverage, bool, Form, Form]
ROWS: list[Row] = [
    ("anthropic", "POST", "/v1/messages", "anthropic", DIALECT, True, JSON, JSON),
    ("anthropic", "POST", "/v1/messages/count_tokens", "anthropic", DIALECT, False, JSON, JSON),
    ("anthropic", "POST", "/v1/messages/batches", "anthropic", DIALECT, True, JSON, JSON),
    ("anthropic", "GET", "/v1/messages/batches/b1/results", "anthropic", DIALECT, False, JSON, LINES),
    ("anthropic", "GET", "/v1/messages/batches/b1", "plain", TEXT, False, JSON, JSON),
    ("anthropic", "POST", "/v1/files", "plain", TEXT, False, BYTES, JSON),
    ("anthropic", "GET", "/v1/files/f1/content", "plain", PASS, False, JSON, BYTES),
    ("anthropic", "GET", "/v1/models", "plain", TEXT, False, JSON, JSON),
    ("gemini", "POST", "/v1beta/models/gemini-2.5-pro:generateContent", "gemini", DIALECT, True, JSON, JSON),
    ("gemini", "POST", "/v1/tunedModels/m:streamGenerateContent", "gemini", DIALECT, True, JSON, ARRAY),
    ("gemini", "POST", "/v1beta/models/m:batchGenerateContent", "gemini", DIALECT, True, JSON, JSON),
    ("gemini", "POST", "/v1beta/models/m:countTokens", "gemini", DIALECT, False, JSON, JSON),
    ("gemini", "POST", "/v1beta/models/m:batchEmbedContents", "gemini", DIALECT, False, JSON, JSON),
    ("gemini", "POST", "/v1beta/cachedContents", "gemini", DIALECT, True, JSON, JSON),
    ("gemini", "GET", "/v1beta/batches/b1", "gemini", DIALECT, False, JSON, JSON),
    ("gemini", "POST", "/v1beta/models/imagen-4:predict", "plain", TEXT, False, JSON, JSON),
    ("gemini", "POST", "/upload/v1beta/files", "plain", TEXT, False, BYTES, JSON),
    ("gemini", "GET", "/v1beta/files/f1:download", "plain", PASS, False, BYTES, BYTES),
    ("gemini", "GET", "/v1beta/models", "plain", TEXT, False, JSON, JSON),
    ("vertex", "POST", f"{GOOGLE}:streamGenerateContent", "gemini", DIALECT, True, JSON, ARRAY),
    (
        "vertex",
        "POST",
        "/v1beta1/publishers/google/models/m:generateContent",
        "gemini",
        DIALECT,
        True,
        JSON,
        JSON,
    ),
    ("vertex", "POST", f"{CLAUDE}/claude-sonnet-4-5@20250929:rawPredict", "anthropic", DIALECT, True, JSON, JSON),
    ("vertex", "POST", f"{CLAUDE}/claude-x:streamRawPredict", "anthropic", DIALECT, True, JSON, JSON),
    ("vertex", "POST", f"{CLAUDE}/count-tokens:rawPredict", "anthropic", DIALECT, False, JSON, JSON),
    ("vertex", "POST", f"{PUBLISHERS}/mistralai/models/mistral-3:rawPredict", "openai_chat", DIALECT, True, JSON, JSON),
    ("vertex", "POST", f"{PUBLISHERS}/ai21/models/j@1:streamRawPredict", "openai_chat", DIALECT, True, JSON, JSON),
    ("vertex", "POST", f"{PUBLISHERS}/mistralai/models/mistral-ocr-3:rawPredict", "plain", TEXT, False, JSON, JSON),
    ("vertex", "POST", f"{PUBLISHERS}/somebody/models/m:rawPredict", "plain", TEXT, False, JSON, JSON),
    ("vertex", "POST", "/v1/projects/p/locations/us/cachedContents", "gemini", DIALECT, True, JSON, JSON),
    ("vertex", "POST", f"{GOOGLE}:predict", "plain", TEXT, False, JSON, JSON),
    ("bedrock", "POST", f"{BEDROCK}/invoke", "anthropic", DIALECT, False, JSON, JSON),
    ("bedrock", "POST", f"{BEDROCK}/invoke-with-response-stream", "anthropic", DIALECT, False, JSON, BYTES),
    ("bedrock", "POST", "/model/amazon.nova-pro-v1%3A0/invoke", "plain", TEXT, False, JSON, JSON),
    ("bedrock", "POST", f"{BEDROCK}/converse", "plain", TEXT, False, JSON, JSON),
    ("bedrock", "POST", f"{BEDROCK}/converse-stream", "plain", TEXT, False, JSON, BYTES),
    ("bedrock", "POST", "/model/m/invoke-with-bidirectional-stream", "plain", PASS, False, BYTES, BYTES),
    ("http", "POST", "/anything", "plain", TEXT, False, MEDIA, MEDIA),
]


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row[:3]) for row in ROWS])
def test_each_path_has_a_declared_coverage(row: Row) -> None:
    name, method, path, dialect, coverage, generates, asked, answered = row
    found = FAMILIES[name].endpoint(method, path)
    assert (found.dialect.name, found.coverage, found.generates) == (dialect, coverage, generates)
    assert (found.request_form, found.answer_form) == (asked, answered)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("anthropic", "/v1/chat/completions"),
        ("gemini", "/v1beta/openai/chat/completions"),
        ("vertex", "/v1/projects/p/locations/us/endpoints/openapi/chat/completions"),
    ],
)
def test_openai_compatible_paths_speak_openais_dialect(name: str, path: str) -> None:
    assert FAMILIES[name].endpoint("POST", path) == FAMILIES["openai"].endpoint("POST", "/v1/chat/completions")


def test_an_openai_path_that_is_not_known_has_the_familys_own_fallback() -> None:
    assert FAMILIES["gemini"].endpoint("GET", "/v1beta/openai/nothing") is FAMILIES["gemini"].fallback


@pytest.mark.parametrize(
    ("name", "header", "prefix"),
    [
        ("anthropic", "x-api-key", ""),
        ("gemini", "x-goog-api-key", ""),
        ("vertex", "authorization", "Bearer "),
        ("bedrock", "authorization", "Bearer "),
        ("http", "authorization", "Bearer "),
    ],
)
def test_a_key_is_shown_as_the_api_wants_it(name: str, header: str, prefix: str) -> None:
    assert (FAMILIES[name].key_header, FAMILIES[name].key_prefix) == (header, prefix)


def test_every_family_is_found_by_its_name() -> None:
    assert set(FAMILIES) == {"openai", "azure", "ollama", "anthropic", "gemini", "vertex", "bedrock", "a2a", "http"}
    assert all(family.name == name for name, family in FAMILIES.items())
