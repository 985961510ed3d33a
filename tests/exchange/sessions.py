"""Sessions as tests feed them: what a client and a server say, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gateway.dialect.families import FAMILIES
from gateway.exchange.events import Consult, Finish, LimitsTaken
from gateway.exchange.gate import Gate
from gateway.exchange.recorded import ExchangeRecord
from gateway.exchange.session import Session
from gateway.exchange.session_events import (
    Accepted,
    ClientClosed,
    CloseClient,
    FromClient,
    FromServer,
    Message,
    Opcode,
    SessionCommand,
    SessionEvent,
    SessionStarted,
    ToClient,
)
from tests.exchange.gates import gate
from tests.fakes import realtime
from tests.fakes.script import Say

TOKEN = "tok_" + "abcd1234"
REALTIME = "/v1/realtime?model=gpt-realtime"
RESPONSES = "/v1/responses"
JSON = (("Content-Type", "application/json"),)


def made(by: Gate | None = None, family: str = "openai") -> Session:
    chosen = by or gate()
    return Session(lambda: chosen, FAMILIES[family], id="id-1", upstream=family, principal="default")


def feed(one: Session, *events: SessionEvent) -> list[SessionCommand]:
    return [command for event in events for command in one.receive(event)]


def opened(target: str = REALTIME, by: Gate | None = None, family: str = "openai") -> Session:
    one = made(by, family)
    feed(one, SessionStarted(target, ()), LimitsTaken(), Accepted((), None))
    return one


def plain(by: Gate | None = None) -> Session:
    return opened("/ws", by, "http")


def breaking(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("broken")


def text(value: Any) -> Message:
    return Message(Opcode.TEXT, value if isinstance(value, bytes) else json.dumps(value).encode())


def binary(data: bytes) -> Message:
    return Message(Opcode.BINARY, data)


def ask(one: Session, value: Any) -> list[SessionCommand]:
    """What follows from a message of the client, with limits that never refuse."""
    commands = one.receive(FromClient(value if isinstance(value, Message) else text(value)))
    return feed(one, LimitsTaken()) if any(isinstance(one, Consult) for one in commands) else commands


def answer(one: Session, *values: Any) -> list[SessionCommand]:
    return feed(one, *(FromServer(value if isinstance(value, Message) else text(value)) for value in values))


def all_of[T](commands: Sequence[SessionCommand], kind: type[T]) -> list[T]:
    return [command for command in commands if isinstance(command, kind)]


def only[T](commands: Sequence[SessionCommand], kind: type[T]) -> T:
    (found,) = all_of(commands, kind)
    return found


def told(commands: Sequence[SessionCommand]) -> list[Any]:
    """What the client hears, as events."""
    return [json.loads(command.message.data) for command in all_of(commands, ToClient)]


def spoken(commands: Sequence[SessionCommand]) -> str:
    """What a client makes of the pieces of text."""
    return "".join(event["delta"] for event in told(commands) if isinstance(event.get("delta"), str))


def record(commands: Sequence[SessionCommand]) -> ExchangeRecord:
    return only(commands, Finish).record


def closed(commands: Sequence[SessionCommand]) -> tuple[int, str]:
    """How the client is closed: the code, and the reason as far as the id of the record."""
    close = only(commands, CloseClient)
    return close.code, close.reason.partition(":")[0]


def ended(one: Session) -> ExchangeRecord:
    """The record of a session that its client closes now."""
    return record(one.receive(ClientClosed(1000, "")))


def item(output: str) -> dict[str, Any]:
    return {
        "type": "conversation.item.create",
        "event_id": "mine",
        "item": {"type": "function_call_output", "call_id": "c", "output": output},
    }


def user(said: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": said}]
    return {
        "type": "conversation.item.create",
        "event_id": "mine",
        "item": {"type": "message", "role": "user", "content": content},
    }


CREATE = {"type": "response.create", "event_id": "mine"}


def begun(say: Say) -> list[Any]:
    """The events of a response that never ends."""
    return [event for event in realtime.response(say) if not str(event["type"]).endswith("done")]


def words(commands: Sequence[SessionCommand]) -> str:
    """The text that a client joins, without the sound beside it."""
    return "".join(
        event["delta"]
        for event in told(commands)
        if event["type"].endswith(".delta") and event["delta"] != realtime.SOUND
    )
