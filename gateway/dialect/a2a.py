"""The Agent2Agent protocol in its two bindings to HTTP: JSON-RPC, and plain requests with JSON bodies.

Source: the specifications 0.2.6, 0.3.0 and 1.0.1 of a2aproject/A2A. Both bindings carry the same objects. What another
agent says, its card and what it repeats of a conversation included, is untrusted data; what a client sends it is what a
model made of everything it read. No model reads these bodies as they are, so the hierarchy has no place in them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self, override

from msgspec import structs

from gateway.dialect import a2a_card, jsonrpc, refusals
from gateway.dialect import grammar as g
from gateway.dialect.a2a_card import Door
from gateway.dialect.a2a_grammar import ERROR, PARAMS, RESULT
from gateway.dialect.a2a_stream import TaskStream
from gateway.dialect.address import origin
from gateway.dialect.base import Dialect, Fields, Reading
from gateway.dialect.grammar import Rule
from gateway.dialect.jsonrpc import Id
from gateway.dialect.message import RpcDialect
from gateway.dialect.plain import Plain
from gateway.dialect.refusals import Shape, encode
from gateway.dialect.sides import SAID, SERVED, record
from gateway.errors import Malformed, UpstreamError
from gateway.segment import Direction, Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing

REFUSED: Final = -32000
"""JSON-RPC error code of a refusal: a server's own (JSON-RPC 2.0, 5.1), and the only one that A2A leaves free."""

_METHODS: Final = """
message/send message/stream tasks/get tasks/list tasks/cancel tasks/resubscribe tasks/subscribe
tasks/pushNotificationConfig/set tasks/pushNotificationConfig/get tasks/pushNotificationConfig/list
tasks/pushNotificationConfig/delete agent/getAuthenticatedExtendedCard
SendMessage SendStreamingMessage GetTask ListTasks CancelTask SubscribeToTask CreateTaskPushNotificationConfig
GetTaskPushNotificationConfig ListTaskPushNotificationConfigs DeleteTaskPushNotificationConfig GetExtendedAgentCard
"""
METHODS: Final = frozenset(_METHODS.split())
"""The methods of the protocol, which a record may name: others are a sender's own words."""

_ENVELOPE: Final = g.skipped("jsonrpc id method")
_ASKED: Final[Rule] = record({"params": PARAMS, **_ENVELOPE}, SAID)
_ANSWERED: Final[Rule] = record({"result": RESULT, "error": ERROR, **_ENVELOPE}, SERVED)


@dataclass(frozen=True, slots=True)
class A2aHttp(Dialect):
    """The binding to plain requests. `door` is set where the client came by a base URL."""

    door: Door | None = None
    name = "a2a"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return _read(PARAMS, document)

    @override
    def answer(self, document: Document) -> Reading:
        return _read(RESULT, document)

    @override
    def stream(self, framing: Framing) -> TaskStream:
        # By the name of the event clients tell an error from what an agent says; there is no envelope that would.
        return TaskStream(self.answer, (), lambda refusal: _last_event(framing, self.refusal(refusal), b"error"))

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        return ()

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        return ()

    @override
    def amend(self, document: Document) -> tuple[Patch, ...]:
        return _amended(document, (), self.door)

    @override
    def answer_fields(self, headers: Fields) -> Fields:
        return _answer_fields(headers, self.door)

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        """A `google.rpc.Status` (1.0, section 11.6), as Google's other APIs have it."""
        return refusals.body(Shape.GEMINI, refusal)


class A2aCard(A2aHttp):
    """An agent card by itself: what is in it is a card's, whatever else it looks like."""

    __slots__ = ()

    @override
    def amend(self, document: Document) -> tuple[Patch, ...]:
        return () if self.door is None else a2a_card.rewritten(document, (), self.door)


class A2aOther(Plain):
    """Whatever else an agent's host has, as plain JSON; an operator may have put the card anywhere."""

    def __init__(self, door: Door | None) -> None:
        super().__init__(Shape.GEMINI)
        self._door = door

    @override
    def answer(self, document: Document) -> Reading:
        return _read(RESULT, document) if a2a_card.is_card(document.value) else super().answer(document)

    @override
    def amend(self, document: Document) -> tuple[Patch, ...]:
        return _amended(document, (), self._door)

    @override
    def answer_fields(self, headers: Fields) -> Fields:
        return _answer_fields(headers, self._door)


@dataclass(frozen=True, slots=True)
class A2aRpc(RpcDialect):
    """The binding to JSON-RPC. `asked` is the id of the request that refusals answer; `is_bound`, whether it is known.

    `door` is set where the client came by a base URL.
    """

    door: Door | None = None
    asked: Id = None
    is_bound: bool = False
    name = "a2a"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return self._message(_ASKED, document)

    @override
    def answer(self, document: Document) -> Reading:
        return self._message(_ANSWERED, document)

    def _message(self, rule: Rule, document: Document) -> Reading:
        if isinstance(document.value, list):
            raise Malformed("A2A has no batches: send each request by itself")
        jsonrpc.refuse_ambiguity(document.value)
        return _read(rule, document)

    @override
    def stream(self, framing: Framing) -> TaskStream:
        return TaskStream(self.answer, ("result",), lambda refusal: _last_event(framing, self.refusal(refusal)))

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        return ()

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        return ()

    @override
    def amend(self, document: Document) -> tuple[Patch, ...]:
        return _amended(document, ("result",), self.door)

    @override
    def answer_fields(self, headers: Fields) -> Fields:
        return _answer_fields(headers, self.door)

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return encode(jsonrpc.failure(refusal, self.asked, REFUSED))

    @override
    def about(self, document: Document, direction: Direction) -> Self:
        if direction is Direction.ANSWER:
            return self
        return replace(self, asked=document.get("id"), is_bound=True)

    @override
    def is_message(self, document: Document) -> bool:
        keys = {key.casefold() for key in document.value} if isinstance(document.value, dict) else set()
        return not keys.isdisjoint({"jsonrpc", "result"})

    @override
    def status(self, refusal: Refusal) -> int:
        """200 where the message is answered: clients read JSON-RPC answers there, and raise at others without it."""
        return 200 if self.is_bound and refusal.code in jsonrpc.CONTENT else refusal.status

    @override
    def operation(self, document: Document, *, named: bool) -> str | None:
        method = document.get("method")
        return method if method in METHODS else "another method"


def _read(rule: Rule, document: Document) -> Reading:
    # A request has no model and asks for no stream; what stands there is a sender's own words.
    return structs.replace(g.read(rule, document), model=None, streaming=False)


def _amended(document: Document, root: Path, door: Door | None) -> tuple[Patch, ...]:
    if door is None or not a2a_card.is_card(document.get(*root)):
        return ()
    return a2a_card.rewritten(document, root, door)


def _answer_fields(headers: Fields, door: Door | None) -> Fields:
    if door is None:
        return headers
    return tuple((name, _location(value, door) if name.lower() == "location" else value) for name, value in headers)


def _location(value: str, door: Door) -> str:
    is_path = value.startswith("/") and not value.startswith("//")
    address = door.outward(origin(door.base_url) + value if is_path else value)
    if address is None:
        # Clients that follow it would talk to the other agent without the gateway.
        raise UpstreamError(
            f"the agent has moved to another address; set `base_url` under [upstreams.{door.name}] to where it is"
        )
    return address


def _last_event(framing: Framing, body: bytes, name: bytes = b"") -> bytes:
    """The event that ends a stream; the protocol knows no other framing, so another one is reset."""
    head = b"event: " + name + b"\n" if name else b""
    return head + b"data: " + body + b"\n\n" if framing is Framing.SSE else b""
