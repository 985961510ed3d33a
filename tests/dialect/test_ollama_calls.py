"""Calls in answers of Ollama, whole and in lines, and what its requests tell of the conversation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as quantified
from hypothesis import settings
from hypothesis import strategies as st

from gateway.dialect.ollama import OLLAMA
from gateway.policy.call import Call, Change
from gateway.policy.transcript import Defined, Hosted
from gateway.wire.document import parse
from gateway.wire.frames import Framing
from tests.dialect.calling import Decide, decided, given, passed, refused
from tests.dialect.laws import doc
from tests.dialect.replay import StreamEvent, document, event
from tests.dialect.telling import assert_no_text_is_left_out, made, returned, said

HEAD = {"model": "m", "created_at": "2026-11-01T00:00:00Z"}


def function(name: str, arguments: Any = None) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments or {}}}


def line(text: str = "", *calls: dict[str, Any], done: bool = False) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    reason = {"done_reason": "stop"} if done else {}
    return {**HEAD, "message": message | ({"tool_calls": list(calls)} if calls else {}), "done": done, **reason}


def whole(value: Any, decide: Decide) -> Any:
    answer = doc(value)
    return parse(OLLAMA.changed(answer, decided(OLLAMA.calls(answer), decide))).value


def lines(stream: list[dict[str, Any]], decide: Decide) -> list[dict[str, Any]]:
    return passed(OLLAMA.stream(Framing.LINES), map(event, stream), decide).payloads


class TestWhole:
    def test_each_call(self) -> None:
        answer = doc(line("", function("f", {"a": 1}), {"id": "x"} | function("g")))
        assert [one.call for one in OLLAMA.calls(answer)] == [Call("f", {"a": 1}), Call("g", {}, "x")]

    @pytest.mark.parametrize("value", [[], {"response": "x"}, {"message": {"tool_calls": {}}}, {"message": "x"}])
    def test_an_answer_without_calls(self, value: Any) -> None:
        assert OLLAMA.calls(doc(value)) == ()
        assert OLLAMA.changed(doc(value), {}) == doc(value).raw

    def test_the_words_stand_in_the_place_of_the_refused(self) -> None:
        left = whole(line("So.", function("f"), function("g"), function("h")), refused("f", "h"))
        assert left["message"]["tool_calls"] == [function("g")]
        assert left["message"]["content"] == "So.\n\nNo `f`.\n\nNo `h`."

    def test_no_empty_list_is_left(self) -> None:
        left = whole(line("", function("f"), done=True), refused("f"))
        assert left == line("No `f`.", done=True)

    def test_a_reason_that_tells_of_calls_goes_with_the_last(self) -> None:
        answer = line("", function("f"), done=True) | {"done_reason": "tool_calls"}
        assert whole(answer, refused("f"))["done_reason"] == "stop"
        assert whole(answer, given({"b": 2}, "f"))["done_reason"] == "tool_calls"

    def test_other_arguments(self) -> None:
        left = whole(line("", function("f", {"a": 1}), function("g")), given({"b": [2]}, "f"))
        assert left["message"]["tool_calls"] == [function("f", {"b": [2]}), function("g")]

    def test_probabilities_that_spell_the_call_go(self) -> None:
        assert whole(line("", function("f")) | {"logprobs": [{"token": "f"}]}, refused("f"))["logprobs"] == []


class TestLines:
    def test_a_call_is_complete_with_its_line(self) -> None:
        stream: list[StreamEvent] = [event(line("So.")), event(line("", function("f"))), event(line(done=True))]
        out = passed(OLLAMA.stream(Framing.LINES), stream, refused())
        assert [len(keys) for keys in out.calling] == [0, 1, 0]
        assert out.calls == [Call("f", {})]
        assert [data for _, data in out.events] == [data for _, _, data in stream]

    def test_the_words_come_behind_the_text_before(self) -> None:
        out = lines([line("So."), line("", function("f")), line("", function("g")), line(done=True)], refused("f", "g"))
        assert [one["message"]["content"] for one in out] == ["So.", "\n\nNo `f`.", "\n\nNo `g`.", ""]
        assert all("tool_calls" not in one["message"] for one in out)

    def test_nothing_may_be_said_to_keep_it_alive(self) -> None:
        assert OLLAMA.stream(Framing.LINES).keepalive == b""


_CALLS = st.lists(st.tuples(st.sampled_from("fgh"), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)))
_DECISIONS = st.dictionaries(
    st.sampled_from("fgh"), st.sampled_from([Change(refusal="No."), Change(arguments={"é": [1]})])
)


@settings(max_examples=100, deadline=None)
@quantified(st.text(max_size=5), st.lists(_CALLS, max_size=3), _DECISIONS)
def test_lines_come_to_what_the_whole_answer_is(
    text: str, calls: list[list[tuple[str, dict[str, int]]]], decisions: dict[str, Change]
) -> None:
    def decide(call: Call) -> Change | None:
        return decisions.get(call.name)

    groups = [[function(*call) for call in group] for group in calls]
    stream = [line(text), *(line("", *group) for group in groups), line(done=True)]
    out = lines(stream, decide)
    left = whole(line(text, *(call for group in groups for call in group), done=True), decide)["message"]
    assert "".join(one["message"]["content"] for one in out) == left["content"]
    together = [call for one in out for call in one["message"].get("tool_calls", ())]
    assert together == left.get("tool_calls", [])


class TestTranscript:
    def test_results_are_of_the_calls_by_name_or_id(self) -> None:
        messages = [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [function("f", {"a": 1}), {"id": "x"} | function("g")]},
            {"role": "tool", "content": "rain", "tool_name": "f"},
            {"role": "tool", "content": "snow", "tool_call_id": "x"},
        ]
        transcript = OLLAMA.transcript(doc({"messages": messages}))
        assert made(transcript) == [Call("f", {"a": 1}), Call("g", {}, "x")]
        assert [text for text, _ in returned(transcript)] == ["rain", "snow"]
        assert all(of is not None for _, of in returned(transcript))
        assert transcript.is_whole

    def test_tools_system_and_prompt(self) -> None:
        tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
        transcript = OLLAMA.transcript(doc({"system": "s", "prompt": "p", "tools": [tool]}))
        assert transcript.tools == (Defined("f", "d", {"type": "object"}, ("tools", 0)),)
        assert said(transcript) == [("system/operator/text", "s"), ("user/principal/text", "p")]

    def test_a_tool_that_is_no_function_is_run_by_the_server(self) -> None:
        request = doc({"tools": [{"type": "web_search"}]})
        assert OLLAMA.hosted(request) == (Hosted("web_search", "web_search", None, ("tools", 0)),)

    def test_an_exchange_in_numbers_is_not_told(self) -> None:
        assert not OLLAMA.transcript(doc({"prompt": "p", "context": [1, 2]})).is_whole

    @pytest.mark.parametrize("case", ["chat_stream", "chat_tools", "generate"])
    def test_no_text_is_left_out(self, case: str) -> None:
        assert_no_text_is_left_out(OLLAMA, document("ollama", case, "request.json"))
