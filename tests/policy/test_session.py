"""Which conversation a call is made in: one that grows stays one, two that begin alike are two."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.call import Call, Session
from gateway.policy.session import Thread, is_scattered
from gateway.policy.transcript import Made, Returned, Said, Transcript, Turn
from gateway.segment import Role, Trust

SCATTERED = "call_pQ8vW1zTn3KxA7rB5mYc2LdE"
OTHER = "call_aZ4kJ9sHq6TgU2wV8nXb1MfR"


def user(text: str) -> Said:
    return Said(text, Role.USER, Trust.PRINCIPAL)


def write(path: str = "a", id: str = SCATTERED) -> Call:
    return Call("write_file", {"path": path}, id)


def session(call: Call, *turns: Turn, beside: tuple[Call, ...] = (), key: bytes = b"key", **more: Any) -> Session:
    return Thread(Transcript(turns, **more), key).session(call, beside)


def holds(approved: Session, later: Session) -> bool:
    """Whether an approval for the session of one call holds for the other."""
    return approved.name in later.earlier


HI = user("hi")
FIRST = write()
LATER = write("b", OTHER)

BOTH = pytest.mark.parametrize("id", [SCATTERED, "call_0", ""])
"""An id that nobody else has, one that servers count, and none."""


class TestOneConversation:
    @BOTH
    def test_it_stays_one_as_it_grows(self, id: str) -> None:
        approved = session(write(id=id), HI)
        turns = (HI, Said("Well.", Role.ASSISTANT, Trust.MODEL), Made(write(id=id)), Returned("done", write(id=id)))
        assert holds(approved, session(LATER, *turns))
        assert holds(approved, session(LATER, *turns, user("go on"), Made(write("c")), Returned("done", write("c"))))

    def test_a_call_is_of_no_session_that_begins_with_it(self) -> None:
        assert not holds(session(FIRST, HI), session(FIRST, HI))

    @BOTH
    def test_calls_in_one_answer_are_of_one(self, id: str) -> None:
        one, two = write("a", id), write("b", f"{id}-2")
        assert holds(session(one, HI, beside=(two,)), session(two, HI, beside=(one,)))
        assert holds(session(two, HI, beside=(one,)), session(one, HI, beside=(two,)))

    def test_system_prompts_may_tell_the_time(self) -> None:
        def clock(time: str) -> Said:
            return Said(time, Role.SYSTEM, Trust.OPERATOR)

        made = write(id="")
        assert holds(session(made, clock("09:00"), HI), session(LATER, clock("09:01"), HI, Made(made)))

    def test_a_client_may_leave_out_the_beginning_but_not_the_call(self) -> None:
        approved = session(FIRST, HI, user("more"))
        assert holds(approved, session(LATER, user("more"), Made(FIRST)))
        assert not holds(approved, session(LATER, HI, user("more")))

    def test_where_the_provider_keeps_a_call_what_it_returned_tells_it(self) -> None:
        approved = session(FIRST, HI)
        assert holds(approved, session(LATER, Returned("done", None, id=SCATTERED), is_whole=False))
        assert not holds(approved, session(LATER, Returned("done", None, id=OTHER), is_whole=False))


class TestTwoConversations:
    def test_they_may_begin_with_the_same_words(self) -> None:
        approved = session(FIRST, HI)
        assert not holds(approved, session(LATER, HI))
        assert not holds(approved, session(LATER, HI, Made(write(id=OTHER)), Returned("done", write(id=OTHER))))
        assert approved.opening == session(LATER, HI).opening != session(LATER, user("hello")).opening

    @pytest.mark.parametrize("id", ["call_0", ""])
    @pytest.mark.parametrize(
        "turns",
        [
            (user("hello"), Made(write(id="call_0"))),
            (HI, Made(write("b", "call_0"))),
            (HI, Returned("a page", None), Made(write(id="call_0"))),
            (HI, user("do it"), Made(write(id="call_0"))),
        ],
    )
    def test_calls_that_are_counted_are_told_by_all_that_was_said_before(
        self, id: str, turns: tuple[Turn, ...]
    ) -> None:
        told = tuple(
            Made(write(str(one.call.arguments["path"]), id)) if isinstance(one, Made) else one for one in turns
        )
        assert not holds(session(write(id=id), HI), session(LATER, *told))

    def test_where_the_provider_keeps_what_was_said_counted_calls_are_of_none(self) -> None:
        assert session(write(id="call_0"), HI, is_whole=False).name == ""
        assert session(LATER, HI, Made(write(id="call_0")), is_whole=False).earlier == frozenset()
        assert session(LATER, Returned("done", None, id="call_0"), is_whole=False).earlier == frozenset()

    def test_without_a_conversation_there_is_none(self) -> None:
        assert session(FIRST) == session(FIRST, is_whole=False) == Session()

    def test_without_a_word_of_a_user_it_has_no_opening(self) -> None:
        assert session(FIRST, Returned("done", None)).opening == ""


class TestNames:
    def test_what_a_client_or_a_protocol_names_is_the_session(self) -> None:
        one = session(FIRST, session="mcp s-1")
        assert holds(one, one)
        assert holds(one, session(LATER, HI, Made(FIRST), session="mcp s-1"))
        assert not holds(one, session(FIRST, session="client s-1"))
        assert not holds(session(FIRST, HI), session(LATER, HI, Made(FIRST), session="mcp s-1"))

    def test_names_tell_nothing(self) -> None:
        named = session(FIRST, HI, session="mcp s-1")
        assert "s-1" not in named.name
        assert named != session(FIRST, HI, session="mcp s-1", key=b"other")
        assert session(FIRST, HI).name != session(FIRST, HI, key=b"other").name


class TestIds:
    @pytest.mark.parametrize(
        "id",
        [
            "",
            "0",
            "17",
            "call_0",
            "call_12",
            "call-1a",
            "toolcall_3",
            "write_file_1",
            "functions.write_file:0",
            "write_file",
            "tool_use_1",
            "call_1732543200",
        ],
    )
    def test_counted(self, id: str) -> None:
        assert not is_scattered(write(id=id))

    @given(st.integers(0), st.sampled_from(["call_", "toolu_01", "tooluse_", "fc_", "chatcmpl-tool-"]))
    def test_drawn_at_random(self, seed: int, prefix: str) -> None:
        draw = random.Random(seed)
        assert is_scattered(write(id=prefix + "".join(draw.choices(string.ascii_letters + string.digits, k=24))))

    def test_a_tools_own_name_makes_no_id_scattered(self) -> None:
        assert is_scattered(Call("x", {}, "fetch1page2now"))
        assert not is_scattered(Call("fetch1page2now", {}, "fetch1page2now:0"))
        assert not is_scattered(Call("getCustomerDetailsNow", {}, "getCustomerDetailsNow0"))
