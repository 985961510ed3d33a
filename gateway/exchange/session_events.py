"""What a session over a WebSocket is told, and what it asks for. All values are frozen; none of them does anything.

    event            when                                             commands that may follow
    SessionStarted   the head of the upgrade request is read          Consult, Respond
    LimitsTaken      the store answered a Consult                     Dial, Respond, ToServer, ToClient
    Accepted         the upstream took the upgrade                    Accept
    Declined         the upstream answered with anything else         Respond
    FromClient       a message of the client came                     Consult, ToServer, ToClient, closes
    FromServer       a message of the upstream came                   ToClient, closes
    ClientClosed     the client sent a close frame                    closes
    ServerClosed     the upstream sent a close frame                  ToClient, closes
    RequestBroken    the client broke the protocol or a limit         closes
    UpstreamFailed   no connection, a time-out, a broken connection   Respond, ToClient, closes
    DialDenied       the upstream's address may not be dialled        Respond
    ClientGone       the client's connection is lost                  CloseServer
    Ended            the session must end: it stands idle, or the     closes, at once or when the answer that is
                     gateway shuts down                               under way is over
    Stopped          an operator stopped what it is part of           Respond, ToClient, closes
    Withdrawn        what let it in does not hold any more            Respond, ToClient, closes
    Failed           the shell itself failed                          Respond, ToClient, closes

Every session ends with exactly one `Finish`, which carries the record. Before it stand what still goes to the client,
and behind it the closes, which may take their time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Code
from gateway.exchange.events import (
    Answered,
    Ask,
    ClientGone,
    Consult,
    DialDenied,
    Failed,
    Finish,
    Headers,
    LimitsTaken,
    RequestBroken,
    Respond,
    Stopped,
    UpstreamFailed,
)


class Opcode(StrEnum):
    """What a message is (RFC 6455, 5.6)."""

    TEXT = "text"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, its fragments joined and its compression undone. Text is not yet known to be UTF-8."""

    opcode: Opcode
    data: bytes


class Cause(StrEnum):
    """Why a session must end that did nothing wrong."""

    DRAINING = "draining"  # soon: when the answer that is under way is over
    SHUTDOWN = "shutdown"  # at once
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The head of an upgrade request, with `target`, `headers` and `host` as in RequestStarted, but without the fields
    of the handshake, and `session` likewise. `protocols` are the subprotocols that the client offers, which may hold
    credentials."""

    target: str
    headers: Headers
    protocols: tuple[str, ...] = ()
    host: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The upstream's 101. `protocol` is the subprotocol that it chose."""

    headers: Headers
    protocol: str | None


@dataclass(frozen=True, slots=True)
class Declined:
    """The upstream's whole answer, which is no 101."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class FromClient:
    message: Message


@dataclass(frozen=True, slots=True)
class FromServer:
    message: Message


@dataclass(frozen=True, slots=True)
class ClientClosed:
    """`code` is 1005 where the close frame has none (RFC 6455, 7.1.5)."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class ServerClosed:
    """As ClientClosed."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    cause: Cause


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The session would not be let in now: its host, its upstream or its agent is not allowed any more. `why` is for
    the client."""

    code: Code
    why: str


type SessionEvent = (
    SessionStarted
    | LimitsTaken
    | Answered
    | Accepted
    | Declined
    | FromClient
    | FromServer
    | ClientClosed
    | ServerClosed
    | RequestBroken
    | UpstreamFailed
    | DialDenied
    | ClientGone
    | Ended
    | Stopped
    | Withdrawn
    | Failed
)


@dataclass(frozen=True, slots=True)
class Dial:
    """Ask the upstream for the upgrade. `headers` are complete but for Host and the handshake's own fields.

    A message of it may have up to `max_message` bytes, and so may the body of a refusal have `max_refusal`.
    """

    target: str
    headers: Headers
    protocols: tuple[str, ...]
    max_message: int
    max_refusal: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer the client's upgrade with 101. `headers` are complete but for the handshake's own."""

    headers: Headers
    protocol: str | None
    max_message: int


@dataclass(frozen=True, slots=True)
class ToClient:
    message: Message


@dataclass(frozen=True, slots=True)
class ToServer:
    message: Message


@dataclass(frozen=True, slots=True)
class CloseClient:
    """Close the client's side. `reason` has at most 123 bytes in UTF-8 (RFC 6455, 5.5)."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class CloseServer:
    """As CloseClient."""

    code: int
    reason: str


type SessionCommand = Consult | Ask | Dial | Accept | Respond | ToClient | ToServer | CloseClient | CloseServer | Finish
