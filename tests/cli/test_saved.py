"""Saved conversations and answers, as people have them: every dialect, and files that are broken or hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.saved import DIALECTS, Saved, called, conversation, guessed, read
from gateway.errors import OperatorError
from tests.cli import conversations

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"
LIMIT = 1024 * 1024


class TestReading:
    def test_a_byte_order_mark_is_no_part_of_it(self, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        path.write_bytes(b"\xef\xbb\xbf{}")
        assert read(str(path), LIMIT) == b"{}"

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(OperatorError, match=r"none\.json: cannot be read: No such file"):
            read(str(tmp_path / "none.json"), LIMIT)

    def test_a_file_over_the_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        path.write_bytes(b" " * 101)
        with pytest.raises(OperatorError, match="more than 100 bytes"):
            read(str(path), 100)

    def test_a_name_cannot_paint_the_terminal(self) -> None:
        with pytest.raises(OperatorError) as error:
            read("no\x1b[31m", LIMIT)
        assert "\x1b" not in error.value.problems[0]


@pytest.mark.parametrize("dialect", DIALECTS)
class TestDialects:
    def test_is_guessed(self, dialect: str) -> None:
        assert guessed(conversations.ALL[dialect]()) == dialect

    def test_a_list_of_messages_is_enough(self, dialect: str) -> None:
        body = conversations.ALL[dialect]()
        messages = next(body[key] for key in ("messages", "input", "contents") if key in body)
        saved = conversation(json.dumps(messages).encode(), "x", None)
        assert saved.dialect == dialect
        assert saved.endpoint.dialect.transcript(saved.document).turns


@pytest.mark.parametrize(
    ("case", "dialect"),
    [
        *((f"openai_chat/{case}", "chat") for case in ("every_kind", "parallel_tools", "two_choices")),
        *((f"openai_responses/{case}", "responses") for case in ("every_kind", "streamed_tool")),
        *((f"anthropic/{case}", "anthropic") for case in ("poisoned_tool_result", "streamed_tool_call", "tool_use")),
        *((f"gemini/{case}", "gemini") for case in ("poisoned_tool_result", "streamed_tool_call", "tool_use")),
        ("ollama/chat_tools", "ollama"),
    ],
)
def test_recorded_requests_are_guessed(case: str, dialect: str) -> None:
    assert guessed(json.loads((TRANSCRIPTS / case / "request.json").read_bytes())) == dialect


@pytest.mark.parametrize("body", [{}, {"messages": "x"}, {"prompt": "x"}, 5, "x", None])
def test_what_tells_nothing_is_not_guessed(body: object) -> None:
    assert guessed(body) is None
    with pytest.raises(OperatorError, match=r"it is not plain which API it is for; accepted: --dialect chat \| resp"):
        conversation(json.dumps(body).encode(), "x", None)


def test_a_named_dialect_goes_before_what_it_looks_like() -> None:
    raw = json.dumps(conversations.chat()).encode()
    assert conversation(raw, "x", "ollama").dialect == "ollama"
    with pytest.raises(OperatorError, match=r"`esperanto\\x1b` is no dialect; accepted: --dialect chat"):
        conversation(raw, "x", "esperanto\x1b")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{\n  "messages": [\n    oops\n', r"line 3, column 5 \(byte 22\): the JSON cannot be read: "),
        (b'{"messages": []} x', r"line 1, column 18 \(byte 17\)"),
        (b'{"messages": [], "messages": []}', "a key twice"),
        (b"[" * 100_000, "the JSON cannot be read"),
        (b"[" * 100 + b"]" * 100, "nests deeper than 64 levels"),
        (b'{"a": NaN}', "the JSON cannot be read"),
        (b"\xff\xfe{\x00", "the JSON cannot be read"),
        (b'{"a": "\\ud800"}', "the JSON cannot be read"),
    ],
)
def test_what_is_no_conversation_says_where(raw: bytes, problem: str) -> None:
    with pytest.raises(OperatorError, match=problem) as error:
        conversation(raw, "saved.json", None)
    assert error.value.problems[0].startswith("saved.json: ")


def saved(dialect: str) -> Saved:
    return conversation(json.dumps(conversations.ALL[dialect]()).encode(), "x", None)


def calls(dialect: str, raw: bytes | str) -> list[tuple[str, Any]]:
    data = raw if isinstance(raw, bytes) else raw.encode()
    return [(one.call.name, one.call.arguments) for one in called(saved(dialect), data, "answer", LIMIT)]


class TestAnswers:
    ANSWERS = (
        ("chat", "openai_chat/parallel_tools/response.sse", 2),
        ("chat", "openai_chat/every_kind/response.json", 1),
        ("responses", "openai_responses/streamed_tool/response.sse", 1),
        ("anthropic", "anthropic/streamed_tool_call/response.sse", 1),
        ("anthropic", "anthropic/tool_use/response.json", 1),
        ("gemini", "gemini/streamed_tool_call/response.sse", 1),
        ("gemini", "gemini/tool_use/response.json", 1),
        ("ollama", "ollama/chat_tools/response.ndjson", 1),
    )

    @pytest.mark.parametrize(("dialect", "file", "count"), ANSWERS)
    def test_recorded_answers(self, dialect: str, file: str, count: int) -> None:
        assert len(calls(dialect, (TRANSCRIPTS / file).read_bytes())) == count

    def test_the_array_that_gemini_streams(self) -> None:
        whole = json.loads((TRANSCRIPTS / "gemini/tool_use/response.json").read_bytes())
        assert calls("gemini", json.dumps([whole])) == calls("gemini", json.dumps(whole))

    def test_a_bare_message_of_the_chat_api(self) -> None:
        assert calls("chat", json.dumps(conversations.chat()["messages"][-1])) == [conversations.SEND]

    def test_a_call_that_the_stream_does_not_end(self) -> None:
        raw = (TRANSCRIPTS / "openai_chat/parallel_tools/response.sse").read_bytes()
        assert calls("chat", raw[: raw.rindex(b"finish_reason")].rsplit(b"data:", 1)[0])

    def test_one_without_calls(self) -> None:
        assert calls("chat", '{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}') == []

    @pytest.mark.parametrize(
        ("raw", "problem"),
        [
            ("", "holds no answer"),
            ("once upon a time", "holds no answer"),
            ("data: [DONE]\n\n", "holds no answer"),
            ('{"choices": [', r"line 1, column 14 \(byte 13\)"),
            ('{"choices": \n[', r"line 2, column 2 \(byte 14\)"),
            ('{"a":' * 100 + "1" + "}" * 100, "nests deeper"),
        ],
    )
    def test_what_is_no_answer(self, raw: str, problem: str) -> None:
        with pytest.raises(OperatorError, match=problem) as error:
            calls("chat", raw)
        assert error.value.problems[0].startswith("answer: ")
        assert error.value.problems[0].count("answer: ") == 1

    def test_an_event_over_the_limit(self) -> None:
        with pytest.raises(OperatorError, match="answer: "):
            called(saved("chat"), b'data: {"a": "' + b"x" * 2000 + b'"}\n\n', "answer", 1000)
