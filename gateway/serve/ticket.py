"""What mitmproxy says of a request that it hands over: where the client wanted to go, and who it is.

The ticket is a header field, signed with a key that gateway and addon share (addons/lockgate.py writes it). The key
itself never crosses the wire, since some other process may hold the hop's port when the gateway is gone. A ticket is
good for one request: method and target are signed with it, it is short-lived, and it is taken once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from time import time
from typing import Final

import msgspec
from aiohttp import web

from gateway.errors import ClientError, Code
from gateway.policy.egress.entry import Scheme

FIELD: Final = "x-lockgate-hop"
FORGED: Final = "the field x-lockgate-hop is the gateway's own, and means nothing here; leave it out"

LIFETIME: Final = 30.0
"""Seconds, to either side of now. Both ends are on one machine, but a request may have to wait for its turn."""

CLIENT: Final = web.RequestKey("client", str)
"""Where a request keeps the address that it really came from."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed. `host` is what the client named, or an address that its connection was found to lead to; which of
    them, `mode` tells. `credentials` are those for the proxy, as in Proxy-Authorization."""

    at: float
    nonce: str
    mode: str
    scheme: Scheme
    host: str
    port: int
    sni: str | None
    client: str | None
    credentials: str | None


class Tickets:
    """Takes tickets. `now` is in seconds since the epoch."""

    def __init__(self, key: bytes, now: Callable[[], float] = time) -> None:
        self._key = key
        self._now = now
        self._taken: OrderedDict[str, float] = OrderedDict()
        """Nonces, and until when they have to be known."""

    def take(self, text: str, method: str, target: str) -> Ticket:
        """The ticket of the request with that method and target. Raises ClientError."""
        payload, _, shown = text.partition(".")
        signed = f"{payload} {method} {target}".encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(signature(self._key, signed), shown.encode("utf-8", "surrogateescape")):
            raise _refused("its ticket is not signed for it with the key of this gateway")
        try:
            ticket = msgspec.json.decode(base64.urlsafe_b64decode(payload), type=Ticket)
        except ValueError:  # msgspec.DecodeError and binascii.Error are such
            raise _refused("its ticket cannot be read; is the addon of another version?") from None
        now = self._now()
        if abs(now - ticket.at) > LIFETIME:
            raise _refused("its ticket is too old; try again")
        self._forget(now)
        if ticket.nonce in self._taken:
            raise _refused("its ticket was used before")
        self._taken[ticket.nonce] = now + 2 * LIFETIME
        return ticket

    def _forget(self, now: float) -> None:
        while self._taken:
            nonce, until = next(iter(self._taken.items()))
            if until > now:
                return
            del self._taken[nonce]


def signature(key: bytes, signed: bytes) -> bytes:
    """HMAC with SHA-256 (RFC 2104), in hexadecimal."""
    return hmac.new(key, signed, hashlib.sha256).hexdigest().encode("ascii")


def refuse_ticket(headers: Mapping[str, str]) -> None:
    """Raise ClientError for a request with a ticket on a listener where none is taken."""
    if FIELD in headers:
        raise ClientError(FORGED, code=Code.IDENTITY, status=403)


def client_of(request: web.BaseRequest) -> str | None:
    """The address that a request came from; that of the client, where mitmproxy stands in between."""
    return request.get(CLIENT) or request.remote


def _refused(why: str) -> ClientError:
    return ClientError(f"only mitmproxy may hand requests over here, and {why}", code=Code.IDENTITY, status=403)
