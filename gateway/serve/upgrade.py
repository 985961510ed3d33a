"""The handshake of a WebSocket, as HTTP: which request asks for one, and which of its fields concern both ends."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from gateway.errors import ClientError, Code
from gateway.exchange.events import Headers
from gateway.exchange.session_events import SessionStarted
from gateway.serve.headers import end_to_end, without

PROTOCOL: Final = "sec-websocket-protocol"

_EXTENSIONS: Final = "sec-websocket-extensions"
_COMPRESSION: Final = "permessage-deflate"  # RFC 7692, 7
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)')  # RFC 9110, 5.6.4

_KEY_BYTES: Final = 16  # RFC 6455, 4.1
_VERSION: Final = "13"
_HANDSHAKE: Final = "sec-websocket-"


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


def started(target: str, headers: Headers, host: str = "", session: str = "") -> SessionStarted:
    """The event that begins a session; `headers` are the end-to-end fields, credentials put in."""
    offered = ",".join(value for name, value in headers if name.lower() == PROTOCOL)
    protocols = tuple(protocol.strip() for protocol in offered.split(",") if protocol.strip())
    return SessionStarted(target, _without_handshake(headers), protocols, host, session)


def answered(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The fields of an answer to the handshake that are neither its own nor those of a body."""
    return _without_handshake(end_to_end(raw))


def compression_offered(request: web.BaseRequest) -> str:
    """The client's offers of permessage-deflate, as one field; empty where it makes none."""
    offers = _listed(request.headers.getall(hdrs.SEC_WEBSOCKET_EXTENSIONS, ()))
    return ", ".join(offer for offer in offers if _name(offer) == _COMPRESSION)


def fault_of_choice(raw: Iterable[tuple[bytes, bytes]], protocols: tuple[str, ...], *, compress: bool) -> str | None:
    """Why an upstream's choice in the fields of its 101 is not one among what it was offered, `protocols` and, with
    `compress`, permessage-deflate. A client must not take such a connection (RFC 6455, 4.1)."""
    fields = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]
    chosen = [value.strip() for name, value in fields if name == PROTOCOL]
    if chosen and (len(chosen) > 1 or chosen[0] not in protocols):
        return "it chose a subprotocol that was not offered"
    extensions = [_name(offer) for offer in _listed(value for name, value in fields if name == _EXTENSIONS)]
    if any(name != _COMPRESSION or not compress for name in extensions):
        return "it chose an extension that was not offered"
    return "it chose an extension twice" if len(extensions) > 1 else None


def _without_handshake(headers: Headers) -> Headers:
    return tuple(field for field in without(headers, "content-length") if not field[0].lower().startswith(_HANDSHAKE))


def _listed(values: Iterable[str]) -> list[str]:
    """The extensions that fields list, each with its parameters (RFC 6455, 9.1); quoted values are left out, since no
    parameter of permessage-deflate needs one, and they may hold commas."""
    listed = (offer.strip() for value in values for offer in _QUOTED.sub('""', value).split(","))
    return [offer for offer in listed if offer]


def _name(offer: str) -> str:
    return offer.partition(";")[0].rstrip()


def _tokens(request: web.BaseRequest, field: str) -> set[str]:
    return {token.strip().lower() for value in request.headers.getall(field, ()) for token in value.split(",")}


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
