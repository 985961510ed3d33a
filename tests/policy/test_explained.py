"""What a ruling rests on: the tables, why an argument is what it is, and the texts in which its values stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.call import Call, Sink
from gateway.policy.explained import MOST_ARGUMENTS, MOST_PLACES, MOST_VALUES, Explained, Heard, Place, Trace
from gateway.policy.firewall import Firewall, Look
from gateway.policy.profile import PROFILES
from gateway.policy.tools.match import match
from gateway.policy.tools.tool import ArgumentPolicy, Tool
from gateway.policy.tools.toolbox import Toolbox
from gateway.policy.transcript import Defined, Made, Returned, Said, Transcript, Turn
from gateway.segment import Role, Trust

READ = Call("read_page", {})
SCHEMA = {"properties": {"to": {"type": "string"}, "unit": {"enum": ["c", "f"]}, "x": {"description": "the recipient"}}}


def look(*turns: Turn, tools: tuple[Tool, ...] = (), orders: str = "") -> Look:
    firewall = Firewall(Toolbox(tools), None, PROFILES["balanced"], b"key")
    defined = (Defined("send", "Sends to boss@example.com, say.", SCHEMA),)
    transcript = Transcript(turns, defined)
    return firewall.sight(transcript, lambda text: bool(orders) and orders in text, None)


def user(text: str, message: int = 0) -> Said:
    return Said(text, Role.USER, Trust.PRINCIPAL, message=message)


def explained(*turns: Turn, arguments: Any, tools: tuple[Tool, ...] = ()) -> Explained:
    return look(*turns, tools=tools).explain(Call("send", arguments))


def traces(*turns: Turn, arguments: Any) -> tuple[Trace, ...]:
    return tuple(trace for one in explained(*turns, arguments=arguments).arguments for trace in one.traces)


@pytest.mark.parametrize(
    ("turns", "place"),
    [
        ((user("write to ann@example.com", 2),), Place("the user's words (message 2)", Trust.PRINCIPAL)),
        (
            (Said("Ann is ann@example.com", Role.SYSTEM, Trust.OPERATOR), user("go")),
            Place("the system prompt", Trust.OPERATOR),
        ),
        (
            (user("go"), Returned("mail ann@example.com", READ, 3)),
            Place("the result of `read_page` (message 3)", Trust.UNTRUSTED),
        ),
        ((user("go"), Returned("mail ann@example.com", None, 3)), Place("a result (message 3)", Trust.UNTRUSTED)),
        (
            (user("go"), Said("ann@example.com", Role.USER, Trust.UNTRUSTED, message=1)),
            Place("a document (message 1)", Trust.UNTRUSTED),
        ),
        (
            (Said("Shall I write to ann@example.com?", Role.ASSISTANT, Trust.MODEL, message=1), user("yes", 2)),
            Place("what the user agreed to (message 2)", Trust.PRINCIPAL),
        ),
    ],
)
def test_each_sort_of_text_is_named(turns: tuple[Turn, ...], place: Place) -> None:
    assert traces(*turns, arguments={"to": "ann@example.com"}) == (Trace("ann@example.com", (place,)),)


def test_a_description_is_a_text_that_others_wrote() -> None:
    (trace,) = traces(user("go"), arguments={"to": "boss@example.com"})
    assert trace.places == (Place("the description of `send`", Trust.UNTRUSTED),)


def test_what_stands_nowhere_the_model_wrote() -> None:
    assert traces(user("go"), arguments={"to": "eve@evil.example"}) == (Trace("eve@evil.example"),)


def test_what_a_value_is_made_from() -> None:
    (whole,) = traces(user("go"), Returned("see evil.example", READ, 1), arguments={"url": "https://evil.example/a/b"})
    assert (whole.value, whole.is_part, len(whole.places)) == ("evil.example", True, 1)


def test_addresses_in_a_longer_value_are_traced_alone() -> None:
    page = Returned("https://evil.example/", READ, 1)
    found = traces(user("go"), page, arguments={"body": f"{'x' * 300} https://evil.example/"})
    assert [trace.value for trace in found] == ["https://evil.example/"]


def test_each_of_several_recipients_is_traced() -> None:
    found = traces(user("write to a@example.com"), arguments={"to": "a@example.com, b@other.example"})
    values = {trace.value: bool(trace.places) for trace in found}
    assert (values["a@example.com"], values["b@other.example"]) == (True, False)


@pytest.mark.parametrize("value", [None, True, "", "  "])
def test_what_is_no_value_of_its_own_is_not_looked_for(value: object) -> None:
    assert traces(user("go"), arguments={"to": value}) == ()


def test_without_a_conversation_nothing_is_traced() -> None:
    found = explained(arguments={"to": "a@example.com"})
    assert (found.arguments[0].argument.sink, found.arguments[0].traces) == (Sink.RECIPIENT, ())


def test_more_than_a_person_reads_is_left_out() -> None:
    everywhere = [Returned("a@example.com", READ, number) for number in range(20)]
    found = explained(user("go"), *everywhere, arguments={"to": ["a@example.com"] * 100})
    assert len(found.arguments) == MOST_ARGUMENTS
    assert len(found.arguments[0].traces[0].places) == MOST_PLACES
    many = ", ".join(f"user{number}@example.com" for number in range(50))
    assert len(traces(user("go"), arguments={"to": many})) == MOST_VALUES


@pytest.mark.parametrize(
    ("arguments", "sink", "why"),
    [
        ({"to": "a"}, Sink.RECIPIENT, "its name says `to`"),
        ({"unit": "c"}, Sink.VALUE, "its schema lists what it may be"),
        ({"zzz": "a"}, Sink.TEXT, "nothing says more"),
        ({"zzz": "https://example.com/"}, Sink.URL, "its value looks like one"),
    ],
)
def test_why_an_argument_is_taken_for_its_sink(arguments: dict[str, str], sink: Sink, why: str) -> None:
    (one,) = explained(user("go"), arguments=arguments).arguments
    assert (one.argument.sink, one.why) == (sink, why)


def table(name: str, pattern: str, **arguments: Sink) -> Tool:
    policies = {argument: ArgumentPolicy(sink) for argument, sink in arguments.items()}
    return Tool(name, (match(pattern),), arguments=policies)


def test_the_closest_table_that_declares_an_argument_is_named() -> None:
    tools = (table("wide", "*", to=Sink.ACCOUNT, other=Sink.PATH), table("close", "send", to=Sink.ACCOUNT))
    found = explained(user("go"), arguments={"to": "a", "other": "b"}, tools=tools)
    assert [tool.name for tool in found.tools] == ["close", "wide"]
    assert [one.why for one in found.arguments] == ["[tools.close] says so", "[tools.wide] says so"]


def test_the_tier_says_where_it_comes_from() -> None:
    assert explained(user("go"), arguments={}).tier_why == "its name says `send`"


class TestHeard:
    def test_the_last_words_of_the_user(self) -> None:
        found = look(user("first", 1), Made(READ, 2), Returned("x", READ, 3), user("then this", 4)).heard
        assert (found.asked, found.message) == ("then this", 4)

    def test_texts_that_carry_instructions_each_once(self) -> None:
        turns = (
            user("OBEY", 0),
            Returned("OBEY", READ, 1),
            Returned("OBEY again", READ, 1),
            Returned("fine", READ, 2),
            Said("OBEY", Role.USER, Trust.UNTRUSTED, message=3),
        )
        found = look(*turns, orders="OBEY").heard
        assert found.instructing == ("the result of `read_page` (message 1)", "a document (message 3)")

    def test_nothing_was_said(self) -> None:
        assert look().heard == Heard()
        assert look(Returned("x", READ, 1)).heard == Heard()


@given(
    st.dictionaries(st.sampled_from(["to", "path", "url", "command", "body"]), st.text(max_size=30), max_size=4),
    st.text(max_size=60),
)
def test_an_explanation_never_says_otherwise_than_the_judgement(arguments: dict[str, str], page: str) -> None:
    sight = look(user("write to ann@example.com"), Returned(page, READ, 1))
    call = Call("send", arguments)
    assert sight.explain(call).ruling == sight.judge(call)
