"""Chat completions: what each part of a request and an answer is, and where rules are appended."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect.openai import CHAT, COMPLETIONS
from gateway.dialect.openai_chat import instruct
from tests.dialect.replay import (
    assert_edits_touch_only_their_leaf,
    document,
    made,
    not_read,
    patched,
    rows,
)

SYSTEM = "system/operator/text"
USER = "user/principal/text"
ASSISTANT = "assistant/model/text"
CALL = "assistant/model/tool_call"
RESULT = "tool/untrusted/tool_result"
DEFINITION = "system/untrusted/tool_definition"
FORMAT = "system/principal/tool_definition"
OPAQUE = "user/principal/opaque"

REQUEST = document("openai_chat", "every_kind", "request.json")
ANSWER = document("openai_chat", "every_kind", "response.json")


def test_every_kind_of_request_text() -> None:
    city = "tools.0.function.parameters.properties.city.description"
    unit = "tools.0.function.parameters.properties.unit"
    grammar = "tools.1.custom.format.grammar.definition"
    format_ = "response_format.json_schema"
    assert rows(CHAT.request(REQUEST)) == [
        ("messages.0.content", "You work for the support team.", SYSTEM),
        ("messages.0.name", "policy", SYSTEM),
        ("messages.1.content.0.text", "Answer in one paragraph.", SYSTEM),
        ("messages.1.content.1.text", "Never guess.", SYSTEM),
        ("messages.2.name", "alice", USER),
        ("messages.2.content.0.text", "What is in these?", USER),
        ("messages.2.content.1.image_url.url", "https://example.com/boardwalk.jpg", "user/principal/opaque"),
        ("messages.2.content.3.file.filename", "draft.pdf", "user/untrusted/document"),
        ("messages.3.content", "Let me look.", ASSISTANT),
        ("messages.3.reasoning_content", "The user wants a description.", "assistant/model/reasoning"),
        ("messages.3.tool_calls.0.function.name", "get_weather", CALL + "!"),
        ("messages.3.tool_calls.0.function.arguments>city", "Paris", CALL),
        ("messages.3.tool_calls.0.function.arguments>days.0", "Mon", CALL),
        ("messages.3.tool_calls.0.function.arguments>days.1", "Tue", CALL),
        ("messages.3.tool_calls.1.custom.name", "run_sql", CALL + "!"),
        ("messages.3.tool_calls.1.custom.input", "SELECT name FROM customers", CALL),
        ("messages.4.content", "22 °C and sunny", RESULT + "w"),
        ("messages.5.content.0.text", "Ada Lovelace", RESULT + "w"),
        ("messages.6.content.0.text", "It is sunny.", ASSISTANT),
        ("messages.6.content.1.refusal", "I cannot list customers.", "assistant/model/refusal"),
        ("messages.7.function_call.name", "lookup", CALL + "!"),
        ("messages.7.function_call.arguments", "not JSON: {", CALL),
        ("messages.8.name", "lookup", RESULT),
        ("messages.8.content", "nothing found", RESULT + "w"),
        ("messages.9.content", "Thank you.", USER),
        ("tools.0.function.name", "get_weather", DEFINITION + "!"),
        ("tools.0.function.description", "Get the current weather in a given city.", DEFINITION),
        (city, "City and country, e.g. Bogotá, Colombia", DEFINITION),
        (unit + ".enum.0", "celsius", DEFINITION),
        (unit + ".enum.1", "fahrenheit", DEFINITION),
        (unit + ".default", "celsius", DEFINITION),
        ("tools.0.function.parameters.required.0", "city", DEFINITION),
        ("tools.1.custom.name", "run_sql", DEFINITION + "!"),
        ("tools.1.custom.description", "Run one SQL statement.", DEFINITION),
        (grammar, "start: /SELECT .+/", DEFINITION),
        ("functions.0.name", "lookup", DEFINITION + "!"),
        ("functions.0.description", "Look up a customer.", DEFINITION),
        ("functions.0.parameters.properties.id.examples.0", "C-17", DEFINITION),
        ("tool_choice.function.name", "get_weather", DEFINITION + "!"),
        (format_ + ".name", "report", FORMAT),
        (format_ + ".description", "What the pictures show.", FORMAT),
        (format_ + ".schema.title", "Report", FORMAT),
        (format_ + ".schema.properties.summary.description", "One sentence.", FORMAT),
        ("prediction.content.0.text", "It shows a boardwalk.", USER),
        ("web_search_options.search_context_size", "low", OPAQUE),
        ("web_search_options.user_location.type", "approximate", OPAQUE),
        ("web_search_options.user_location.approximate.city", "London", OPAQUE),
        ("metadata.ticket", "T-1842", OPAQUE),
        ("user", "user-1234", OPAQUE),
        ("safety_identifier", "s-77", OPAQUE),
        ("prompt_cache_key", "support", OPAQUE),
    ]


def test_what_is_not_inspected_in_a_request_is_named() -> None:
    reading = CHAT.request(REQUEST)
    assert not_read(reading) == [
        ("image", "messages.2.content.1"),
        ("audio", "messages.2.content.2"),
        ("file", "messages.2.content.3"),
        ("file", "messages.2.content.4"),
        ("stored_context", "messages.6.audio"),
        ("hosted_tool", "web_search_options"),
    ]
    assert (reading.model, reading.streaming) == ("gpt-5.4", False)


def test_every_kind_of_answer_text() -> None:
    reading = CHAT.answer(ANSWER)
    assert rows(reading) == [
        ("choices.0.message.content", "A wooden boardwalk through a marsh, as the city of Madison says.", ASSISTANT),
        ("choices.0.message.reasoning_content", "Grass on both sides.", "assistant/model/reasoning"),
        ("choices.0.message.annotations.0.url_citation.title", "Boardwalks", ASSISTANT),
        ("choices.0.message.annotations.0.url_citation.url", "https://example.com/boardwalks", ASSISTANT),
        ("choices.1.message.refusal", "I cannot help with the customer list.", "assistant/model/refusal"),
        ("choices.1.message.audio.transcript", "I cannot help.", ASSISTANT),
        ("choices.1.message.tool_calls.0.function.name", "get_weather", CALL + "!"),
        ("choices.1.message.tool_calls.0.function.arguments>city", "Madison", CALL),
        ("choices.1.message.tool_calls.0.function.arguments>unit", "celsius", CALL),
    ]
    assert not_read(reading) == [("logprobs", "choices.0.logprobs"), ("audio", "choices.1.message.audio.data")]
    assert reading.model == "gpt-5.4-2026-03-05"


def test_edits_touch_only_their_leaf() -> None:
    assert_edits_touch_only_their_leaf(CHAT.request(REQUEST), REQUEST, CHAT.request)
    assert_edits_touch_only_their_leaf(CHAT.answer(ANSWER), ANSWER, CHAT.answer)


def request(message: dict[str, Any]) -> list[tuple[str, str, str]]:
    return rows(CHAT.request(made({"messages": [message]})))


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"role": "tool", "content": "r", "new": {"a": "b"}}, ("messages.0.new.a", "b", "tool/untrusted/opaque")),
        ({"role": "system", "new": "b"}, ("messages.0.new", "b", "system/operator/opaque")),
        ({"role": "someone", "content": "b"}, ("messages.0.content", "b", "user/untrusted/opaque")),
        ({"content": "b"}, ("messages.0.content", "b", "user/untrusted/opaque")),
        ({"role": "user", "content": [{"type": "new", "x": "b"}]}, ("messages.0.content.0.x", "b", OPAQUE)),
        ({"role": "user", "content": {"x": "b"}}, ("messages.0.content.x", "b", OPAQUE)),
        ({"role": "user", "content": ["b"]}, ("messages.0.content.0", "b", OPAQUE)),
        ({"role": "assistant", "tool_calls": "b"}, ("messages.0.tool_calls", "b", "assistant/model/opaque")),
        (
            {"role": "assistant", "tool_calls": [{"function": {"arguments": {"x": "b"}}}]},
            ("messages.0.tool_calls.0.function.arguments.x", "b", "assistant/model/opaque"),
        ),
    ],
)
def test_what_is_not_known_in_a_message_is_read_and_trusted_no_more_than_its_role(
    message: dict[str, Any], found: tuple[str, str, str]
) -> None:
    assert found in request(message)


@pytest.mark.parametrize("member", ["new_feature", "messages", "tools", "functions", "metadata", "prediction"])
@pytest.mark.parametrize("value", ["secret", ["secret"], {"a": {"b": "secret"}}])
def test_no_member_is_skipped_for_its_shape(member: str, value: Any) -> None:
    assert "secret" in [segment.text for segment in CHAT.request(made({member: value})).segments]


def test_a_tool_of_a_type_that_is_not_known_is_a_hosted_tool_and_read() -> None:
    reading = CHAT.request(made({"tools": [{"type": "browser", "description": "Goes anywhere."}]}))
    assert not_read(reading) == [("hosted_tool", "tools.0")]
    assert ("tools.0.description", "Goes anywhere.", DEFINITION) in rows(reading)


def test_data_that_azure_searches_itself_is_named_and_its_key_is_not_read() -> None:
    parameters = {"endpoint": "e", "role_information": "Be kind.", "authentication": {"type": "api_key", "key": "k"}}
    reading = CHAT.request(made({"data_sources": [{"type": "azure_search", "parameters": parameters}]}))
    assert not_read(reading) == [("hosted_tool", "data_sources")]
    assert rows(reading) == [
        ("data_sources.0.parameters.endpoint", "e", OPAQUE),
        ("data_sources.0.parameters.role_information", "Be kind.", SYSTEM),
    ]
    answer = made({"choices": [{"message": {"role": "assistant", "context": {"citations": [{"content": "t"}]}}}]})
    assert rows(CHAT.answer(answer)) == [("choices.0.message.context.citations.0.content", "t", RESULT)]


def test_signed_reasoning_is_read_and_stays_as_it_is() -> None:
    detail = {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0}
    asked = request({"role": "assistant", "content": None, "reasoning_details": [detail]})
    assert asked == [("messages.0.reasoning_details.0.text", "hm", "assistant/model/reasoning!")]


@pytest.mark.parametrize(
    ("prompt", "found", "uninspected"),
    [
        ("Once", ["Once"], []),
        (["Once", "upon"], ["Once", "upon"], []),
        ([15496, 995], [], [("tokens", "prompt")]),
        ([[15496], [995]], [], [("tokens", "prompt")]),
    ],
)
def test_prompts_of_text_completions(prompt: Any, found: list[str], uninspected: list[tuple[str, str]]) -> None:
    reading = COMPLETIONS.request(made({"model": "m", "prompt": prompt, "max_tokens": 5, "echo": True}))
    assert [segment.text for segment in reading.segments] == found
    assert not_read(reading) == uninspected


def test_a_text_completion_answer() -> None:
    answer = made({"object": "text_completion", "choices": [{"text": "Hi", "index": 0, "logprobs": None}]})
    assert rows(COMPLETIONS.answer(answer)) == [("choices.0.text", "Hi", ASSISTANT)]


LEADING = {"role": "system", "content": "Be brief."}
USERS = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], [{"role": "system", "content": "RULES"}]),
        ([USERS], [{"role": "system", "content": "RULES"}, USERS]),
        ([LEADING, USERS], [{"role": "system", "content": "Be brief.\n\nRULES"}, USERS]),
        (
            [LEADING, {"role": "developer", "content": "Be kind."}, USERS],
            [LEADING, {"role": "developer", "content": "Be kind.\n\nRULES"}, USERS],
        ),
        (
            [{"role": "system", "content": [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}]}],
            [
                {
                    "role": "system",
                    "content": [
                        {"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}},
                        {"type": "text", "text": "RULES"},
                    ],
                }
            ],
        ),
        (
            [USERS, {"role": "developer", "content": "Later."}],
            [{"role": "developer", "content": "RULES"}, USERS, {"role": "developer", "content": "Later."}],
        ),
        ([{"role": "system"}], [{"role": "system", "content": "RULES"}, {"role": "system"}]),
        (["odd"], [{"role": "system", "content": "RULES"}, "odd"]),
    ],
    ids=["none", "no system", "string", "last leading", "parts", "developer used", "no content", "odd"],
)
def test_rules_go_to_the_last_leading_system_message(messages: list[Any], expected: list[Any]) -> None:
    body = made({"messages": messages, "model": "m"})
    assert patched(body, CHAT.instruct(body, "RULES")) == {"messages": expected, "model": "m"}


def test_rules_have_no_place_without_messages() -> None:
    assert CHAT.instruct(made({"messages": "x"}), "RULES") == ()
    assert COMPLETIONS.instruct(made({"prompt": "x"}), "RULES") == ()


def test_rules_are_appended_below_a_root() -> None:
    body = made({"body": {"messages": [LEADING]}})
    expected = {"body": {"messages": [{"role": "system", "content": "Be brief.\n\nRULES"}]}}
    assert patched(body, instruct(body, "RULES", ("body",))) == expected
