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
PROFILE = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3"
PROMPT = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprompt%2FABCDEFGHIJ"
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
    ("bedrock", "POST", f"{BEDROCK}/invoke", "bedrock_messages", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", f"{BEDROCK}/invoke-with-response-stream", "bedrock_messages", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", f"{PROFILE}/invoke", "bedrock_messages", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", f"{PROFILE}/invoke-with-response-stream", "bedrock_messages", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", f"{PROMPT}/converse", "bedrock_converse", DIALECT, False, JSON, JSON),
    ("bedrock", "POST", f"{PROMPT}%3A1/converse-stream", "bedrock_converse", DIALECT, False, JSON, JSON),
    ("bedrock", "POST", "/model/anthropic.c%3Aprompt%2Fx/converse", "bedrock_converse", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", f"{PROFILE}/converse", "bedrock_converse", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", f"{BEDROCK}/converse-stream", "bedrock_converse", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", "/openai/v1/chat/completions", "openai_chat", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", "/v1/chat/completions", "openai_chat", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", "/openai/v1/responses", "openai_responses", DIALECT, True, JSON, JSON),
    ("bedrock", "GET", "/openai/v1/responses/resp_1", "openai_responses", DIALECT, False, JSON, JSON),
    ("bedrock", "POST", "/anthropic/v1/messages", "anthropic", DIALECT, True, JSON, JSON),
    ("bedrock", "POST", "/anthropic/v1/messages/count_tokens", "anthropic", DIALECT, False, JSON, JSON),
    ("bedrock", "POST", "/model/m/invoke-with-bidirectional-stream", "plain", PASS, False, BYTES, BYTES),
    ("http", "POST", "/anything", "plain", TEXT, False, MEDIA, MEDIA),
]


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row[:3]) for row in ROWS])
def test_each_path_has_a_declared_coverage(row: Row) -> None:
    name, method, path, dialect, coverage, generates, asked, answered = row
    found = FAMILIES[name].endpoint(method, path)
    assert (found.dialect.name, found.coverage, found.generates) == (dialect, coverage, generates)
    assert (found.request_form, found.answer_form) == (asked, answered)


@pytest.mark.parametrize("path", [PROFILE, "/model/my-own-model", "/model/amazon.nova-pro-v1%3A0"])
@pytest.mark.parametrize(("method", "form"), [("invoke", JSON), ("invoke-with-response-stream", BYTES)])
def test_a_body_tells_whose_a_model_is_where_its_id_does_not(path: str, method: str, form: Form) -> None:
    found = FAMILIES["bedrock"].endpoint("POST", f"{path}/{method}")
    versions = (b'{"anthropic_version": "bedrock-2023-05-31"}', b'{"anthropic_version": "2026-10-21"}')
    for claude in (*versions, b'{"anthropic_version": null}', b"no JSON", b""):
        assert found.told_by(claude) is found
    for other in (b'{"prompt": "x"}', b'{"messages": []}', b'["anthropic_version"]'):
        told = found.told_by(other)
        assert (told.dialect.name, told.coverage, told.answer_form) == ("plain", TEXT, form)
    assert (found.told_by(b"{}") is FAMILIES["bedrock"].fallback) is (method == "invoke")


def test_an_id_that_names_anthropic_needs_no_body() -> None:
    found = FAMILIES["bedrock"].endpoint("POST", f"{BEDROCK}/invoke")
    assert found.told_by(b'{"prompt": "x"}') is found


KEY = ("Authorization", "Bearer bedrock-api-key-x")
SIGNED = ("authorization", "AWS4-HMAC-SHA256 Credential=AKID/20261101/us-east-1/bedrock/aws4_request, Signature=0")


@pytest.mark.parametrize(
    ("fields", "query", "signed"),
    [
        ((SIGNED,), "", True),
        ((("AUTHORIZATION", " AWS4-ECDSA-P256-SHA256 Credential=x"),), "", True),
        ((), "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", True),
        ((KEY,), "", False),
        ((KEY,), "X-Amz-Signature=0", False),
        ((KEY, SIGNED), "", False),
        ((), "", False),
    ],
)
def test_a_signature_is_known(fields: tuple[tuple[str, str], ...], query: str, signed: bool) -> None:
    assert FAMILIES["bedrock"].is_signed(fields, query) is signed
    assert not FAMILIES["openai"].is_signed(fields, query)


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
