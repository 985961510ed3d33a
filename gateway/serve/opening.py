"""How an unread tunnel begins: a ClientHello must name the host of the CONNECT, before the server has a byte of it.

What begins as no TLS passes: the entry says `tunnel`, which is bytes. What a client starts later within its protocol
(STARTTLS) is not looked at.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from gateway.errors import Malformed, OverLimit
from gateway.policy.egress.agreement import disagreement
from gateway.policy.egress.entry import Scheme
from gateway.policy.egress.host import Authority, Host
from gateway.serve.threshold import HANDSHAKE
from gateway.wire import client_hello

_ALERT: Final = b"\x15\x03\x03\x00\x02\x02"
"""The record of a fatal alert, but for its description (RFC 8446, sections 5.1 and 6)."""


class Contrary(Exception):
    """A ClientHello that may not pass. `alert` is what tells the client so."""

    def __init__(self, why: str, alert: ssl.AlertDescription) -> None:
        super().__init__(why)
        self.alert = _ALERT + bytes([alert])


async def opening(reader: asyncio.StreamReader, host: Host) -> bytes:
    """What the client sends first, as far as it has to be known, to be passed on. Raises Contrary.

    The client may take its time before it, since in some protocols the server speaks first, but not within it.
    """
    came = await reader.read(client_hello.MOST)
    try:
        async with asyncio.timeout(HANDSHAKE):
            while came and (found := client_hello.read(came)) is client_hello.Other.MORE:
                came += await _more(reader)
    except TimeoutError:
        raise Contrary("the ClientHello does not come to its end", ssl.ALERT_DESCRIPTION_DECODE_ERROR) from None
    except (Malformed, OverLimit) as error:
        raise Contrary(str(error), ssl.ALERT_DESCRIPTION_DECODE_ERROR) from None
    if came and isinstance(found, client_hello.ClientHello):
        fault = disagreement(Authority(host, None), Scheme.HTTPS, sni=found.server_name)
        if fault is not None:
            raise Contrary(fault, ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
    return came


async def _more(reader: asyncio.StreamReader) -> bytes:
    more = await reader.read(client_hello.MOST)
    if not more:
        raise Malformed("the connection ends within the ClientHello")
    return more
