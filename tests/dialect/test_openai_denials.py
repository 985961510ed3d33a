"""Refused calls that the provider keeps: what the next request brings along, and how it may look."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from gateway.dialect.base import Denials
from gateway.dialect.openai import CHAT, RESPONSES
from gateway.dialect.openai_responses_calls import MARK, refused
from gateway.policy.call import Call, Change
from gateway.wire.document import parse
from gateway.wire.frames import Framing
from tests.dialect.calling import decided, given
from tests.dialect.calling import refused as refusing
from tests.dialect.laws import doc
from tests.dialect.test_openai_event_calls import response, told
from tests.dialect.test_openai_responses_calls import WANTED, answer, function, item

F, G = function("f", "{}", "cf"), function("g", "{}", "cg")
OUTPUT_F = {"type": "function_call_output", "call_id": "cf", "output": "No `f`."}
OUTPUT_G = {"type": "function_call_output", "call_id": "cg", "output": "No `g`."}
KEPT = Denials(("resp_1",), (OUTPUT_F,))


def denied(*output: Any, **more: Any) -> tuple[Denials, ...]:
    """What is remembered where every call is refused."""
    document = doc(answer(*output, **more))
    changes = decided(RESPONSES.calls(document), lambda call: Change(refusal=f"No `{call.name}`."))
    return RESPONSES.denials(document, changes)


class TestRemembered:
    def test_the_outputs_of_refused_calls_by_the_id_of_the_response(self) -> None:
        assert denied(F, G) == (Denials(("resp_1",), (OUTPUT_F, OUTPUT_G)),)

    @pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
    def test_by_the_id_of_the_conversation_too(self, conversation: Any) -> None:
        (one,) = denied(F, conversation=conversation)
        assert one.names == ("resp_1", "conv_1")

    def test_nothing_of_an_answer_that_is_not_kept(self) -> None:
        assert denied(F, store=False) == ()

    def test_nothing_of_calls_that_were_not_refused(self) -> None:
        document = doc(answer(F, G))
        changes = decided(RESPONSES.calls(document), given({"a": 1}, "f"))
        assert RESPONSES.denials(document, changes) == ()

    def test_nothing_of_chat_whose_clients_send_the_conversation(self) -> None:
        message = {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
        document = doc({"id": "c1", "choices": [{"message": message}]})
        assert CHAT.denials(document, decided(CHAT.calls(document), refusing("f"))) == ()

    @pytest.mark.parametrize("last", ["completed", "incomplete"])
    def test_a_stream_is_remembered_as_the_whole_answer_is(self, last: str) -> None:
        reader = RESPONSES.stream(Framing.SSE)
        changes: dict[Any, Change] = {}
        for event in response(*told(F, 0), *told(G, 1), output=[F, G], last=last):
            changes |= decided(reader.read(*event).called, refusing("g"))
        assert reader.denials(changes) == (Denials(("resp_1",), (OUTPUT_G,)),)
        assert reader.denials({}) == ()

    def test_what_other_readers_remember(self) -> None:
        assert CHAT.stream(Framing.SSE).denials({}) == ()

    @pytest.mark.parametrize(("call", "value"), WANTED)
    def test_calls_of_every_form_have_an_outcome(self, call: dict[str, Any], value: Call) -> None:
        ((one,),) = [found.items[:1] for found in denied(call)]
        assert value.id in (one.get("call_id"), one.get("id"), one.get("approval_request_id"))

    def test_each_outcome_in_its_own_form(self) -> None:
        words = "No `x`."
        assert [
            one
            for call in (
                item("shell_call", action={}),
                item("local_shell_call", action={}),
                item("apply_patch_call", operation={}),
                item("tool_search_call", execution="client", arguments={}),
                {"type": "mcp_approval_request", "id": "m1", "name": "x", "arguments": "{}"},
            )
            for found in denied(call)
            for one in found.items
        ] == [
            {
                "type": "shell_call_output",
                "call_id": "c1",
                "output": [{"stdout": "", "stderr": "No `shell`.", "outcome": {"type": "exit", "exit_code": 1}}],
            },
            {"type": "local_shell_call_output", "id": "c1", "output": "No `local_shell`."},
            {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed", "output": "No `apply_patch`."},
            {"type": "tool_search_output", "call_id": "c1", "execution": "client", "tools": []},
            {"type": "mcp_approval_response", "approval_request_id": "m1", "approve": False, "reason": words},
        ]

    def test_a_computer_shows_a_blank_picture_with_the_words_beside_it(self) -> None:
        ((picture, words),) = [found.items for found in denied(item("computer_call", action={"type": "wait"}))]
        assert picture["output"]["image_url"].startswith("data:image/png;base64,")
        assert "acknowledged_safety_checks" not in picture
        assert words == {"role": "developer", "content": "No `computer`."}

    def test_warnings_of_a_computer_do_not_stop_the_conversation(self) -> None:
        checks = [{"id": "s1", "code": "x", "message": "y"}]
        ((picture, _),) = [
            found.items for found in denied(item("computer_call", action={}, pending_safety_checks=checks))
        ]
        assert picture["acknowledged_safety_checks"] == checks

    def test_a_call_of_an_unknown_type_has_none(self) -> None:
        assert denied(item("teleport_call")) == ()


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"previous_response_id": "resp_1"}, ("resp_1",)),
        ({"conversation": "conv_1"}, ("conv_1",)),
        ({"conversation": {"id": "conv_1"}, "previous_response_id": None}, ("conv_1",)),
        ({"conversation": {}}, ()),
        ({}, ()),
    ],
)
def test_what_a_request_leans_on(more: Any, names: tuple[str, ...]) -> None:
    assert RESPONSES.leans_on(doc({"input": "x", **more})) == names
    assert CHAT.leans_on(doc({"input": "x", **more})) == ()


class TestSupplied:
    @pytest.mark.parametrize(
        ("raw", "out"),
        [
            (b'{"input": "Gr\\u00fc\\u00dfe" }', b'{"input": [OUT,{"role":"user","content":"Gr\\u00fc\\u00dfe"}] }'),
            (b'{"input": [ {"role": "user"} ]}', b'{"input": [OUT, {"role": "user"} ]}'),
            (b'{"input": []}', b'{"input": [OUT]}'),
            (b'{"input": null}', b'{"input": [OUT]}'),
            (b'{"model": "m"}', b'{"model": "m","input":[OUT]}'),
        ],
    )
    def test_the_outputs_come_before_all_that_the_request_brings(self, raw: bytes, out: bytes) -> None:
        written = json.dumps(OUTPUT_F, separators=(",", ":"), ensure_ascii=False).encode()
        assert RESPONSES.resumed(parse(raw), [KEPT]) == out.replace(b"OUT", written)

    def test_what_the_client_brings_itself_is_not_doubled(self) -> None:
        own = {"type": "function_call_output", "call_id": "cf", "output": "mine"}
        document = doc({"input": [own]})
        assert RESPONSES.resumed(document, [Denials((), (OUTPUT_F, OUTPUT_G))]) != document.raw
        assert RESPONSES.resumed(document, [KEPT]) == document.raw

    def test_a_request_with_nothing_to_bring_stays(self) -> None:
        document = doc({"input": "x"})
        assert RESPONSES.resumed(document, []) is document.raw
        assert CHAT.resumed(document, [KEPT]) is document.raw

    @pytest.mark.parametrize("value", [[], "x", None])
    def test_a_body_of_another_form_stays(self, value: Any) -> None:
        assert RESPONSES.resumed(doc(value), [KEPT]) == doc(value).raw


OURS = refused(F, Call("f", {}, "cf"), "No.")
PLAIN = {"role": "assistant", "content": "No."}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
USER = {"role": "user", "content": "Go on."}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}


class TestRepaired:
    @pytest.mark.parametrize(
        ("items", "left"),
        [
            ([USER, OURS, USER], [USER, PLAIN, USER]),
            ([USER, THOUGHT, OURS, USER], [USER, PLAIN, USER]),
            ([THOUGHT, THOUGHT, OURS], [PLAIN]),
            ([THOUGHT, OURS, OUTPUT_G], [PLAIN, OUTPUT_G]),
            ([THOUGHT, OURS, OURS, THOUGHT, G], [PLAIN, PLAIN, THOUGHT, G]),
            ([THOUGHT, OURS, G, OUTPUT_G], [PLAIN, THOUGHT, G, OUTPUT_G]),
            ([USER, THOUGHT, OURS, OURS, SAID], [USER, PLAIN, PLAIN, THOUGHT, SAID]),
            ([THOUGHT, SAID, OURS, USER], [THOUGHT, SAID, PLAIN, USER]),
            ([THOUGHT, G, OURS, OUTPUT_G], [THOUGHT, G, PLAIN, OUTPUT_G]),
            ([THOUGHT, G, OUTPUT_G, THOUGHT, OURS], [THOUGHT, G, OUTPUT_G, PLAIN]),
        ],
    )
    def test_no_reasoning_is_left_without_what_it_led_to(self, items: list[Any], left: list[Any]) -> None:
        assert parse(RESPONSES.resumed(doc({"input": items}), [])).get("input") == left

    def test_it_goes_together_with_what_is_supplied(self) -> None:
        items = [THOUGHT, OURS, USER]
        assert parse(RESPONSES.resumed(doc({"input": items}), [KEPT])).get("input") == [OUTPUT_F, PLAIN, USER]

    @pytest.mark.parametrize(
        ("content", "text"), [("a", "a"), ([{"text": "a"}, {"text": "b"}, 1], "a\n\nb"), (None, ""), ({}, "")]
    )
    def test_whatever_a_client_made_of_our_message(self, content: Any, text: str) -> None:
        item = {"id": f"{MARK}1", "content": content}
        left = parse(RESPONSES.resumed(doc({"input": [item]}), [])).get("input")
        assert left == [{"role": "assistant", "content": text}]

    @pytest.mark.parametrize("value", [{"input": [THOUGHT, SAID, 1, None]}, {"input": "x"}, {}, []])
    def test_a_request_without_them_stays(self, value: Any) -> None:
        document = doc(value)
        assert RESPONSES.resumed(document, []) is document.raw

    def test_any_order_of_items_can_be_written(self) -> None:
        for items in itertools.product([THOUGHT, OURS, G, USER], repeat=4):
            left = parse(RESPONSES.resumed(doc({"input": items}), [])).get("input")
            assert [one for one in left if one in (USER, G)] == [one for one in items if one in (USER, G)]
            assert left.count(PLAIN) == items.count(OURS)
            for place, one in enumerate(left):
                if one == THOUGHT:
                    assert left[place + 1 : place + 2] != [PLAIN]
