"""A dialect whose bodies are messages, each complete in itself: a refusal takes the place of one, the others go on.

An API of this kind answers a request by its id, not by the connection; so what a refusal looks like depends on the
messages that it answers, and a dialect of this kind is bound to them (`about`) as soon as they are known.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from msgspec import Struct

from gateway.dialect.apart import Awaited, Ear, Expected
from gateway.dialect.base import Dialect, Fields, StreamReader
from gateway.policy.call import Called
from gateway.segment import Direction, Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing


@dataclass(frozen=True, slots=True)
class Instead:
    """What takes the place of a refused message: `onward` goes to its receiver, `back` to its sender.

    Where there is neither, nobody waits for anything.
    """

    onward: bytes | None = None
    back: bytes | None = None


class Listing(Struct, frozen=True):
    """A list of tools in what a server says: `at` leads to it in the body, `goes_on` is whether more pages follow."""

    at: Path
    definitions: tuple[Mapping[str, Any], ...]
    goes_on: bool = False


class Returned(Struct, frozen=True):
    """What may be the result of a call: `at` leads to it, `id` is that of the request that it answers. The rest is as
    in `gateway.policy.tools.wrapper.Result`."""

    at: Path
    id: str
    texts: tuple[str, ...] = ()
    structure: Any = None
    has_structure: bool = False
    is_error: bool = False
    is_readable: bool = True


class MessageReader(StreamReader):
    """Reads a stream of messages. `ear` is what it waits for, where requests of their own are answered on it."""

    ear: Ear | None = None

    @abstractmethod
    def close(self) -> None:
        """The stream is over."""

    @abstractmethod
    def settled(self, document: Document) -> tuple[Expected, ...]:
        """Whose answers are in a message, or what clients may take for them."""

    @abstractmethod
    def is_late(self, document: Document) -> bool:
        """Whether a message answers only what was given up."""

    @abstractmethod
    def give_up(self, expected: Expected, refusal: Refusal) -> bytes:
        """Answer what did not come by a refusal, as events; what still comes is late."""

    @abstractmethod
    def other(self, event: str | None, data: bytes) -> bytes:
        """The payload of an event that is no message, as it may go on. Raises Malformed where it may not."""

    @abstractmethod
    def kept(self, document: Document) -> bytes | None:
        """What goes on in place of this message, where that was decided before; None where it was not."""


class RpcDialect(Dialect):
    """The dialect of an API that answers a request by its id."""

    @abstractmethod
    def about(self, document: Document, direction: Direction) -> Self:
        """This dialect, with refusals that answer what the client waits for.

        These are the requests in a body that it sends, or the answers in one that it would get.
        """

    @abstractmethod
    def is_message(self, document: Document) -> bool:
        """Whether a document that came over HTTP claims to be a message, and not what HTTP says by itself."""

    @abstractmethod
    def status(self, refusal: Refusal) -> int:
        """The HTTP status of a refusal."""

    @abstractmethod
    def operation(self, document: Document, *, named: bool) -> str | None:
        """What a request asks for, for the record; with what it is for where that may be `named`."""

    def tools_called(self, _: Document) -> tuple[str, ...]:
        """The names of the tools that a request calls."""
        return ()


class MessageDialect(RpcDialect):
    """The dialect of an API that exchanges messages in both directions."""

    @abstractmethod
    def messages(self, framing: Framing) -> MessageReader:
        """A reader for one stream of what a server sends."""

    @abstractmethod
    def in_place(self, document: Document, refusal: Refusal) -> bytes:
        """What a client gets in place of a message of its server."""

    @abstractmethod
    def instead(self, document: Document, refusal: Refusal) -> Instead:
        """What takes the place of a message of a client."""

    @abstractmethod
    def made(self, document: Document) -> tuple[Called, ...]:
        """The calls of tools that a client makes in a message, with keys of their own; servers are not named."""

    @abstractmethod
    def with_arguments(self, document: Document, arguments: Mapping[Hashable, Any]) -> bytes:
        """The message with other arguments of some calls, by their keys."""

    @abstractmethod
    def listed(self, document: Document) -> tuple[Listing, ...]:
        """The lists of tools in what a server says. Raises Malformed where clients could read other ones."""

    @abstractmethod
    def returned(self, document: Document) -> tuple[Returned, ...]:
        """The results of calls in what a server says."""

    @abstractmethod
    def failed(self, document: Document, result: Returned, words: str) -> Patch:
        """The patch that puts a failure in the place of a result, with words for the model."""

    @abstractmethod
    def progress_tokens(self, document: Document, direction: Direction) -> tuple[Hashable, ...]:
        """By what a server may report progress of the requests that a client sends, or reports it in a message."""

    @property
    @abstractmethod
    def is_heard(self) -> bool:
        """Whether the answers to what is asked come with it, or on a stream that is served here."""

    @abstractmethod
    def expect(self, calls: Awaited, of: str) -> Expected | None:
        """Leave the calls of a request, sent by the exchange of that id, to the stream on which they are answered; None
        where it is not served here, or none is answered. Raises ClientError where another call of the same id waits."""

    @abstractmethod
    def repeats(self, name: str) -> bool:
        """Whether the field of a request with that name (in lower case) is held to the body by `request_fields`."""

    @abstractmethod
    def request_fields(self, headers: Fields, before: Document | None, after: Document | None) -> Fields:
        """The fields of a request as they go on: those that repeat something in the body (`before`), as they are in the
        body that goes on (`after`). Raises ClientError where they do not repeat it."""
