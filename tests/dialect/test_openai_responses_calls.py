"""The calls in answers of the Responses API, and what is left of an answer when some are refused or changed."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response

from gateway.dialect.openai import RESPONSES
from gateway.dialect.openai_responses_calls import MARK
from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.wire.document import parse
from tests.dialect.calling import Decide, decided, given, refused
from tests.dialect.laws import doc

SHELL = {"commands": ["ls"], "timeout_ms": 1000}


def item(kind: str, identity: str = "c1", **held: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"i_{identity}", "call_id": identity, "status": "completed", **held}


def function(name: str, arguments: str = "{}", identity: str = "c1") -> dict[str, Any]:
    return item("function_call", identity, name=name, arguments=arguments)


def answer(*output: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 5,
        "status": "completed",
        "model": "m",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": None,
        "top_p": None,
    } | more


def made(*output: Any, **more: Any) -> list[Call]:
    return [called.call for called in RESPONSES.calls(doc(answer(*output, **more)))]


def after(decide: Decide, *output: Any) -> list[Any]:
    document = doc(answer(*output))
    changed = parse(RESPONSES.changed(document, decided(RESPONSES.calls(document), decide))).value
    Response.model_validate(changed)
    assert {**changed, "output": None} == answer() | {"output": None}
    return list(changed["output"])


WANTED: list[tuple[dict[str, Any], Call]] = [
    (function("f", '{"a": 1}'), Call("f", {"a": 1}, "c1")),
    (function("f", "no JSON"), Call("f", "no JSON", "c1", is_readable=False)),
    (function("f") | {"namespace": "crm"}, Call("crm.f", {}, "c1")),
    (item("custom_tool_call", name="sql", input="SELECT 1"), Call("sql", "SELECT 1", "c1")),
    (item("computer_call", action={"type": "wait"}), Call("computer", {"type": "wait"}, "c1")),
    (item("computer_call", actions=[{"type": "wait"}]), Call("computer", {"actions": [{"type": "wait"}]}, "c1")),
    (
        item("computer_call", action={"type": "wait"}, actions=[]),
        Call("computer", {"action": {"type": "wait"}, "actions": []}, "c1"),
    ),
    (item("local_shell_call", action={"command": ["ls"]}), Call("local_shell", {"command": ["ls"]}, "c1")),
    (item("shell_call", action=SHELL), Call("shell", SHELL, "c1")),
    (item("shell_call", action=SHELL, environment={"type": "local"}), Call("shell", SHELL, "c1")),
    (item("apply_patch_call", operation={"path": "x"}), Call("apply_patch", {"path": "x"}, "c1")),
    (item("tool_search_call", execution="client", arguments={"q": "x"}), Call("tool_search", {"q": "x"}, "c1")),
    (
        {"type": "mcp_approval_request", "id": "m1", "name": "f", "arguments": '{"a": 1}', "server_label": "s"},
        Call("mcp__s__f", {"a": 1}, "m1"),
    ),
    ({"type": "mcp_approval_request", "id": "m1", "name": "f", "arguments": "{}"}, Call("f", {}, "m1")),
]
HOSTED = [
    item("mcp_call", name="f", arguments="{}", server_label="s"),
    item("web_search_call", action={"type": "search", "query": "x"}),
    item("file_search_call", queries=["x"]),
    item("code_interpreter_call", code="1", container_id="c", outputs=None),
    item("image_generation_call", result="AA=="),
    item("shell_call", action=SHELL, environment={"type": "container_reference", "container_id": "c"}),
    item("tool_search_call", execution="server", arguments={}),
    {"type": "program", "id": "p", "call_id": "c", "code": "1", "fingerprint": "x"},
]


@pytest.mark.parametrize(("output", "call"), WANTED)
def test_what_the_agent_is_to_run(output: dict[str, Any], call: Call) -> None:
    assert made(output) == [call]


@pytest.mark.parametrize("output", HOSTED)
def test_what_the_provider_has_run_is_no_call_of_the_agent(output: dict[str, Any]) -> None:
    assert made(output) == []


def test_a_call_of_an_unknown_type_is_the_agents_and_cannot_be_read() -> None:
    new = item("teleport_call", where="there")
    assert made(new) == [Call("teleport_call", new, "i_c1", is_readable=False)]


@pytest.mark.parametrize("output", [1, "x", None, [], {"type": ["x"]}, {"type": "message"}])
def test_what_is_no_call(output: Any) -> None:
    assert made(output) == []


def test_a_compaction_holds_nothing_to_run() -> None:
    assert made(function("f"), object="response.compaction") == []


@pytest.mark.parametrize(("output", "call"), WANTED)
def test_a_message_takes_the_place_of_a_refused_call(output: dict[str, Any], call: Call) -> None:
    before, other = function("other", identity="c0"), function("other", identity="c2")
    (first, left, last) = after(refused(call.name), before, output, other)
    assert (first, last) == (before, other)
    assert left.pop("id").startswith(MARK)
    assert left == {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": f"No `{call.name}`.", "annotations": [], "logprobs": []}],
    }


def test_the_id_of_the_message_follows_from_the_call() -> None:
    ids = [after(refused("f"), function("f", identity=identity))[0]["id"] for identity in ("a", "b", "a")]
    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) <= 64
    anonymous = {"type": "function_call", "name": "f", "arguments": "{}"}
    assert after(refused("f"), anonymous)[0]["id"].startswith(MARK)


@pytest.mark.parametrize(
    ("output", "arguments", "held"),
    [
        (function("f", '{"a": 1}'), {"é": 2}, {"arguments": '{"é":2}'}),
        (item("custom_tool_call", name="f", input="x"), "y", {"input": "y"}),
        (item("local_shell_call", action={"command": ["rm"]}), {"command": ["ls"]}, {"action": {"command": ["ls"]}}),
        (item("shell_call", action=SHELL), {"commands": []}, {"action": {"commands": []}}),
        (item("apply_patch_call", operation={"path": "x"}), {"path": "y"}, {"operation": {"path": "y"}}),
        (item("computer_call", actions=[1]), {"actions": [2]}, {"actions": [2]}),
        (item("computer_call", action=1, actions=[1]), {"action": 2, "actions": [2]}, {"action": 2, "actions": [2]}),
    ],
)
def test_other_arguments_stand_where_those_stood(output: dict[str, Any], arguments: Any, held: dict[str, Any]) -> None:
    document = doc(answer(output))
    changed = RESPONSES.changed(document, decided(RESPONSES.calls(document), lambda _: Change(arguments=arguments)))
    assert parse(changed).get("output", 0) == output | held


@pytest.mark.parametrize(
    "output", [item("teleport_call"), item("shell_call"), item("computer_call", actions=[1]), item("computer_call")]
)
def test_a_call_without_a_place_for_them_takes_none(output: dict[str, Any]) -> None:
    document = doc(answer(output))
    with pytest.raises(Malformed, match="cannot be given other arguments"):
        RESPONSES.changed(document, decided(RESPONSES.calls(document), lambda _: Change(arguments=[1])))


def test_everything_else_stays_byte_for_byte() -> None:
    raw = b'{ "output" :[ {"type": "function_call", "name":"g"} , {"n":1.0e3}], "x":"\\u00e9" }'
    document = parse(raw)
    changed = RESPONSES.changed(document, decided(RESPONSES.calls(document), given({}, "g")))
    assert changed == raw.replace(b'"name":"g"', b'"name":"g","arguments":"{}"')
    assert RESPONSES.changed(document, {}) == raw
