"""What a request of Responses tells of the conversation: nothing is left out, and results are of their calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from gateway.dialect.openai import RESPONSES
from gateway.dialect.openai_sockets import RealtimeSocket, ResponsesSocket
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Said, Transcript
from gateway.segment import Kind, Role, Trust
from tests.dialect.laws import MARK, doc
from tests.dialect.replay import document
from tests.dialect.telling import assert_no_text_is_left_out, assert_turns_are_in_order, made, returned, said
from tests.dialect.test_openai_chat_transcript import disturbed
from tests.dialect.test_openai_responses_calls import HOSTED, WANTED, function, item


def told(*items: Any, **more: Any) -> Transcript:
    return RESPONSES.transcript(doc({"model": "m", "input": list(items), **more}))


def output(kind: str, held: Any, identity: str = "c1") -> dict[str, Any]:
    return {"type": f"{kind}_output", "call_id": identity, "output": held}


def test_turns_stand_in_order_each_with_its_item() -> None:
    call = Call("f", {"a": 1}, "c1")
    assert told(
        {"role": "user", "content": [{"type": "input_text", "text": "Do."}, {"type": "input_file", "filename": "x"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Well."}]},
        function("f", '{"a": 1}'),
        output("function_call", "done"),
        instructions="Be brief.",
    ).turns == (
        Said("Do.", Role.USER, Trust.PRINCIPAL),
        Said("x", Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT),
        Said("Well.", Role.ASSISTANT, Trust.MODEL, message=1),
        Made(call, 2),
        Returned("done", call, 3),
        Said("Be brief.", Role.SYSTEM, Trust.OPERATOR),
    )


def test_an_input_of_one_text_is_the_users() -> None:
    assert said(RESPONSES.transcript(doc({"input": "Do."}))) == [("user/principal/text", "Do.")]


@pytest.mark.parametrize(("call", "value"), WANTED)
def test_calls_of_every_form(call: dict[str, Any], value: Call) -> None:
    assert made(told(call)) == [value]
    assert_no_text_is_left_out(RESPONSES, doc({"input": [call]}))


@pytest.mark.parametrize("call", HOSTED)
def test_calls_of_the_providers_own_tools(call: dict[str, Any]) -> None:
    assert len(made(told(call))) == 1


def test_a_call_of_an_unknown_type_holds_its_item() -> None:
    call = item("teleport_call", where=MARK)
    (one,) = made(told(call))
    assert (one.name, one.arguments, one.is_readable) == ("teleport_call", call, False)


@pytest.mark.parametrize(
    ("kind", "held", "text"),
    [
        ("function_call", "x", "x"),
        ("function_call", [{"type": "input_text", "text": "x"}, {"type": "input_text", "text": "y"}], "x\ny"),
        ("custom_tool_call", "x", "x"),
        ("computer_call", {"type": "computer_screenshot", "image_url": "data:,"}, ""),
        ("shell_call", [{"stdout": "x", "stderr": "y", "outcome": {"type": "exit", "exit_code": 0}}], "x\ny"),
        ("apply_patch_call", "x", "x"),
        ("teleport_call", "x", "x"),
    ],
)
def test_results_of_every_form(kind: str, held: Any, text: str) -> None:
    assert returned(told(function("f"), output(kind, held))) == [(text, "c1")]


def test_the_result_of_a_local_shell_may_name_its_call_by_the_items_id() -> None:
    call = item("local_shell_call", action={"command": ["ls"]})
    assert returned(told(call, {"type": "local_shell_call_output", "id": "i_c1", "output": "x"})) == [("x", "c1")]


def test_a_result_of_no_call_is_of_none() -> None:
    assert returned(told(function("f"), output("function_call", "x", "other"))) == [("x", None)]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (item("mcp_call", name="f", arguments="{}", output="x", error=None), "x"),
        (item("mcp_call", name="f", arguments="{}", output=None, error={"message": "broken"}), "broken"),
        (item("file_search_call", queries=["q"], results=[{"text": "x", "filename": "y"}]), "x\ny"),
        (item("code_interpreter_call", code="1", outputs=[{"type": "logs", "logs": "x"}]), "x"),
        (
            item("web_search_call", action={"type": "search", "query": "q", "sources": ["https://x.example"]}),
            "https://x.example",
        ),
    ],
)
def test_what_the_providers_own_tools_returned(call: dict[str, Any], text: str) -> None:
    transcript = told(call)
    assert returned(transcript) == [(text, "c1")]
    assert text not in repr(made(transcript)[0].arguments)


def test_what_stands_in_a_call_beside_its_arguments_was_said() -> None:
    assert said(told(function("f") | {"x_new": MARK})) == [("user/untrusted/opaque", MARK)]


class TestTools:
    def test_of_every_form(self) -> None:
        schema = {"type": "object"}
        inner = {"type": "function", "name": "find", "description": "Finds.", "parameters": schema}
        tools = [
            {"type": "function", "name": "f", "description": "Does f.", "parameters": schema},
            {"type": "custom", "name": "sql"},
            {"type": "namespace", "name": "crm", "description": "d", "tools": [inner, "x"]},
            {"type": "local_shell"},
            {"type": "apply_patch"},
            {"type": "shell", "environment": {"type": "local"}},
            {"type": "computer_use_preview"},
        ]
        assert told(tools=tools).tools == (
            Defined("f", "Does f.", schema, ("tools", 0)),
            Defined("sql", "", None, ("tools", 1)),
            Defined("crm.find", "Finds.", schema, ("tools", 2, "tools", 0)),
            Defined("local_shell", path=("tools", 3)),
            Defined("apply_patch", path=("tools", 4)),
            Defined("shell", path=("tools", 5)),
            Defined("computer", path=("tools", 6)),
        )

    @pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
    def test_that_come_in_items(self, kind: str) -> None:
        tools = [
            {"type": "function", "name": "f"},
            {"type": "mcp", "server_label": "s", "server_url": "https://s.example"},
        ]
        transcript = told({"type": kind, "tools": tools})
        assert transcript.tools == (Defined("f", "", None, ("input", 0, "tools", 0)),)
        assert transcript.hosted == (Hosted("mcp", "s", ("s.example",), ("input", 0, "tools", 1)),)

    def test_that_a_server_was_found_to_offer(self) -> None:
        tool = {"name": "roll", "description": "Rolls.", "input_schema": {"type": "object"}}
        transcript = told({"type": "mcp_list_tools", "server_label": "s", "tools": [tool, 1]})
        assert transcript.tools == (Defined("mcp__s__roll", "Rolls.", {"type": "object"}, ("input", 0, "tools", 0)),)


ALLOWED = {"type": "allowlist", "allowed_domains": ["A.example", "b.example"]}


@pytest.mark.parametrize(
    ("tool", "kind", "hosts"),
    [
        ({"type": "web_search"}, "web_search", None),
        ({"type": "web_search", "filters": {"allowed_domains": ["A.example"]}}, "web_search", ("a.example",)),
        ({"type": "web_search", "filters": {"allowed_domains": []}}, "web_search", None),
        ({"type": "web_search", "filters": {"allowed_domains": ["a.example", ""]}}, "web_search", None),
        ({"type": "web_search", "filters": {"blocked_domains": ["a.example"]}}, "web_search", None),
        ({"type": "web_search", "external_web_access": False}, "web_search", ()),
        ({"type": "web_search_preview_2025_03_11"}, "web_search", None),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, "code", ()),
        ({"type": "code_interpreter", "container": "cntr_1"}, "code", None),
        ({"type": "code_interpreter", "container": {"type": "auto", "network_policy": 1}}, "code", None),
        ({"type": "code_interpreter", "container": {"type": "auto", "network_policy": ALLOWED}}, "code",
         ("a.example", "b.example")),
        ({"type": "shell", "environment": {"type": "container_auto"}}, "shell", ()),
        ({"type": "shell", "environment": {"type": "container_auto", "network_policy": {"type": "disabled"}}}, "shell",
         ()),
        ({"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}, "shell", None),
        ({"type": "shell"}, "shell", None),
        ({"type": "file_search", "vector_store_ids": ["v"]}, "file_search", ()),
        ({"type": "image_generation"}, "image", ()),
        ({"type": "programmatic_tool_calling"}, "code", ()),
        ({"type": "tool_search"}, "tool_search", ()),
        ({"type": "computer_use_preview"}, "computer", None),
        ({"type": "computer"}, "computer", None),
        ({"type": "teleport"}, "teleport", None),
    ],
)  # fmt: skip
def test_tools_that_the_provider_runs(tool: dict[str, Any], kind: str, hosts: tuple[str, ...] | None) -> None:
    assert told(tools=[tool]).hosted == (Hosted(kind, tool["type"], hosts, ("tools", 0)),)


@pytest.mark.parametrize(
    ("tool", "hosted"),
    [
        ({"server_url": "https://S.example/mcp"}, Hosted("mcp", "s", ("s.example",), ("tools", 0))),
        ({"tunnel_id": "t"}, Hosted("mcp", "s", None, ("tools", 0))),
        ({"connector_id": "connector_gmail"}, Hosted("connector", "s", None, ("tools", 0))),
    ],
)
def test_servers_that_the_provider_calls(tool: dict[str, Any], hosted: Hosted) -> None:
    assert told(tools=[{"type": "mcp", "server_label": "s", **tool}]).hosted == (hosted,)


def test_a_server_in_a_namespace_is_called_too() -> None:
    tool = {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}
    (hosted,) = told(tools=[{"type": "namespace", "name": "n", "tools": [tool]}]).hosted
    assert hosted.path == ("tools", 0, "tools", 0)


@pytest.mark.parametrize("tool", [{"type": "shell", "environment": {"type": "local"}}, {"type": "local_shell"}, "x"])
def test_what_the_agent_runs_is_not_run_by_the_provider(tool: Any) -> None:
    assert told(tools=[tool]).hosted == ()


def test_what_the_provider_fetches() -> None:
    parts = [
        {"type": "input_image", "image_url": "https://a.example/x"},
        {"type": "input_file", "file_url": "https://b.example/x"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
    ]
    mask = {"type": "image_generation", "input_image_mask": {"image_url": "https://c.example"}}
    call = function("f") | {"arguments": {"image_url": "https://d.example"}}
    found = told({"role": "user", "content": parts}, output("function_call", parts[:1]), call, tools=[mask]).hosted
    assert [(one.kind, one.hosts) for one in found if one.kind != "image"] == [
        ("remote_image", ("a.example",)),
        ("remote_file", ("b.example",)),
        ("remote_image", ("a.example",)),
        ("remote_image", ("c.example",)),
    ]


class TestWhole:
    def test_a_request_that_holds_the_conversation_is_whole(self) -> None:
        thought = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"}
        assert told(thought, function("f"), previous_response_id=None).is_whole

    @pytest.mark.parametrize(
        "more",
        [
            {"previous_response_id": "resp_1"},
            {"conversation": "conv_1"},
            {"prompt": {"id": "p"}},
            {"context_management": [{"type": "compaction"}]},
        ],
    )
    def test_a_request_that_leans_on_what_the_provider_keeps_is_not(self, more: Any) -> None:
        assert not told(**more).is_whole

    @pytest.mark.parametrize(
        "one", [{"type": "item_reference", "id": "i"}, {"id": "i"}, {"type": "compaction", "encrypted_content": "x"}]
    )
    def test_an_item_that_stands_for_others_is_not(self, one: Any) -> None:
        assert not told(one).is_whole


class TestSessions:
    def test_a_request_in_a_session_is_told_as_any(self) -> None:
        message = {"type": "response.create", "input": [{"role": "user", "content": "Do."}]}
        transcript = ResponsesSocket().transcript(doc(message))
        assert said(transcript) == [("user/principal/text", "Do.")]
        assert transcript.is_whole

    @pytest.mark.parametrize(
        "message",
        [
            {"type": "conversation.item.create", "item": output("function_call", "x")},
            {"type": "response.create", "response": {"input": [output("function_call", "x")]}},
        ],
    )
    def test_a_realtime_event_is_a_part_of_what_the_server_keeps(self, message: Any) -> None:
        transcript = RealtimeSocket().transcript(doc(message))
        assert returned(transcript) == [("x", None)]
        assert not transcript.is_whole

    def test_what_the_provider_of_a_realtime_session_runs(self) -> None:
        tool = {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}
        message = doc({"type": "session.update", "session": {"tools": [tool]}})
        hosted = (Hosted("mcp", "s", ("s.example",), ("session", "tools", 0)),)
        assert RealtimeSocket().hosted(message) == RealtimeSocket().transcript(message).hosted == hosted

    def test_the_tools_of_a_realtime_session(self) -> None:
        tool = {"type": "function", "name": "f", "parameters": {}}
        message = {"type": "session.update", "session": {"instructions": "Be brief.", "tools": [tool]}}
        transcript = RealtimeSocket().transcript(doc(message))
        assert transcript.tools == (Defined("f", "", {}, ("session", "tools", 0)),)
        assert said(transcript) == [("system/operator/text", "Be brief.")]


EVERY_KIND = document("openai_responses", "every_kind", "request.json")


def test_no_text_is_left_out() -> None:
    assert_no_text_is_left_out(RESPONSES, EVERY_KIND)
    assert_turns_are_in_order(RESPONSES.transcript(EVERY_KIND))


@settings(max_examples=100, deadline=None)
@given(disturbed(EVERY_KIND.value))
def test_no_text_is_left_out_of_any_body(value: Any) -> None:
    assert_no_text_is_left_out(RESPONSES, doc(value))
    assert_turns_are_in_order(RESPONSES.transcript(doc(value)))


@pytest.mark.parametrize("value", [[], "x", 1, None, {"input": 7}, {"input": ["x", 1]}, {"tools": "x"}])
def test_a_body_of_another_form_is_read_as_text(value: Any) -> None:
    assert_no_text_is_left_out(RESPONSES, doc(value))
