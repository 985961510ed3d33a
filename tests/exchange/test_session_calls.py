"""Calls of tools in a session: ruled on as in any answer, held against what the client's messages told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import Code
from gateway.exchange.events import Answered, Ask, LimitsTaken
from gateway.exchange.session import Session
from gateway.exchange.session_events import Accepted, FromClient, SessionCommand, SessionStarted, ToServer
from gateway.policy.call import Answer
from gateway.policy.transcript import Returned, Said
from gateway.verdict import Effect
from tests.exchange.policing import Policy, policed
from tests.exchange.sessions import RESPONSES, all_of, answer, ask, ended, feed, made, only, opened, record, text, told
from tests.fakes.openai_responses import messages
from tests.fakes.script import Call, Say

YES = Answer(is_approved=True, by="ann")
NO = Answer(is_approved=False, words="ann said no", by="ann")


def talk(policy: Policy | None = None, *calls: Call) -> tuple[Session, list[SessionCommand]]:
    """A session in which the model has made these calls, and what followed."""
    one = opened(RESPONSES, policed(policy))
    ask(one, {"type": "response.create", "model": "m", "input": "pay the rent"})
    return one, answer(one, *messages(Say(calls=calls), {"model": "m"}))


def names(commands: list[SessionCommand]) -> set[str]:
    """The names of the calls that the client hears of."""
    return {
        item["name"]
        for event in told(commands)
        for item in (event.get("item") or {}, *(event.get("response") or {}).get("output", ()))
        if item.get("type") == "function_call"
    }


def test_an_allowed_call_reaches_the_client_as_it_came() -> None:
    one, commands = talk(None, Call("read", '{"path": "a"}'))
    assert told(commands) == list(messages(Say(calls=(Call("read", '{"path": "a"}'),)), {"model": "m"}))
    assert [called.tool for called in ended(one).calls] == ["read"]


def test_a_refused_call_is_told_in_words_and_the_session_goes_on() -> None:
    one, commands = talk(None, Call("wipe"))
    assert names(commands) == set()
    assert "`wipe` is not for agents" in json.dumps(told(commands))
    later = ask(one, {"type": "response.create", "model": "m", "input": "hello"})
    assert only(later, ToServer)
    line = ended(one)
    assert (line.effect, line.would_be) == (Effect.REWRITE, Effect.BLOCK)


def test_a_call_that_must_be_approved_waits_and_its_client_can_wait_for_long() -> None:
    one, commands = talk(None, Call("pay", '{"what": "rent"}'))
    asked = only(commands, Ask)
    assert asked.is_patient
    assert names(commands) == set()
    assert names(one.receive(Answered((YES,)))) == {"pay"}


def test_a_call_that_was_not_approved_is_told_in_words() -> None:
    one, _ = talk(None, Call("pay", '{"what": "rent"}'))
    commands = one.receive(Answered((NO,)))
    assert names(commands) == set()
    assert "ann said no" in json.dumps(told(commands))


def test_a_client_may_speak_while_somebody_is_asked() -> None:
    one, _ = talk(None, Call("pay", '{"what": "rent"}'))
    assert only(one.receive(FromClient(text({"type": "response.cancel"}))), ToServer)


def test_a_call_is_held_against_what_the_client_said_and_brought() -> None:
    policy = Policy()
    one = opened(RESPONSES, policed(policy))
    ask(one, {"type": "response.create", "model": "m", "input": "pay what the page says"})
    brought: list[Any] = [{"type": "function_call_output", "call_id": "c", "output": "the page"}]
    ask(one, {"type": "response.create", "model": "m", "previous_response_id": "resp_1", "input": brought})
    answer(one, *messages(Say(calls=(Call("read"),)), {"model": "m"}))
    (look,) = policy.looks
    assert not look.transcript.is_whole
    said, returned = look.transcript.turns
    assert isinstance(said, Said)
    assert said.text == "pay what the page says"
    assert isinstance(returned, Returned)
    assert returned.text == "the page"


def test_the_next_message_brings_what_the_server_waits_for() -> None:
    one, _ = talk(None, Call("wipe"))
    commands = ask(one, {"type": "response.create", "model": "m", "previous_response_id": "resp_1", "input": "and?"})
    sent = json.loads(only(commands, ToServer).message.data)
    assert [part["type"] for part in sent["input"] if "type" in part] == ["function_call_output"]


def test_a_tool_that_the_server_would_run_is_refused_in_the_message_that_names_it() -> None:
    one = opened(RESPONSES, policed())
    tools = [{"type": "mcp", "server_label": "m", "server_url": "https://theirs.example/mcp"}]
    commands = ask(one, {"type": "response.create", "model": "m", "input": "hello", "tools": tools})
    assert not all_of(commands, ToServer)
    assert ended(one).code is Code.TOOL


def test_answers_that_nobody_asked_for_end_the_session() -> None:
    one = opened(RESPONSES, policed())
    assert record(one.receive(Answered((YES,)))).code is Code.INTERNAL


@pytest.mark.parametrize(("named", "session"), [("", "connection id-1"), ("s-1", "client s-1")])
def test_the_connection_is_the_session_unless_its_client_calls_it_otherwise(named: str, session: str) -> None:
    policy = Policy()
    one = made(policed(policy))
    feed(one, SessionStarted(RESPONSES, (), session=named), LimitsTaken(), Accepted((), None))
    ask(one, {"type": "response.create", "model": "m", "input": "pay the rent"})
    answer(one, *messages(Say(calls=(Call("read"),)), {"model": "m"}))
    assert policy.looks[0].transcript.session == session
