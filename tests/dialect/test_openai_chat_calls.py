"""The calls in chat completions, and what is left of an answer when some are refused or changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from gateway.dialect.openai import CHAT
from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.wire.document import parse
from tests.dialect.calling import Decide, decided, given, refused
from tests.dialect.laws import doc

HEAD = {"id": "c1", "object": "chat.completion", "created": 5, "model": "m"}


def function(name: str, arguments: Any = "{}", identity: str = "call_1") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def custom(name: str, given: str, identity: str = "call_1") -> dict[str, Any]:
    return {"id": identity, "type": "custom", "custom": {"name": name, "input": given}}


def choice(*calls: dict[str, Any], index: int = 0, finish: str = "tool_calls", **message: Any) -> dict[str, Any]:
    held = {"role": "assistant", "content": None, **message, **({"tool_calls": list(calls)} if calls else {})}
    return {"index": index, "message": held, "logprobs": None, "finish_reason": finish}


def answer(*choices: dict[str, Any]) -> dict[str, Any]:
    return {**HEAD, "choices": list(choices)}


def after(value: Any, decide: Decide) -> Any:
    document = doc(value)
    out = parse(CHAT.changed(document, decided(CHAT.calls(document), decide))).value
    ChatCompletion.model_validate(out, strict=True)
    return out["choices"]


class TestCalls:
    def made(self, value: Any) -> list[Call]:
        return [called.call for called in CHAT.calls(doc(value))]

    def test_each_call_of_each_choice(self) -> None:
        first = choice(function("f", '{"a": 1}', "x"), custom("g", "free text", "y"))
        second = choice(function_call={"name": "h", "arguments": '{"b": 2}'}, index=1)
        assert self.made(answer(first, second)) == [
            Call("f", {"a": 1}, "x"),
            Call("g", "free text", "y"),
            Call("h", {"b": 2}),
        ]

    @pytest.mark.parametrize(
        ("arguments", "call"),
        [
            ("", Call("f", {}, "call_1")),
            (" ", Call("f", {}, "call_1")),
            (None, Call("f", {}, "call_1")),
            ("null", Call("f", {}, "call_1")),
            ("[1]", Call("f", [1], "call_1")),
            ({"a": 1}, Call("f", {"a": 1}, "call_1")),
            ('{"a": ', Call("f", '{"a": ', "call_1", is_readable=False)),
            ('{"a": 1, "a": 2}', Call("f", '{"a": 1, "a": 2}', "call_1", is_readable=False)),
            ('{"a": NaN}', Call("f", '{"a": NaN}', "call_1", is_readable=False)),
        ],
    )
    def test_arguments_are_the_json_in_the_string_where_every_parser_reads_the_same(
        self, arguments: Any, call: Call
    ) -> None:
        assert self.made(answer(choice(function("f", arguments)))) == [call]

    def test_a_type_that_is_left_out_is_told_by_the_member_beside_it(self) -> None:
        item = {"id": "x", "function": {"name": "f", "arguments": "{}"}}
        assert self.made(answer(choice(item))) == [Call("f", {}, "x")]

    @pytest.mark.parametrize(
        ("item", "name"),
        [({"type": "teleport", "id": "x"}, "teleport"), ({"name": "n", "id": "x"}, "n"), ("f", ""), (None, "")],
    )
    def test_a_call_of_an_unknown_form_cannot_be_read(self, item: Any, name: str) -> None:
        (call,) = self.made(answer(choice(item)))
        assert (call.name, call.arguments, call.is_readable) == (name, item, False)

    @pytest.mark.parametrize(
        "value", [[], "x", {"choices": {}}, {"choices": [1]}, {"choices": [{"message": {"tool_calls": {}}}]}]
    )
    def test_an_answer_without_calls(self, value: Any) -> None:
        assert self.made(value) == []


class TestRefused:
    def test_the_words_take_the_place_of_the_only_call(self) -> None:
        (left,) = after(answer(choice(function("f"))), refused("f"))
        assert left["message"] == {"role": "assistant", "content": "No `f`."}
        assert left["finish_reason"] == "stop"

    def test_other_calls_stay_and_the_choice_still_waits_for_them(self) -> None:
        calls = [function(name, identity=name) for name in "fgh"]
        (left,) = after(answer(choice(*calls)), refused("f", "h"))
        assert left["message"]["tool_calls"] == [calls[1]]
        assert left["message"]["content"] == "No `f`.\n\nNo `h`."
        assert left["finish_reason"] == "tool_calls"

    def test_the_words_stand_behind_what_the_model_said(self) -> None:
        (left,) = after(answer(choice(function("f"), content="Let me see.")), refused("f"))
        assert left["message"]["content"] == "Let me see.\n\nNo `f`."

    def test_content_in_parts_gets_one_more(self) -> None:
        parts = [{"type": "text", "text": "Let me see."}]
        document = doc(answer(choice(function("f"), content=parts)))
        out = parse(CHAT.changed(document, decided(CHAT.calls(document), refused("f"))))
        assert out.get("choices", 0, "message", "content") == [*parts, {"type": "text", "text": "No `f`."}]

    def test_content_that_is_not_there_is_added(self) -> None:
        value = answer(choice(function("f")))
        del value["choices"][0]["message"]["content"]
        (left,) = after(value, refused("f"))
        assert left["message"] == {"role": "assistant", "content": "No `f`."}

    def test_a_message_of_nothing_but_a_call(self) -> None:
        document = doc({"choices": [{"message": {"tool_calls": [function("f")]}}]})
        changed = CHAT.changed(document, decided(CHAT.calls(document), refused("f")))
        assert json.loads(changed) == {"choices": [{"message": {"content": "No `f`."}}]}

    def test_the_older_function_call(self) -> None:
        called = {"name": "f", "arguments": "{}"}
        (left,) = after(answer(choice(function_call=called, finish="function_call")), refused("f"))
        assert left["message"] == {"role": "assistant", "content": "No `f`."}
        assert left["finish_reason"] == "stop"

    def test_choices_are_changed_apart(self) -> None:
        choices = [choice(function("f"), index=0), choice(function("g"), index=1), choice(index=2, finish="stop")]
        left = after(answer(*choices), refused("f"))
        assert left[1:] == choices[1:]
        assert [one["finish_reason"] for one in left] == ["stop", "tool_calls", "stop"]

    @pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
    def test_another_reason_to_stop_stays(self, finish: str) -> None:
        (left,) = after(answer(choice(function("f"), finish=finish)), refused("f"))
        assert left["finish_reason"] == finish

    def test_probabilities_that_spell_the_call_go(self) -> None:
        spelt: Any = {"content": [{"token": "f", "logprob": 0.0, "bytes": None, "top_logprobs": []}], "refusal": None}
        value = answer(choice(function("f"), index=0), choice(function("g"), index=1))
        for one in value["choices"]:
            one["logprobs"] = spelt
        left = after(value, refused("f"))
        assert [one["logprobs"] for one in left] == [None, spelt]

    def test_everything_else_stays_byte_for_byte(self) -> None:
        raw = (
            b'{ "id":"c", "n": 1.0e3, "choices" :[ {"message": {"tool_calls":[ {"function":{"name":"f"} } ,\n'
            b' {"function":{"name":"g","arguments":"{}"}} ], "content" :null},"x":"\\u00e9"}]}'
        )
        document = parse(raw)
        assert CHAT.changed(document, decided(CHAT.calls(document), refused("f"))) == (
            b'{ "id":"c", "n": 1.0e3, "choices" :[ {"message": {"tool_calls":[\n'
            b' {"function":{"name":"g","arguments":"{}"}} ], "content" :"No `f`."},"x":"\\u00e9"}]}'
        )

    def test_no_change_gives_the_same_bytes(self) -> None:
        document = parse(b' {"choices": [{"message": {"tool_calls": [{"function": {"name": "f"}}]}}]} ')
        assert CHAT.changed(document, {}) == document.raw


class TestRewritten:
    def test_arguments_are_written_as_json_in_the_string(self) -> None:
        calls = [function("f", '{"a": 1}', "x"), function("g", identity="y")]
        (left,) = after(answer(choice(*calls)), given({"a": "é"}, "f"))
        assert left["message"]["tool_calls"] == [function("f", '{"a":"é"}', "x"), calls[1]]
        assert left["finish_reason"] == "tool_calls"

    @pytest.mark.parametrize(("arguments", "text"), [("other text", "other text"), ({"a": 1}, '{"a":1}')])
    def test_free_text_is_written_as_it_is(self, arguments: Any, text: str) -> None:
        (left,) = after(answer(choice(custom("f", "text"))), given(arguments, "f"))
        assert left["message"]["tool_calls"] == [custom("f", text)]

    def test_the_older_function_call(self) -> None:
        (left,) = after(answer(choice(function_call={"name": "f", "arguments": "{}"})), given({"a": 1}, "f"))
        assert left["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}

    def test_arguments_that_are_not_there_are_added(self) -> None:
        document = doc(answer(choice({"id": "x", "function": {"name": "f"}})))
        changed = CHAT.changed(document, decided(CHAT.calls(document), given({"a": 1}, "f")))
        path = ("choices", 0, "message", "tool_calls", 0, "function")
        assert parse(changed).get(*path) == {"name": "f", "arguments": '{"a":1}'}

    def test_one_is_refused_and_another_changed(self) -> None:
        document = doc(answer(choice(function("f", identity="x"), function("g", identity="y"))))
        f, g = (called.key for called in CHAT.calls(document))
        out = parse(CHAT.changed(document, {f: Change(refusal="No."), g: Change(arguments={"b": 2})}))
        assert out.get("choices", 0, "message", "tool_calls") == [function("g", '{"b":2}', "y")]

    def test_a_call_of_an_unknown_form_takes_none(self) -> None:
        document = doc(answer(choice({"type": "teleport", "id": "x"})))
        with pytest.raises(Malformed, match="cannot be given other arguments"):
            CHAT.changed(document, decided(CHAT.calls(document), given({"a": 1}, "teleport")))
