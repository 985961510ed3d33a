"""The client's side of a WebSocket."""

from __future__ import annotations

from typing import Literal, override

from aiohttp import WSCloseCode, hdrs, web
from multidict import CIMultiDict

from gateway.exchange.events import Headers
from gateway.serve.upgrade import PROTOCOL, compression_offered
from gateway.serve.upstream import CLOSING, HEARTBEAT


class ClientSocket(web.WebSocketResponse[Literal[False]]):
    """The 101 with just the fields it was given and the upstream's choices, and the messages behind it."""

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
        Of extensions it would take the first field alone, and any name that ends in that of the one it knows.
        """
        offers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() != PROTOCOL)
        offers[hdrs.SEC_WEBSOCKET_EXTENSIONS] = compression_offered(request)
        headers, _, compress, alone = super()._handshake(request.clone(headers=offers))
        if self._chosen is not None:
            headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = self._chosen
        return headers, self._chosen, compress, alone

    @override
    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """As the library does it, but that it would say 1000 to what it could not decompress, as if all were well."""
        if self.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            code = WSCloseCode.PROTOCOL_ERROR
        return await super().close(code=code, message=message, drain=drain)

    @override
    async def _prepare_headers(self) -> None:
        """Nothing to add: the library would set fields of its own here."""
