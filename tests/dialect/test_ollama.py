"""Ollama: its own spelling of messages, calls and streams."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialect.ollama import INPUTS, OLLAMA
from gateway.errors import Malformed
from gateway.segment import Kind, Place
from gateway.wire.frames import Framing
from tests.dialect.replay import (
    REFUSAL,
    StreamEvent,
    assert_edits_touch_only_their_leaf,
    document,
    event,
    lines,
    made,
    not_read,
    patched,
    play,
    rows,
)

CALL = "assistant/model/tool_call"
DEFINITION = "system/untrusted/tool_definition"
CHAT = document("ollama", "chat_tools", "request.json")
GENERATE = document("ollama", "generate", "request.json")
ANSWER = document("ollama", "generate", "response.json")


def test_a_chat_request() -> None:
    reading = OLLAMA.request(CHAT)
    assert rows(reading) == [
        ("messages.0.content", "What is the weather in Tokyo, as in the picture?", "user/principal/text"),
        ("messages.1.thinking", "Ask the tool.", "assistant/model/reasoning"),
        ("messages.1.tool_calls.0.function.name", "get_weather", CALL + "!"),
        ("messages.1.tool_calls.0.function.arguments.city", "Osaka", CALL),
        ("messages.2.tool_name", "get_weather", "tool/untrusted/tool_result"),
        ("messages.2.content", "11 degrees", "tool/untrusted/tool_resultw"),
        ("tools.0.function.name", "get_weather", DEFINITION + "!"),
        ("tools.0.function.description", "Get the weather in a given city", DEFINITION),
        ("tools.0.function.parameters.properties.city.description", "The city to get the weather for", DEFINITION),
        ("tools.0.function.parameters.required.0", "city", DEFINITION),
        ("format.properties.t.description", "Temperature.", "system/principal/tool_definition"),
    ]
    assert not_read(reading) == [("image", "messages.0.images")]
    assert (reading.model, reading.streaming) == ("llama3.2", True)


def test_a_generate_request() -> None:
    reading = OLLAMA.request(GENERATE)
    assert rows(reading) == [
        ("prompt", "Why is the sky blue?", "user/principal/text"),
        ("suffix", "The end.", "user/principal/text"),
        ("system", "Be brief.", "system/operator/text"),
        ("template", "{{ .Prompt }}", "system/operator/text"),
    ]
    assert not_read(reading) == [("tokens", "context"), ("image", "images")]


@pytest.mark.parametrize(("stream", "streaming"), [({}, True), ({"stream": True}, True), ({"stream": False}, False)])
def test_a_stream_is_the_default(stream: dict[str, bool], streaming: bool) -> None:
    assert OLLAMA.request(made({"prompt": "x", **stream})).streaming is streaming


def test_what_is_embedded() -> None:
    reading = INPUTS.request(made({"model": "m", "input": ["a", "b"], "truncate": True}))
    assert [segment.text for segment in reading.segments] == ["a", "b"]
    assert not reading.streaming
    assert INPUTS.instruct(made({"input": "a"}), "RULES") == ()
    assert INPUTS.answer(made({"embeddings": [[0.1, 0.2]], "model": "m"})).segments == ()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"new": {"x": "t"}}, ("new.x", "t", "user/principal/opaque")),
        ({"messages": [{"role": "new", "content": "t"}]}, ("messages.0.content", "t", "user/untrusted/opaque")),
        ({"messages": [{"role": "tool", "new": "t"}]}, ("messages.0.new", "t", "tool/untrusted/opaque")),
        ({"messages": "t"}, ("messages", "t", "user/principal/opaque")),
    ],
)
def test_no_text_is_skipped_for_its_shape(body: dict[str, Any], found: tuple[str, str, str]) -> None:
    assert found in rows(OLLAMA.request(made(body)))


@pytest.mark.parametrize(
    "body",
    [
        {"Messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"Role": "tool", "content": "x"}]},
        {"messages": [{"role": "tool", "CONTENT": "x"}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"Function": {}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"Name": "f"}}]}]},
        {"prompt": "x", "\u017ftream": True},
    ],
)
def test_a_known_member_in_another_case_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="another case"):
        OLLAMA.request(made(body))


@pytest.mark.parametrize("body", [{"Message": {"content": "x"}}, {"message": {"Content": "x"}}, {"Response": "x"}])
def test_an_answer_is_spelt_as_strictly(body: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="another case"):
        OLLAMA.answer(made(body))
    with pytest.raises(Malformed, match="another case"):
        play(OLLAMA.stream(Framing.LINES), [event(body)])


def test_arguments_may_have_members_of_any_case() -> None:
    call = {"function": {"name": "f", "arguments": {"Name": "x"}}}
    assert OLLAMA.answer(made({"message": {"tool_calls": [call]}})).segments[1].text == "x"


def test_answers() -> None:
    assert rows(OLLAMA.answer(ANSWER)) == [
        ("response", "Because of scattering.", "assistant/model/text"),
        ("thinking", "Rayleigh.", "assistant/model/reasoning"),
    ]
    chat = made({"message": {"role": "assistant", "content": "t", "images": ["iVBO"]}, "done": True})
    assert rows(OLLAMA.answer(chat)) == [("message.content", "t", "assistant/model/text")]
    assert rows(OLLAMA.answer(made({"error": "t"}))) == [("error", "t", "tool/untrusted/opaque")]


def test_edits_touch_only_their_leaf() -> None:
    assert_edits_touch_only_their_leaf(OLLAMA.request(CHAT), CHAT, OLLAMA.request)
    assert_edits_touch_only_their_leaf(OLLAMA.request(GENERATE), GENERATE, OLLAMA.request)
    assert_edits_touch_only_their_leaf(OLLAMA.answer(ANSWER), ANSWER, OLLAMA.answer)


def test_a_stream_of_text() -> None:
    played = play(OLLAMA.stream(Framing.LINES), lines("ollama", "chat_stream", "response.ndjson"))
    assert played.texts == {
        ("message", "thinking"): "Scattering.",
        ("message", "content"): "The sky scatters blue light.",
    }
    assert played.ended
    assert played.usage == {"input": 26, "output": 282}


def test_a_call_in_a_stream_stands_whole_with_its_arguments_as_leaves() -> None:
    played = play(OLLAMA.stream(Framing.LINES), lines("ollama", "chat_tools", "response.ndjson"))
    function = ("message", "tool_calls", 0, "function")
    assert [(d.place, d.text, d.kind) for d in played.wholes] == [
        (Place((*function, "name")), "get_weather", Kind.TOOL_CALL),
        (Place((*function, "arguments", "city")), "Tokyo", Kind.TOOL_CALL),
        (Place((*function, "arguments", "where", "country")), "Japan", Kind.TOOL_CALL),
    ]
    assert played.texts == {}


def test_a_generated_stream() -> None:
    played = play(OLLAMA.stream(Framing.LINES), [event({"response": "a"}), event({"response": "b", "done": True})])
    assert played.texts == {("response",): "ab"}
    assert played.ended


def test_an_error_in_a_stream_ends_it() -> None:
    played = play(OLLAMA.stream(Framing.LINES), [event({"error": "out of memory"})])
    assert [delta.text for delta in played.wholes] == ["out of memory"]
    assert played.ended


@pytest.mark.parametrize(
    "stream",
    [
        [(None, None, b"garbage")],
        [event({"message": {"content": "a"}, "done": True}), event({"message": {"content": "b"}})],
    ],
    ids=["not JSON", "after done"],
)
def test_events_that_cannot_be_trusted_are_refused(stream: list[StreamEvent]) -> None:
    with pytest.raises(Malformed):
        play(OLLAMA.stream(Framing.LINES), stream)


def test_a_cut_chat_ends_in_a_last_line() -> None:
    reader = OLLAMA.stream(Framing.LINES)
    play(reader, lines("ollama", "chat_stream", "response.ndjson")[:2])
    ending = reader.ending(REFUSAL)
    assert ending.endswith(b"}\n")
    assert json.loads(ending) == {
        "model": "qwen3",
        "created_at": "2026-08-04T08:52:19.385406455-07:00",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "content_filter",
    }


def test_a_cut_generate_ends_in_its_own_shape() -> None:
    reader = OLLAMA.stream(Framing.LINES)
    play(reader, [event({"model": "m", "response": "a", "created_at": 7})])
    assert json.loads(reader.ending(REFUSAL)) == {
        "model": "m",
        "created_at": "1970-01-01T00:00:00Z",
        "response": "",
        "done": True,
        "done_reason": "content_filter",
    }


def test_rules_go_to_the_system_message_or_member() -> None:
    assert patched(CHAT, OLLAMA.instruct(CHAT, "RULES"))["messages"][0] == {"role": "system", "content": "RULES"}
    assert patched(GENERATE, OLLAMA.instruct(GENERATE, "RULES"))["system"] == "Be brief.\n\nRULES"


def test_an_edited_answer_loses_its_logprobs() -> None:
    answer = made({"message": {"content": "t"}, "logprobs": [{"token": "t"}]})
    assert patched(answer, OLLAMA.after_edit(answer, ("message", "content")))["logprobs"] == []
    request = made({"messages": [{"content": "t"}], "logprobs": True})
    assert OLLAMA.after_edit(request, ("messages", 0, "content")) == ()


def test_refusals_have_the_shape_of_the_api() -> None:
    assert json.loads(OLLAMA.refusal(REFUSAL))["error"] == REFUSAL.message
