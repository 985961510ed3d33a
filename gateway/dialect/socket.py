"""What a dialect is over a WebSocket, where requests and answers are messages of one session.

A message of the client is a request of its own, and the messages of the server are one stream. Other than a dialect of
HTTP, it is made for one session and may remember what that session has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, override

from gateway.dialect.base import Denials, Dialect
from gateway.dialect.plain import Plain
from gateway.dialect.refusals import Shape
from gateway.verdict import Refusal
from gateway.wire.document import Document


class Socket(Dialect, Protocol):
    """One session's dialect. `takes_binary` is whether its JSON may come in binary messages as well."""

    takes_binary: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether no answer is under way."""
        ...

    def asks(self, message: Document) -> bool:
        """Whether a message of the client makes a model answer, as a request does: it takes from the limits."""
        ...

    def went(self, message: Document) -> None:
        """Note that a message of the client has gone on to the server."""
        ...

    def complaint(self, refusal: Refusal, message: Document | None = None) -> bytes:
        """The event that tells of a refusal, of `message` where it is known; empty where the API has none.

        After it the session may go on, and the refused message counts as never sent.
        """
        ...

    def owed(self, denials: Sequence[Denials]) -> bytes:  # noqa: ARG002 -- for the few that wait
        """What the server waits for since these calls were refused; empty where it goes on without."""
        return b""


class PlainSocket(Plain, Socket):
    """Messages that no dialect knows. Each is judged alone, as JSON where it is JSON and as text otherwise."""

    @property
    @override
    def is_idle(self) -> bool:
        return True

    @override
    def asks(self, message: Document) -> bool:
        return False

    @override
    def went(self, message: Document) -> None:
        """Nothing to remember."""

    @override
    def complaint(self, refusal: Refusal, message: Document | None = None) -> bytes:
        return b""


PLAIN_SOCKET: Final = PlainSocket(Shape.PLAIN)
