"""Which path leads to which session."""

from __future__ import annotations

import pytest

from gateway.dialect.families import FAMILIES
from gateway.dialect.sockets import opened, sessions

GOOGLE = "/ws/google.ai.generativelanguage."


@pytest.mark.parametrize(
    ("family", "path", "dialect", "coverage"),
    [
        ("openai", "/v1/realtime", "openai_realtime", "dialect"),
        ("openai", "/realtime", "openai_realtime", "dialect"),
        ("openai", "/v1//realtime/", "openai_realtime", "dialect"),
        ("openai", "/v1/re%61ltime", "openai_realtime", "dialect"),
        ("openai", "/V1/Realtime", "openai_realtime", "dialect"),
        ("openai", "/v1/realtime/translations", "openai_realtime", "dialect"),
        ("openai", "/v1/responses", "openai_responses", "dialect"),
        ("openai", "/v1/live", "plain", "text"),
        ("azure", "/openai/realtime", "openai_realtime", "dialect"),
        ("azure", "/openai/v1/responses", "openai_responses", "dialect"),
        ("azure", "/openai/deployments/gpt/realtime", "openai_realtime", "dialect"),
        ("gemini", f"{GOOGLE}v1beta.GenerativeService.BidiGenerateContent", "gemini_live", "dialect"),
        ("gemini", f"{GOOGLE}v1alpha.GenerativeService.BidiGenerateContentConstrained", "gemini_live", "dialect"),
        ("gemini", f"{GOOGLE}v1alpha.GenerativeService.BidiGenerateMusic", "plain", "text"),
        ("gemini", "/v1beta/interactions/live", "plain", "text"),
        ("vertex", "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent", "gemini_live", "dialect"),
        ("anthropic", "/v1/messages", "plain", "text"),
        ("http", "/", "plain", "text"),
    ],
)
def test_a_path_leads_to_a_session(family: str, path: str, dialect: str, coverage: str) -> None:
    endpoint, socket = opened(FAMILIES[family], path)
    assert (endpoint.dialect.name, endpoint.coverage, endpoint.generates) == (dialect, coverage, dialect != "plain")
    assert endpoint.dialect is socket


def test_each_session_has_a_dialect_of_its_own() -> None:
    assert opened(FAMILIES["openai"], "/v1/realtime")[1] is not opened(FAMILIES["openai"], "/v1/realtime")[1]


def test_the_table_is_there_to_be_shown() -> None:
    assert [row.endpoint.dialect.name for row in sessions(FAMILIES["openai"]).routes] == [
        "openai_realtime",
        "openai_responses",
    ]
