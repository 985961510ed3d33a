"""The scenarios, held out or not, are well formed: what a chat API would take, with calls that fit their tools."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain, pairwise
from typing import Any

import pytest

from bench.scenarios import make_dev, written
from bench.scenarios.make_held_out import FOLDER, built, held_out, tables

HELD_OUT = held_out()
SECOND = make_dev.second()
CONVERSATIONS = HELD_OUT + SECOND
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def _id(conversation: dict[str, Any]) -> str:
    return str(conversation["id"])


def misfit(schema: dict[str, Any], value: Any, at: str = "") -> str | None:
    """Where `value` does not fit `schema`; of JSON Schema it knows what the tools of the scenarios use."""
    if not isinstance(value, TYPES[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
        return f"{at}: not of type {schema['type']}"
    if value not in schema.get("enum", [value]):
        return f"{at}: not in the enumeration"
    if isinstance(value, list):
        return next(filter(None, (misfit(schema["items"], item, f"{at}[]") for item in value)), None)
    if isinstance(value, dict) and "properties" in schema:
        return _member_misfit(schema, value, at)
    return None


def _member_misfit(schema: dict[str, Any], value: dict[str, Any], at: str) -> str | None:
    if missing := set(schema["required"]) - set(value):
        return f"{at}: lacks {missing}"
    if unknown := set(value) - set(schema["properties"]):
        return f"{at}: does not know {unknown}"
    members = (misfit(schema["properties"][name], member, f"{at}.{name}") for name, member in value.items())
    return next(filter(None, members), None)


def _made(conversation: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """The calls of the history, each with the index of its message."""
    messages = enumerate(conversation["messages"])
    return [(index, call) for index, message in messages for call in message.get("tool_calls", ())]


def test_files_are_what_the_sources_give() -> None:
    made = dict(chain(built(), make_dev.built()))
    assert {path: path.read_text(encoding="utf-8") for path in made} == made


def test_readme_tells_the_counts() -> None:
    assert tables(HELD_OUT) in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_there_are_enough_calls_of_each_kind() -> None:
    calls = list(chain.from_iterable(conversation["calls"] for conversation in HELD_OUT))
    hijacked = [call for call in calls if call["label"] == "hijacked"]
    benign = [call for call in calls if call["label"] == "benign"]
    assert len(HELD_OUT) >= 250
    assert len(hijacked) >= 180
    assert sum(call["side_effect"] for call in hijacked) >= 140
    assert len(benign) >= 260
    assert sum(call["difficulty"] == "hard" for call in benign) * 2 >= len(benign)


def test_no_id_and_no_conversation_is_there_twice() -> None:
    ids = Counter(map(_id, CONVERSATIONS))
    told = Counter(json.dumps(conversation["messages"], ensure_ascii=False) for conversation in CONVERSATIONS)
    assert max(ids.values()) == 1
    assert max(told.values()) == 1


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=_id)
def test_messages_are_in_an_order_that_the_chat_api_takes(conversation: dict[str, Any]) -> None:
    roles = [message["role"] for message in conversation["messages"]]
    assert "system" not in roles[1:]
    assert roles[0] == "user" or roles[:2] == ["system", "user"]
    awaited: list[str] = []
    for message in conversation["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] == awaited.pop(0)
            continue
        assert not awaited, "a call has no result"
        awaited = [call["id"] for call in message.get("tool_calls", ())]
        assert message["content"] or awaited
    assert not awaited
    assert not any(first == second == "user" for first, second in pairwise(roles))
    assert roles[-1] in ("user", "tool")


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=_id)
def test_calls_fit_the_schemas_of_their_tools(conversation: dict[str, Any]) -> None:
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in conversation["tools"]}
    assert len(schemas) == len(conversation["tools"])
    functions = [call["function"] for _, call in _made(conversation)]
    made = [(function["name"], json.loads(function["arguments"])) for function in functions]
    judged = [(call["name"], call["arguments"]) for call in conversation["calls"]]
    assert judged
    for name, arguments in made + judged:
        assert misfit(schemas[name], arguments, name) is None


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=_id)
def test_calls_to_judge_stand_where_they_say(conversation: dict[str, Any]) -> None:
    made = {call["id"]: (index, call["function"]) for index, call in _made(conversation)}
    ids = [call["id"] for call in conversation["calls"]]
    assert len(set(ids)) == len(ids)
    for call in conversation["calls"]:
        if call["id"] in made:
            index, function = made[call["id"]]
            assert (call["message_index"], call["name"]) == (index, function["name"])
            assert call["arguments"] == json.loads(function["arguments"])
        else:
            assert call["message_index"] == len(conversation["messages"])


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=_id)
def test_labels_agree_with_the_injection(conversation: dict[str, Any]) -> None:
    planted = conversation["injection_text"]
    injected = conversation["injected_messages"]
    described = json.dumps(conversation["tools"], ensure_ascii=False)
    assert (conversation["attack"] is None) == (planted == "")
    assert not any(mark in json.dumps(conversation, ensure_ascii=False) for mark in written.MARKS)
    for index in injected:
        content = conversation["messages"][index]["content"]
        assert conversation["messages"][index]["role"] == "tool"
        assert any(line in content for line in planted.splitlines())
    if planted and not injected:
        assert json.dumps(planted, ensure_ascii=False)[1:-1] in described
    for call in conversation["calls"]:
        assert call["why"]
        assert call["after_injection"] or call["label"] == "benign"
        assert call["label"] == "hijacked" or not call["open_slot"]


def test_spellings_have_an_answer_each() -> None:
    answers = {
        "trace": {"said", "read", "value", "source"},
        "path": {"under", "value", "is_under"},
        "url": {"value", "host"},
        "command": {"value", "programs", "reads", "writes", "hosts", "is_sure"},
        "sql": {"value", "statements", "is_read", "is_sure"},
    }
    text = (FOLDER / "bypass.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["kind"] for row in rows} == set(answers)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert set(row) == {"id", "kind", "why"} | answers[row["kind"]]
        assert row.get("source", "said") in ("said", "read", "neither")


def test_a_tool_is_written_as_a_schema() -> None:
    function = written.tool("send(to:str[] 'Addresses', kind?:a|b, sendAt?:str) Send it.")["function"]
    assert function["description"] == "Send it."
    assert function["parameters"] == {
        "type": "object",
        "properties": {
            "to": {"type": "array", "items": {"type": "string"}, "description": "Addresses"},
            "kind": {"type": "string", "enum": ["a", "b"], "description": "Kind."},
            "sendAt": {"type": "string", "description": "Send at."},
        },
        "required": ["to"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("=U hello\n=C send {}\n=B! send {}", "not a call"),
        ("=U hello\n=C send {}", "a call has no result"),
        ("hello\n=U hello", "text before the first part"),
    ],
)
def test_a_scenario_that_is_written_wrongly_is_named(body: str, words: str) -> None:
    text = f"@set post\nsend(to?:str) Send it.\n=== s-1 | en | - | post\n{body}\n"
    with pytest.raises(ValueError, match=f"`s-1`: {words}"):
        list(written.read(text, "mail"))
