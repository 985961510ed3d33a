"""Live sessions of Google in the machine: binary messages, calls for which the server waits, and how one ends."""

from __future__ import annotations

import json
from typing import Any

from gateway.errors import Code
from gateway.exchange.events import Answered, Ask
from gateway.exchange.session import Session
from gateway.exchange.session_events import FromServer, Message, Opcode, ToClient, ToServer
from gateway.policy.call import Answer
from tests.exchange.gates import gate
from tests.exchange.policing import policed
from tests.exchange.sessions import TOKEN, all_of, ask, binary, closed, ended, feed, only, opened, record, text, told
from tests.fakes import live
from tests.fakes.pieces import dumps
from tests.fakes.script import Call

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
TURN = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "pay the rent"}]}], "turnComplete": True}}
PAY = live.calling(Call("pay", '{"what": "rent"}', "c1"))
WIPE = live.calling(Call("wipe", "{}", "c2"))


def session(by: Any = None) -> Session:
    one = opened(PATH, by or policed(), "gemini")
    ask(one, {"setup": {"model": "models/m"}})
    return one


def server(one: Session, *messages: Any) -> list[Any]:
    return feed(one, *(FromServer(binary(dumps(message))) for message in messages))


def sent(commands: list[Any]) -> Any:
    return json.loads(only(commands, ToServer).message.data)


def test_binary_messages_leave_as_the_binary_messages_that_came() -> None:
    one = session()
    raw = b'{"serverContent" : {"modelTurn": {"parts": [{"text": "Hi."}]}}}'
    end = dumps(live.content(turnComplete=True))
    commands = feed(one, FromServer(binary(raw)), FromServer(binary(end)))
    assert [command.message for command in all_of(commands, ToClient)] == [binary(raw), binary(end)]


def test_a_client_may_write_binary_messages_too() -> None:
    one = session()
    message = Message(Opcode.BINARY, json.dumps(TURN).encode())
    assert only(ask(one, message), ToServer).message == message


def test_text_messages_of_a_server_stay_text() -> None:
    one = session()
    commands = one.receive(FromServer(text({"setupComplete": {}})))
    assert only(commands, ToClient).message.opcode is Opcode.TEXT


def test_a_refused_call_is_answered_in_the_place_of_the_client() -> None:
    one = session()
    ask(one, TURN)
    commands = server(one, WIPE)
    assert told(commands) == []
    (result,) = sent(commands)["toolResponse"]["functionResponses"]
    assert result["id"] == "c2"
    assert "`wipe` is not for agents" in result["response"]["error"]
    assert told(server(one, *live.said("No."), *live.over())) == [*live.said("No."), *live.over()]


def test_a_call_that_nobody_approves_is_answered_when_that_is_known() -> None:
    one = session()
    ask(one, TURN)
    commands = server(one, *live.said("I pay."), PAY)
    assert only(commands, Ask).is_patient
    assert told(commands) == list(live.said("I pay.")), "what was said before does not wait"
    assert all_of(commands, ToServer) == []
    later = one.receive(Answered((Answer(is_approved=False, words="ann said no"),)))
    assert told(later) == []
    assert "ann said no" in sent(later)["toolResponse"]["functionResponses"][0]["response"]["error"]


def test_an_approved_call_is_the_clients_to_answer() -> None:
    one = session()
    ask(one, TURN)
    server(one, PAY)
    commands = one.receive(Answered((Answer(is_approved=True),)))
    assert told(commands) == [PAY]
    assert all_of(commands, ToServer) == []
    assert [called.tool for called in ended(one).calls] == ["pay"]


def test_a_secret_ends_the_turn_and_the_session() -> None:
    one = session(gate())
    commands = server(one, *live.said("The key is "), *live.said(TOKEN, 3))
    assert told(commands)[-1]["serverContent"]["turnCompleteReason"] == "GENERATED_CONTENT_PROHIBITED"
    assert {command.message.opcode for command in all_of(commands, ToClient)} == {Opcode.BINARY}
    assert closed(commands)[0] == 1008
    assert record(commands).code is Code.SECRET


def test_a_message_that_is_no_json_ends_the_session() -> None:
    assert record(feed(session(), FromServer(binary(b"\xff\xfe")))).code is Code.UPSTREAM
    assert record(ask(session(), Message(Opcode.BINARY, b"\xff\xfe"))).code is Code.UNREADABLE
