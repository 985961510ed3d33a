"""Carries a session over a WebSocket: feeds it what both sides send, and carries out its commands, in order.

It decides nothing. The upstream is asked first, and only with its 101 does the client get one, so whatever the upstream
answers else is the client's answer too. Each side has its own connection with its own pings, fragments, compression and
close handshake; neither is read faster than the other takes, so memory stays flat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from time import perf_counter_ns
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from gateway.errors import ClientError, InternalError
from gateway.exchange.demand import Demand
from gateway.exchange.events import (
    Answered,
    Ask,
    ClientGone,
    Consult,
    Failed,
    Fault,
    Finish,
    LimitsTaken,
    Respond,
    Stopped,
    UpstreamFailed,
)
from gateway.exchange.recorded import ExchangeRecord
from gateway.exchange.session_events import (
    Accept,
    Accepted,
    Cause,
    CloseClient,
    CloseServer,
    Dial,
    Ended,
    SessionCommand,
    SessionEvent,
    SessionStarted,
    ToClient,
    ToServer,
    Withdrawn,
)
from gateway.serve.answer import Answer
from gateway.serve.client_socket import ClientSocket
from gateway.serve.course import course_of
from gateway.serve.headers import without
from gateway.serve.judging import Feed, Machine
from gateway.serve.means import LAST_WORDS, AskAll, Means
from gateway.serve.pings import KEPT_OPEN, Allowance
from gateway.serve.socket_dial import dialled
from gateway.serve.socket_frames import FLOODED, Peer, broken, close, of_client, of_server, send, send_message
from gateway.serve.upgrade import answered, compression_offered
from gateway.serve.upstream import (
    Patience,
    Upstream,
    UpstreamSocket,
)

type FaultNow = Callable[[str | None], ClientError | None]
"""Why a session would not be let in now; None where it would. The address is the upstream's, where it is connected."""


class SocketCarrier:
    """One session on its way. `run` it in the client's handler task."""

    def __init__(
        self,
        request: web.BaseRequest,
        session: Machine[SessionEvent, SessionCommand],
        upstream: Upstream,
        patience: Patience,
        means: Means,
        consult: Callable[[Demand], Awaitable[LimitsTaken]],
        ask: AskAll,
        fault_now: FaultNow,
    ) -> None:
        self._request = request
        self._session = session
        self._feed = Feed(session)
        self._target = upstream
        self._patience = patience
        self._means = means
        self._consult_limits = consult
        self._ask_all = ask
        self._fault_now = fault_now
        self._began = perf_counter_ns()
        self._loop = asyncio.get_running_loop()
        self._heard = self._said = 0.0  # when there was a message or a ping, and when a message
        self._client: ClientSocket | None = None
        self._server: UpstreamSocket | None = None
        self._answer: web.StreamResponse | None = None
        self._is_closing = False  # whether the upstream's side is told so
        self._recorded = False
        self._last: Ended | Stopped | Withdrawn | None = None  # what it is told when its handler is cancelled by us
        self._idle: asyncio.TimerHandle | None = None
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._asides: set[asyncio.Task[None]] = set()

    @property
    def connection(self) -> web.RequestHandler:
        return self._request.protocol

    def close_after(self) -> None:
        """Let the session end when no answer is under way."""
        self._aside(self._tell(Ended(Cause.DRAINING)))

    def cut(self) -> None:
        """End the session now, as the gateway shuts down."""
        self._interrupt(Ended(Cause.SHUTDOWN))

    def stop(self, why: str) -> None:
        """End the session now, since an operator wants it. `why` is for the client."""
        self._interrupt(Stopped(why))

    def review(self) -> None:
        """End the session now if it would not be let in any more."""
        fault = self._fault_now(None if self._server is None else self._server.address)
        if fault is not None:
            self._interrupt(Withdrawn(fault.code, str(fault)))

    async def run(self, begin: SessionStarted) -> web.StreamResponse:
        """Carry the session to its end, and return the answer that was given to the upgrade request."""
        try:
            await self._drive(begin)
        except asyncio.CancelledError:
            await self._interrupted()
            if self._last is None:
                raise
        except Exception as failure:  # noqa: BLE001 -- the outer boundary: whatever it is ends in a close and a record
            await self._fail(failure)
        finally:
            if self._idle is not None:
                self._idle.cancel()
            await self._leave()
        if self._answer is None:
            raise InternalError("a session ended without an answer")
        return self._answer

    # -- the course of a session

    async def _drive(self, begin: SessionStarted) -> None:
        await self._tell(begin)
        if self._session.finished:
            return
        if self._client is None or self._server is None:
            raise InternalError("a session was left between its handshakes")
        self._aside(self._read_server(self._server))
        await self._read_client(self._client)

    async def _read_client(self, client: ClientSocket) -> None:
        pings = Allowance()
        while not self._session.finished:
            frame = await self._next(client, pings)
            await self._tell(of_client(frame))

    async def _read_server(self, server: UpstreamSocket) -> None:
        pings = Allowance()
        while not self._session.finished:
            frame = await self._next(server, pings)
            await self._tell(of_server(frame))

    async def _next(self, peer: Peer, pings: Allowance) -> Any:
        """The next frame that is no ping or pong. Pings are between neighbours: passed on, they would be messages that
        nobody inspects. They do tell that a peer is still interested; a pong only tells that it is there."""
        while True:
            frame = await peer.receive()
            now = self._loop.time()
            if frame.type not in (WSMsgType.PING, WSMsgType.PONG):
                self._heard = self._said = now
                return frame
            if not pings.take(now):
                self._aside(close(peer, FLOODED))
                return broken(FLOODED)
            if frame.type is WSMsgType.PING:
                self._heard = now
                if not await send(peer, WSMsgType.PONG, frame.data):
                    peer.abort()

    # -- how it ends when it does not end by itself

    def _watch_idleness(self) -> None:
        """End the session where both sides were silent for too long; otherwise look again when they may have been."""
        patience = self._patience.idle
        if patience is None:
            return
        left = min(self._heard + patience, self._said + max(patience, KEPT_OPEN)) - self._loop.time()
        if left <= 0:
            self._interrupt(Ended(Cause.IDLE))
        else:
            self._idle = self._loop.call_later(left, self._watch_idleness)

    def _interrupt(self, last: Ended | Stopped | Withdrawn) -> None:
        """Let the handler tell the session that. What is ending already ends as it began to."""
        if self._last is None and not self._session.finished:
            self._last = last
            self._task.cancel()

    async def _interrupted(self) -> None:
        """The handler was cancelled: by `_interrupt`, or by the server library, since the client is gone."""
        self._task.uncancel()
        await self._feed.settled()
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._tell(ClientGone() if self._last is None else self._last)
        except (TimeoutError, ConnectionError):
            self._abort_client()  # it takes no last words, and would take no close frame

    async def _fail(self, failure: Exception) -> None:
        try:
            await self._tell(Failed("serve", f"{type(failure).__name__}: {failure}"))
        finally:
            if not self._session.finished:
                self._abort_client()

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the handler, which may be cancelled meanwhile."""

        async def do() -> None:
            try:
                await work
            except Exception as failure:  # noqa: BLE001 -- nobody else sees what goes wrong in this task
                await self._fail(failure)

        task = asyncio.create_task(do())
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    async def _leave(self) -> None:
        """Let the close handshakes end, each of which has its time."""
        if self._server is not None and not self._is_closing:
            self._aside(close(self._server, CloseServer(WSCloseCode.GOING_AWAY, "")))
        if self._asides:
            await asyncio.wait(self._asides)

    def _abort_client(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    # -- events and commands

    async def _tell(self, event: SessionEvent) -> None:
        commands = await self._feed.receive(event)
        try:
            for command in commands:
                await _CARRY[type(command)](self, command)
        finally:
            # Whatever became of the others, the session is recorded.
            for command in commands:
                if isinstance(command, Finish):
                    self._record(command.record)

    async def _consult(self, command: Consult) -> None:
        await self._tell(await self._consult_limits(command.demand))

    async def _ask(self, command: Ask) -> None:
        # The server's messages wait behind it; the client's go on, and pings with them.
        await self._tell(Answered(await self._ask_all(command)))

    async def _dial(self, command: Dial) -> None:
        """Ask the upstream, and tell what came of it."""
        compress = bool(compression_offered(self._request))
        found = await dialled(self._means.pool, self._target, command, self._patience, compress=compress)
        if not isinstance(found, UpstreamSocket):
            await self._tell(found)
            return
        self._server = found
        fault = self._fault_now(found.address)  # what is allowed may have changed while it was dialled
        if fault is not None:
            await self._tell(Withdrawn(fault.code, str(fault)))
        else:
            await self._tell(Accepted(answered(found.raw_headers), found.protocol))

    async def _accept(self, command: Accept) -> None:
        client = ClientSocket(command.headers, command.protocol, command.max_message + 1)
        self._answer = client
        await client.prepare(self._request)
        self._client = client
        self._heard = self._said = self._loop.time()
        self._watch_idleness()

    async def _respond(self, command: Respond) -> None:
        headers = (*without(command.headers, "content-length"), (hdrs.CONTENT_LENGTH, str(len(command.body))))
        answer = Answer(command.status, None, headers)
        self._answer = answer
        # What follows an upgrade request on its connection is no HTTP to the server library.
        answer.force_close()
        await answer.prepare(self._request)
        await answer.write_eof(b"" if answer.bodiless else command.body)

    async def _to_client(self, command: ToClient) -> None:
        if self._client is not None and not await send_message(self._client, command.message):
            self._client.abort()
            await self._tell(ClientGone())

    async def _to_server(self, command: ToServer) -> None:
        if self._last is not None:
            # It was interrupted while a thread judged the message, and is cancelled where it next waits: a socket with
            # room takes the message before that.
            await asyncio.sleep(0)
        if self._server is not None and not await send_message(self._server, command.message):
            self._server.abort()
            await self._tell(UpstreamFailed(Fault.TIMEOUT, "it takes no messages"))

    async def _close_client(self, command: CloseClient) -> None:
        if self._client is not None:
            self._aside(close(self._client, command))

    async def _close_server(self, command: CloseServer) -> None:
        if self._server is not None:
            self._is_closing = True
            self._aside(close(self._server, command))

    async def _finish(self, command: Finish) -> None:
        self._record(command.record)

    def _record(self, record: ExchangeRecord) -> None:
        if self._recorded:
            return
        self._recorded = True
        self._means.finish(record, course_of(self._request, self._began, self._feed.spent))


type _CarryOut = Callable[[SocketCarrier, Any], Awaitable[None]]

_CARRY: Final[Mapping[type[SessionCommand], _CarryOut]] = {
    Consult: SocketCarrier._consult,
    Ask: SocketCarrier._ask,
    Dial: SocketCarrier._dial,
    Accept: SocketCarrier._accept,
    Respond: SocketCarrier._respond,
    ToClient: SocketCarrier._to_client,
    ToServer: SocketCarrier._to_server,
    CloseClient: SocketCarrier._close_client,
    CloseServer: SocketCarrier._close_server,
    Finish: SocketCarrier._finish,
}
"""How each command is carried out."""
