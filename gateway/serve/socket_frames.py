"""What comes and goes on one side of a WebSocket: frames as a session's events, its commands as frames."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import WebSocketError, WSMessage, WSMsgType

from gateway.exchange.events import ClientGone, Fault, RequestBroken, UpstreamFailed
from gateway.exchange.session_closes import NO_CODE, POLICY
from gateway.exchange.session_events import (
    ClientClosed,
    CloseClient,
    CloseServer,
    FromClient,
    FromServer,
    Message,
    Opcode,
    ServerClosed,
    SessionEvent,
)
from gateway.serve.client_socket import ClientSocket
from gateway.serve.upstream import CLOSING, FAILURES, UpstreamSocket

SLOW: Final = 60.0
"""Seconds that a peer may take to make room for one message; then it is taken for gone (nginx: send_timeout)."""

FLOODED: Final = CloseClient(POLICY, "more pings than anybody needs")
"""How a peer is closed that floods with pings or pongs, on either side."""

type Peer = ClientSocket | UpstreamSocket

_OPCODES: Final[Mapping[Opcode, WSMsgType]] = {Opcode.TEXT: WSMsgType.TEXT, Opcode.BINARY: WSMsgType.BINARY}
_MESSAGES: Final[Mapping[WSMsgType, Opcode]] = {kind: opcode for opcode, kind in _OPCODES.items()}


def of_client(frame: Any) -> SessionEvent:
    """What a frame of the client means, as the library gives it: a message, a close, or the end of the connection."""
    opcode = _MESSAGES.get(frame.type)
    if opcode is not None:
        return FromClient(Message(opcode, bytes(frame.data)))
    if frame.type is WSMsgType.CLOSE:
        return ClientClosed(frame.data or NO_CODE, frame.extra or "")
    fault = _fault(frame.data)
    return ClientGone() if fault is None else RequestBroken(fault)


def of_server(frame: Any) -> SessionEvent:
    """As `of_client`."""
    opcode = _MESSAGES.get(frame.type)
    if opcode is not None:
        return FromServer(Message(opcode, bytes(frame.data)))
    if frame.type is WSMsgType.CLOSE:
        return ServerClosed(frame.data or NO_CODE, frame.extra or "")
    return UpstreamFailed(Fault.BROKEN, _fault(frame.data) or "closed without a close frame")


def _fault(data: Any) -> str | None:
    """What a peer did wrong, where the library gives an error for a frame; None where the connection is lost."""
    if isinstance(data, WebSocketError):
        return str(data)
    # What cannot be decompressed is an error of the decompressor.
    is_wrong = isinstance(data, Exception) and not isinstance(data, FAILURES)
    return f"{type(data).__name__}: {data}" if is_wrong else None


def broken(why: CloseClient) -> WSMessage:
    """What the library gives for a frame that it closes the connection for, by itself: here, one that we close for."""
    error = WebSocketError(why.code, why.reason)
    return WSMessage(WSMsgType.ERROR, error, None)


async def send(peer: Peer, kind: WSMsgType, data: bytes) -> bool:
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


async def send_message(peer: Peer, message: Message) -> bool:
    """As `send`."""
    return await send(peer, _OPCODES[message.opcode], message.data)


async def close(peer: Peer, command: CloseClient | CloseServer) -> None:
    """Close one side; a peer that does not even take the close frame is cut off."""
    try:
        async with asyncio.timeout(2 * CLOSING):
            await peer.close(code=command.code, message=command.reason.encode())
    except TimeoutError:
        peer.abort()
