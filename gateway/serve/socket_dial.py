"""Asks an upstream for a WebSocket, and tells what came of it."""

from __future__ import annotations

import asyncio

from gateway.exchange.events import DialDenied, Fault, UpstreamFailed
from gateway.exchange.session_events import Declined, Dial
from gateway.serve.dial import Denied
from gateway.serve.upgrade import answered, fault_of_choice
from gateway.serve.upstream import (
    FAILURES,
    NotUpgraded,
    Patience,
    Pool,
    Upstream,
    UpstreamSocket,
    detail_of,
    fault_of,
)


async def dialled(
    pool: Pool, upstream: Upstream, command: Dial, patience: Patience, *, compress: bool
) -> UpstreamSocket | Declined | DialDenied | UpstreamFailed:
    """The open socket, or why there is none. `compress` is whether compression is offered."""
    try:
        socket = await pool.upgrade(
            upstream,
            command.target,
            command.headers,
            command.protocols,
            command.max_message + 1,
            patience,
            compress=compress,
        )
        fault = fault_of_choice(socket.raw_headers, command.protocols, compress=compress)
        if fault is None:
            return socket
        socket.abort()
        await socket.close()
        return UpstreamFailed(Fault.BROKEN, fault)
    except NotUpgraded as refused:
        return await _declined(refused, command.max_refusal, patience)
    except Denied as denied:
        return DialDenied(str(denied))
    except FAILURES as failure:
        return UpstreamFailed(fault_of(failure), detail_of(failure))


async def _declined(refused: NotUpgraded, limit: int, patience: Patience) -> Declined | UpstreamFailed:
    """What an upstream said instead. It may take as long as any answer: `idle` between two pieces; and all of it no
    longer than the head of one may, since nobody waits for a model here."""
    response = refused.response
    body = bytearray()
    try:
        async with asyncio.timeout(patience.first_byte):
            while not response.content.at_eof():
                async with asyncio.timeout(patience.idle):
                    body += await response.content.readany()
                if len(body) > limit:
                    return UpstreamFailed(Fault.BROKEN, f"a refusal of more than {limit} bytes")
    except FAILURES as failure:
        return UpstreamFailed(fault_of(failure), detail_of(failure))
    finally:
        response.close()
    return Declined(response.status, answered(response.raw_headers), bytes(body))
