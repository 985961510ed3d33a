"""Bodies of the Interactions API: roles and trust, tools, what is hosted, where rules go, and what an edit breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialect.base import Coverage
from gateway.dialect.families import FAMILIES
from gateway.dialect.interactions import INTERACTIONS
from gateway.errors import Malformed
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted
from gateway.segment import Kind, Role, Span, Trust
from gateway.verdict import Edit
from gateway.wire.document import apply
from tests.dialect.laws import (
    REFUSAL,
    assert_edits_stay_in_place,
    assert_unknown_members_are_read,
    at,
    doc,
    texts,
    unread,
)
from tests.dialect.telling import assert_no_text_is_left_out, assert_turns_are_in_order, made, returned, said

SIGNED = {"signature": "c2ln" * 100}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def step(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, **members}


CALLED = step("function_call", id="c1", name="send_mail", arguments={"to": "a@b.example"})
WIDGET: dict[str, Any] = {"type": "object", "properties": {"to": {"type": "STRING", "description": "who gets it"}}}
REQUEST: dict[str, Any] = {
    "model": "gemini-3.8-flash",
    "system_instruction": "Be brief.",
    "input": [
        step("user_input", content=[text("What does it say?"), {"type": "image", "data": "aGk=", "mime_type": "i/p"}]),
        step("thought", summary=[text("They ask.")], **SIGNED),
        step("model_output", content=[text("I look.", annotations=[{"type": "url_citation", "title": "A page"}])]),
        CALLED,
        step("function_result", call_id="c1", name="send_mail", result="It went out."),
        step("code_execution_call", id="c2", arguments={"code": "print(1)", "language": "python"}, **SIGNED),
        step("code_execution_result", call_id="c2", result="one line", **SIGNED),
        step("google_search_call", id="c3", arguments={"queries": ["the weather"]}),
        step("google_search_result", call_id="c3", result=[{"search_suggestions": "a suggestion"}]),
        step("mcp_server_tool_call", id="c4", name="find", server_name="docs", arguments={"q": "a word"}),
        step("mcp_server_tool_result", call_id="c4", name="find", server_name="docs", result=[text("a document")]),
        step("function_result", call_id="c5", result={"rows": ["a row of data"], "count": 123456789}),
        step("tool_search_result", call_id="c6", result=[step("function", name="late", description="found late")]),
    ],
    "tools": [step("function", name="send_mail", description="Sends mail.", parameters=WIDGET)],
    "response_format": {"type": "text", "mime_type": "application/json", "schema": {"title": "an answer"}},
    "generation_config": {"max_output_tokens": 9, "stop_sequences": ["the end"]},
    "store": False,
}

SPOKEN: list[tuple[tuple[str | int, ...], str, Role, Trust, Kind]] = [
    (("system_instruction",), "Be brief.", Role.SYSTEM, Trust.OPERATOR, Kind.TEXT),
    (("input", 0, "content", 0, "text"), "What does it say?", Role.USER, Trust.PRINCIPAL, Kind.TEXT),
    (("input", 1, "summary", 0, "text"), "They ask.", Role.ASSISTANT, Trust.MODEL, Kind.REASONING),
    (("input", 2, "content", 0, "text"), "I look.", Role.ASSISTANT, Trust.MODEL, Kind.TEXT),
    (
        ("input", 2, "content", 0, "annotations", 0, "title"),
        "A page",
        Role.TOOL,
        Trust.UNTRUSTED,
        Kind.DOCUMENT,
    ),
    (("input", 3, "name"), "send_mail", Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL),
    (("input", 3, "arguments", "to"), "a@b.example", Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL),
    (("input", 4, "result"), "It went out.", Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT),
    (("input", 5, "type"), "code_execution", Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL),
    (("input", 5, "arguments", "code"), "print(1)", Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL),
    (("input", 6, "result"), "one line", Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT),
    (("input", 7, "arguments", "queries", 0), "the weather", Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL),
    (
        ("input", 8, "result", 0, "search_suggestions"),
        "a suggestion",
        Role.TOOL,
        Trust.UNTRUSTED,
        Kind.TOOL_RESULT,
    ),
    (("input", 9, "name"), "find", Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL),
    (("input", 10, "result", 0, "text"), "a document", Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT),
    (("input", 11, "result", "rows", 0), "a row of data", Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT),
    (("input", 11, "result", "count"), "123456789", Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT),
    (("input", 12, "result", 0, "description"), "found late", Role.SYSTEM, Trust.UNTRUSTED, Kind.TOOL_DEFINITION),
    (("tools", 0, "description"), "Sends mail.", Role.SYSTEM, Trust.UNTRUSTED, Kind.TOOL_DEFINITION),
    (
        ("tools", 0, "parameters", "properties", "to", "description"),
        "who gets it",
        Role.SYSTEM,
        Trust.UNTRUSTED,
        Kind.TOOL_DEFINITION,
    ),
    (("response_format", "schema", "title"), "an answer", Role.SYSTEM, Trust.PRINCIPAL, Kind.TOOL_DEFINITION),
    (("generation_config", "stop_sequences", 0), "the end", Role.USER, Trust.PRINCIPAL, Kind.OPAQUE),
]


class TestRequests:
    @pytest.mark.parametrize(("path", "words", "role", "trust", "kind"), SPOKEN, ids=[row[1] for row in SPOKEN])
    def test_each_text_has_its_role_and_its_trust(
        self, path: tuple[str | int, ...], words: str, role: Role, trust: Trust, kind: Kind
    ) -> None:
        found = at(INTERACTIONS.request(doc(REQUEST)), *path)
        assert (found.text, found.role, found.trust, found.kind) == (words, role, trust, kind)

    def test_no_other_text_is_read_and_what_is_no_text_is_named(self) -> None:
        reading = INTERACTIONS.request(doc(REQUEST))
        known = {row[0] for row in SPOKEN}
        others = {path: words for path, words in texts(reading).items() if path not in known}
        assert others == {
            ("input", 2, "content", 0, "annotations", 0, "type"): "url_citation",
            ("input", 7, "type"): "google_search",
            ("input", 9, "arguments", "q"): "a word",
            ("input", 5, "arguments", "language"): "python",
            ("input", 9, "server_name"): "docs",
            ("input", 12, "result", 0, "name"): "late",
            ("tools", 0, "name"): "send_mail",
        }
        assert unread(reading) == [("image", ("input", 0, "content", 1))]
        assert reading.model == "gemini-3.8-flash"

    def test_a_members_spelling_in_camel_case_is_the_same_member_and_both_are_refused(self) -> None:
        reading = INTERACTIONS.request(doc({"systemInstruction": "s", "previousInteractionId": "i"}))
        assert at(reading, "systemInstruction").role is Role.SYSTEM
        assert unread(reading) == [("stored_context", ("previousInteractionId",))]
        with pytest.raises(Malformed, match="both spellings"):
            INTERACTIONS.request(doc({"systemInstruction": "s", "system_instruction": "t"}))

    @pytest.mark.parametrize(
        ("given", "path"),
        [
            ("hi", ("input",)),
            (text("hi"), ("input", "text")),
            ([text("hi")], ("input", 0, "text")),
            ([{"role": "user", "content": "hi"}], ("input", 0, "content")),
            ([{"role": "user", "content": [text("hi")]}], ("input", 0, "content", 0, "text")),
        ],
    )
    def test_an_input_is_a_text_a_content_a_list_of_them_or_turns(self, given: Any, path: Any) -> None:
        found = at(INTERACTIONS.request(doc({"input": given})), *path)
        assert (found.text, found.role, found.trust) == ("hi", Role.USER, Trust.PRINCIPAL)

    def test_a_turn_of_the_model_is_the_models_and_holds_calls_and_results(self) -> None:
        turns = [
            {"role": "model", "content": [text("I call."), CALLED]},
            {"role": "user", "content": [step("function_result", call_id="c1", result="it went out")]},
            {"role": "stranger", "content": "anything"},
        ]
        reading = INTERACTIONS.request(doc({"input": turns}))
        assert at(reading, "input", 0, "content", 0, "text").role is Role.ASSISTANT
        assert at(reading, "input", 0, "content", 1, "name").kind is Kind.TOOL_CALL
        assert at(reading, "input", 1, "content", 0, "result").trust is Trust.UNTRUSTED
        assert at(reading, "input", 2, "content").trust is Trust.UNTRUSTED

    def test_only_prose_of_a_result_is_marked_as_data(self) -> None:
        result = {"id": "abc-1", "note": "a note with words"}
        reading = INTERACTIONS.request(doc({"input": [step("function_result", call_id="c", result=result)]}))
        assert not at(reading, "input", 0, "result", "id").wrappable
        assert at(reading, "input", 0, "result", "note").wrappable

    def test_signed_thoughts_are_not_edited(self) -> None:
        assert not at(INTERACTIONS.request(doc(REQUEST)), "input", 1, "summary", 0, "text").editable

    @pytest.mark.parametrize(("data", "texts", "named"), [("UG9pc29u", ["Poison"], []), ("/w==", [], ["file"])])
    def test_a_document_that_is_text_is_read(self, data: str, texts: list[str], named: list[str]) -> None:
        found = INTERACTIONS.request(doc({"input": [{"type": "document", "mime_type": "text/plain", "data": data}]}))
        assert [one.text for one in found.segments if not one.editable] == texts
        assert [one.what for one in found.uninspected] == named

    @pytest.mark.parametrize("key", ["previous_interaction_id", "continuation_token", "cached_content"])
    def test_what_the_provider_keeps_is_named(self, key: str) -> None:
        document = doc({"input": "hi", key: "x" * 400})
        assert unread(INTERACTIONS.request(document)) == [("stored_context", (key,))]
        assert not INTERACTIONS.transcript(document).is_whole

    def test_items_are_read_alone_as_they_are_together(self) -> None:
        document = doc(REQUEST)
        apart = INTERACTIONS.request(document, apart=True)
        assert [part.path for part in apart.parts] == [("input",), ("tools",)]
        items = REQUEST["input"]
        alone = [segment.text for item in items for segment in apart.parts[0].read(doc(item)).segments]
        together = [s.text for s in INTERACTIONS.request(document).segments if s.place.path[0] == "input"]
        assert alone == together

    def test_unknown_members_are_read(self) -> None:
        skipped = ("arguments", "signature", "labels")
        assert_unknown_members_are_read(REQUEST, INTERACTIONS.request, skipped)

    def test_edits_stay_in_place(self) -> None:
        assert_edits_stay_in_place(REQUEST, INTERACTIONS.request)

    @pytest.mark.parametrize("value", [[], "x", 3, {"input": 3}, {"input": [3, None, ["x"]]}, {"tools": {"type": 1}}])
    def test_a_request_of_another_form_is_read_as_it_is(self, value: Any) -> None:
        document = doc(value)
        INTERACTIONS.request(document)
        assert INTERACTIONS.hosted(document) == INTERACTIONS.transcript(document).hosted
        assert INTERACTIONS.leans_on(document) == ()


ANSWER: dict[str, Any] = {
    "id": "int_1",
    "object": "interaction",
    "status": "requires_action",
    "steps": [
        step("thought", summary=[text("They ask.")], **SIGNED),
        step("model_output", content=[text("I send it.", annotations=[{"type": "word_info", "text": "send"}])]),
        step("url_context_call", id="c2", arguments={"urls": ["https://a.example/"]}),
        step("url_context_result", call_id="c2", result=[{"url": "https://a.example/", "status": "success"}]),
        CALLED,
    ],
    "usage": {"total_input_tokens": 9, "total_output_tokens": 12},
    "errors": [{"code": "x", "message": "a warning"}],
}


class TestAnswers:
    def test_texts_are_the_models_and_what_it_found_is_untrusted(self) -> None:
        reading = INTERACTIONS.answer(doc(ANSWER))
        assert at(reading, "steps", 0, "summary", 0, "text").kind is Kind.REASONING
        assert at(reading, "steps", 1, "content", 0, "text").trust is Trust.MODEL
        assert at(reading, "steps", 3, "result", 0, "url").trust is Trust.UNTRUSTED
        assert at(reading, "steps", 4, "arguments", "to").kind is Kind.TOOL_CALL
        assert at(reading, "errors", 0, "message").trust is Trust.UNTRUSTED
        assert unread(reading) == [("word_info", ("steps", 1, "content", 0, "annotations", 0))]

    def test_outputs_of_earlier_revisions_are_read_as_steps(self) -> None:
        reading = INTERACTIONS.answer(doc({"outputs": [text("hi"), CALLED, step("thought", summary=[text("hm")])]}))
        assert at(reading, "outputs", 0, "text").role is Role.ASSISTANT
        assert at(reading, "outputs", 1, "name").kind is Kind.TOOL_CALL
        assert at(reading, "outputs", 2, "summary", 0, "text").kind is Kind.REASONING

    def test_unknown_members_are_read(self) -> None:
        skipped = ("usage", "arguments", "signature", "annotations")
        assert_unknown_members_are_read(ANSWER, INTERACTIONS.answer, skipped)

    def test_an_edited_text_is_cited_nowhere_and_not_spelt_again(self) -> None:
        cited = [
            {"type": "url_citation", "start_index": 3, "end_index": 9, "url": "https://a.example/"},
            {"type": "word_info", "text": "SEKRET", "start_index": 3},
        ]
        document = doc({"steps": [step("model_output", content=[text("a SEKRET", annotations=cited)])]})
        place = at(INTERACTIONS.answer(document), "steps", 0, "content", 0, "text").place
        edits = document.edits([Edit(place, Span(2, 8), "x")])
        left = json.loads(apply(document.raw, [*edits, *INTERACTIONS.after_edit(document, place.path)]))
        assert left["steps"][0]["content"][0] == text(
            "a x",
            annotations=[
                {"type": "url_citation", "start_index": 0, "end_index": 0, "url": "https://a.example/"},
                {"type": "word_info", "text": "", "start_index": 0},
            ],
        )

    @pytest.mark.parametrize("path", [("steps", 0, "summary", 0, "text"), ("errors", 0, "message"), ("steps", 3)])
    def test_an_edit_elsewhere_breaks_nothing(self, path: Any) -> None:
        assert INTERACTIONS.after_edit(doc(ANSWER), path) == ()

    def test_an_edited_annotation_leaves_the_others(self) -> None:
        path = ("steps", 1, "content", 0, "annotations", 0, "text")
        assert INTERACTIONS.after_edit(doc(ANSWER), path) == ()

    def test_a_refusal_is_the_apis_own_error_whose_code_is_a_word(self) -> None:
        error = json.loads(INTERACTIONS.refusal(REFUSAL))["error"]
        assert (error["code"], error["message"]) == ("secret_blocked", REFUSAL.message)


class TestTranscripts:
    def test_no_text_is_left_out(self) -> None:
        assert_no_text_is_left_out(INTERACTIONS, doc(REQUEST))
        assert_turns_are_in_order(INTERACTIONS.transcript(doc(REQUEST)))

    def test_calls_and_results_belong_together(self) -> None:
        told = INTERACTIONS.transcript(doc(REQUEST))
        assert made(told)[:2] == [
            Call("send_mail", {"to": "a@b.example"}, "c1"),
            Call("code_execution", {"code": "print(1)", "language": "python"}, "c2"),
        ]
        assert returned(told)[:3] == [
            ("It went out.", "c1"),
            ("one line", "c2"),
            ("a suggestion", "c3"),
        ]
        assert returned(told)[-1] == ('{"rows":["a row of data"],"count":123456789}', None)
        assert told.is_whole

    def test_functions_are_defined_also_those_found_by_a_search(self) -> None:
        told = INTERACTIONS.transcript(doc(REQUEST))
        assert told.tools == (
            Defined("late", "found late", None, ("input", 12, "result", 0)),
            Defined("send_mail", "Sends mail.", WIDGET, ("tools", 0)),
        )

    def test_turns_of_earlier_revisions_are_told_too(self) -> None:
        turns = [
            {"role": "model", "content": [CALLED]},
            {"role": "user", "content": [step("function_result", call_id="c1", result=[text("gone")]), text("and?")]},
        ]
        told = INTERACTIONS.transcript(doc({"input": turns}))
        assert returned(told) == [("gone", "c1")]
        assert said(told) == [("user/principal/text", "and?")]

    def test_a_call_of_a_strange_type_is_told_whole(self) -> None:
        strange = step("space_call", id="c", target="moon")
        (call,) = made(INTERACTIONS.transcript(doc({"input": [strange]})))
        assert call == Call("space_call", strange, "c", is_readable=False)


IMAGE = {"type": "image", "data": "aGk="}
ANY_NETWORK: list[Any] = [{"allowlist": [{"domain": "a.example"}, "b"]}, {"allowlist": [{}]}, {}, None, 3]


class TestHosted:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"tools": [step("google_search")]}, Hosted("web_search", "google_search", None, ("tools", 0))),
            ({"tools": [step("url_context")]}, Hosted("web_fetch", "url_context", None, ("tools", 0))),
            ({"tools": [step("code_execution")]}, Hosted("code", "code_execution", (), ("tools", 0))),
            ({"tools": [step("google_maps")]}, Hosted("maps", "google_maps", (), ("tools", 0))),
            ({"tools": [step("file_search")]}, Hosted("file_search", "file_search", (), ("tools", 0))),
            ({"tools": [step("computer_use")]}, Hosted("computer", "computer_use", (), ("tools", 0))),
            ({"tools": [step("tool_search")]}, Hosted("tool_search", "tool_search", (), ("tools", 0))),
            ({"tools": [step("time_travel")]}, Hosted("time_travel", "time_travel", None, ("tools", 0))),
            ({"tools": ["x"]}, Hosted("", "", None, ("tools", 0))),
            ({"tools": step("google_search")}, Hosted("web_search", "google_search", None, ("tools",))),
            (
                {"tools": [step("mcp_server", name="docs", url="https://MCP.example/x")]},
                Hosted("mcp", "docs", ("mcp.example",), ("tools", 0)),
            ),
            (
                {"tools": [step("retrieval", retrieval_types=["rag_store"])]},
                Hosted("file_search", "retrieval", (), ("tools", 0)),
            ),
            *(
                ({"tools": [step("retrieval", **asked)]}, Hosted("web_search", "retrieval", None, ("tools", 0)))
                for asked in (
                    {"retrieval_types": ["rag_store", "exa_ai_search"]},
                    {"retrieval_types": ["rag_store"], "parallel_ai_search_config": {}},
                    {"retrieval_types": [3]},
                    {},
                )
            ),
            ({"agent": "deep-research"}, Hosted("agent", "deep-research", None, ("agent",))),
            ({"environment": "env_1"}, Hosted("code", "environment", None, ("environment",))),
            (
                {"environment": {"environment_id": "env_1", "network": "disabled"}},
                Hosted("code", "environment", None, ("environment",)),
            ),
            ({"environment": {"network": "disabled"}}, Hosted("code", "environment", (), ("environment",))),
            (
                {"environment": {"network": {"allowlist": "disabled"}}},
                Hosted("code", "environment", (), ("environment",)),
            ),
            (
                {"environment": {"network": {"allowlist": [{"domain": "Packages.example"}]}}},
                Hosted("code", "environment", ("packages.example",), ("environment",)),
            ),
            *(
                ({"environment": {"network": network}}, Hosted("code", "environment", None, ("environment",)))
                for network in ANY_NETWORK
            ),
            (
                {"webhook_config": {"uris": ["https://hook.example/x"]}},
                Hosted("webhook", "webhook", ("hook.example",), ("webhook_config", "uris", 0)),
            ),
            (
                {"input": [step("user_input", content=[{"type": "image", "uri": "https://img.example/a.png"}])]},
                Hosted("remote_image", "image", ("img.example",), ("input", 0, "content", 0)),
            ),
            (
                {"input": {"type": "document", "uri": "gs://bucket/a.pdf"}},
                Hosted("remote_file", "document", ("storage.googleapis.com",), ("input",)),
            ),
            (
                {
                    "input": [
                        step("function_result", call_id="c", result=[{"type": "video", "uri": "http://v.example"}])
                    ]
                },
                Hosted("remote_file", "video", ("v.example",), ("input", 0, "result", 0)),
            ),
        ],
    )
    def test_what_the_provider_runs_or_fetches_is_named_and_told(self, body: Any, expected: Hosted) -> None:
        document = doc(body)
        assert INTERACTIONS.hosted(document) == (expected,)
        assert {what for what, _ in unread(INTERACTIONS.request(document))} & {"hosted_tool", "image", "file", "video"}

    @pytest.mark.parametrize(
        "body",
        [
            {"tools": [step("function", name="f")]},
            {"tools": [step("tool_search", execution="client")]},
            {"input": [{"type": "image", "uri": "files/abc"}, {"type": "image", "data": "aGk="}]},
            {"agent": None, "environment": None},
            {"webhook_config": "x"},
        ],
    )
    def test_what_the_agent_runs_and_what_the_provider_has_is_not(self, body: Any) -> None:
        assert INTERACTIONS.hosted(doc(body)) == ()

    def test_what_is_put_on_a_machine_from_elsewhere_is_fetched(self) -> None:
        sources = [
            {"type": "repository", "source": "https://git.example/a"},
            {"type": "inline", "content": "print(1)"},
            {"type": "gcs", "source": "gs://bucket/x"},
        ]
        found = INTERACTIONS.hosted(doc({"environment": {"network": "disabled", "sources": sources}}))
        assert [(one.kind, one.hosts) for one in found] == [
            ("code", ()),
            ("remote_file", ("git.example",)),
            ("remote_file", ("storage.googleapis.com",)),
        ]

    def test_the_address_of_an_mcp_server_is_read(self) -> None:
        reading = INTERACTIONS.request(doc({"tools": [step("mcp_server", name="docs", url="https://m.example/?q=x")]}))
        assert at(reading, "tools", 0, "url").text == "https://m.example/?q=x"


class TestRules:
    def told(self, body: Any) -> Any:
        document = doc(body)
        return json.loads(apply(document.raw, INTERACTIONS.instruct(document, "RULES")))

    @pytest.mark.parametrize("key", ["system_instruction", "systemInstruction"])
    def test_they_follow_the_instruction(self, key: str) -> None:
        assert self.told({key: "Be brief.", "input": "hi"}) == {key: "Be brief.\n\nRULES", "input": "hi"}

    @pytest.mark.parametrize("body", [{"input": "hi"}, {"input": "hi", "system_instruction": None}])
    def test_they_are_the_instruction_where_there_is_none(self, body: Any) -> None:
        assert self.told(body) == {"input": "hi", "system_instruction": "RULES"}

    @pytest.mark.parametrize(
        ("given", "left"),
        [
            ("hi", [text("RULES"), text("hi")]),
            ([text("hi")], [text("RULES"), text("hi")]),
            ([IMAGE], [text("RULES"), IMAGE]),
            (
                [{"role": "user", "content": "hi"}],
                [{"role": "user", "content": [text("RULES")]}, {"role": "user", "content": "hi"}],
            ),
            ([CALLED], [step("user_input", content=[text("RULES")]), CALLED]),
        ],
    )
    def test_they_stand_beside_the_data_where_a_prefix_is_cached(self, given: Any, left: Any) -> None:
        assert self.told({"cached_content": "c", "input": given})["input"] == left

    @pytest.mark.parametrize(
        "body",
        [[], {"system_instruction": {"parts": []}}, {"cached_content": "c"}, {"cached_content": "c", "input": {}}],
    )
    def test_a_request_that_cannot_be_told_them_is_refused(self, body: Any) -> None:
        with pytest.raises(Malformed):
            INTERACTIONS.instruct(doc(body), "RULES")


@pytest.mark.parametrize(
    ("family", "method", "path", "generates"),
    [
        ("gemini", "POST", "/v1beta/interactions", True),
        ("gemini", "POST", "/v1/interactions", True),
        ("gemini", "POST", "/V1BETA/Interactions", True),
        ("gemini", "GET", "/v1beta/interactions/int_1", False),
        ("gemini", "DELETE", "/v1beta/interactions/int_1", False),
        ("gemini", "POST", "/v1beta/interactions/int_1/cancel", False),
        ("vertex", "POST", "/v1beta1/projects/p/locations/l/interactions", True),
        ("vertex", "GET", "/v1beta1/projects/p/locations/l/interactions/int_1", False),
    ],
)
def test_its_paths_are_covered_by_the_dialect(family: str, method: str, path: str, generates: bool) -> None:
    endpoint = FAMILIES[family].endpoint(method, path)
    assert (endpoint.dialect, endpoint.coverage, endpoint.generates) == (INTERACTIONS, Coverage.DIALECT, generates)


def test_what_it_costs_is_told_by_the_request_and_by_the_answer() -> None:
    meter = FAMILIES["gemini"].endpoint("POST", "/v1beta/interactions").meter
    assert meter is not None
    asked = meter.asked("/v1beta/interactions", doc({**REQUEST, "background": True}))
    assert (asked.model, asked.output, asked.goes_on) == ("gemini-3.8-flash", 9, True)
    usage = {"total_input_tokens": 5, "total_tool_use_tokens": 4, "total_output_tokens": 10, "total_thought_tokens": 2}
    assert meter.used(doc({"usage": usage})) == {"input": 9, "output": 12, "reasoning": 2}
