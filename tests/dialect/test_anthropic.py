"""Anthropic Messages: who speaks in each block, what is not read, and where instructions go."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.anthropic import MESSAGE_BATCHES, MESSAGES
from gateway.errors import Malformed
from gateway.segment import Kind, Role, Trust
from gateway.wire.document import apply
from tests.dialect.laws import (
    REFUSAL,
    TRANSCRIPTS,
    assert_edits_stay_in_place,
    assert_unknown_members_are_read,
    at,
    doc,
    texts,
    unread,
)

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}
CACHE = {"cache_control": {"type": "ephemeral"}}
CITED: dict[str, Any] = {"citations": {"enabled": True}}
PAGE = {"type": "text", "media_type": "text/plain", "data": "page text"}

REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "stream": True,
    "system": [{"type": "text", "text": "You are a guide.", **CACHE}],
    "metadata": {"user_id": "someone@example.org"},
    "stop_sequences": ["END"],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tool_choice": {"type": "auto"},
    "container": {"id": "c1", "skills": []},
    "mcp_servers": [{"type": "url", "name": "m", "url": "https://mcp.example", "authorization_token": "t"}],
    "tools": [
        {
            "name": "fetch",
            "description": "Fetch a page.",
            "input_schema": {"type": "object", "properties": {"url": {"type": "string", "description": "Where."}}},
        },
        {"type": "bash_20250124", "name": "bash"},
        {"type": "web_search_20260318", "name": "web_search", "allowed_domains": ["example.org"]},
    ],
    "messages": [
        {"role": "user", "content": "Hello."},
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look at these.", **CACHE},
                {"type": "image", "source": PNG},
                {"type": "image", "source": {"type": "url", "url": "https://img.example/x.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "f1"}},
                {"type": "document", "title": "T", "context": "C", "source": PAGE},
                {"type": "document", "source": PDF},
                {"type": "document", "source": {"type": "url", "url": "https://doc.example"}},
                {
                    "type": "document",
                    "source": {
                        "type": "content",
                        "content": [{"type": "text", "text": "inner"}, {"type": "image", "source": PNG}],
                    },
                },
                {
                    "type": "search_result",
                    "source": "https://s.example",
                    "title": "Found",
                    "content": [{"type": "text", "text": "snippet"}],
                },
                {"type": "container_upload", "file_id": "f2"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Let me think.", "signature": "sig"},
                {"type": "redacted_thinking", "data": "opaque"},
                {
                    "type": "text",
                    "text": "I fetch it.",
                    "citations": [
                        {"type": "char_location", "cited_text": "page", "document_index": 0, "document_title": "T"}
                    ],
                },
                {"type": "tool_use", "id": "t1", "name": "fetch", "input": {"urls": ["https://a.example"]}},
                {"type": "server_tool_use", "id": "t2", "name": "web_search", "input": {"query": "bridges"}},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "t2",
                    "content": [
                        {
                            "type": "web_search_result",
                            "url": "https://w.example",
                            "title": "Web",
                            "encrypted_content": "xx",
                            "page_age": None,
                        }
                    ],
                },
                {
                    "type": "web_fetch_tool_result",
                    "tool_use_id": "t3",
                    "content": {
                        "type": "web_fetch_result",
                        "url": "https://f.example",
                        "content": {"type": "document", "source": PAGE},
                    },
                },
                {
                    "type": "bash_code_execution_tool_result",
                    "tool_use_id": "t4",
                    "content": {
                        "type": "bash_code_execution_result",
                        "stdout": "out",
                        "stderr": "err",
                        "return_code": 0,
                        "content": [{"type": "bash_code_execution_output", "file_id": "f3"}],
                    },
                },
                {"type": "mcp_tool_use", "id": "t5", "name": "m", "server_name": "s", "input": {}},
                {"type": "mcp_tool_result", "tool_use_id": "t5", "content": [{"type": "text", "text": "from mcp"}]},
                {"type": "compaction", "content": "summary so far"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "plain result"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t6",
                    "is_error": False,
                    "content": [
                        {"type": "text", "text": "result text"},
                        {"type": "image", "source": PNG},
                        {"type": "document", "source": PAGE, **CITED},
                        {"type": "tool_reference", "tool_name": "fetch"},
                        {"type": "browser_state", "tabs": [{"tab_id": "1", "title": "Tab", "url": "u"}]},
                    ],
                },
            ],
        },
    ],
}
SKIPPED = ("cache_control", "thinking", "tool_choice", "citations", "usage")

USER, ASSISTANT, RESULTS = ("messages", 2, "content"), ("messages", 3, "content"), ("messages", 4, "content")
PRINCIPAL = (Role.USER, Trust.PRINCIPAL, Kind.TEXT, False)
DOCUMENT = (Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT, True)
LABEL = (Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT, False)
CALL = (Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL, False)
RESULT = (Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT, True)
RAN = (Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT, False)


@pytest.mark.parametrize(
    ("path", "text", "voice"),
    [
        (("system", 0, "text"), "You are a guide.", (Role.SYSTEM, Trust.OPERATOR, Kind.TEXT, False)),
        (("messages", 0, "content"), "Hello.", PRINCIPAL),
        (("messages", 1, "content"), "Be brief.", (Role.SYSTEM, Trust.OPERATOR, Kind.TEXT, False)),
        (("metadata", "user_id"), "someone@example.org", (Role.USER, Trust.PRINCIPAL, Kind.OPAQUE, False)),
        (
            ("tools", 0, "description"),
            "Fetch a page.",
            (Role.SYSTEM, Trust.UNTRUSTED, Kind.TOOL_DEFINITION, False),
        ),
        (
            ("tools", 0, "input_schema", "properties", "url", "description"),
            "Where.",
            (Role.SYSTEM, Trust.UNTRUSTED, Kind.TOOL_DEFINITION, False),
        ),
        ((*USER, 0, "text"), "Look at these.", PRINCIPAL),
        ((*USER, 2, "source", "url"), "https://img.example/x.png", (Role.USER, Trust.PRINCIPAL, Kind.OPAQUE, False)),
        ((*USER, 4, "title"), "T", LABEL),
        ((*USER, 4, "context"), "C", LABEL),
        ((*USER, 4, "source", "data"), "page text", DOCUMENT),
        ((*USER, 7, "source", "content", 0, "text"), "inner", DOCUMENT),
        ((*USER, 8, "title"), "Found", LABEL),
        ((*USER, 8, "content", 0, "text"), "snippet", DOCUMENT),
        ((*ASSISTANT, 0, "thinking"), "Let me think.", (Role.ASSISTANT, Trust.MODEL, Kind.REASONING, False)),
        ((*ASSISTANT, 2, "text"), "I fetch it.", (Role.ASSISTANT, Trust.MODEL, Kind.TEXT, False)),
        (
            (*ASSISTANT, 2, "citations", 0, "cited_text"),
            "page",
            (Role.TOOL, Trust.UNTRUSTED, Kind.DOCUMENT, False),
        ),
        ((*ASSISTANT, 3, "name"), "fetch", CALL),
        ((*ASSISTANT, 3, "input", "urls", 0), "https://a.example", CALL),
        ((*ASSISTANT, 4, "input", "query"), "bridges", CALL),
        ((*ASSISTANT, 5, "content", 0, "title"), "Web", RAN),
        ((*ASSISTANT, 6, "content", "content", "source", "data"), "page text", (*RAN[:2], Kind.DOCUMENT, False)),
        ((*ASSISTANT, 7, "content", "stdout"), "out", RAN),
        ((*ASSISTANT, 9, "content", 0, "text"), "from mcp", RAN),
        ((*ASSISTANT, 10, "content"), "summary so far", (Role.TOOL, Trust.UNTRUSTED, Kind.OPAQUE, False)),
        ((*RESULTS, 0, "content"), "plain result", RESULT),
        ((*RESULTS, 1, "content", 0, "text"), "result text", RESULT),
        ((*RESULTS, 1, "content", 4, "tabs", 0, "title"), "Tab", (Role.TOOL, Trust.UNTRUSTED, Kind.OPAQUE, False)),
    ],
)
def test_each_text_of_a_request_has_its_speaker(path: Any, text: str, voice: Any) -> None:
    found = at(MESSAGES.request(doc(REQUEST)), *path)
    assert (found.text, (found.role, found.trust, found.kind, found.wrappable)) == (text, voice)


def test_documents_with_citations_are_not_marked_since_these_count_characters() -> None:
    reading = MESSAGES.request(doc(REQUEST))
    assert not at(reading, *RESULTS, 1, "content", 2, "source", "data").wrappable
    assert at(reading, *RESULTS, 1, "content", 2, "source", "data").trust is Trust.UNTRUSTED


def test_signed_and_naming_texts_cannot_be_edited() -> None:
    reading = MESSAGES.request(doc(REQUEST))
    fixed = {part.text for part in reading.segments if not part.editable}
    assert fixed == {"Let me think.", "fetch", "bash", "web_search", "m"}


def test_what_is_not_read_is_named() -> None:
    assert unread(MESSAGES.request(doc(REQUEST))) == [
        ("stored_context", ("container",)),
        ("hosted_tool", ("mcp_servers", 0)),
        ("hosted_tool", ("tools", 2)),
        ("image", (*USER, 1, "source")),
        ("image", (*USER, 2, "source")),
        ("image", (*USER, 3, "source")),
        ("file", (*USER, 5, "source")),
        ("file", (*USER, 6, "source")),
        ("image", (*USER, 7, "source", "content", 1, "source")),
        ("file", (*USER, 9)),
        ("encrypted", (*ASSISTANT, 1, "data")),
        ("encrypted", (*ASSISTANT, 5, "content", 0, "encrypted_content")),
        ("image", (*RESULTS, 1, "content", 1, "source")),
    ]


def test_model_and_streaming_are_read() -> None:
    reading = MESSAGES.request(doc(REQUEST))
    assert (reading.model, reading.streaming) == ("claude-sonnet-4-5", True)


def test_an_edit_of_any_text_of_a_request_stays_in_its_place() -> None:
    assert_edits_stay_in_place(REQUEST, MESSAGES.request)


def test_a_member_that_is_not_known_is_read_wherever_it_stands() -> None:
    assert_unknown_members_are_read(REQUEST, MESSAGES.request, SKIPPED)


STRANGE = st.recursive(
    st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x_a", "x_b"]), inner),
    max_leaves=8,
)


@given(st.sampled_from(["text", "tool_result", "document", "web_fetch_tool_result", "tool_use", "new", None]), STRANGE)
@settings(max_examples=60, deadline=None)
def test_a_block_of_any_shape_is_read_completely(kind: str | None, content: Any) -> None:
    document = doc({"messages": [{"role": "user", "content": [{"type": kind, "content": content, "text": content}]}]})
    block = ("messages", 0, "content", 0)
    strings = {path: text for path, text in document.strings(block) if text and path != (*block, "type")}
    assert strings.items() <= texts(MESSAGES.request(document)).items()


@pytest.mark.parametrize("messages", ["just text", {"role": "user"}, [["x"]], [{"role": "robot", "content": "x"}]])
def test_messages_of_another_shape_are_untrusted_text(messages: Any) -> None:
    reading = MESSAGES.request(doc({"messages": messages}))
    assert reading.segments
    assert {part.trust for part in reading.segments} == {Trust.UNTRUSTED}


def test_an_answer_is_the_models() -> None:
    raw = (TRANSCRIPTS / "anthropic/tool_use/response.json").read_bytes()
    reading = MESSAGES.answer(doc(json.loads(raw)))
    assert [(part.text, part.trust, part.kind) for part in reading.segments] == [
        ("I look it up.", Trust.MODEL, Kind.TEXT),
        ("get_weather", Trust.MODEL, Kind.TOOL_CALL),
        ("Oslo, Norway", Trust.MODEL, Kind.TOOL_CALL),
    ]
    assert reading.model == "claude-sonnet-4-5"
    assert_edits_stay_in_place(json.loads(raw), MESSAGES.answer)
    assert_unknown_members_are_read(json.loads(raw), MESSAGES.answer, SKIPPED)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"input_tokens": 12}, []),
        ({"type": "error", "error": {"type": "e", "message": "no credit"}}, ["error", "e", "no credit"]),
        (["odd"], ["odd"]),
    ],
)
def test_answers_of_other_shapes_are_untrusted_text(body: Any, found: list[str]) -> None:
    reading = MESSAGES.answer(doc(body))
    assert [part.text for part in reading.segments] == found
    assert all(part.trust is Trust.UNTRUSTED for part in reading.segments)


def test_a_poisoned_tool_result_is_data_to_be_marked() -> None:
    raw = (TRANSCRIPTS / "anthropic/poisoned_tool_result/request.json").read_bytes()
    reading = MESSAGES.request(doc(json.loads(raw)))
    (poisoned,) = [part for part in reading.segments if "Ignore all previous" in part.text]
    assert (poisoned.role, poisoned.trust, poisoned.wrappable) == (Role.TOOL, Trust.UNTRUSTED, True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"messages": []}, {"messages": [], "system": "RULES"}),
        ({"system": None}, {"system": "RULES"}),
        ({"system": ""}, {"system": "RULES"}),
        ({"system": "Guide."}, {"system": "Guide.\n\nRULES"}),
        ({"system": []}, {"system": [{"type": "text", "text": "RULES"}]}),
        (
            {"system": [{"type": "text", "text": "Guide.", **CACHE}]},
            {"system": [{"type": "text", "text": "Guide.", **CACHE}, {"type": "text", "text": "RULES"}]},
        ),
    ],
)
def test_rules_are_appended_to_the_system_message(before: Any, after: Any) -> None:
    document = doc(before)
    once = apply(document.raw, MESSAGES.instruct(document, "RULES"))
    assert json.loads(once) == after
    assert once == apply(document.raw, MESSAGES.instruct(document, "RULES"))


@pytest.mark.parametrize(("body", "reason"), [({"system": 7}, "`system`"), (["x"], "not an object")])
def test_a_body_with_no_place_for_rules_is_refused(body: Any, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        MESSAGES.instruct(doc(body), "RULES")


def test_nothing_else_changes_with_an_edit() -> None:
    document = doc({"type": "message", "content": [{"type": "text", "text": "x", "citations": []}]})
    assert MESSAGES.after_edit(document, ("content", 0, "text")) == ()


def test_a_refusal_is_an_error_of_the_api() -> None:
    body = orjson.loads(MESSAGES.refusal(REFUSAL))
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")


BATCH: dict[str, Any] = {"requests": [{"custom_id": "a", "params": REQUEST}, {"custom_id": "b", "params": {}}]}


def test_each_request_of_a_batch_is_read_as_a_request() -> None:
    one, many = MESSAGES.request(doc(REQUEST)), MESSAGE_BATCHES.request(doc(BATCH))
    root = ("requests", 0, "params")
    assert [part.text for part in many.segments] == ["a", *(part.text for part in one.segments), "b"]
    assert {part.path[:3] for part in many.uninspected} == {root}
    assert at(many, *root, "system", 0, "text").trust is Trust.OPERATOR


def test_each_request_of_a_batch_gets_the_rules() -> None:
    document = doc(BATCH)
    changed = json.loads(apply(document.raw, MESSAGE_BATCHES.instruct(document, "RULES")))
    assert changed["requests"][0]["params"]["system"][1]["text"] == "RULES"
    assert changed["requests"][1]["params"]["system"] == "RULES"


def test_a_batch_without_requests_has_no_place_for_rules() -> None:
    assert MESSAGE_BATCHES.instruct(doc({}), "RULES") == ()


def test_a_result_line_holds_an_answer_or_an_error() -> None:
    message = json.loads((TRANSCRIPTS / "anthropic/tool_use/response.json").read_bytes())
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": message}}
    reading = MESSAGE_BATCHES.answer(doc(line))
    assert at(reading, "result", "message", "content", 0, "text").trust is Trust.MODEL
    failed = {"custom_id": "a", "result": {"type": "errored", "error": {"message": "too long"}}}
    assert at(MESSAGE_BATCHES.answer(doc(failed)), "result", "error", "message").trust is Trust.UNTRUSTED
