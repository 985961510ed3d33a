"""What a request of Anthropic Messages tells of the conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.anthropic import MESSAGE_BATCHES, MESSAGES
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Said, Transcript
from gateway.segment import Kind, Role, Trust
from tests.dialect.laws import TRANSCRIPTS, doc
from tests.dialect.recounting import assert_nothing_is_left_out, made, returned, said
from tests.dialect.test_anthropic import REQUEST


def of(**members: Any) -> Transcript:
    return MESSAGES.transcript(doc(members))


def test_turns_come_in_the_order_of_the_body() -> None:
    call = Call("read_mail", {"id": 7}, "toolu_1")
    assert of(
        system="Be brief.",
        messages=[
            {"role": "user", "content": "Pay the bill."},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "read_mail", "input": {"id": 7}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "IBAN DE1"},
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
    ).turns == (
        Said("Be brief.", Role.SYSTEM, Trust.OPERATOR),
        Said("Pay the bill.", Role.USER, Trust.PRINCIPAL, message=0),
        Said("I look.", Role.ASSISTANT, Trust.MODEL, message=1),
        Made(call, 1),
        Returned("IBAN DE1", call, 2),
        Said("Go on.", Role.USER, Trust.PRINCIPAL, message=2),
    )


def test_documents_and_search_results_of_a_user_are_data() -> None:
    found = said(MESSAGES.transcript(doc(REQUEST)))
    for text in ("page text", "T", "C", "inner", "snippet", "Found", "https://s.example"):
        assert (text, "user/untrusted/document/2") in found
    assert ("Look at these.", "user/principal/text/2") in found


def test_each_kind_of_text_keeps_its_voice() -> None:
    found = said(MESSAGES.transcript(doc(REQUEST)))
    assert ("Let me think.", "assistant/model/reasoning/3") in found
    assert ("page", "tool/untrusted/document/3") in found  # what a citation repeats
    assert ("summary so far", "tool/untrusted/opaque/3") in found
    assert ("Be brief.", "system/operator/text/1") in found


def test_the_providers_own_calls_are_made_and_return() -> None:
    transcript = MESSAGES.transcript(doc(REQUEST))
    assert [turn.call for turn in made(transcript)] == [
        Call("fetch", {"urls": ["https://a.example"]}, "t1"),
        Call("web_search", {"query": "bridges"}, "t2"),
        Call("m", {}, "t5"),
    ]
    assert returned(transcript)[:4] == [
        ("https://w.example\nWeb", "web_search"),
        ("https://f.example\npage text", None),
        ("out\nerr", None),
        ("from mcp", "m"),
    ]


def test_a_result_is_its_texts_joined_and_knows_its_call() -> None:
    plain, rich = returned(MESSAGES.transcript(doc(REQUEST)))[4:]
    assert plain == ("plain result", "fetch")
    assert rich == ("result text\npage text\nbrowser_state\n1\nTab\nu", None)


def test_a_result_with_no_text_is_there() -> None:
    block = {"type": "tool_result", "tool_use_id": "t"}
    assert of(messages=[{"role": "user", "content": [block]}]).turns == (Returned("", None, 0),)


def test_a_result_belongs_to_the_last_call_of_its_id() -> None:
    calls: list[dict[str, Any]] = [
        {"type": "tool_use", "id": "t", "name": name, "input": {}} for name in ("first", "second")
    ]
    blocks = [*calls, {"type": "tool_result", "tool_use_id": "t", "content": "x"}]
    assert returned(of(messages=[{"role": "user", "content": blocks}])) == [("x", "second")]


def test_tools_of_the_agent_are_defined() -> None:
    transcript = MESSAGES.transcript(doc(REQUEST))
    schema = {"type": "object", "properties": {"url": {"type": "string", "description": "Where."}}}
    assert transcript.tools == (
        Defined("fetch", "Fetch a page.", schema, ("tools", 0)),
        Defined("bash", "", None, ("tools", 1)),
    )


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250728", "memory_20250818", "computer_20251124"])
def test_a_built_in_tool_that_the_agent_runs_has_a_name_only(kind: str) -> None:
    transcript = of(tools=[{"type": kind, "name": "it"}, {"type": kind}])
    assert transcript.tools == (Defined("it", path=("tools", 0)), Defined(kind, path=("tools", 1)))
    assert transcript.hosted == ()


def test_what_else_a_definition_says_is_a_text_of_others() -> None:
    tool = {"name": "f", "description": "d", "input_schema": {}, "input_examples": [{"to": "a@b.example"}]}
    assert said(of(tools=[tool])) == [("a@b.example", "system/untrusted/tool_definition/0")]


TOOL = ("tools", 0)
HOSTED: list[tuple[dict[str, Any], Hosted]] = [
    ({"type": "web_search_20260318", "name": "web_search"}, Hosted("web_search", "web_search", None, TOOL)),
    (
        {"type": "web_search_20260318", "name": "web_search", "allowed_domains": ["Example.org", "a.example/docs"]},
        Hosted("web_search", "web_search", ("example.org", "a.example"), TOOL),
    ),
    (
        {"type": "web_search_20260318", "name": "web_search", "blocked_domains": ["evil.example"]},
        Hosted("web_search", "web_search", None, TOOL),
    ),
    (
        {"type": "web_fetch_20250910", "name": "web_fetch", "allowed_domains": ["example.org"]},
        Hosted("web_fetch", "web_fetch", ("example.org",), TOOL),
    ),
    (
        {"type": "web_fetch_20250910", "name": "web_fetch", "allowed_domains": ["example.org", "*"]},
        Hosted("web_fetch", "web_fetch", None, TOOL),
    ),
    ({"type": "web_fetch_20250910", "allowed_domains": []}, Hosted("web_fetch", "web_fetch_20250910", None, TOOL)),
    ({"type": "code_execution_20250825", "name": "code_execution"}, Hosted("code", "code_execution", (), TOOL)),
    ({"type": "tool_search_tool_bm25", "name": "search"}, Hosted("tool_search", "search", (), TOOL)),
    ({"type": "mcp_toolset", "mcp_server_name": "kept"}, Hosted("mcp", "kept", None, TOOL)),
    ({"type": "teleport_20270101", "name": "go"}, Hosted("teleport_20270101", "go", None, TOOL)),
]


@pytest.mark.parametrize(("tool", "hosted"), HOSTED, ids=[str(tool["type"]) for tool, _ in HOSTED])
def test_tools_of_the_provider(tool: dict[str, Any], hosted: Hosted) -> None:
    transcript = of(tools=[tool])
    assert transcript.hosted == MESSAGES.hosted(doc({"tools": [tool]})) == (hosted,)
    assert transcript.tools == ()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://MCP.example/sse", ("mcp.example",)),
        ("https://user:secret@mcp.example:8443/", ("mcp.example",)),
        ("https://[::1]/", ("::1",)),
        ("https://", None),
        ("https://[oops", None),
        ("https://a b.example", None),
        ("mcp.example", None),
        (None, None),
        (7, None),
    ],
)
def test_servers_that_the_provider_connects_to(url: Any, hosts: tuple[str, ...] | None) -> None:
    transcript = of(
        mcp_servers=[{"type": "url", "name": "mail", "url": url}],
        tools=[{"type": "mcp_toolset", "mcp_server_name": "mail"}],
    )
    assert transcript.hosted == (Hosted("mcp", "mail", hosts, ("mcp_servers", 0)),)


def test_what_the_provider_fetches_by_url() -> None:
    found = [one for one in MESSAGES.transcript(doc(REQUEST)).hosted if one.kind.startswith("remote")]
    content = ("messages", 2, "content")
    assert found == [
        Hosted("remote_image", "image", ("img.example",), (*content, 2, "source")),
        Hosted("remote_file", "document", ("doc.example",), (*content, 6, "source")),
    ]


def test_an_image_in_a_result_is_fetched_and_an_address_in_a_call_is_not() -> None:
    source = {"type": "url", "url": "https://img.example/x"}
    image = {"type": "image", "source": source}
    blocks = [{"type": "tool_result", "tool_use_id": "t", "content": [image]}]
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"source": source}}
    transcript = of(messages=[{"role": "user", "content": blocks}, {"role": "assistant", "content": [call]}])
    path = ("messages", 0, "content", 0, "content", 0, "source")
    assert transcript.hosted == (Hosted("remote_image", "image", ("img.example",), path),)


def test_data_in_a_url_is_fetched_from_nowhere() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "data:image/png;base64,AA=="}}
    assert of(messages=[{"role": "user", "content": [image]}]).hosted == ()


@pytest.mark.parametrize(
    ("members", "is_whole"),
    [
        ({}, True),
        ({"container": None}, True),
        ({"container": "container_1"}, False),
        ({"container": {"skills": []}}, False),
        ({"thread": "thread_1"}, False),
    ],
)
def test_what_the_provider_keeps_makes_a_transcript_a_part(members: dict[str, Any], is_whole: bool) -> None:
    assert of(messages=[], **members).is_whole is is_whole


def test_a_batch_tells_of_all_its_requests() -> None:
    def request(text: str, **members: Any) -> dict[str, Any]:
        return {"custom_id": text, "params": {"messages": [{"role": "user", "content": text}], **members}}

    body = doc(
        {
            "requests": [
                request("a", tools=[{"name": "f"}]),
                request("b", container="c", tools=[{"type": "code_execution_20250825"}]),
                "c",
            ]
        }
    )
    transcript = MESSAGE_BATCHES.transcript(body)
    assert [text for text, _ in said(transcript)] == ["a", "b", "a", "b", "c"]
    assert [tool.path for tool in transcript.tools] == [("requests", 0, "params", "tools", 0)]
    assert [tool.path for tool in transcript.hosted] == [("requests", 1, "params", "tools", 0)]
    assert transcript.hosted == MESSAGE_BATCHES.hosted(body)
    assert not transcript.is_whole
    assert MESSAGE_BATCHES.transcript(doc({"requests": 1})) == Transcript()


@pytest.mark.parametrize("case", sorted(path.name for path in (TRANSCRIPTS / "anthropic").iterdir()))
def test_no_text_of_a_recorded_request_is_left_out(case: str) -> None:
    for path in (TRANSCRIPTS / "anthropic" / case).glob("request.json"):
        document = doc(json.loads(path.read_bytes()))
        assert_nothing_is_left_out(MESSAGES.request(document), MESSAGES.transcript(document))


def test_no_text_of_any_kind_of_block_is_left_out() -> None:
    document = doc(REQUEST)
    assert_nothing_is_left_out(MESSAGES.request(document), MESSAGES.transcript(document))


VALUES = st.recursive(
    st.text(max_size=8) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
TYPES = [
    "text",
    "tool_use",
    "server_tool_use",
    "new_tool_use",
    "tool_result",
    "web_search_tool_result",
    "document",
    "search_result",
    "thinking",
    "image",
    "new",
]
NAMES = ["text", "name", "input", "content", "tool_use_id", "id", "title", "source", "thinking", "x_new"]
BLOCKS = st.builds(
    lambda kind, members: {**members, "type": kind},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(NAMES), VALUES | st.lists(st.builds(dict, text=st.text(max_size=5)))),
)
MESSAGES_OF = st.builds(
    lambda role, content, more: {**more, "role": role, "content": content},
    st.sampled_from(["user", "assistant", "system", "new"]),
    st.lists(BLOCKS, max_size=4) | VALUES,
    st.dictionaries(st.just("x_new"), VALUES),
)
TOOLS = st.dictionaries(st.sampled_from(["name", "description", "input_schema", "type", "x_new"]), VALUES)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "system": VALUES,
        "messages": st.lists(MESSAGES_OF | VALUES, max_size=3) | VALUES,
        "tools": st.lists(TOOLS | VALUES, max_size=2) | VALUES,
        "mcp_servers": VALUES,
        "x_new": VALUES,
    },
)


@given(BODIES)
@settings(max_examples=200, deadline=None)
def test_no_text_that_the_grammar_finds_is_left_out(body: dict[str, Any]) -> None:
    document = doc(body)
    assert_nothing_is_left_out(MESSAGES.request(document), MESSAGES.transcript(document))


def test_kinds_of_results_are_not_said_too() -> None:
    """A text is told once: as what a call returned, or as what somebody wrote."""
    transcript = MESSAGES.transcript(doc(REQUEST))
    assert not [turn for turn in transcript.turns if isinstance(turn, Said) and turn.kind is Kind.TOOL_RESULT]
