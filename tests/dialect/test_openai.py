"""What all endpoints of the OpenAI API share: answers read by what they are, edits, refusals; and smaller bodies."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.dialect.base import Dialect
from gateway.dialect.openai import (
    AUDIO,
    CHAT,
    COMPLETIONS,
    IMAGES,
    INPUTS,
    RESPONSES,
    REST,
    SPEECH,
    OpenAI,
    after_edit,
)
from gateway.dialect.openai_batch import BATCH
from gateway.segment import Path
from gateway.wire.frames import Framing
from tests.dialect.replay import REFUSAL, document, event, events, made, not_read, patched, play, rows

SAID = "assistant/model/text"
FOUND = "tool/untrusted/tool_result"
UNKNOWN = "tool/untrusted/opaque"
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]}
COMPLETION = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "t"}}]}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (COMPLETION, [("choices.0.message.content", "t", SAID)]),
        ({"choices": COMPLETION["choices"]}, [("choices.0.message.content", "t", SAID)]),
        ({"object": "list", "data": [COMPLETION]}, [("data.0.choices.0.message.content", "t", SAID)]),
        ({"object": "response", "output": [MESSAGE]}, [("output.0.content.0.text", "t", SAID)]),
        ({"object": "response.compaction", "output": [MESSAGE]}, [("output.0.content.0.text", "t", SAID)]),
        ({"object": "list", "data": [MESSAGE], "has_more": False}, [("data.0.content.0.text", "t", SAID)]),
        (MESSAGE, [("content.0.text", "t", SAID)]),
        (
            {"object": "list", "data": [{"id": "m", "role": "user", "content": "t"}]},
            [("data.0.content", "t", "user/principal/text"), ("data.0.id", "m", "user/principal/opaque")],
        ),
        (
            {"object": "list", "data": [{"id": "m", "role": "assistant", "content": "t"}]},
            [("data.0.content", "t", SAID)],
        ),
        ({"object": "list", "data": [{"object": "embedding", "embedding": "AAAA", "index": 0}]}, []),
        (
            {"object": "vector_store.search_results.page", "data": [{"filename": "f", "content": [{"text": "t"}]}]},
            [
                ("object", "vector_store.search_results.page", FOUND),
                ("data.0.filename", "f", FOUND),
                ("data.0.content.0.text", "t", FOUND),
            ],
        ),
        ({"created": 1, "data": [{"revised_prompt": "t"}]}, [("data.0.revised_prompt", "t", SAID)]),
        ({"error": {"message": "t", "code": None}}, [("error.message", "t", UNKNOWN)]),
        ({"object": "file", "filename": "t"}, [("object", "file", UNKNOWN), ("filename", "t", UNKNOWN)]),
        ({"object": ["x"]}, [("object.0", "x", UNKNOWN)]),
        (["t"], [("0", "t", UNKNOWN)]),
        ("t", [("", "t", UNKNOWN)]),
    ],
)
@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, REST], ids=lambda dialect: dialect.name)
def test_an_answer_is_read_by_what_it_is(dialect: OpenAI, answer: Any, found: list[tuple[str, str, str]]) -> None:
    assert sorted(rows(dialect.answer(made(answer)))) == sorted(found)


def test_pictures_in_an_answer_are_named_as_not_inspected() -> None:
    reading = IMAGES.answer(made({"data": [{"b64_json": "iVBO"}, {"url": "https://example.com/1.png"}]}))
    assert not_read(reading) == [("image", "data.0.b64_json"), ("image", "data.1.url")]


@pytest.mark.parametrize(
    ("dialect", "body", "found", "uninspected"),
    [
        (INPUTS, {"model": "m", "input": "t"}, [("input", "t", "user/principal/text")], []),
        (
            INPUTS,
            {"input": ["t", "u"]},
            [("input.0", "t", "user/principal/text"), ("input.1", "u", "user/principal/text")],
            [],
        ),
        (INPUTS, {"input": [1, 2]}, [], [("tokens", "input")]),
        (
            INPUTS,
            {"input": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "u"}}]},
            [("input.0.text", "t", "user/principal/text"), ("input.1.image_url.url", "u", "user/principal/opaque")],
            [("image", "input.1")],
        ),
        (
            IMAGES,
            {"prompt": "t", "size": "auto", "images": [{"image_url": "u"}, {"image_url": "DATA:image/png;base64,x"}]},
            [("prompt", "t", "user/principal/text"), ("images.0.image_url", "u", "user/principal/opaque")],
            [("image", "images")],
        ),
        (
            SPEECH,
            {"input": "t", "instructions": "i", "voice": "ash"},
            [("input", "t", "user/principal/text"), ("instructions", "i", "system/operator/text")],
            [],
        ),
        (REST, {"name": "t"}, [("name", "t", "user/principal/opaque")], []),
        (AUDIO, {"prompt": "t"}, [("prompt", "t", "user/principal/opaque")], []),
    ],
)
def test_smaller_requests(
    dialect: OpenAI, body: Any, found: list[tuple[str, str, str]], uninspected: list[tuple[str, str]]
) -> None:
    reading = dialect.request(made(body))
    assert rows(reading) == found
    assert not_read(reading) == uninspected


def test_only_chat_and_responses_take_instructions() -> None:
    body = made({"input": "x", "messages": []})
    takers = [
        d.name for d in (CHAT, COMPLETIONS, RESPONSES, INPUTS, IMAGES, SPEECH, AUDIO, REST) if d.instruct(body, "R")
    ]
    assert takers == ["openai_chat", "openai_responses"]


def test_other_streams_are_read_as_text() -> None:
    played = play(REST.stream(Framing.SSE), [event({"object": "thread.message.delta", "delta": {"text": "t"}})])
    assert "t" in [delta.text for delta in played.wholes]


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, REST, BATCH], ids=lambda dialect: dialect.name)
def test_refusals_have_the_shape_of_the_api(dialect: Dialect) -> None:
    assert json.loads(dialect.refusal(REFUSAL))["error"]["code"] == "content_blocked"


# --- after an edit

LOGPROBS = {"content": [{"token": "t"}]}
CITATION = {"type": "url_citation", "url_citation": {"start_index": 3, "end_index": 9, "title": "T", "url": "u"}}
PLACED = {"type": "url_citation", "start_index": 3, "end_index": 9, "title": "T"}


def changed(value: Any, *path: str | int) -> Any:
    body = made(value)
    return patched(body, after_edit(body, path))


def test_an_edited_choice_loses_its_logprobs_and_the_others_keep_theirs() -> None:
    value: Any = {"choices": [{"message": {"content": "a"}, "logprobs": LOGPROBS}, {"logprobs": LOGPROBS}]}
    expected = copy.deepcopy(value)
    expected["choices"][0]["logprobs"] = None
    assert changed(value, "choices", 0, "message", "content") == expected


def test_the_citations_of_an_edited_message_point_nowhere() -> None:
    value = {"choices": [{"message": {"content": "a", "annotations": [CITATION]}}]}
    cited = changed(value, "choices", 0, "message", "content")["choices"][0]["message"]["annotations"]
    assert cited == [
        {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 0, "title": "T", "url": "u"}}
    ]


def test_an_edited_chunk_loses_its_logprobs() -> None:
    value = {"choices": [{"delta": {"content": "a"}, "logprobs": LOGPROBS}]}
    assert changed(value, "choices", 0, "delta", "content")["choices"][0]["logprobs"] is None


def test_a_batch_result_is_edited_alike() -> None:
    value = {"response": {"body": {"choices": [{"message": {"content": "a"}, "logprobs": LOGPROBS}]}}}
    path: Path = ("response", "body", "choices", 0, "message", "content")
    assert changed(value, *path)["response"]["body"]["choices"][0]["logprobs"] is None


def test_an_edited_output_text_loses_logprobs_and_places() -> None:
    part = {
        "type": "output_text",
        "text": "a",
        "logprobs": [1],
        "annotations": [PLACED, {"type": "file_path", "index": 7}],
    }
    value = {"output": [{"content": [part]}]}
    edited = changed(value, "output", 0, "content", 0, "text")["output"][0]["content"][0]
    assert edited["logprobs"] == []
    assert edited["annotations"] == [{**PLACED, "start_index": 0, "end_index": 0}, {"type": "file_path", "index": 0}]


@pytest.mark.parametrize(("kind", "member"), [("delta", "delta"), ("done", "text")])
def test_an_edited_text_event_loses_its_logprobs(kind: str, member: str) -> None:
    value = {"type": f"response.output_text.{kind}", member: "a", "logprobs": [{"token": "a"}]}
    assert changed(value, member)["logprobs"] == []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"choices": [{"message": {"content": "a"}, "logprobs": None}]}, ("choices", 0, "message", "content")),
        (
            {"choices": [{"message": {"annotations": [CITATION]}}]},
            ("choices", 0, "message", "annotations", 0, "url_citation", "url"),
        ),
        ({"type": "output_text", "annotations": ["odd"], "text": "a"}, ("text",)),
        ({"type": "output_text", "annotations": "odd", "text": "a"}, ("text",)),
        (
            {"tools": [{"properties": {"logprobs": {"type": "x"}, "a": {"description": "b"}}}]},
            ("tools", 0, "properties", "a", "description"),
        ),
    ],
    ids=["no logprobs", "in a citation", "odd citation", "odd citations", "a schema with such a member"],
)
def test_nothing_else_changes(value: Any, path: Path) -> None:
    assert changed(value, *path) == value
    assert CHAT.after_edit(made(value), path) == ()


# --- the transcripts are what the API's own types describe


def test_transcripts_fit_the_types_of_the_sdk() -> None:
    ChatCompletion.model_validate(document("openai_chat", "every_kind", "response.json").value)
    Response.model_validate(document("openai_responses", "every_kind", "response.json").value)


@pytest.mark.parametrize("case", ["streamed_text", "streamed_tool"])
def test_typed_events_fit_the_types_of_the_sdk(case: str) -> None:
    typed: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
    for _, read, _ in events("openai_responses", case, "response.sse"):
        assert read is not None
        typed.validate_python(read.value)


@pytest.mark.parametrize("case", ["two_choices", "parallel_tools"])
def test_chunks_fit_the_types_of_the_sdk(case: str) -> None:
    for _, read, _ in events("openai_chat", case, "response.sse")[:-1]:
        assert read is not None
        ChatCompletionChunk.model_validate(read.value)


# --- completeness: a member that is added anywhere is read, unless it stands in a part that is named as not inspected

SENTINEL = "a text that no table knows"


def objects(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        yield path
        for key, member in value.items():
            yield from objects(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from objects(member, (*path, index))


def with_member(value: Any, path: Path) -> Any:
    changed = copy.deepcopy(value)
    place = changed
    for step in path:
        place = place[step]
    place["x_new_member"] = SENTINEL
    return changed


# Objects that hold settings, numbers, or what an answer repeats of its request: no text of their own.
@pytest.mark.parametrize(
    ("dialect", "case", "side", "silent"),
    [
        (CHAT, "openai_chat", "request", {"prompt_cache_breakpoint"}),
        (CHAT, "openai_chat", "response", {"logprobs", "usage"}),
        (RESPONSES, "openai_responses", "request", {"outcome", "reasoning"}),
        (RESPONSES, "openai_responses", "response", {"outcome", "reasoning", "usage", "text", "metadata"}),
    ],
)
def test_a_member_that_is_added_anywhere_is_read(dialect: OpenAI, case: str, side: str, silent: set[str]) -> None:
    body = document(case, "every_kind", f"{side}.json").value
    read = dialect.request if side == "request" else dialect.answer
    named = [part.path for part in read(made(body)).uninspected]
    open_ = [
        path
        for path in objects(body)
        if not silent & set(path) and not any(path[: len(part)] == part for part in named)
    ]
    assert len(open_) > 8
    for path in open_:
        texts = [segment.text for segment in read(made(with_member(body, path))).segments]
        assert SENTINEL in texts, path
