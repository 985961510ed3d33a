"""The Model Context Protocol: JSON-RPC 2.0 messages between a client and a server of tools, resources and prompts.

Source: the specifications of 2024-11-05 (HTTP+SSE), 2025-03-26 to 2025-11-25 (sessions, streamable HTTP), and
2026-07-28 (no sessions; header fields repeat the body). One dialect reads all of them: by the members of a message.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self, override

from msgspec import structs

from gateway.dialect import grammar as g
from gateway.dialect import mcp_fields, mcp_refusals, mcp_results
from gateway.dialect.apart import Awaited, Ear, Expected
from gateway.dialect.base import EventReading, Fields, Reading
from gateway.dialect.jsonrpc import CONTENT, Id, correlated, is_answer
from gateway.dialect.mcp_door import Door, Inner, Street
from gateway.dialect.mcp_grammar import MESSAGES, TARGETS
from gateway.dialect.mcp_listing import listed
from gateway.dialect.mcp_refusals import Owed
from gateway.dialect.message import Instead, Listing, MessageDialect, MessageReader, Returned
from gateway.dialect.plain import wholes
from gateway.dialect.refusals import encode
from gateway.errors import ClientError, Code, Malformed, UpstreamError
from gateway.policy.call import Call, Called
from gateway.segment import Direction, Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch, apply
from gateway.wire.frames import Framing

_METHODS: Final = """
completion/complete elicitation/create initialize logging/setLevel ping prompts/get prompts/list resources/list
resources/read resources/subscribe resources/templates/list resources/unsubscribe roots/list sampling/createMessage
server/discover subscriptions/listen tasks/cancel tasks/get tasks/list tasks/result tools/call tools/list
notifications/cancelled notifications/elicitation/complete notifications/initialized notifications/message
notifications/progress notifications/prompts/list_changed notifications/resources/list_changed
notifications/resources/updated notifications/roots/list_changed notifications/subscriptions/acknowledged
notifications/tasks/status notifications/tools/list_changed
"""
METHODS: Final = frozenset(_METHODS.split())
"""The methods of the protocol, which a record may name: others are a sender's own words."""

_NOWHERE: Final = Inner("")

_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_./-]{1,64}")
"""The form that the specification of 2025-11-25 recommends for names of tools, but half as long."""

_RESOURCE_METADATA: Final = re.compile(r'(?i)(\bresource_metadata\s*=\s*)(?:"([^"\\]*)"|([^\s",]+))')


@dataclass(frozen=True, slots=True)
class Mcp(MessageDialect):
    """One side of the protocol or both, over any transport.

    `door` translates addresses, where the transport has some; by proxy there is a `street` in its place. `asked` is
    what was asked for of the server. `owed` are the answers that a refusal gives; `is_batch` is whether they came in an
    array.
    """

    door: Door | None = None
    asked: Inner = _NOWHERE
    owed: tuple[Owed, ...] = ()
    is_batch: bool = False
    street: Street | None = None
    name = "mcp"

    @property
    def way(self) -> Door | Street | None:
        """How the server is reached; None over pipes."""
        return self.door or self.street

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return _read(document, Direction.REQUEST)

    @override
    def answer(self, document: Document) -> Reading:
        return _read(document, Direction.ANSWER)

    @override
    def stream(self, framing: Framing) -> MessageReader:
        return self.messages(framing)

    @override
    def messages(self, framing: Framing) -> McpStream:
        return McpStream(self)

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """No patches: no model reads these bodies as they are."""
        return ()

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        return ()

    @override
    def about(self, document: Document, direction: Direction) -> Self:
        if direction is Direction.ANSWER and not self.is_message(document):
            return self
        value = document.value
        return replace(self, owed=mcp_refusals.owed(value, direction), is_batch=isinstance(value, list))

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return mcp_refusals.body(refusal, self.owed, batch=self.is_batch)

    @override
    def is_message(self, document: Document) -> bool:
        first = document.get(0) if isinstance(document.value, list) else document.value
        return isinstance(first, dict) and any(key.casefold() == "jsonrpc" for key in first)

    @override
    def status(self, refusal: Refusal) -> int:
        """200 where the message is answered: clients read JSON-RPC answers there, and raise at others without it."""
        return 200 if self.owed and refusal.code in CONTENT else refusal.status

    @override
    def in_place(self, document: Document, refusal: Refusal) -> bytes:
        told = [mcp_refusals.for_client(refusal, message) for message in _messages(document)]
        return _body(told, document)

    @override
    def instead(self, document: Document, refusal: Refusal) -> Instead:
        messages = _messages(document)
        bound = self.about(document, Direction.REQUEST)
        if self.way is not None and self.asked.answers_apart:
            for one in bound.owed:
                self.way.answers.keep(self.asked.target, one.id, encode(mcp_refusals.answer(refusal, one)))
        elif bound.owed:
            return Instead(back=bound.refusal(refusal))
        elif not is_answer(messages[0]):
            return Instead()
        # A batch is of requests and notifications, or of answers.
        return Instead(onward=_body([mcp_refusals.for_server(refusal, message) for message in messages], document))

    @override
    def repeats(self, name: str) -> bool:
        return mcp_fields.repeats(name)

    @override
    def request_fields(self, headers: Fields, before: Document | None, after: Document | None) -> Fields:
        return mcp_fields.mirrored(headers, before, after)

    @override
    def answer_fields(self, headers: Fields) -> Fields:
        if self.door is None:
            return headers
        return tuple((name, self._answer_field(self.door, name.lower(), value)) for name, value in headers)

    def _answer_field(self, door: Door, name: str, value: str) -> str:
        if name == "www-authenticate":
            return _RESOURCE_METADATA.sub(lambda found: self._metadata(door, found), value)
        if name != "location":
            return value
        address = door.outward(value, self.asked.target)
        if address is None:
            # Clients that follow it would talk to the other server without the gateway.
            raise UpstreamError(
                f"the server has moved to another one; set `url` under [mcp.{door.name}] to where it is"
            )
        return address

    def _metadata(self, door: Door, found: re.Match[str]) -> str:
        address = door.outward(found[2] or found[3] or "", self.asked.target)
        return found[0] if address is None else f'{found[1]}"{door.site}{address}"'

    @override
    def tools_called(self, document: Document) -> tuple[str, ...]:
        called = (one.get("params") for one in _messages(document) if one.get("method") == _CALL)
        names = (params.get("name") for params in called if isinstance(params, dict))
        return tuple(name for name in names if isinstance(name, str))

    @override
    def made(self, document: Document) -> tuple[Called, ...]:
        found: list[Called] = []
        for number, message in enumerate(_messages(document)):
            params = message.get("params")
            if message.get("method") == _CALL and isinstance(params, dict):
                arguments = params.get("arguments")
                call = Call(
                    str(params.get("name")),
                    {} if arguments is None else arguments,
                    str(correlated(message.get("id"))),
                    is_readable=arguments is None or isinstance(arguments, dict),
                )
                found.append(Called(number, call))
        return tuple(found)

    @override
    def with_arguments(self, document: Document, arguments: Mapping[Hashable, Any]) -> bytes:
        patches = []
        for number, value in arguments.items():
            params: Path = (*_at(document, number), "params")
            if "arguments" in document.get(*params):
                patches.append(document.replace((*params, "arguments"), value))
            else:
                patches.append(document.append_member(params, "arguments", value))
        return apply(document.raw, patches)

    @override
    def listed(self, document: Document) -> tuple[Listing, ...]:
        return listed(document)

    @override
    def returned(self, document: Document) -> tuple[Returned, ...]:
        return mcp_results.returned(document)

    @override
    def failed(self, document: Document, result: Returned, words: str) -> Patch:
        return mcp_results.failed(document, result, words)

    @override
    def progress_tokens(self, document: Document, direction: Direction) -> tuple[Hashable, ...]:
        return mcp_results.progress_tokens(document, direction)

    @property
    @override
    def is_heard(self) -> bool:
        return not self.asked.answers_apart or self._ear is not None

    @property
    def _ear(self) -> Ear | None:
        """The stream whose messages are sent to what is asked, where it is served here."""
        way = self.way
        return way.answers.ears.at(way.origin + self.asked.target) if way is not None else None

    @override
    def expect(self, calls: Awaited, of: str) -> Expected | None:
        ear = self._ear
        owed = {one.id: one.token for one in self.owed if one.is_call}
        if ear is None or not owed:
            return None
        if any(map(ear.expects, owed)):
            raise ClientError("another call with the same `id` is not answered yet", code=Code.UNREADABLE)
        return ear.expect(calls, of, owed)

    @override
    def operation(self, document: Document, *, named: bool) -> str | None:
        message = document.value
        if not isinstance(message, dict):
            return "batch"
        method = message.get("method")
        if method is None:
            return "answer"
        known = str(method) if method in METHODS else "another method"
        target = document.get("params", "name") if known in TARGETS else None
        is_name = named and isinstance(target, str) and _TOOL_NAME.fullmatch(target)
        return f"{known} {target}" if is_name else known


_CALL: Final = "tools/call"


def _read(document: Document, direction: Direction) -> Reading:
    # A message has no model and asks for no stream; what stands there is a sender's own words.
    return structs.replace(g.read(MESSAGES[direction], document), model=None, streaming=False)


def _messages(document: Document) -> list[dict[str, Any]]:
    """The messages of a body that was read."""
    return document.value if isinstance(document.value, list) else [document.value]


def _at(document: Document, number: Hashable) -> Path:
    """Where a message stands in a body."""
    return (number,) if isinstance(document.value, list) and isinstance(number, int) else ()


def _body(messages: list[dict[str, Any]], like: Document) -> bytes:
    return encode(messages if isinstance(like.value, list) else messages[0])


class McpStream(MessageReader):
    """A stream of messages of a server: the answer to one request, or whatever it has to say."""

    def __init__(self, dialect: Mcp) -> None:
        self._dialect = dialect
        self._open = {one.id: one for one in dialect.owed}
        self._address = ""  # that messages are sent to, whose answers come on this stream

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            raise Malformed("an event of the stream is no JSON-RPC message")
        reading = self._dialect.answer(document)
        return wholes([*reading.segments, *reading.uninspected])

    @override
    def other(self, event: str | None, data: bytes) -> bytes:
        """An empty event, which gives its place in the stream an id, or the address for messages in HTTP+SSE."""
        if not data.strip():
            return data
        way = self._dialect.way
        if event != "endpoint" or way is None:
            raise Malformed("an event of the stream is no JSON-RPC message")
        # A frame is UTF-8.
        found = way.for_messages(data.decode(), self._dialect.asked.target)
        if found is None:
            raise Malformed("the server wants messages to be sent to another server")
        address, outward = found
        if self.ear is None:
            self._address, self.ear = address, way.answers.ears.begin(way.origin + address)
        elif self._address != address:
            raise Malformed("the server wants messages to be sent to a second address")
        return outward.encode()

    @override
    def close(self) -> None:
        if self.ear is not None and self._dialect.way is not None:
            self._dialect.way.answers.ears.end(self.ear)

    @override
    def kept(self, document: Document) -> bytes | None:
        way, message = self._dialect.way, document.value
        if way is None or not isinstance(message, dict) or not is_answer(message):
            return None
        return way.answers.take(self._address, message.get("id"))

    @override
    def settled(self, document: Document) -> tuple[Expected, ...]:
        ear = self.ear
        found = map(ear.answered, _answered(document)) if ear is not None else ()
        return tuple(one for one in found if one is not None)

    @override
    def is_late(self, document: Document) -> bool:
        if self.ear is None:
            return False
        late = [self.ear.is_late(id_) for id_ in _answered(document)]
        return bool(late) and len(late) == len(_messages(document)) and all(late)

    @override
    def give_up(self, expected: Expected, refusal: Refusal) -> bytes:
        owed = (Owed(id_, is_call=True) for id_ in expected.ear.give_up(expected))
        return b"".join(_event(refusal, one) for one in owed)

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        if document is not None:
            for one in mcp_refusals.owed(document.value, Direction.ANSWER):
                self._open.pop(one.id, None)

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """An answer to each request that still waits; nothing on a stream that answers none, which then is reset."""
        return b"".join(_event(refusal, one) for one in self._open.values())


def _event(refusal: Refusal, owed: Owed) -> bytes:
    """The event that refuses a request."""
    return b"event: message\ndata: " + encode(mcp_refusals.answer(refusal, owed)) + b"\n\n"


def _answered(document: Document) -> tuple[Id, ...]:
    """The ids of the requests that a body answers."""
    return tuple(one.get("id") for one in _messages(document) if is_answer(one))
