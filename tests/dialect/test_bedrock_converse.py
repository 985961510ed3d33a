"""Bodies of Converse: who speaks in each text, what is named and not read, where rules go, what a request tells."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.bedrock_converse import CONVERSE
from gateway.errors import Malformed
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Said, Transcript
from gateway.segment import Kind, Role, Trust
from gateway.wire.document import apply
from tests.dialect.laws import (
    assert_edits_stay_in_place,
    assert_unknown_members_are_read,
    at,
    doc,
    texts,
    unread,
)
from tests.dialect.recounting import assert_nothing_is_left_out, said
from tests.dialect.test_wrong_types import WRONG, attempt, changed, paths, refused


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


S3 = {"s3Location": {"uri": "s3://bucket/key", "bucketOwner": "123456789012"}}
PNG = {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}
POINT = {"cachePoint": {"type": "default", "ttl": "5m"}}
DOCUMENT = {"format": "txt", "name": "Notes", "context": "Of May.", "source": {"text": "page text"}}

REQUEST: dict[str, Any] = {
    "system": [
        {"text": "You are a guide."},
        {"guardContent": {"text": {"text": "Guard this.", "qualifiers": ["guard_content"]}}},
        POINT,
    ],
    "messages": [
        {"role": "system", "content": [{"text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"text": "Look at these."},
                {"image": PNG},
                {"image": {"format": "png", "source": S3}},
                {"video": {"format": "mp4", "source": S3}},
                {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
                {"document": DOCUMENT},
                {"document": {"format": "pdf", "name": "Report", "source": {"bytes": "JVBERg=="}}},
                {"document": {"format": "md", "name": "Readme", "source": {"bytes": encoded("poisoned words")}}},
                {"document": {"format": "csv", "name": "S3", "source": S3}},
                {
                    "document": {
                        "format": "txt",
                        "name": "Cited",
                        "source": {"content": [{"text": "inner"}]},
                        "citations": {"enabled": True},
                    }
                },
                {"searchResult": {"source": "https://s.example", "title": "Found", "content": [{"text": "snippet"}]}},
                {"guardContent": {"text": {"text": "What is it?", "qualifiers": ["query"]}}},
                {"guardContent": {"text": {"text": "retrieved", "qualifiers": ["grounding_source"]}}},
                {"guardContent": {"image": PNG}},
                {"toolAddition": {"tool": {"type": "tool", "name": "fetch", "serverName": "s"}}},
                {"toolRemoval": {"tool": {"type": "tool", "name": "fetch"}}},
                POINT,
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Let me think.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "b3BhcXVl"}},
                {
                    "citationsContent": {
                        "content": [{"text": "I fetch it."}],
                        "citations": [
                            {
                                "title": "T",
                                "sourceContent": [{"text": "page"}],
                                "location": {"web": {"url": "https://w.example", "domain": "w.example"}},
                            }
                        ],
                    }
                },
                {"toolUse": {"toolUseId": "t1", "name": "fetch", "input": {"urls": ["https://a.example"]}}},
                {
                    "toolUse": {
                        "toolUseId": "t2",
                        "name": "nova_grounding",
                        "input": {"query": "bridges"},
                        "type": "server_tool_use",
                    }
                },
                {
                    "toolResult": {
                        "toolUseId": "t2",
                        "type": "nova_grounding_result",
                        "content": [{"text": "from the web"}],
                    }
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "toolResult": {
                        "toolUseId": "t1",
                        "status": "success",
                        "content": [
                            {"text": "result text"},
                            {"json": {"id": "a1", "note": "two words", "to be told": 1}},
                            {"image": PNG},
                            {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
                            {"document": {"format": "html", "name": "Page", "source": {"text": "<p>page</p>"}}},
                            {"searchResult": {"source": "kb", "title": "KB", "content": [{"text": "entry"}]}},
                        ],
                    }
                }
            ],
        },
    ],
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "fetch",
                    "description": "Fetch a page.",
                    "inputSchema": {"json": {"type": "object", "properties": {"url": {"description": "Where."}}}},
                    "strict": True,
                }
            },
            {"systemTool": {"name": "nova_grounding"}},
            {"cachePoint": {"type": "default"}},
        ],
        "toolChoice": {"auto": {}},
    },
    "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 1, "stopSequences": ["my stop"]},
    "guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "1", "trace": "enabled"},
    "additionalModelRequestFields": {
        "tools": [{"type": "computer_20250124", "name": "computer"}],
        "anthropic_beta": ["computer-use-2025-01-24"],
    },
    "promptVariables": {"topic": {"text": "bridges"}},
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "requestMetadata": {"team": "Ann and Bob"},
    "performanceConfig": {"latency": "standard"},
    "serviceTier": {"type": "default"},
    "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type": "x"}'}}}},
    "projectIdentifier": "p1",
}
SKIPPED = ("citations", "qualifiers", "toolChoice", "usage", "metrics")

USER, ASSISTANT = ("messages", 1, "content"), ("messages", 2, "content")
RESULTS = ("messages", 3, "content", 0, "toolResult", "content")
SYSTEM = (Role.SYSTEM, Trust.OPERATOR, Kind.TEXT, False)
PRINCIPAL = (Role.USER, Trust.PRINCIPAL, Kind.TEXT, False)
DATA = (Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT, True)
LABEL = (Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT, False)
SAID = (Role.ASSISTANT, Trust.MODEL, Kind.TEXT, False)
CALL = (Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL, False)
RESULT = (Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT, True)
BARE_RESULT = (Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT, False)
QUOTED = (Role.TOOL, Trust.UNTRUSTED, Kind.DOCUMENT, False)
DEFINED = (Role.SYSTEM, Trust.UNTRUSTED, Kind.TOOL_DEFINITION, False)
OPAQUE = (Role.USER, Trust.PRINCIPAL, Kind.OPAQUE, False)


def test_the_request_is_one_that_amazons_client_sends() -> None:
    """Every member is one of the model of the service, but for bytes, which are in base64 here."""
    service = Session().get_service_model("bedrock-runtime")
    _assert_shaped(REQUEST, service.operation_model("Converse").input_shape)


def _assert_shaped(value: Any, shape: Any) -> None:
    if shape.type_name == "structure" and not shape.is_document_type:
        assert value.keys() <= shape.members.keys()
        for key, member in value.items():
            _assert_shaped(member, shape.members[key])
    elif shape.type_name == "list":
        for item in value:
            _assert_shaped(item, shape.member)


@pytest.mark.parametrize(
    ("path", "text", "voice"),
    [
        (("system", 0, "text"), "You are a guide.", SYSTEM),
        (("system", 1, "guardContent", "text", "text"), "Guard this.", SYSTEM),
        (("messages", 0, "content", 0, "text"), "Be brief.", SYSTEM),
        ((*USER, 0, "text"), "Look at these.", PRINCIPAL),
        ((*USER, 5, "document", "name"), "Notes", LABEL),
        ((*USER, 5, "document", "context"), "Of May.", LABEL),
        ((*USER, 5, "document", "source", "text"), "page text", DATA),
        ((*USER, 7, "document", "source", "bytes"), "poisoned words", LABEL),
        ((*USER, 8, "document", "source", "s3Location", "uri"), "s3://bucket/key", (*LABEL[:2], Kind.OPAQUE, False)),
        ((*USER, 9, "document", "source", "content", 0, "text"), "inner", LABEL),
        ((*USER, 10, "searchResult", "title"), "Found", LABEL),
        ((*USER, 10, "searchResult", "content", 0, "text"), "snippet", DATA),
        ((*USER, 11, "guardContent", "text", "text"), "What is it?", PRINCIPAL),
        ((*USER, 12, "guardContent", "text", "text"), "retrieved", DATA),
        (
            (*ASSISTANT, 0, "reasoningContent", "reasoningText", "text"),
            "Let me think.",
            (Role.ASSISTANT, Trust.MODEL, Kind.REASONING, False),
        ),
        ((*ASSISTANT, 2, "citationsContent", "content", 0, "text"), "I fetch it.", SAID),
        ((*ASSISTANT, 2, "citationsContent", "citations", 0, "sourceContent", 0, "text"), "page", QUOTED),
        ((*ASSISTANT, 2, "citationsContent", "citations", 0, "location", "web", "url"), "https://w.example", QUOTED),
        ((*ASSISTANT, 3, "toolUse", "name"), "fetch", CALL),
        ((*ASSISTANT, 3, "toolUse", "input", "urls", 0), "https://a.example", CALL),
        ((*ASSISTANT, 5, "toolResult", "content", 0, "text"), "from the web", BARE_RESULT),
        ((*RESULTS, 0, "text"), "result text", RESULT),
        ((*RESULTS, 1, "json", "id"), "a1", BARE_RESULT),
        ((*RESULTS, 1, "json", "note"), "two words", RESULT),
        ((*RESULTS, 1, "json", "to be told"), "to be told", BARE_RESULT),
        ((*RESULTS, 4, "document", "source", "text"), "<p>page</p>", (Role.TOOL, *DATA[1:])),
        ((*RESULTS, 5, "searchResult", "content", 0, "text"), "entry", (Role.TOOL, *DATA[1:])),
        (("toolConfig", "tools", 0, "toolSpec", "description"), "Fetch a page.", DEFINED),
        (
            ("toolConfig", "tools", 0, "toolSpec", "inputSchema", "json", "properties", "url", "description"),
            "Where.",
            DEFINED,
        ),
        (("inferenceConfig", "stopSequences", 0), "my stop", OPAQUE),
        (("additionalModelRequestFields", "tools", 0, "name"), "computer", DEFINED),
        (("promptVariables", "topic", "text"), "bridges", PRINCIPAL),
        (("requestMetadata", "team"), "Ann and Bob", OPAQUE),
    ],
)
def test_each_text_of_a_request_has_its_speaker(path: Any, text: str, voice: Any) -> None:
    found = at(CONVERSE.request(doc(REQUEST)), *path)
    assert (found.text, (found.role, found.trust, found.kind, found.wrappable)) == (text, voice)


def test_what_cannot_be_edited_is_fixed() -> None:
    fixed = {part.text for part in CONVERSE.request(doc(REQUEST)).segments if not part.editable}
    assert fixed == {"poisoned words", "Let me think.", "fetch", "nova_grounding", "computer", "to be told"}


def test_what_is_not_read_is_named() -> None:
    assert unread(CONVERSE.request(doc(REQUEST))) == [
        ("image", (*USER, 1, "image")),
        ("image", (*USER, 2, "image")),
        ("video", (*USER, 3, "video")),
        ("audio", (*USER, 4, "audio")),
        ("file", (*USER, 6, "document", "source", "bytes")),
        ("file", (*USER, 8, "document", "source", "s3Location")),
        ("image", (*USER, 13, "guardContent", "image")),
        ("encrypted", (*ASSISTANT, 1, "reasoningContent", "redactedContent")),
        ("image", (*RESULTS, 2, "image")),
        ("video", (*RESULTS, 3, "video")),
        ("hosted_tool", ("toolConfig", "tools", 1, "systemTool")),
        ("stored_context", ("promptVariables",)),
    ]


@pytest.mark.parametrize(
    ("format", "carried", "found", "named"),
    [
        ("txt", encoded("one\ntwo"), ["one\ntwo"], []),
        ("html", "77u/cGFnZQ==", ["page"], []),
        ("csv", "", [], []),
        ("md", "/w==", [], ["file"]),
        ("md", "no base64", [], ["file"]),
        ("docx", encoded("words"), [], ["file"]),
        ("txt", {"a": "in its place"}, ["in its place"], []),
    ],
)
def test_a_document_of_text_is_read_in_its_bytes(format: str, carried: Any, found: list[str], named: list[str]) -> None:
    document = {"format": format, "name": "", "source": {"bytes": carried}}
    reading = CONVERSE.request(doc({"messages": [{"role": "user", "content": [{"document": document}]}]}))
    assert [part.text for part in reading.segments] == found
    assert [what for what, _ in unread(reading)] == named


def test_an_edit_of_any_text_of_a_request_stays_in_its_place() -> None:
    assert_edits_stay_in_place(REQUEST, CONVERSE.request)


def test_a_member_that_is_not_known_is_read_wherever_it_stands() -> None:
    assert_unknown_members_are_read(REQUEST, CONVERSE.request, SKIPPED)


STRANGE = st.recursive(
    st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x_a", "x_b"]), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(["text", "toolResult", "document", "searchResult", "toolUse", "reasoningContent", "new"]), STRANGE
)
@settings(max_examples=60, deadline=None)
def test_a_block_of_any_shape_is_read_completely(kind: str, content: Any) -> None:
    document = doc({"messages": [{"role": "user", "content": [{kind: content}]}]})
    strings = {path: text for path, text in document.strings(("messages", 0, "content", 0)) if text}
    assert strings.items() <= texts(CONVERSE.request(document)).items()


@pytest.mark.parametrize("messages", ["just text", {"role": "user"}, [["x"]], [{"role": "robot", "content": "x"}]])
def test_messages_of_another_shape_are_untrusted_text(messages: Any) -> None:
    reading = CONVERSE.request(doc({"messages": messages}))
    assert reading.segments
    assert {part.trust for part in reading.segments} == {Trust.UNTRUSTED}


ANSWER: dict[str, Any] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [{"text": "I look."}, {"toolUse": {"toolUseId": "t", "name": "look", "input": {"at": "x"}}}],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 1, "outputTokens": 2},
    "metrics": {"latencyMs": 3},
    "performanceConfig": {"latency": "standard"},
    "serviceTier": {"type": "default"},
}


class TestAnswer:
    def test_it_is_the_models(self) -> None:
        reading = CONVERSE.answer(doc(ANSWER))
        assert [(part.text, part.trust, part.kind) for part in reading.segments] == [
            ("I look.", Trust.MODEL, Kind.TEXT),
            ("look", Trust.MODEL, Kind.TOOL_CALL),
            ("x", Trust.MODEL, Kind.TOOL_CALL),
        ]
        assert_edits_stay_in_place(ANSWER, CONVERSE.answer)
        assert_unknown_members_are_read(ANSWER, CONVERSE.answer, SKIPPED)
        assert CONVERSE.after_edit(doc(ANSWER), ("output", "message", "content", 0, "text")) == ()

    def test_what_a_guardrail_traced_is_read(self) -> None:
        trace = {"guardrail": {"modelOutput": ["what was said first"]}}
        reading = CONVERSE.answer(doc({**ANSWER, "trace": trace}))
        found = at(reading, "trace", "guardrail", "modelOutput", 0)
        assert (found.text, found.trust) == ("what was said first", Trust.UNTRUSTED)

    @pytest.mark.parametrize("body", [{"message": "no such model"}, ["odd"]])
    def test_another_shape_is_untrusted_text(self, body: Any) -> None:
        reading = CONVERSE.answer(doc(body))
        assert {part.trust for part in reading.segments} == {Trust.UNTRUSTED}


class TestWrongTypes:
    """Values of a wrong JSON type are read or refused, and nothing fails."""

    def test_in_a_request(self) -> None:
        for number, path in enumerate(paths(REQUEST)):
            document = doc(changed(REQUEST, path, WRONG[number % len(WRONG)]))
            attempt(CONVERSE.request, document)
            attempt(CONVERSE.instruct, document, "RULES")
            attempt(CONVERSE.hosted, document)
            if attempt(CONVERSE.transcript, document):
                assert_nothing_is_left_out(CONVERSE.request(document), CONVERSE.transcript(document))

    def test_in_an_answer(self) -> None:
        for number, path in enumerate(paths(ANSWER)):
            document = doc(changed(ANSWER, path, WRONG[number % len(WRONG)]))
            attempt(CONVERSE.answer, document)
            attempt(refused, CONVERSE, document)


def test_messages_and_tools_can_be_read_one_by_one() -> None:
    """The rules go to the system prompt, so no message is needed for them."""
    reading = CONVERSE.request(doc(REQUEST), apart=True)
    messages, tools = reading.parts
    assert (messages.path, tools.path) == (("messages",), ("toolConfig", "tools"))
    assert messages.lead is not None
    assert messages.lead(REQUEST["messages"]) == 0
    assert at(messages.read(doc(REQUEST["messages"][0])), "content", 0, "text").text == "Be brief."


class TestRules:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({"messages": []}, {"messages": [], "system": [{"text": "RULES"}]}),
            ({"system": None}, {"system": [{"text": "RULES"}]}),
            ({"system": []}, {"system": [{"text": "RULES"}]}),
            ({"system": [{"text": "Guide."}, POINT]}, {"system": [{"text": "Guide."}, POINT, {"text": "RULES"}]}),
        ],
    )
    def test_they_are_appended_to_the_system_prompt(self, before: Any, after: Any) -> None:
        document = doc(before)
        assert json.loads(apply(document.raw, CONVERSE.instruct(document, "RULES"))) == after

    @pytest.mark.parametrize("body", [[], "x", {"system": "Guide."}])
    def test_a_body_without_a_place_for_them_is_refused(self, body: Any) -> None:
        with pytest.raises(Malformed):
            CONVERSE.instruct(doc(body), "RULES")


class TestTranscript:
    def of(self, **members: Any) -> Transcript:
        return CONVERSE.transcript(doc(members))

    def test_turns_come_in_the_order_of_the_body(self) -> None:
        call = Call("read_mail", {"id": 7}, "t1")
        result = {"toolUseId": "t1", "content": [{"text": "IBAN DE1"}, {"json": {"more": "text"}}]}
        assert self.of(
            system=[{"text": "Be brief."}],
            messages=[
                {"role": "user", "content": [{"text": "Pay the bill."}]},
                {
                    "role": "assistant",
                    "content": [
                        {"text": "I look."},
                        {"toolUse": {"toolUseId": "t1", "name": "read_mail", "input": {"id": 7}}},
                    ],
                },
                {"role": "user", "content": [{"toolResult": result}, {"text": "Go on."}]},
            ],
        ).turns == (
            Said("Be brief.", Role.SYSTEM, Trust.OPERATOR),
            Said("Pay the bill.", Role.USER, Trust.PRINCIPAL, message=0),
            Said("I look.", Role.ASSISTANT, Trust.MODEL, message=1),
            Made(call, 1),
            Returned("IBAN DE1\ntext", call, 2),
            Said("Go on.", Role.USER, Trust.PRINCIPAL, message=2),
        )

    def test_nothing_that_is_read_is_left_out(self) -> None:
        transcript = CONVERSE.transcript(doc(REQUEST))
        assert_nothing_is_left_out(CONVERSE.request(doc(REQUEST)), transcript)
        assert ("poisoned words", "user/untrusted/document/1") in said(transcript)
        assert ("retrieved", "user/untrusted/document/1") in said(transcript)

    def test_tools_are_those_of_the_agent_and_hosted_those_of_bedrock(self) -> None:
        transcript = CONVERSE.transcript(doc(REQUEST))
        spec = REQUEST["toolConfig"]["tools"][0]["toolSpec"]
        assert transcript.tools == (
            Defined("fetch", "Fetch a page.", spec["inputSchema"]["json"], ("toolConfig", "tools", 0, "toolSpec")),
            Defined("computer", "", None, ("additionalModelRequestFields", "tools", 0)),
        )
        hosted = (Hosted("web_search", "nova_grounding", None, ("toolConfig", "tools", 1, "systemTool")),)
        assert transcript.hosted == CONVERSE.hosted(doc(REQUEST)) == hosted

    @pytest.mark.parametrize(
        ("tool", "kind", "name", "hosts"),
        [
            ({"systemTool": {"name": "nova_code_interpreter"}}, "code", "nova_code_interpreter", ()),
            ({"systemTool": {"name": "nova_new"}}, "nova_new", "nova_new", None),
            ({"newTool": {"url": "https://x.example"}}, "newTool", "newTool", None),
            ({"newTool": 1}, "newTool", "newTool", None),
        ],
    )
    def test_whatever_is_no_definition_is_run_by_bedrock(self, tool: Any, kind: str, name: str, hosts: Any) -> None:
        body = {"toolConfig": {"tools": [tool]}}
        (hosted,) = CONVERSE.hosted(doc(body))
        assert (hosted.kind, hosted.name, hosted.hosts) == (kind, name, hosts)
        assert [what for what, _ in unread(CONVERSE.request(doc(body)))] == ["hosted_tool"]

    def test_tools_of_anthropics_are_hosted_where_they_are_added(self) -> None:
        added = {"tools": [{"type": "web_search_20250305", "name": "web_search"}], "mcp_servers": [{"name": "s"}]}
        body = {"additionalModelRequestFields": added}
        assert [one.kind for one in CONVERSE.hosted(doc(body))] == ["mcp", "web_search"]
        assert [what for what, _ in unread(CONVERSE.request(doc(body)))] == ["hosted_tool", "hosted_tool"]

    @pytest.mark.parametrize(
        ("body", "is_whole"),
        [
            ({"messages": []}, True),
            ({}, False),
            ({"messages": [], "promptVariables": {}}, False),
        ],
    )
    def test_a_prompt_that_bedrock_keeps_is_not_the_whole(self, body: Any, is_whole: bool) -> None:
        assert CONVERSE.transcript(doc(body)).is_whole is is_whole

    @pytest.mark.parametrize(
        "body",
        [
            [],
            {"messages": {"content": "x"}, "toolConfig": []},
            {"messages": [{"content": [{"toolUse": {"name": 1}}, {"toolResult": {"content": "x"}}, {"toolUse": "x"}]}]},
            {"toolConfig": {"tools": [{"toolSpec": "x"}, {"toolSpec": {"name": 1, "inputSchema": "x y"}}, "x"]}},
        ],
    )
    def test_bodies_of_another_shape_leave_nothing_out(self, body: Any) -> None:
        assert_nothing_is_left_out(CONVERSE.request(doc(body)), CONVERSE.transcript(doc(body)))
