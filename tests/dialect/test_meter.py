"""What requests say they may cost, in each API's own words."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect import meter
from gateway.dialect.families import FAMILIES
from gateway.dialect.meter import MOST_TOKENS, UNSAID, Meter
from gateway.dialect.sockets import opened
from gateway.dialect.spelling import resolved
from gateway.segment import Uninspected
from gateway.wire.document import parse
from tests.dialect.replay import document, made

CHAT = "/v1/chat/completions"
GEMINI = "/v1beta/models/gemini-2.5-pro:generateContent"
CLAUDE = "/model/eu.anthropic.claude-x-v1%3A0/invoke"
MISTRAL = "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-3@2:rawPredict"
PROFILE = "arn%3Aaws%3Abedrock%3Aeu%3A1%3Aapplication-inference-profile%2Fx"
VERTEX = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@1:rawPredict"

ASKED: list[tuple[str, str, dict[str, Any], str | None, int]] = [
    ("openai", CHAT, {"model": "m", "max_tokens": 5}, "m", 5),
    ("openai", CHAT, {"model": "m", "max_tokens": 5, "max_completion_tokens": 7}, "m", 7),
    ("openai", CHAT, {"model": "m", "max_tokens": 5, "n": 3}, "m", 15),
    ("openai", CHAT, {"model": "m", "n": 10**9, "max_tokens": 2}, "m", 512),
    ("openai", CHAT, {"model": "m", "max_tokens": 1e3}, "m", 1000),
    ("openai", "/v1/completions", {"model": "m", "max_tokens": 5, "n": 2, "best_of": 4}, "m", 20),
    ("openai", "/v1/responses", {"model": "m", "max_output_tokens": 9}, "m", 9),
    ("openai", "/v1/responses", {"prompt": {"id": "p"}}, None, UNSAID),
    ("openai", "/v1/embeddings", {"model": "m", "input": "x"}, "m", 0),
    ("azure", "/openai/deployments/dep/chat/completions", {"max_tokens": 5, "model": "lie"}, "dep", 5),
    ("azure", "/OPENAI/Deployments/d%65p/chat/completions", {"max_tokens": 5}, "dep", 5),
    ("azure", "/openai/v1/chat/completions", {"model": "m"}, "m", UNSAID),
    ("anthropic", "/v1/messages", {"model": "c", "max_tokens": 8}, "c", 8),
    ("vertex", VERTEX, {"max_tokens": 8}, "claude-x@1", 8),
    ("vertex", MISTRAL, {"model": "mistral-3", "max_tokens": 8}, "mistral-3@2", 8),
    ("gemini", "/v1beta/interactions", {"model": "g", "generation_config": {"max_output_tokens": 4}}, "g", 4),
    ("gemini", "/v1beta/interactions", {"agent": "deep-research"}, None, UNSAID),
    ("bedrock", CLAUDE, {"max_tokens": 8}, "eu.anthropic.claude-x-v1:0", 8),
    (
        "bedrock",
        f"/model/{PROFILE}/invoke",
        {"max_tokens": 8},
        "arn:aws:bedrock:eu:1:application-inference-profile/x",
        8,
    ),
    ("bedrock", "/model/amazon.nova/converse", {"inferenceConfig": {"maxTokens": 6}}, "amazon.nova", 6),
    ("gemini", GEMINI, {"generationConfig": {"maxOutputTokens": 4, "candidateCount": 2}}, "gemini-2.5-pro", 8),
    ("gemini", GEMINI, {"generation_config": {"max_output_tokens": 4}}, "gemini-2.5-pro", 4),
    ("gemini", "/v1beta/models/e:embedContent", {"content": {"parts": [{"text": "x"}]}}, "e", 0),
    ("gemini", "/v1beta/openai/chat/completions", {"model": "g", "max_tokens": 3}, "g", 3),
    ("gemini", "/v1beta/openai/chat/completions", {"model": "models/g", "max_tokens": 3}, "g", 3),
    ("ollama", "/api/chat", {"model": "l", "options": {"num_predict": 11}}, "l", 11),
    ("ollama", "/api/generate", {"model": "l", "options": {"num_predict": -1}}, "l", UNSAID),
    ("ollama", "/api/embed", {"model": "l", "input": "x"}, "l", 0),
]


def meter_of(family: str, path: str) -> Meter:
    found = FAMILIES[family].endpoint("POST", path).meter
    assert found is not None
    return found


@pytest.mark.parametrize(("family", "path", "body", "model", "output"), ASKED)
def test_the_model_and_the_most_that_is_written(
    family: str, path: str, body: dict[str, Any], model: str | None, output: int
) -> None:
    asked = meter_of(family, path).asked(resolved(path), made(body))
    assert (asked.model, asked.output, asked.counted) == (model, output, True)
    assert asked.input > 0


@pytest.mark.parametrize("bound", [-1, 0, 1.5, "many", True, None, [5], {}])
def test_a_bound_that_is_none_is_not_believed(bound: Any) -> None:
    assert meter.CHAT.asked("/", made({"max_tokens": bound})).output == UNSAID


def test_an_answer_in_the_background_goes_on_without_its_client() -> None:
    assert meter.RESPONSES.asked("/", made({"background": True})).goes_on
    assert not meter.RESPONSES.asked("/", made({"background": False})).goes_on


def test_what_no_model_does_is_cut() -> None:
    assert meter.CHAT.asked("/", parse(b'{"max_tokens": 100000000000000000000}')).output == MOST_TOKENS


def test_the_input_of_a_recorded_request_is_about_what_the_provider_counted() -> None:
    """Anthropic counted 25 for it, of which a good part is its own."""
    asked = meter.ANTHROPIC.asked("/v1/messages", document("anthropic", "text", "request.json"))
    assert 10 <= asked.input <= 50


def test_parts_that_are_not_read_count_in_the_estimate() -> None:
    body = made({"model": "m", "messages": [{"content": "A" * 9000}]})
    asked = meter.CHAT.asked("/", body, [Uninspected("image", ("messages", 0, "content"))])
    assert 1600 < asked.input < 1620


@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("openai", "/v1/batches"),
        ("openai", "/v1/images/generations"),
        ("openai", "/v1/audio/speech"),
        ("openai", "/v1/threads/t/runs"),
        ("openai", "/v1/something/new"),
        ("anthropic", "/v1/messages/batches"),
        ("anthropic", "/v1/something/new"),
        ("gemini", "/v1beta/models/g:batchGenerateContent"),
        ("gemini", "/v1beta/models/imagen:predict"),
        ("vertex", "/v1/projects/p/other:predict"),
        ("azure", "/openai/else"),
    ],
)
def test_what_costs_and_does_not_tell_how_much_is_not_counted(family: str, path: str) -> None:
    assert meter_of(family, path).asked(path, made({"model": "m"})).counted is False


def test_what_another_models_body_costs_is_not_told() -> None:
    endpoint = FAMILIES["bedrock"].endpoint("POST", "/model/other/invoke").told_by(b'{"prompt": "x"}')
    assert endpoint.meter is meter.UNCOUNTED


@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("openai", "/v1/models"),
        ("openai", "/v1/moderations"),
        ("openai", "/v1/responses/r/cancel"),
        ("openai", "/v1/files"),
        ("openai", "/v1/batches/b/cancel"),
        ("anthropic", "/v1/messages/count_tokens"),
        ("gemini", "/v1beta/models/g:countTokens"),
        ("ollama", "/api/pull"),
        ("http", "/anything"),
    ],
)
def test_what_costs_nothing_has_no_meter(family: str, path: str) -> None:
    assert FAMILIES[family].endpoint("POST", path).meter is None


def test_sessions_have_meters_too() -> None:
    realtime, _ = opened(FAMILIES["openai"], "/v1/realtime")
    body = made({"type": "response.create", "response": {"model": "r", "max_output_tokens": 7}})
    assert realtime.meter is not None
    asked = realtime.meter.asked("/v1/realtime", body)
    assert (asked.model, asked.output) == ("r", 7)
    unknown, _ = opened(FAMILIES["gemini"], "/ws/live")
    assert unknown.meter is meter.UNCOUNTED
    plain, _ = opened(FAMILIES["http"], "/ws")
    assert plain.meter is None


class TestUsed:
    def test_an_answer_that_is_no_json_has_none(self) -> None:
        assert meter.CHAT.used(None) == {}

    def test_of_geminis_array_the_last_item_counts(self) -> None:
        items = [{"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": count}} for count in (1, 5)]
        assert meter.GEMINI.used(made(items)) == {"input": 3, "output": 5}
        assert meter.GEMINI.used(made([])) == {}

    def test_usage_of_another_type_is_none(self) -> None:
        assert meter.RESPONSES.used(made({"response": 5, "usage": "x"})) == {}


class TestAnotherModel:
    def test_in_the_body_only_its_name_changes(self) -> None:
        body = b'{ "model" : "a", "messages": [] , "n":1}'
        target, renamed = meter.CHAT.renamed(CHAT, body, 'b"') or ("", b"")
        assert (target, renamed) == (CHAT, body.replace(b'"a"', b'"b\\""'))

    def test_in_the_path(self) -> None:
        target = "/v1beta/models/gemini-pro:generateContent?alt=sse&models/x:y"
        assert meter.GEMINI.renamed(target, b"{}", "a/b") == (
            "/v1beta/models/a%2Fb:generateContent?alt=sse&models/x:y",
            b"{}",
        )

    @pytest.mark.parametrize(
        ("one", "target"),
        [
            (meter.GEMINI, "/v1beta/models/gemini-pro%3AgenerateContent"),  # in another spelling
            (meter.CHAT, "/openai/deployments/dep/chat/completions"),
            (meter.ANTHROPIC, CLAUDE),
            (meter.VERTEX_CHAT, MISTRAL),
            (meter.CHAT, CHAT),  # names none
        ],
    )
    def test_where_nothing_may_be_changed(self, one: Meter, target: str) -> None:
        assert one.renamed(target, b'{"messages": []}', "b") is None
