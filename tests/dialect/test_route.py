"""Finding an endpoint: no spelling of a path leads past the row that the upstream will take it for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.base import Coverage
from gateway.dialect.families import FAMILIES

CHAT = "/v1/chat/completions"
GEMINI = "/v1beta/models/g:streamGenerateContent"


@pytest.mark.parametrize(
    ("family", "path", "plain"),
    [
        ("openai", "/v1/%63hat/completions", CHAT),
        ("openai", "/v1/chat/completions/", CHAT),
        ("openai", "//v1//chat/completions", CHAT),
        ("openai", "/v1/chat%2Fcompletions", CHAT),
        ("openai", "/v1/chat%252fcompletions", CHAT),
        ("openai", "/v1/%2563hat/completions", CHAT),
        ("openai", "/v1/chat/completions;v=1", CHAT),
        ("openai", "/v1;a/chat;b=c/completions", CHAT),
        ("openai", "/v1/chat/completions%3Fa=b", CHAT),
        ("openai", "/v1/chat/completions#a", CHAT),
        ("openai", "/v1/chat/completions%20", CHAT),
        ("openai", "/v1\\chat\\completions", CHAT),
        ("openai", "/v1/./models/../chat/completions", CHAT),
        ("openai", "/v1/models/%2e%2e/chat/completions", CHAT),
        ("openai", "/v1/Chat/COMPLETIONS", CHAT),
        ("openai", "/V1/%43hat/completions/", CHAT),
        ("openai", "/v1/uploads/..%2Fchat%2Fcompletions%3F/parts", CHAT),
        ("gemini", "/v1beta/models/g%3AstreamGenerateContent", GEMINI),
        ("gemini", "/v1beta/models/g%3astreamgeneratecontent", GEMINI),
        ("anthropic", "/v1/%6dessages", "/v1/messages"),
        ("azure", "/OpenAI/Deployments/D/Chat/Completions", CHAT),
        ("ollama", "/api/Chat", "/api/chat"),
    ],
)
def test_a_path_is_found_however_it_is_spelt(family: str, path: str, plain: str) -> None:
    found = FAMILIES[family].endpoint("POST", path)
    assert found.generates
    assert found is FAMILIES[family].endpoint("POST", plain)


@pytest.mark.parametrize(
    ("family", "method", "path", "plain"),
    [
        ("azure", "GET", "/OPENAI/Files/f/Content", "/files/f/content"),
        ("azure", "POST", "/openai/v1/Audio/Speech", "/audio/speech"),
        ("openai", "POST", "/v1/Audio/Speech", "/audio/speech"),
        ("bedrock", "POST", "/model/a%3Ab%2Fus.anthropic.c/invoke", "/model/anthropic.c/invoke"),
        ("bedrock", "POST", "/model/a%3Ab%2Fc/converse-stream", "/model/c/converse-stream"),
    ],
)
def test_a_spelling_leads_to_rows_of_every_kind(family: str, method: str, path: str, plain: str) -> None:
    assert FAMILIES[family].endpoint(method, path) is FAMILIES[family].endpoint(method, plain)


def test_of_two_readings_the_stricter_one_holds() -> None:
    """A download by its raw spelling, a stored chat to a server that decodes before it looks."""
    found = FAMILIES["openai"].endpoint("GET", "/v1/videos/..%2Fchat%2Fcompletions%2Fc%3F/content")
    assert found.coverage is Coverage.DIALECT
    assert FAMILIES["openai"].endpoint("GET", "/v1/videos/v/content").coverage is Coverage.PASS


@pytest.mark.parametrize("path", ["/", "", "/v1/nothing", "/v1/nothing/%zz"])
def test_a_path_that_no_reading_knows_has_the_fallback(path: str) -> None:
    family = FAMILIES["openai"]
    assert family.endpoint("POST", path) is family.fallback


def test_a_project_may_have_a_colon_in_its_name() -> None:
    path = "/v1/projects/example.com%3Ap/locations/us/publishers/google/models/m:generateContent"
    assert FAMILIES["vertex"].endpoint("POST", path).generates


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_escaping_any_letters_changes_nothing(data: st.DataObject) -> None:
    escaped = "".join(f"%{ord(letter):02x}" if data.draw(st.booleans()) else letter for letter in CHAT)
    assert FAMILIES["openai"].endpoint("POST", escaped).generates
