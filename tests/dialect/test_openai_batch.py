"""Batch files: each line is read by the API that its `url` names."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect.openai_batch import BATCH
from gateway.policy.call import Call, Change
from gateway.policy.transcript import Hosted
from gateway.wire.frames import Framing
from tests.dialect.replay import (
    assert_edits_touch_only_their_leaf,
    document,
    event,
    lines,
    made,
    not_read,
    patched,
    play,
    rows,
)
from tests.dialect.telling import said

REQUESTS = [line for _, line, _ in lines("openai_batch", "mixed", "request.jsonl") if line]
RESULTS = [line for _, line, _ in lines("openai_batch", "mixed", "response.jsonl") if line]
USER = "user/principal/text"
ID = "user/principal/opaque"


def test_requests_are_read_by_their_url() -> None:
    assert [rows(BATCH.request(line)) for line in REQUESTS] == [
        [
            ("custom_id", "request-1", ID),
            ("body.messages.0.content", "You are a helpful assistant.", "system/operator/text"),
            ("body.messages.1.content", "Hello world!", USER),
        ],
        [("custom_id", "request-2", ID), ("body.input", "Write a haiku.", USER)],
        [("custom_id", "request-3", ID), ("body.input.0", "first text", USER), ("body.input.1", "second text", USER)],
    ]


def test_results_are_read_by_what_they_are() -> None:
    unknown = "tool/untrusted/opaque"
    assert [rows(BATCH.answer(line)) for line in RESULTS] == [
        [
            ("custom_id", "request-1", unknown),
            ("response.body.choices.0.message.content", "Hello! How can I help?", "assistant/model/text"),
        ],
        [
            ("custom_id", "request-2", unknown),
            ("response.body.output.0.content.0.text", "An old silent pond", "assistant/model/text"),
        ],
        [
            ("custom_id", "request-3", unknown),
            ("error.code", "batch_expired", unknown),
            ("error.message", "This request could not be executed in time.", unknown),
        ],
    ]


def test_edits_touch_only_their_leaf() -> None:
    for line in REQUESTS:
        assert_edits_touch_only_their_leaf(BATCH.request(line), line, BATCH.request)
    for line in RESULTS:
        assert_edits_touch_only_their_leaf(BATCH.answer(line), line, BATCH.answer)


@pytest.mark.parametrize(
    ("url", "body", "found"),
    [
        ("/v1/completions", {"prompt": "t"}, ("body.prompt", "t", USER)),
        ("/v1/moderations", {"input": "t"}, ("body.input", "t", USER)),
        ("/v1/images/generations", {"prompt": "t"}, ("body.prompt", "t", USER)),
        (
            "/chat/completions",
            {"messages": [{"role": "tool", "content": "t"}]},
            ("body.messages.0.content", "t", "tool/untrusted/tool_resultw"),
        ),
        ("/v1/new", {"x": "t"}, ("body.x", "t", ID)),
        (["odd"], {"x": "t"}, ("body.x", "t", ID)),
    ],
)
def test_lines_for_each_api(url: Any, body: Any, found: tuple[str, str, str]) -> None:
    assert found in rows(BATCH.request(made({"custom_id": "c", "method": "POST", "url": url, "body": body})))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ({"messages": [{"role": "user", "content": "t"}]}, ("messages.0.content", "t", USER)),
        ({"prompt": "p", "completion": "t"}, ("completion", "t", ID)),
        (["t"], ("0", "t", ID)),
    ],
    ids=["fine-tuning chat", "fine-tuning text", "not an object"],
)
def test_lines_without_an_envelope(line: Any, found: tuple[str, str, str]) -> None:
    assert found in rows(BATCH.request(made(line)))


def test_a_file_that_went_up_is_read_alike_when_it_comes_down() -> None:
    assert ("body.messages.1.content", "Hello world!", USER) in rows(BATCH.answer(REQUESTS[0]))
    assert rows(BATCH.answer(made({"any": "t"}))) == [("any", "t", "tool/untrusted/opaque")]


def test_what_a_line_does_not_show_is_named() -> None:
    line = made({"url": "/v1/responses", "body": {"previous_response_id": "resp_1"}})
    assert not_read(BATCH.request(line)) == [("stored_context", "body.previous_response_id")]


def test_rules_are_appended_in_the_body() -> None:
    chat, responses, embeddings = REQUESTS
    assert patched(chat, BATCH.instruct(chat, "RULES"))["body"]["messages"][0]["content"].endswith(
        "assistant.\n\nRULES"
    )
    assert patched(responses, BATCH.instruct(responses, "RULES"))["body"]["instructions"] == "RULES"
    assert BATCH.instruct(embeddings, "RULES") == ()
    assert BATCH.instruct(made(["odd"]), "RULES") == ()


@pytest.mark.parametrize(
    "url", ["/v1/completions", "/v1/embeddings", "/v1/moderations", "/v1/images/generations", "/v1/new", None]
)
def test_lines_that_no_chat_model_reads_get_no_rules(url: Any) -> None:
    assert BATCH.instruct(made({"url": url, "body": {"messages": [], "input": "x"}}), "RULES") == ()


def test_examples_for_fine_tuning_get_neither_rules_nor_marks() -> None:
    line = made({"messages": [{"role": "system", "content": "s"}, {"role": "tool", "content": "t"}]})
    assert BATCH.instruct(line, "RULES") == ()
    assert not any(segment.wrappable for segment in BATCH.request(line).segments)


def test_an_edited_result_loses_its_logprobs() -> None:
    path = ("response", "body", "choices", 0, "message", "content")
    edited = patched(RESULTS[0], BATCH.after_edit(RESULTS[0], path))
    assert edited["response"]["body"]["choices"][0]["logprobs"] is None


def test_a_stream_of_a_file_is_read_as_text() -> None:
    assert [delta.text for delta in play(BATCH.stream(Framing.LINES), [event({"x": "t"})]).wholes] == ["t"]


def test_the_transcript_is_what_the_api_takes() -> None:
    assert document("openai_chat", "every_kind", "request.json").get("model") == "gpt-5.4"
    assert {line.get("method") for line in REQUESTS} == {"POST"}


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Do."}], "tools": [{"type": "web_search"}]}),
        ("/v1/responses", {"input": "Do.", "tools": [{"type": "web_search"}]}),
    ],
)
def test_each_line_tells_of_a_conversation_of_its_own(url: str, body: Any) -> None:
    line = made({"custom_id": "r1", "url": url, "body": body})
    transcript = BATCH.transcript(line)
    assert said(transcript)[0] == ("user/principal/text", "Do.")
    assert said(transcript)[-1] == ("user/principal/opaque", "r1")
    assert BATCH.hosted(line) == transcript.hosted == (Hosted("web_search", "web_search", None, ("body", "tools", 0)),)


def test_an_example_for_fine_tuning_is_a_conversation_too() -> None:
    line = made({"messages": [{"role": "user", "content": "Do."}]})
    assert said(BATCH.transcript(line)) == [("user/principal/text", "Do.")]


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}}]},
        {"output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]},
    ],
)
def test_calls_in_a_result_are_read_and_refused(body: Any) -> None:
    line = made({"custom_id": "r1", "response": {"status_code": 200, "body": body}})
    (called,) = BATCH.calls(line)
    assert called.call == Call("f", {}, "c")
    changed = BATCH.changed(line, {called.key: Change(refusal="No.")})
    assert b"No." in changed
    assert b"tool_calls" not in changed
    assert b"function_call" not in changed
    assert BATCH.changed(line, {}) == line.raw
