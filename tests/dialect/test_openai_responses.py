"""The Responses API: what each item, tool and member is, and where rules are appended."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect.openai import RESPONSES
from gateway.dialect.openai_responses import ITEM_TYPES
from gateway.errors import Malformed
from tests.dialect.replay import assert_edits_touch_only_their_leaf, document, made, not_read, patched, rows

CALL = "assistant/model/tool_call"
NAME = CALL + "!"
RESULT = "tool/untrusted/tool_result"
DATA = RESULT + "w"
DEFINITION = "system/untrusted/tool_definition"
SAID = "assistant/model/text"

REQUEST = document("openai_responses", "every_kind", "request.json")
ANSWER = document("openai_responses", "every_kind", "response.json")

type Row = tuple[str, str, str]

# What each item of the transcript's input holds, by its position.
ITEMS: list[tuple[str, list[Row]]] = [
    ("developer", [("content", "Answer in one paragraph.", "system/operator/text")]),
    (
        "user",
        [
            ("content.0.text", "What do these say?", "user/principal/text"),
            ("content.1.image_url", "https://example.com/a.png", "user/principal/opaque"),
            ("content.2.filename", "letter.pdf", "user/untrusted/document"),
            ("content.2.file_url", "https://example.com/letter.pdf", "user/principal/opaque"),
        ],
    ),
    (
        "message",
        [
            ("content.0.text", "A letter.", SAID),
            ("content.0.annotations.0.title", "Letters", SAID),
            ("content.0.annotations.0.url", "https://example.com/letters", SAID),
            ("content.0.annotations.1.filename", "letter.txt", SAID),
            ("content.1.refusal", "I cannot read it aloud.", "assistant/model/refusal"),
        ],
    ),
    (
        "reasoning",
        [
            ("summary.0.text", "Look it up.", "assistant/model/reasoning!"),
            ("content.0.text", "Call the tool.", "assistant/model/reasoning!"),
        ],
    ),
    ("function_call", [("name", "get_weather", NAME), ("arguments>location", "Bogotá", CALL)]),
    ("function_call_output", [("output", "15 °C, light rain", DATA)]),
    ("function_call_output", [("output.0.text", "page one", DATA)]),
    ("custom_tool_call", [("name", "code_exec", NAME), ("input", "print('hello')", CALL)]),
    ("custom_tool_call_output", [("output", "hello", DATA)]),
    (
        "computer_call",
        [
            ("type", "computer", NAME),
            ("action.text", "weather", CALL),
            ("actions.0.keys.0", "CTRL", CALL),
            ("actions.0.keys.1", "L", CALL),
            ("pending_safety_checks.0.id", "cu_sc_1", RESULT),
            ("pending_safety_checks.0.code", "malicious_instructions", RESULT),
            ("pending_safety_checks.0.message", "The page holds instructions.", RESULT),
        ],
    ),
    (
        "computer_call_output",
        [
            ("acknowledged_safety_checks.0.id", "cu_sc_1", RESULT),
            ("acknowledged_safety_checks.0.message", "Seen.", RESULT),
        ],
    ),
    (
        "local_shell_call",
        [
            ("type", "local_shell", NAME),
            ("action.command.0", "ls", CALL),
            ("action.command.1", "-la", CALL),
            ("action.env.HOME", "/home/agent", CALL),
            ("action.working_directory", "/srv", CALL),
        ],
    ),
    ("local_shell_call_output", [("output", "total 0", DATA)]),
    (
        "shell_call",
        [
            ("type", "shell", NAME),
            ("action.commands.0", "cat notes.txt", CALL),
            ("environment.skills.0.name", "notes", DEFINITION + "!"),
            ("environment.skills.0.description", "How to keep notes.", DEFINITION),
            ("environment.skills.0.path", "/skills/notes", DEFINITION + "!"),
        ],
    ),
    ("shell_call_output", [("output.0.stdout", "buy milk", DATA), ("output.0.stderr", "warning: old file", DATA)]),
    (
        "apply_patch_call",
        [
            ("type", "apply_patch", NAME),
            ("operation.path", "notes.txt", CALL),
            ("operation.diff", "-buy milk\n+buy bread", CALL),
        ],
    ),
    ("apply_patch_call_output", [("output", "patched", DATA)]),
    (
        "mcp_list_tools",
        [
            ("server_label", "dice", DEFINITION + "!"),
            ("tools.0.name", "roll", DEFINITION + "!"),
            ("tools.0.description", "Roll some dice.", DEFINITION),
            ("tools.0.input_schema.properties.expression.description", "Such as 2d6.", DEFINITION),
            ("tools.0.annotations.title", "Roller", DEFINITION),
        ],
    ),
    (
        "mcp_approval_request",
        [("server_label", "dice", NAME), ("name", "roll", NAME), ("arguments>expression", "2d4", CALL)],
    ),
    ("mcp_approval_response", [("reason", "Harmless.", "user/principal/text")]),
    (
        "mcp_call",
        [
            ("server_label", "dice", NAME),
            ("name", "roll", NAME),
            ("arguments>expression", "2d6", CALL),
            ("output", "7", DATA),
            ("error.type", "http_error", RESULT),
            ("error.message", "The server is busy.", RESULT),
        ],
    ),
    (
        "web_search_call",
        [
            ("type", "web_search", NAME),
            ("action.query", "letters", CALL),
            ("action.queries.0", "old letters", CALL),
            ("action.sources.0.type", "url", CALL),
            ("action.sources.0.url", "https://example.com/s", CALL),
        ],
    ),
    (
        "file_search_call",
        [
            ("type", "file_search", NAME),
            ("queries.0", "contracts", CALL),
            ("results.0.filename", "contract.md", RESULT),
            ("results.0.text", "The contract ends in May.", DATA),
            ("results.0.attributes.author", "Legal", RESULT),
        ],
    ),
    (
        "code_interpreter_call",
        [("type", "code_interpreter", NAME), ("code", "1 + 1", CALL), ("outputs.0.logs", "2", DATA)],
    ),
    ("image_generation_call", [("type", "image_generation", NAME), ("revised_prompt", "A grey cat.", SAID)]),
    ("tool_search_call", [("type", "tool_search", NAME), ("arguments.goal", "Find the shipping tool.", CALL)]),
    (
        "tool_search_output",
        [("tools.0.name", "ship", DEFINITION + "!"), ("tools.0.description", "Ship a parcel.", DEFINITION)],
    ),
    ("program", [("code", "await ship()", CALL)]),
    ("program_output", [("result", "shipped", DATA)]),
    ("compaction", []),
    ("item_reference", []),
    ("a reference without a type", []),
    ("message", [("content", "And now?", "user/principal/text")]),
]


@pytest.mark.parametrize(("position", "expected"), [(n, found) for n, (_, found) in enumerate(ITEMS)])
def test_items_of_a_request(position: int, expected: list[Row]) -> None:
    prefix = f"input.{position}."
    found = [
        (where.removeprefix(prefix), text, voice)
        for where, text, voice in rows(RESPONSES.request(REQUEST))
        if where.startswith(prefix)
    ]
    assert found == expected


def test_the_table_holds_every_item_of_the_transcript() -> None:
    items = REQUEST.get("input")
    assert [item.get("type") for item in items if "type" in item] == [kind for kind, _ in ITEMS if kind in ITEM_TYPES]
    assert len(items) == len(ITEMS)


def test_the_rest_of_a_request() -> None:
    reading = RESPONSES.request(REQUEST)
    assert [row for row in rows(reading) if not row[0].startswith("input.")] == [
        ("instructions", "You are a helpful assistant.", "system/operator/text"),
        ("prompt.variables.customer", "Jane Doe", "user/principal/text"),
        ("tools.0.name", "get_weather", DEFINITION + "!"),
        ("tools.0.description", "Get the weather.", DEFINITION),
        ("tools.0.parameters.properties.location.description", "The city.", DEFINITION),
        ("tools.1.name", "code_exec", DEFINITION + "!"),
        ("tools.1.description", "Run Python.", DEFINITION),
        ("tools.1.format.definition", ".+", DEFINITION),
        ("tools.2.name", "crm", DEFINITION + "!"),
        ("tools.2.description", "Customer tools.", DEFINITION),
        ("tools.2.tools.0.name", "find", DEFINITION + "!"),
        ("tools.2.tools.0.description", "Find a customer.", DEFINITION),
        ("tools.3.server_label", "dice", DEFINITION + "!"),
        ("tools.3.server_description", "A server that rolls dice.", DEFINITION),
        ("tools.4.user_location.type", "approximate", DEFINITION),
        ("tools.4.user_location.city", "London", DEFINITION),
        ("tools.9.environment.skills.0.name", "csv", DEFINITION + "!"),
        ("tools.9.environment.skills.0.description", "Reads tables.", DEFINITION),
        ("tools.12.description", "Finds tools.", DEFINITION),
        ("text.format.name", "report", "system/principal/tool_definition"),
        ("text.format.description", "A short report.", "system/principal/tool_definition"),
        ("text.format.schema.properties.summary.description", "One sentence.", "system/principal/tool_definition"),
        ("metadata.ticket", "T-7", "user/principal/opaque"),
        ("user", "user-1234", "user/principal/opaque"),
    ]
    assert (reading.model, reading.streaming) == ("gpt-5.4", False)


def test_what_is_not_inspected_in_a_request_is_named() -> None:
    assert not_read(RESPONSES.request(REQUEST)) == [
        ("image", "input.1.content.1"),
        ("file", "input.1.content.2"),
        ("audio", "input.1.content.3"),
        ("encrypted_content", "input.3.encrypted_content"),
        ("image", "input.6.output.1"),
        ("image", "input.10.output"),
        ("image", "input.23.outputs.1"),
        ("image", "input.24.result"),
        ("encrypted_content", "input.29.encrypted_content"),
        ("stored_context", "input.30"),
        ("stored_context", "input.31"),
        ("stored_context", "previous_response_id"),
        ("stored_context", "conversation"),
        ("stored_context", "prompt"),
        ("file", "prompt.variables.letter"),
        *(("hosted_tool", f"tools.{n}") for n in (3, 4, 5, 6, 7)),
        ("image", "tools.7.input_image_mask"),
        ("hosted_tool", "tools.8"),
        ("hosted_tool", "tools.9"),
        ("file", "tools.9.environment.skills.0.source"),
        ("hosted_tool", "tools.12"),
    ]


def test_items_of_an_answer_are_read_alike_but_for_reasoning_which_may_be_edited() -> None:
    found = rows(RESPONSES.answer(ANSWER))
    assert ("output.1.summary.0.text", "Look it up.", "assistant/model/reasoning") in found
    asked = {text for where, text, _ in rows(RESPONSES.request(REQUEST)) if where.startswith("input.")}
    not_answered = {"What do these say?", "letter.pdf", "Answer in one paragraph.", "Harmless.", "And now?"}
    not_answered |= {"notes", "How to keep notes.", "/skills/notes"}
    not_answered |= {"https://example.com/a.png", "https://example.com/letter.pdf"}
    assert {text for _, text, _ in found} == asked - not_answered


def test_the_echo_of_the_request_in_an_answer_is_not_read_again() -> None:
    assert not [row for row in rows(RESPONSES.answer(ANSWER)) if not row[0].startswith("output.")]


def test_edits_touch_only_their_leaf() -> None:
    assert_edits_touch_only_their_leaf(RESPONSES.request(REQUEST), REQUEST, RESPONSES.request)
    assert_edits_touch_only_their_leaf(RESPONSES.answer(ANSWER), ANSWER, RESPONSES.answer)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"input": "Hello"}, ("input", "Hello", "user/principal/text")),
        ({"items": [{"role": "user", "content": "Hi"}]}, ("items.0.content", "Hi", "user/principal/text")),
        ({"input": [{"type": "new_output", "x": "b"}]}, ("input.0.x", "b", "user/untrusted/opaque")),
        ({"input": [{"role": "new", "content": "b"}]}, ("input.0.content", "b", "user/untrusted/opaque")),
        ({"input": [{"text": "b"}]}, ("input.0.text", "b", "user/untrusted/opaque")),
        ({"input": ["b"]}, ("input.0", "b", "user/untrusted/opaque")),
        ({"input": [{"type": "function_call", "new": "b"}]}, ("input.0.new", "b", "user/untrusted/opaque")),
        (
            {"input": [{"role": "assistant", "content": "x", "new": "b"}]},
            ("input.0.new", "b", "assistant/model/opaque"),
        ),
        ({"new": {"x": "b"}}, ("new.x", "b", "user/principal/opaque")),
        ({"prompt": {"id": "p", "variables": "b"}}, ("prompt.variables", "b", "user/principal/opaque")),
        ({"tools": [{"type": "new", "x": "b"}]}, ("tools.0.x", "b", DEFINITION)),
        ({"tool_choice": {"type": "function", "name": "b"}}, ("tool_choice.name", "b", DEFINITION + "!")),
    ],
)
def test_no_text_is_skipped_for_its_shape(body: dict[str, Any], found: Row) -> None:
    assert found in rows(RESPONSES.request(made(body)))


def test_credentials_for_hosted_tools_are_not_read_as_text() -> None:
    texts = [segment.text for segment in RESPONSES.request(REQUEST).segments]
    assert "tok" not in texts
    assert "k" not in texts


def test_ambiguous_arguments_are_refused() -> None:
    with pytest.raises(Malformed):
        RESPONSES.request(made({"input": [{"type": "function_call", "arguments": '{"a": "x", "a": "y"}'}]}))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": "x"}, {"input": "x", "instructions": "RULES"}),
        ({"instructions": "Be brief."}, {"instructions": "Be brief.\n\nRULES"}),
        ({"instructions": None}, {"instructions": "RULES"}),
        ({"prompt": {"id": "p"}}, {"prompt": {"id": "p"}, "instructions": "RULES"}),
        (
            {"input": [{"role": "developer", "content": "A"}]},
            {"input": [{"role": "developer", "content": "A"}], "instructions": "RULES"},
        ),
    ],
)
def test_rules_go_to_the_instructions(body: Any, expected: Any) -> None:
    asked = made(body)
    assert patched(asked, RESPONSES.instruct(asked, "RULES")) == expected


def test_rules_have_no_place_in_what_is_no_object() -> None:
    assert RESPONSES.instruct(made([]), "RULES") == ()
