"""Carries a session over a WebSocket: feeds it what both sides send, and carries out its commands, in order.

It decides nothing. The upstream is asked first, and only with its 101 does the client get one, so whatever the upstream
answers else is the client's answer too. Each side has its own connection with its own pings, fragments, compression and
close handshake; neither is read faster than the other takes, so memory stays flat.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from time import perf_counter_ns
from typing import Any, Final, Literal, Protocol, override

from aiohttp import HttpVersion11, WebSocketError, WSCloseCode, WSMsgType, hdrs, web
from multidict import CIMultiDict

from gateway.errors import ClientError, Code, InternalError
from gateway.exchange.events import (
    ClientGone,
    Consult,
    DialDenied,
    ExchangeRecord,
    Failed,
    Fault,
    Finish,
    Headers,
    LimitsTaken,
    RequestBroken,
    Respond,
    Stopped,
    UpstreamFailed,
)
from gateway.exchange.session_events import (
    Accept,
    Accepted,
    Cause,
    ClientClosed,
    CloseClient,
    CloseServer,
    Declined,
    Dial,
    Ended,
    FromClient,
    FromServer,
    Message,
    Opcode,
    ServerClosed,
    SessionCommand,
    SessionEvent,
    SessionStarted,
    ToClient,
    ToServer,
)
from gateway.serve.answer import Answer
from gateway.serve.carrier import LAST_WORDS, Course, Means
from gateway.serve.dial import Denied
from gateway.serve.headers import end_to_end, without
from gateway.serve.judging import Feed
from gateway.serve.ticket import client_of
from gateway.serve.upstream import (
    CLOSING,
    FAILURES,
    HEARTBEAT,
    NotUpgraded,
    Patience,
    Upstream,
    UpstreamSocket,
    detail_of,
    fault_of,
)

SLOW: Final = 60.0
"""Seconds that a peer may take to make room for one message; then it is taken for gone (nginx: send_timeout)."""

_NO_CODE: Final = 1005  # RFC 6455, 7.4.1: a close frame without a code
_KEY_BYTES: Final = 16  # RFC 6455, 4.1
_VERSION: Final = "13"
_HANDSHAKE: Final = "sec-websocket-"
_PROTOCOL: Final = "sec-websocket-protocol"

_OPCODES: Final[Mapping[Opcode, WSMsgType]] = {Opcode.TEXT: WSMsgType.TEXT, Opcode.BINARY: WSMsgType.BINARY}
_MESSAGES: Final[Mapping[WSMsgType, Opcode]] = {kind: opcode for opcode, kind in _OPCODES.items()}


class Machine(Protocol):
    """What the carrier needs of a session."""

    @property
    def finished(self) -> bool: ...

    def weighs(self, event: SessionEvent) -> int: ...

    def receive(self, event: SessionEvent) -> Sequence[SessionCommand]: ...


def is_upgrade(request: web.BaseRequest) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, 4.2.1). `Upgrade` alone, without `Connection`, asks nothing."""
    return "websocket" in _tokens(request, hdrs.UPGRADE) and "upgrade" in _tokens(request, hdrs.CONNECTION)


def check_upgrade(request: web.BaseRequest) -> None:
    """Raise ClientError for an upgrade request that the standard does not allow."""
    if request.method != hdrs.METH_GET or request.version < HttpVersion11:
        raise ClientError("a WebSocket begins with a GET request of HTTP/1.1", code=Code.UNREADABLE)
    if [value.strip().lower() for value in request.headers.getall(hdrs.UPGRADE)] != ["websocket"]:
        raise ClientError("`Upgrade` must be `websocket` alone", code=Code.UNREADABLE)
    if request.headers.get(hdrs.SEC_WEBSOCKET_VERSION) != _VERSION:
        raise ClientError(f"`Sec-WebSocket-Version` must be {_VERSION}", code=Code.UNREADABLE)
    if not _is_key(request.headers.get(hdrs.SEC_WEBSOCKET_KEY, "")):
        raise ClientError("`Sec-WebSocket-Key` must be 16 bytes in base64", code=Code.UNREADABLE)


def started(target: str, headers: Headers, host: str = "") -> SessionStarted:
    """The event that begins a session; `headers` are the end-to-end fields, credentials put in."""
    offered = ",".join(value for name, value in headers if name.lower() == _PROTOCOL)
    protocols = tuple(protocol.strip() for protocol in offered.split(",") if protocol.strip())
    kept = tuple(field for field in without(headers, "content-length") if not field[0].lower().startswith(_HANDSHAKE))
    return SessionStarted(target, kept, protocols, host)


def _tokens(request: web.BaseRequest, field: str) -> set[str]:
    return {token.strip().lower() for value in request.headers.getall(field, ()) for token in value.split(",")}


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


class SocketCarrier:
    """One session on its way. `run` it in the client's handler task."""

    def __init__(
        self,
        request: web.BaseRequest,
        session: Machine,
        upstream: Upstream,
        patience: Patience,
        means: Means,
        consult: Callable[[], Awaitable[LimitsTaken]],
    ) -> None:
        self._request = request
        self._session = session
        self._feed = Feed(session)
        self._target = upstream
        self._patience = patience
        self._means = means
        self._ask = consult
        self._began = perf_counter_ns()
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._client: _Accepted | None = None
        self._server: UpstreamSocket | None = None
        self._answer: web.StreamResponse | None = None
        self._is_closing = False  # whether the upstream's side is told so
        self._recorded = False
        self._last: Ended | Stopped | None = None  # what it is told when its handler is cancelled by us
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

    async def run(self, begin: SessionStarted) -> web.StreamResponse:
        """Carry the session to its end, and return the answer that was given to the upgrade request."""
        self._watch_idleness()
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

    async def _read_client(self, client: _Accepted) -> None:
        while not self._session.finished:
            frame = await self._next(client)
            await self._tell(_of_client(frame))

    async def _read_server(self, server: UpstreamSocket) -> None:
        while not self._session.finished:
            frame = await self._next(server)
            await self._tell(_of_server(frame))

    async def _next(self, peer: _Accepted | UpstreamSocket) -> Any:
        """The next frame that is no ping or pong. Pings are between neighbours: passed on, they would be messages that
        nobody inspects. They do tell that a peer is still interested; a pong only tells that it is there."""
        while True:
            frame = await peer.receive()
            if frame.type is WSMsgType.PONG:
                continue
            self._heard = self._loop.time()
            if frame.type is not WSMsgType.PING:
                return frame
            if not await _send(peer, WSMsgType.PONG, frame.data):
                peer.abort()

    # -- how it ends when it does not end by itself

    def _watch_idleness(self) -> None:
        """End the session where both sides were silent for too long; otherwise look again when they may have been."""
        patience = self._patience.idle
        if patience is None:
            return
        left = self._heard + patience - self._loop.time()
        if left <= 0:
            self._interrupt(Ended(Cause.IDLE))
        else:
            self._idle = self._loop.call_later(left, self._watch_idleness)

    def _interrupt(self, last: Ended | Stopped) -> None:
        self._last = last
        self._task.cancel()

    async def _interrupted(self) -> None:
        """The handler was cancelled: by `_interrupt`, or by the server library, since the client is gone."""
        self._task.uncancel()
        await self._feed.settled()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_WORDS):
                await self._tell(ClientGone() if self._last is None else self._last)

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
            self._aside(_close(self._server, CloseServer(WSCloseCode.GOING_AWAY, "")))
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

    async def _consult(self, _: Consult) -> None:
        await self._tell(await self._ask())

    async def _dial(self, command: Dial) -> None:
        """Ask the upstream, and tell what came of it."""
        await self._tell(await self._dialled(command))

    async def _dialled(self, command: Dial) -> SessionEvent:
        try:
            server = await self._means.pool.upgrade(
                self._target,
                command.target,
                command.headers,
                command.protocols,
                command.max_message + 1,
                self._patience,
                compress=_offers_compression(self._request),
            )
        except NotUpgraded as refused:
            return await self._declined(refused, command.max_refusal)
        except Denied as denied:
            return DialDenied(str(denied))
        except FAILURES as failure:
            return UpstreamFailed(fault_of(failure), detail_of(failure))
        self._server = server
        return Accepted(_fields(server.raw_headers), server.protocol)

    async def _declined(self, refused: NotUpgraded, limit: int) -> SessionEvent:
        response = refused.response
        body = bytearray()
        try:
            async with asyncio.timeout(self._patience.connect):
                while not response.content.at_eof():
                    body += await response.content.readany()
                    if len(body) > limit:
                        return UpstreamFailed(Fault.BROKEN, f"a refusal of more than {limit} bytes")
        except FAILURES as failure:
            return UpstreamFailed(fault_of(failure), detail_of(failure))
        finally:
            response.close()
        return Declined(response.status, _fields(response.raw_headers), bytes(body))

    async def _accept(self, command: Accept) -> None:
        client = _Accepted(command.headers, command.protocol, command.max_message + 1)
        self._answer = client
        await client.prepare(self._request)
        self._client = client

    async def _respond(self, command: Respond) -> None:
        headers = (*without(command.headers, "content-length"), (hdrs.CONTENT_LENGTH, str(len(command.body))))
        answer = Answer(command.status, None, headers)
        self._answer = answer
        # What follows an upgrade request on its connection is no HTTP to the server library.
        answer.force_close()
        await answer.prepare(self._request)
        await answer.write_eof(b"" if answer.bodiless else command.body)

    async def _to_client(self, command: ToClient) -> None:
        if self._client is not None and not await _send_message(self._client, command.message):
            self._client.abort()
            await self._tell(ClientGone())

    async def _to_server(self, command: ToServer) -> None:
        if self._server is not None and not await _send_message(self._server, command.message):
            self._server.abort()
            await self._tell(UpstreamFailed(Fault.TIMEOUT, "it takes no messages"))

    async def _close_client(self, command: CloseClient) -> None:
        if self._client is not None:
            self._aside(_close(self._client, command))

    async def _close_server(self, command: CloseServer) -> None:
        if self._server is not None:
            self._is_closing = True
            self._aside(_close(self._server, command))

    async def _finish(self, command: Finish) -> None:
        self._record(command.record)

    def _record(self, record: ExchangeRecord) -> None:
        if self._recorded:
            return
        self._recorded = True
        took = perf_counter_ns() - self._began
        self._means.finish(record, Course(client_of(self._request), took, self._feed.spent))


class _Accepted(web.WebSocketResponse[Literal[False]]):
    """The client's side of a WebSocket: the 101 with just the fields it was given, and the upstream's choices."""

    def __init__(self, headers: Headers, protocol: str | None, max_message: int) -> None:
        super().__init__(
            timeout=CLOSING,
            autoclose=False,
            autoping=False,
            heartbeat=HEARTBEAT,
            max_msg_size=max_message,
            decode_text=False,
        )
        self.headers.extend(headers)
        self._chosen = protocol

    def abort(self) -> None:
        """Drop the connection, with what it has not sent yet."""
        if self._req is not None and self._req.transport is not None:
            self._req.transport.abort()

    @override
    def _handshake(self, request: web.BaseRequest) -> tuple[CIMultiDict[str], str | None, int, bool]:
        """As the library does it, but that the upstream chose the subprotocol already.

        The library would log the client's offers where it finds none of its own among them, and they hold credentials.
        """
        offers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() != _PROTOCOL)
        headers, _, compress, alone = super()._handshake(request.clone(headers=offers))
        if self._chosen is not None:
            headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = self._chosen
        return headers, self._chosen, compress, alone

    @override
    async def _prepare_headers(self) -> None:
        """Nothing to add: the library would set fields of its own here."""


async def _send(peer: _Accepted | UpstreamSocket, kind: WSMsgType, data: bytes) -> bool:
    """Send a frame as soon as its peer has room for it; False where it makes none. A lost connection is told by
    whoever reads from it, with what it said last."""
    try:
        async with asyncio.timeout(SLOW):
            await peer.send_frame(data, kind)
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


async def _send_message(peer: _Accepted | UpstreamSocket, message: Message) -> bool:
    return await _send(peer, _OPCODES[message.opcode], message.data)


async def _close(peer: _Accepted | UpstreamSocket, command: CloseClient | CloseServer) -> None:
    """Close one side; a peer that does not even take the close frame is cut off."""
    try:
        async with asyncio.timeout(2 * CLOSING):
            await peer.close(code=command.code, message=command.reason.encode())
    except TimeoutError:
        peer.abort()


def _of_client(frame: Any) -> SessionEvent:
    opcode = _MESSAGES.get(frame.type)
    if opcode is not None:
        return FromClient(Message(opcode, bytes(frame.data)))
    if frame.type is WSMsgType.CLOSE:
        return ClientClosed(frame.data or _NO_CODE, frame.extra or "")
    if isinstance(frame.data, WebSocketError):
        return RequestBroken(str(frame.data))
    return ClientGone()


def _of_server(frame: Any) -> SessionEvent:
    opcode = _MESSAGES.get(frame.type)
    if opcode is not None:
        return FromServer(Message(opcode, bytes(frame.data)))
    if frame.type is WSMsgType.CLOSE:
        return ServerClosed(frame.data or _NO_CODE, frame.extra or "")
    detail = str(frame.data) if isinstance(frame.data, WebSocketError) else "closed without a close frame"
    return UpstreamFailed(Fault.BROKEN, detail)


def _fields(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The fields of an answer to the handshake that are neither its own nor those of a body."""
    return tuple(
        field for field in without(end_to_end(raw), "content-length") if not field[0].lower().startswith(_HANDSHAKE)
    )


def _offers_compression(request: web.BaseRequest) -> bool:
    offers = request.headers.getall(hdrs.SEC_WEBSOCKET_EXTENSIONS, ())
    return any("permessage-deflate" in offer for offer in offers)


type _CarryOut = Callable[[SocketCarrier, Any], Awaitable[None]]

_CARRY: Final[Mapping[type[SessionCommand], _CarryOut]] = {
    Consult: SocketCarrier._consult,
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
