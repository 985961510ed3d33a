"""A request body on its way upstream, piece by piece, as far as the exchange lets it through."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from gateway.exchange.events import Command, Event, SendUpstream
from gateway.serve.client_body import ClientBody


class _Deferred(Exception):
    """The exchange wants something else than to send on: ends an upload, and never leaves the client library."""


class Upload:
    """What was let through and has not left, and why it goes no further: `deferred` commands, or a `fault`."""

    def __init__(self, body: ClientBody, receive: Callable[[Event], Awaitable[Sequence[Command]]]) -> None:
        self._body = body
        self._receive = receive
        self._waiting: deque[SendUpstream] = deque()
        self.deferred: list[Command] = []
        self.fault: Exception | None = None

    def add(self, piece: SendUpstream) -> None:
        self._waiting.append(piece)

    async def pieces(self, moved: Callable[[], None], stop: Callable[[], None]) -> AsyncIterator[bytes]:
        """The body. Runs in the client library's own task; `moved` is told of each piece, `stop` ends the request."""
        while True:
            while self._waiting:
                piece = self._waiting.popleft()
                if piece.data:
                    yield piece.data
                if piece.last:
                    return
                moved()
            try:
                event = await self._body.read()
                commands = await self._receive(event)
            except Exception as fault:
                self.fault = fault
                raise
            self._waiting += (command for command in commands if isinstance(command, SendUpstream))
            self.deferred += (command for command in commands if not isinstance(command, SendUpstream))
            if self.deferred or (event.last and not self._waiting):
                # Not all of the body may go on, so the upstream must not take it for all.
                stop()
                raise _Deferred
