"""What the arguments of calls are taken for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.call import Call, Sink
from gateway.policy.tools.schema_walk import MAX_ALTERNATIVES, root
from gateway.policy.tools.shapes import is_iban, is_sql, shape_of
from gateway.policy.tools.sinks import Taken, arguments_of, taken
from gateway.policy.transcript import Defined


def sinks(name: str, arguments: Any, schema: Any = None, **declared: Sink) -> dict[str, Sink]:
    found = arguments_of(Call(name, arguments), Defined(name, schema=schema), declared)
    return {argument.name: argument.sink for argument in found}


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        (
            "send_email",
            {"to": ["a@b.example"], "cc": "x", "subject": "s", "body": "b"},
            "recipient recipient text text",
        ),
        ("send_email", {"recipients": ["Bob"], "recipientEmail": "x", "emailBody": "y"}, "recipient recipient text"),
        ("send_message", {"channel": "general", "channelId": "C1", "text": "/help"}, "recipient recipient text"),
        ("send_sms", {"phone_number": "1", "toNumber": "2", "message": "m"}, "recipient recipient text"),
        ("invite", {"user_email": "a", "attendees": [{"email": "b", "name": "c"}]}, "recipient recipient recipient"),
        ("post_it", {"reply_to": "a", "send_to": "b", "to_user": "c"}, "recipient recipient account"),
        ("fetch", {"url": "x", "webhookUrl": "y", "endpoint": "z", "host": "h", "ip_address": "1"}, "url " * 5),
        ("read_file", {"path": "a", "filePath": "b", "file_name": "c", "paths": ["d"], "cwd": "e"}, "path " * 5),
        ("move_file", {"source": "a", "destination": "b"}, "path path"),
        ("travel", {"source": "Rome", "destination": "Paris"}, "text text"),
        ("write_file", {"path": "a", "file_content": "b", "encoding": "utf-8", "mode": "w"}, "path text value value"),
        ("attach", {"attachments": [{"file": "a"}, "b"]}, "path path"),
        ("Bash", {"command": "ls", "timeout": 5, "description": "d"}, "command value text"),
        ("terminal", {"input": "ls"}, "command"),
        ("shell", {"code": "ls"}, "command"),
        ("tool", {"cmd": "ls", "commands": ["a", "b"]}, "command command command"),
        ("python", {"code": "1", "language": "python"}, "code value"),
        ("run_python", {"input": "1"}, "code"),
        (
            "tool",
            {"source_code": "1", "country_code": "DE", "promo_code": "X", "exit_code": 1},
            "code value value value",
        ),
        ("execute_sql", {"query": "anything"}, "sql"),
        ("mcp__postgres__query", {"sql": "select 1"}, "sql"),
        ("search", {"query": "delete from memory"}, "sql"),
        ("search", {"query": "how to select a school"}, "text"),
        ("pay", {"amount": 3, "max_price": "4", "iban": "x", "account_number": 5}, "amount amount account account"),
        (
            "pay",
            {"payee": "x", "to_account": "y", "walletAddress": "z", "currency": "EUR"},
            "account account account value",
        ),
        ("delete", {"user_id": 1, "message_ids": ["2"], "repo": "a/b", "force": True}, "account account account value"),
        ("list", {"limit": 5, "cursor": "abc", "q": None}, "value value value"),
        ("cache", {"time_to_live": "x", "added_to_list": "y"}, "value text"),
        ("frob", {"x": "plain words", "y": 1.5}, "text value"),
    ],
)
def test_names_tell_what_arguments_are(tool: str, arguments: Any, expected: str) -> None:
    assert [sink.value for sink in sinks(tool, arguments).values()] == expected.split()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://evil.example/x", "url"),
        ("HTTPS:\\\\evil.example", "url"),
        ("file:///etc/passwd", "url"),
        ("javascript:alert(1)", "url"),
        ("data:text/html,x", "url"),
        ("a.b@c.example", "recipient"),
        ("mailto:a@c.example", "recipient"),
        ("Bob <bob@c.example>", "recipient"),
        ("+49 30 1234567", "recipient"),
        ("DE89370400440532013000", "account"),
        ("GB82 WEST 1234 5698 7654 32", "account"),
        ("/etc/passwd", "path"),
        ("~/.ssh/id_rsa", "path"),
        ("../secret", "path"),
        ("C:\\Users", "path"),
        ("\\\\server\\share", "path"),
        (" /etc/passwd ", "path"),
        ("DE89370400440532013001", "text"),
        ("see https://a.example and tell", "text"),
        ("a/b", "text"),
        ("3 > 2", "text"),
        ("/etc/passwd\nand more", "text"),
        ("", "text"),
        ("https://a.example/" + "x" * 5000, "text"),
    ],
)
def test_the_shape_of_a_value_tells_where_names_do_not(value: str, expected: str) -> None:
    assert sinks("frob", {"thing": value})["thing"] == expected
    assert sinks("frob", {"mode": value})["mode"] == (expected if expected != "text" else "value")


@pytest.mark.parametrize(
    ("schema", "sink", "why"),
    [
        ({"format": "uri"}, Sink.URL, "its format is `uri`"),
        ({"format": "email"}, Sink.RECIPIENT, "its format is `email`"),
        ({"anyOf": [{"type": "null"}, {"format": "file-path"}]}, Sink.PATH, "its format is `file-path`"),
        ({"enum": ["v", "w"]}, Sink.VALUE, "its schema lists what it may be"),
        ({"const": "v"}, Sink.VALUE, "its schema lists what it may be"),
        ({"enum": ["w"]}, Sink.TEXT, "nothing says more"),
        ({"description": "The URL to fetch"}, Sink.URL, "its description says so"),
        ({"title": "Absolute path of the file"}, Sink.PATH, "its description says so"),
        ({"description": "SQL that reads"}, Sink.SQL, "its description says so"),
        ({"description": "The shell command to run"}, Sink.COMMAND, "its description says so"),
        ({"description": "Python code"}, Sink.CODE, "its description says so"),
        ({"description": "Recipient of the mail"}, Sink.RECIPIENT, "its description says so"),
        ({"description": "Account number"}, Sink.ACCOUNT, "its description says so"),
        ({"description": "The amount"}, Sink.AMOUNT, "its description says so"),
        ({"description": "words"}, Sink.TEXT, "nothing says more"),
        ({"format": 3, "title": None}, Sink.TEXT, "nothing says more"),
        (7, Sink.TEXT, "nothing says more"),
    ],
)
def test_the_schema_tells(schema: Any, sink: Sink, why: str) -> None:
    assert taken("frob", ("x",), root(schema), "v") == Taken(sink, why)


def test_a_format_makes_no_target_harmless() -> None:
    schema = {"properties": {"when": {"format": "date"}}}
    assert sinks("frob", {"when": "https://evil.example/"}, schema) == {"when": Sink.URL}
    assert sinks("frob", {"when": "2026-01-01"}, schema) == {"when": Sink.VALUE}


def test_references_and_lists_of_a_schema_are_followed() -> None:
    schema: Any = {
        "$defs": {"a/b": {"format": "email"}, "Loop": {"$ref": "#/$defs/Loop"}},
        "properties": {
            "x": {"type": "array", "items": {"$ref": "#/$defs/a~1b"}},
            "y": {"type": "array", "prefixItems": [{"format": "uri"}], "items": {"format": "email"}},
            "z": {"$ref": "#/$defs/Loop"},
            "w": {"$ref": "https://elsewhere.example/schema"},
            "v": {"additionalProperties": {"format": "uri"}},
            "u": {"$ref": "#"},
        },
    }
    found = sinks("frob", {"x": ["1"], "y": ["1", "2"], "z": "3", "w": "4", "v": {"k": "5"}, "u": {"x": ["6"]}}, schema)
    assert found == {
        "x[0]": Sink.RECIPIENT,
        "y[0]": Sink.URL,
        "y[1]": Sink.RECIPIENT,
        "z": Sink.TEXT,
        "w": Sink.TEXT,
        "v.k": Sink.URL,
        "u.x[0]": Sink.RECIPIENT,
    }


def test_alternatives_are_bounded() -> None:
    schema = {"anyOf": [{"$ref": "#"}] * 100}
    assert len(root(schema).schemas) == MAX_ALTERNATIVES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("to", "recipient"),
        ("message.to", "recipient"),
        (".", "recipient"),
        ("message", "recipient"),
    ],
)
def test_what_is_declared_holds_for_it_and_all_below(name: str, value: str) -> None:
    arguments = {"message": {"to": [{"x": "y"}]}} if name.startswith(("message", ".")) else {"to": [{"x": "y"}]}
    (found,) = arguments_of(Call("frob", arguments), None, {name: Sink(value)})
    assert (found.sink, found.is_declared) == (Sink.RECIPIENT, True)


def test_the_closest_declaration_holds() -> None:
    declared = {"a": Sink.TEXT, "a.b": Sink.PATH}
    found = arguments_of(Call("frob", {"a": {"b": "https://x.example", "c": "/etc"}}), None, declared)
    assert [argument.sink for argument in found] == [Sink.PATH, Sink.TEXT]


@pytest.mark.parametrize(
    ("tool", "text", "sink"),
    [
        ("shell", "ls", Sink.COMMAND),
        ("exec", "ls", Sink.COMMAND),
        ("code_exec", "print(1)", Sink.CODE),
        ("python", "print(1)", Sink.CODE),
        ("note", "some words", Sink.TEXT),
        ("note", "/etc/passwd", Sink.PATH),
    ],
)
def test_free_text_is_what_the_tool_works_on(tool: str, text: str, sink: Sink) -> None:
    assert sinks(tool, text) == {"": sink}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"command": ["bash", "-c", "rm -rf /"]}, [("command", "bash -c 'rm -rf /'")]),
        ({"command": ["ls -la", "rm x"]}, [("command[0]", "ls -la"), ("command[1]", "rm x")]),
        ({"commands": ["ls", "rm"]}, [("commands[0]", "ls"), ("commands[1]", "rm")]),
        ({"command": ["ls"]}, [("command[0]", "ls")]),
        ({"command": "rm", "args": ["-rf", "/ x"]}, [("command", "rm -rf '/ x'")]),
        ({"args": "-rf /", "command": "rm"}, [("command", "rm -rf /")]),
        ({"cmd": "head", "arguments": ["-n", 3]}, [("cmd", "head -n 3")]),
        ({"cmd": "echo", "args": ["it's"]}, [("cmd", "echo 'it'\\''s'")]),
        ({"command": "ls", "args": []}, [("command", "ls ")]),
    ],
)
def test_a_command_in_pieces_is_one_line(arguments: Any, expected: list[tuple[str, str]]) -> None:
    found = arguments_of(Call("Bash", arguments))
    assert [(argument.name, argument.value) for argument in found] == expected
    assert {argument.sink for argument in found} == {Sink.COMMAND}


def test_arguments_of_no_command_stay_what_they_are() -> None:
    assert sinks("frob", {"args": ["a"], "x": "y"}) == {"args[0]": Sink.TEXT, "x": Sink.TEXT}
    assert sinks("shell", {"command": {"a": 1}, "args": {"b": "c"}}) == {"command.a": Sink.VALUE, "args.b": Sink.TEXT}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"tool_input": ' {"path": "a", "to": ["b"]}'},
            {"tool_input": "text", "tool_input.path": "path", "tool_input.to[0]": "recipient"},
        ),
        ({"args": '["~/.ssh"]'}, {"args": "text", "args[0]": "path"}),
        ({"content": '{"path": "a"}'}, {"content": "text"}),
        ({"input": "{path}"}, {"input": "text"}),
        ({"input": "[" * 100_000}, {"input": "text"}),
        ({"input": "[" * 50_000}, {"input": "text"}),
    ],
)
def test_input_that_a_text_holds_is_read(arguments: Any, expected: dict[str, str]) -> None:
    assert sinks("frob", arguments) == expected


def test_keys_where_a_target_is_asked_for_are_values() -> None:
    found = arguments_of(Call("read", {"files": {"/etc/shadow": True}, "flags": {"/etc": 1}}))
    assert [(argument.name, argument.value, argument.sink) for argument in found] == [
        ("files./etc/shadow", "/etc/shadow", Sink.PATH),
        ("files./etc/shadow", True, Sink.VALUE),
        ("flags./etc", 1, Sink.VALUE),
    ]


def test_keys_that_the_schema_names_are_none() -> None:
    schema: Any = {"properties": {"file": {"properties": {"a-b": {}}}}}
    assert len(arguments_of(Call("read", {"file": {"a-b": "x"}}), Defined("read", schema=schema))) == 1
    assert len(arguments_of(Call("read", {"file": {"a-b": "x"}}))) == 2


@pytest.mark.parametrize("text", ["SELECT a FROM b", "(select 1 from x", "drop table x", "WITH a AS (", "grant x to y"])
def test_statements_are_known_by_how_they_begin(text: str) -> None:
    assert is_sql(text)


@pytest.mark.parametrize("text", ["update me on this", "select the best", "create a list", "with love", "drop by"])
def test_english_is_no_statement(text: str) -> None:
    assert not is_sql(text)


def test_check_digits_make_an_iban() -> None:
    assert is_iban("DE89 3704-0044 0532 0130 00")
    assert not is_iban("DE88370400440532013000")
    assert not is_iban("hello")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return sum(map(leaves, value)) if isinstance(value, list) else 1


@given(_JSON, _JSON)
def test_each_leaf_is_an_argument_whatever_the_schema(value: Any, schema: Any) -> None:
    found = arguments_of(Call("frob", value), Defined("frob", schema=schema))
    joined = [argument for argument in found if argument.sink is Sink.COMMAND]
    assert len(found) >= leaves(value) or joined


@given(st.text(max_size=60))
def test_any_text_has_a_shape_or_none(text: str) -> None:
    assert shape_of(text) in {None, Sink.URL, Sink.RECIPIENT, Sink.ACCOUNT, Sink.PATH}
