"""Routes: each endpoint has a declared coverage, with and without /v1, and nothing falls through."""

from __future__ import annotations

import pytest

from gateway.dialect.base import Coverage
from gateway.dialect.openai_family import AZURE, FAMILIES, OLLAMA, OPENAI
from gateway.dialect.route import Form

# method, path, dialect, coverage, request form, answer form, generates
ROWS = [
    ("POST", "/chat/completions", "openai_chat", "dialect", "json", "json", True),
    ("GET", "/chat/completions", "openai_chat", "dialect", "json", "json", False),
    ("GET", "/chat/completions/chatcmpl-1", "openai_chat", "dialect", "json", "json", False),
    ("GET", "/chat/completions/chatcmpl-1/messages", "openai_chat", "dialect", "json", "json", False),
    ("POST", "/responses", "openai_responses", "dialect", "json", "json", True),
    ("POST", "/responses/compact", "openai_responses", "dialect", "json", "json", True),
    ("POST", "/responses/input_tokens", "openai_responses", "dialect", "json", "json", False),
    ("GET", "/responses/resp_1", "openai_responses", "dialect", "json", "json", False),
    ("DELETE", "/responses/resp_1", "openai_responses", "dialect", "json", "json", False),
    ("POST", "/responses/resp_1/cancel", "openai_responses", "dialect", "json", "json", False),
    ("GET", "/responses/resp_1/input_items", "openai_responses", "dialect", "json", "json", False),
    ("POST", "/conversations", "openai_responses", "dialect", "json", "json", False),
    ("GET", "/conversations/conv_1/items/msg_1", "openai_responses", "dialect", "json", "json", False),
    ("POST", "/completions", "openai_completions", "dialect", "json", "json", True),
    ("POST", "/embeddings", "openai_inputs", "text", "json", "json", False),
    ("POST", "/moderations", "openai_inputs", "text", "json", "json", False),
    ("POST", "/images/generations", "openai_images", "dialect", "json", "json", False),
    ("POST", "/images/edits", "openai_images", "pass", "bytes", "json", False),
    ("POST", "/images/variations", "openai_images", "pass", "bytes", "json", False),
    ("POST", "/audio/speech", "openai_speech", "dialect", "json", "bytes", False),
    ("POST", "/audio/transcriptions", "openai_audio", "text", "bytes", "json", False),
    ("POST", "/audio/translations", "openai_audio", "text", "bytes", "json", False),
    ("POST", "/files", "openai_batch", "dialect", "multipart", "json", True),
    ("GET", "/files", "openai", "text", "json", "json", False),
    ("GET", "/files/file-1/content", "openai_batch", "dialect", "json", "lines", False),
    ("POST", "/uploads", "openai", "text", "json", "json", False),
    ("POST", "/uploads/u_1/parts", "openai", "pass", "bytes", "json", False),
    ("POST", "/uploads/u_1/complete", "openai", "text", "json", "json", False),
    ("POST", "/batches", "openai", "text", "json", "json", False),
    ("POST", "/vector_stores/vs_1/search", "openai", "text", "json", "json", False),
    ("GET", "/models", "openai", "text", "json", "json", False),
    ("POST", "/fine_tuning/jobs", "openai", "text", "json", "json", False),
    ("POST", "/assistants", "openai", "text", "json", "json", False),
    ("POST", "/threads/t_1/runs", "openai", "text", "json", "json", False),
    ("POST", "/realtime/client_secrets", "openai", "text", "json", "json", False),
    ("GET", "/containers/c_1/files/f_1/content", "openai", "pass", "json", "bytes", False),
    ("GET", "/videos/v_1/content", "openai", "pass", "json", "bytes", False),
    ("POST", "/evals", "openai", "text", "json", "json", False),
    ("POST", "/quite/new", "openai", "text", "json", "json", False),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
@pytest.mark.parametrize(
    ("family", "prefix"),
    [
        (OPENAI, ""),
        (OPENAI, "/v1"),
        (AZURE, "/openai/v1"),
        (AZURE, "/openai/deployments/gpt-5"),
        (AZURE, "/deployments/gpt-5"),
        (AZURE, "/openai"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_endpoints(family: object, prefix: str, row: tuple[str, str, str, str, str, str, bool]) -> None:
    assert family in (OPENAI, AZURE)
    method, path, *expected = row
    endpoint = (OPENAI if family is OPENAI else AZURE).endpoint(method, prefix + path)
    assert [
        endpoint.dialect.name,
        endpoint.coverage.value,
        endpoint.request_form.value,
        endpoint.answer_form.value,
        endpoint.generates,
    ] == expected


@pytest.mark.parametrize(
    ("method", "path", "dialect", "coverage", "generates"),
    [
        ("POST", "/api/chat", "ollama", Coverage.DIALECT, True),
        ("POST", "/api/generate", "ollama", Coverage.DIALECT, True),
        ("POST", "/api/embed", "ollama_inputs", Coverage.DIALECT, False),
        ("POST", "/api/embeddings", "ollama_inputs", Coverage.DIALECT, False),
        ("GET", "/api/tags", "plain", Coverage.TEXT, False),
        ("POST", "/api/create", "plain", Coverage.TEXT, False),
        ("POST", "/api/blobs/sha256:29fdb92e57cf", "plain", Coverage.PASS, False),
        ("POST", "/v1/chat/completions", "openai_chat", Coverage.DIALECT, True),
        ("POST", "/v1/responses", "openai_responses", Coverage.DIALECT, True),
        ("GET", "/", "plain", Coverage.TEXT, False),
    ],
)
def test_ollama_endpoints(method: str, path: str, dialect: str, coverage: Coverage, generates: bool) -> None:
    endpoint = OLLAMA.endpoint(method, path)
    assert (endpoint.dialect.name, endpoint.coverage, endpoint.generates) == (dialect, coverage, generates)


def test_only_bytes_pass_unread() -> None:
    for family in FAMILIES:
        assert family.fallback.coverage is Coverage.TEXT
        for row in family.routes:
            if row.endpoint.coverage is Coverage.PASS:
                assert Form.BYTES in (row.endpoint.request_form, row.endpoint.answer_form)


def test_paths_are_matched_whole() -> None:
    assert OPENAI.endpoint("POST", "/x/chat/completions").dialect.name == "openai"
    assert OPENAI.endpoint("POST", "/v1/chat/completions/x/y").coverage is Coverage.TEXT
    assert AZURE.endpoint("POST", "/openai/deployments/a/b/chat/completions").dialect.name == "openai"


def test_keys_are_shown_as_each_provider_wants_them() -> None:
    assert [(family.name, family.key_header, family.key_prefix) for family in FAMILIES] == [
        ("openai", "authorization", "Bearer "),
        ("azure", "api-key", ""),
        ("ollama", "authorization", "Bearer "),
    ]
