"""What a request of the Gemini API tells of the conversation, in both spellings of its members."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.dialect.gemini import GENERATE
from gateway.errors import Malformed
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Said, Transcript
from gateway.segment import Kind, Role, Trust
from tests.dialect.laws import TRANSCRIPTS, doc
from tests.dialect.recounting import assert_nothing_is_left_out, made, returned, said
from tests.dialect.test_gemini import REQUEST, snaked


def of(**members: Any) -> Transcript:
    return GENERATE.transcript(doc(members))


def turn(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def call(name: str, **members: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {}, **members}}


def response(name: str, text: str, **members: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"result": text}, **members}}


def test_turns_come_in_the_order_of_the_body() -> None:
    asked = Call("read_mail", {"id": 7})
    assert of(
        systemInstruction={"parts": [{"text": "Be brief."}]},
        contents=[
            turn({"text": "Pay the bill."}),
            turn({"text": "I look."}, call("read_mail", args={"id": 7}), role="model"),
            turn(response("read_mail", "IBAN DE1"), {"text": "Go on."}),
        ],
    ).turns == (
        Said("Be brief.", Role.SYSTEM, Trust.OPERATOR),
        Said("Pay the bill.", Role.USER, Trust.PRINCIPAL, message=0),
        Said("I look.", Role.ASSISTANT, Trust.MODEL, message=1),
        Made(asked, 1),
        Returned("IBAN DE1", asked, 2),
        Said("Go on.", Role.USER, Trust.PRINCIPAL, message=2),
    )


@pytest.mark.parametrize("spelling", [lambda value: value, snaked], ids=["camelCase", "snake_case"])
def test_every_kind_of_part(spelling: Any) -> None:
    transcript = GENERATE.transcript(doc(spelling(REQUEST)))
    assert [one.call for one in made(transcript)] == [
        Call("fetch", {"urls": ["https://a.example"]}, "c1"),
        Call("code_execution", {"language": "PYTHON", "code": "print(1)"}),
        Call("GOOGLE_SEARCH", {"query": "bridges"}, "c2"),
    ]
    assert returned(transcript) == [
        ("1", "code_execution"),
        ("found it", "GOOGLE_SEARCH"),
        ('{"id":"doc-17","page":"page text"}', "fetch"),
    ]
    found = said(transcript)
    assert ("Let me think.", "assistant/model/reasoning/2") in found
    assert ("report.pdf", "user/untrusted/document/1") in found
    assert ("old style", "tool/untrusted/tool_result/4") in found
    assert not transcript.is_whole


def test_results_without_ids_belong_to_the_calls_of_their_name_in_order() -> None:
    contents = [
        turn(call("f", args={"n": 1}), call("g"), call("f", args={"n": 2}), role="model"),
        turn(response("f", "one"), response("g", "other"), response("f", "two"), response("f", "none left")),
    ]
    found = [one for one in of(contents=contents).turns if isinstance(one, Returned)]
    assert [(one.text, one.call and (one.call.name, one.call.arguments)) for one in found] == [
        ("one", ("f", {"n": 1})),
        ("other", ("g", {})),
        ("two", ("f", {"n": 2})),
        ("none left", None),
    ]


def test_results_with_ids_belong_to_the_calls_of_their_id() -> None:
    contents = [
        turn(call("f", id="1", args={"n": 1}), call("f", id="2", args={"n": 2}), role="model"),
        turn(response("f", "two", id="2"), response("f", "strange", id="9"), response("f", "one", id="1")),
    ]
    found = [one for one in of(contents=contents).turns if isinstance(one, Returned)]
    assert [(one.text, one.call and one.call.id) for one in found] == [("two", "2"), ("strange", None), ("one", "1")]


def test_a_call_that_goes_on_returning_stays_open() -> None:
    parts = [response("f", "half", willContinue=True), response("f", "rest")]
    assert returned(of(contents=[turn(call("f"), role="model"), turn(*parts)])) == [("half", "f"), ("rest", "f")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"result": "a text"}, "a text"),
        ({"result": "a", "status": "ok"}, '{"result":"a","status":"ok"}'),
        ({"amount": 12.5}, '{"amount":12.5}'),
        ({"result": {"to": "a@b.example"}}, '{"result":{"to":"a@b.example"}}'),
        ({"a key that speaks": "x"}, '{"a key that speaks":"x"}'),
        ({}, ""),
        ("bare text", "bare text"),
        (["a", "b"], "a\nb"),
        (None, ""),
    ],
)
def test_what_a_function_returned(value: Any, text: str) -> None:
    """One string is the text; an object is JSON, in which its fields can be told apart."""
    part = {"functionResponse": {"name": "f", "response": value}}
    assert returned(of(contents=[turn(part)])) == [(text, None)]


def test_what_stands_beside_the_response_is_returned_too() -> None:
    media = {"inlineData": {"mimeType": "image/png", "data": "AA==", "displayName": "chart.png"}}
    assert returned(of(contents=[turn(response("f", "x", parts=[media]))])) == [("x\nchart.png", None)]


def test_a_single_content_and_part_may_stand_without_their_lists() -> None:
    transcript = of(contents={"parts": call("f")}, tools={"functionDeclarations": {"name": "f"}})
    assert made(transcript) == [Made(Call("f", {}), 0)]
    assert transcript.tools == (Defined("f", path=("tools", "functionDeclarations")),)


def test_functions_are_defined() -> None:
    (fetch,) = GENERATE.transcript(doc(REQUEST)).tools
    assert (fetch.name, fetch.description) == ("fetch", "Fetch a page.")
    assert fetch.schema == {"type": "object", "title": "Args"}
    assert fetch.path == ("tools", 0, "functionDeclarations", 0)


def test_a_schema_in_the_apis_own_form_is_one_too() -> None:
    schema = {"type": "OBJECT"}
    (tool,) = of(tools=[{"function_declarations": [{"name": "f", "parameters": schema}]}]).tools
    assert tool == Defined("f", "", schema, ("tools", 0, "function_declarations", 0))


def test_what_else_a_definition_says_is_a_text_of_others() -> None:
    declared = {"name": "f", "response": {"type": "OBJECT", "description": "what comes back"}}
    transcript = of(tools=[{"functionDeclarations": [declared]}])
    assert said(transcript) == [("what comes back", "system/untrusted/tool_definition/0")]


HOSTED: list[tuple[dict[str, Any], str, tuple[str, ...] | None]] = [
    ({"googleSearch": {}}, "web_search", None),
    ({"google_search": {"excludeDomains": ["a.example"]}}, "web_search", None),
    ({"googleSearchRetrieval": {}}, "web_search", None),
    ({"enterpriseWebSearch": {}}, "web_search", None),
    ({"urlContext": {}}, "web_fetch", None),
    ({"url_context": {}}, "web_fetch", None),
    ({"codeExecution": {}}, "code", ()),
    ({"googleMaps": {}}, "maps", ()),
    ({"fileSearch": {"fileSearchStoreNames": ["s"]}}, "file_search", ()),
    ({"computerUse": {"environment": "ENVIRONMENT_BROWSER"}}, "computer", ()),
    ({"retrieval": {"vertexRagStore": {}}}, "file_search", ()),
    ({"retrieval": {"externalApi": {"endpoint": "https://find.example/q"}}}, "file_search", ("find.example",)),
    ({"retrieval": {"external_api": "x"}}, "file_search", None),
    ({"retrieval": "x"}, "file_search", None),
    ({"mcpServers": [{"streamableHttpTransport": {"url": "https://mcp.example/"}}]}, "mcp", ("mcp.example",)),
    ({"mcp_servers": {"streamable_http_transport": {"url": "https://mcp.example/"}}}, "mcp", ("mcp.example",)),
    ({"mcpServers": [{"name": "m"}]}, "mcp", None),
    ({"mcpServers": ["x"]}, "mcp", None),
    ({"timeMachine": {}}, "timeMachine", None),
]


@pytest.mark.parametrize(("tool", "kind", "hosts"), HOSTED, ids=[json.dumps(tool) for tool, _, _ in HOSTED])
def test_tools_of_the_provider(tool: dict[str, Any], kind: str, hosts: tuple[str, ...] | None) -> None:
    (found,) = of(tools=[tool]).hosted
    assert (found,) == GENERATE.hosted(doc({"tools": [tool]}))
    assert (found.kind, found.hosts) == (kind, hosts)
    assert found.path[:2] == ("tools", 0)


def test_a_tool_that_is_null_is_none() -> None:
    assert of(tools=[{"googleSearch": None}, "x"]).hosted == ()


def test_a_server_has_its_name() -> None:
    server = {"name": "mail", "streamableHttpTransport": {"url": "https://mcp.example/"}}
    expected = Hosted("mcp", "mail", ("mcp.example",), ("tools", 0, "mcpServers", 0))
    assert of(tools=[{"mcpServers": [server]}]).hosted == (expected,)


@pytest.mark.parametrize(
    ("data", "kind", "hosts"),
    [
        ({"fileUri": "https://img.example/x", "mimeType": "image/png"}, "remote_image", ("img.example",)),
        ({"file_uri": "https://img.example/x", "mime_type": "image/png"}, "remote_image", ("img.example",)),
        ({"fileUri": "https://www.youtube.com/watch?v=1"}, "remote_file", ("www.youtube.com",)),
        ({"fileUri": "gs://bucket/x", "mimeType": "application/pdf"}, "remote_file", ("storage.googleapis.com",)),
        ({"fileUri": "elsewhere"}, "remote_file", None),
        ({}, "remote_file", None),
    ],
)
def test_what_the_provider_fetches_by_address(data: dict[str, Any], kind: str, hosts: Any) -> None:
    for part in ({"fileData": data}, {"file_data": data}, {"functionResponse": {"parts": [{"fileData": data}]}}):
        (found,) = of(contents=[turn(part)]).hosted
        assert (found.kind, found.hosts) == (kind, hosts)


@pytest.mark.parametrize("uri", ["files/abc", "data:image/png;base64,AA=="])
def test_what_the_provider_has_already_is_not_fetched(uri: str) -> None:
    assert of(contents=[turn({"fileData": {"fileUri": uri}})]).hosted == ()


def test_an_address_in_the_objects_of_the_client_is_only_a_text() -> None:
    data = {"fileData": {"fileUri": "https://img.example/x"}}
    parts = [call("f", args=data), {"functionResponse": {"name": "f", "response": data}}]
    assert of(contents=[turn(*parts)]).hosted == ()


@pytest.mark.parametrize("key", ["cachedContent", "cached_content"])
def test_a_cached_prefix_makes_a_transcript_a_part(key: str) -> None:
    assert not of(contents=[], **{key: "cachedContents/c1"}).is_whole
    assert of(contents=[], **{key: None}).is_whole


def test_a_request_that_holds_many_tells_of_them_all() -> None:
    def asked(text: str, **members: Any) -> dict[str, Any]:
        return {"request": {"contents": [turn({"text": text}, response("f", "of none"))], **members}}

    first = asked("a", tools=[{"codeExecution": {}}])
    first["request"]["contents"].insert(0, turn(call("f"), role="model"))
    body = {"batch": {"inputConfig": {"requests": {"requests": [first, asked("b", cachedContent="c")]}}}}
    transcript = GENERATE.transcript(doc(body))
    assert [text for text, _ in said(transcript)] == ["a", "b"]
    assert returned(transcript) == [("of none", "f"), ("of none", None)]
    assert [one.kind for one in transcript.hosted] == ["code"]
    assert not transcript.is_whole


def test_no_text_of_any_kind_of_part_is_left_out() -> None:
    for body in (REQUEST, snaked(REQUEST)):
        document = doc(body)
        assert_nothing_is_left_out(GENERATE.request(document), GENERATE.transcript(document))


@pytest.mark.parametrize(
    "path", sorted((TRANSCRIPTS / "gemini").glob("*/request.json")), ids=lambda path: path.parent.name
)
def test_no_text_of_a_recorded_request_is_left_out(path: Any) -> None:
    document = doc(json.loads(path.read_bytes()))
    assert_nothing_is_left_out(GENERATE.request(document), GENERATE.transcript(document))


def test_a_text_is_told_once() -> None:
    """As what a call returned, or as what somebody wrote; texts of the old role `function` belong to no call."""
    results = [one for one in said(GENERATE.transcript(doc(REQUEST))) if Kind.TOOL_RESULT in one[1]]
    assert results == [("old style", "tool/untrusted/tool_result/4")]


VALUES = st.recursive(
    st.text(max_size=8) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.dictionaries(
    st.sampled_from(["name", "args", "id", "response", "parts", "output", "code", "toolType", "partialArgs", "x_new"]),
    VALUES | st.dictionaries(st.text(max_size=4), st.text(max_size=9), max_size=1),
)
KEYS = """
    text functionCall function_response functionResponse executableCode codeExecutionResult toolCall toolResponse
    fileData inlineData thought x_new
"""
PARTS = st.dictionaries(
    st.sampled_from(KEYS.split()),
    CALLS | VALUES,
    max_size=3,
)
CONTENTS = st.fixed_dictionaries(
    {},
    optional={"role": st.sampled_from(["user", "model", "function", "x"]), "parts": st.lists(PARTS) | PARTS | VALUES},
)
TOOLS = st.dictionaries(
    st.sampled_from(["functionDeclarations", "mcpServers", "googleSearch"]),
    st.lists(st.dictionaries(st.sampled_from(["name", "description", "parameters", "x_new"]), VALUES)) | VALUES,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "contents": st.lists(CONTENTS | VALUES, max_size=3) | CONTENTS | VALUES,
        "system_instruction": CONTENTS | VALUES,
        "tools": st.lists(TOOLS | VALUES, max_size=2) | VALUES,
        "requests": st.lists(st.fixed_dictionaries({"contents": CONTENTS}), max_size=2) | VALUES,
        "x_new": VALUES,
    },
)


@given(BODIES)
@settings(max_examples=200, deadline=None)
def test_no_text_that_the_grammar_finds_is_left_out(body: dict[str, Any]) -> None:
    document = doc(body)
    try:
        reading = GENERATE.request(document)
    except Malformed:
        assume(False)
        raise
    assert_nothing_is_left_out(reading, GENERATE.transcript(document))
