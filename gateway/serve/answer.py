"""An answer to a client that leaves with just the header fields it was given.

aiohttp's own response adds Server, Date and Content-Type; a gateway passes on the upstream's or none. Header and body
are written together where both are at hand: each write is a system call, and often a packet.
"""

from __future__ import annotations

from typing import override

from aiohttp import HttpVersion11, hdrs, web

from gateway.exchange.events import Headers


class Answer(web.StreamResponse):
    """A response whose message framing follows its `Content-Length`, or is chunked without one."""

    _send_headers_immediately = False

    def __init__(self, status: int, reason: str | None, headers: Headers) -> None:
        super().__init__(status=status, reason=reason, headers=headers)

    @property
    def bodiless(self) -> bool:
        """Whether this answer has no body by rule: to a HEAD, or 1xx, 204, 304 (RFC 9112, section 6.3)."""
        return bool(self._must_be_empty_body)

    @property
    def ends_by_framing(self) -> bool:
        """Whether a client can tell a complete body from a cut one; an HTTP/1.0 client may not."""
        return self.bodiless or hdrs.CONTENT_LENGTH in self.headers or hdrs.TRANSFER_ENCODING in self.headers

    @override
    async def _prepare_headers(self) -> None:
        """Set the message framing and `Connection`, and nothing else (aiohttp adds its own fields here)."""
        request, writer, headers = self._req, self._payload_writer, self.headers
        assert request is not None
        assert writer is not None
        keep_alive = request.keep_alive if self._keep_alive is None else self._keep_alive
        modern = request.version >= HttpVersion11
        writer.length = None
        if not self.bodiless and hdrs.CONTENT_LENGTH not in headers:
            if modern:
                writer.enable_chunking()
                headers[hdrs.TRANSFER_ENCODING] = "chunked"
            else:
                keep_alive = False
        self._keep_alive = keep_alive
        if keep_alive and not modern:
            headers[hdrs.CONNECTION] = "keep-alive"
        elif modern and not keep_alive:
            headers[hdrs.CONNECTION] = "close"


class Refused(Answer):
    """An answer that is at hand as a whole, and ends the connection where that cannot be relied on any more."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        super().__init__(status, None, (*headers, (hdrs.CONTENT_LENGTH, str(len(body)))))
        self._whole = body

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(b"" if self.bodiless else self._whole)
