"""The answer that a client gets, written in as few pieces as it comes in."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from gateway.exchange.events import Headers
from gateway.serve.answer import Answer
from gateway.serve.headers import first, without

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Reply:
    """The answer to one request. `answer` is there once it has begun; `ended` tells that nothing more comes."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._unsent: list[bytes] = []
        self._closing = False
        self.answer: Answer | None = None
        self.ended = False

    def close_after(self) -> None:
        """Let the client's connection end with this answer."""
        self._closing = True
        if self.answer is not None:
            self.answer.force_close()

    async def invite(self) -> None:
        """Let a client that asked first send its body (RFC 9110, section 10.1.1)."""
        request = self._request
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and not request.content.total_bytes:
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0

    async def begin(self, status: int, reason: str | None, headers: Headers) -> None:
        await self._open(Answer(status, reason, headers))

    async def whole(self, status: int, reason: str | None, headers: Headers, body: bytes) -> None:
        """Answer with all of it at once."""
        headers = (*without(headers, "content-length"), (hdrs.CONTENT_LENGTH, str(len(body))))
        answer = Answer(status, reason, headers)
        if not self._request.content.is_eof():
            # The rest of the body is not wanted; on a kept connection it would have to be read to its end.
            answer.force_close()
        await self._open(answer)
        self.add(body)
        await self.end(clean=True)

    def add(self, data: bytes) -> None:
        """Add to the body; it leaves with the next `flush` or `end`."""
        if self.answer is not None and not self.answer.bodiless:
            self._unsent.append(data)

    async def end(self, *, clean: bool) -> None:
        """End the answer properly, or so that the client can tell that it is not complete."""
        answer = self.answer
        assert answer is not None
        self.ended = True
        if clean:
            await answer.write_eof(b"".join(self._unsent))
            self._unsent.clear()
            return
        await self.flush()
        transport = self._request.transport
        if transport is None or not answer.ends_by_framing:
            self.reset()
        else:
            # What was written still leaves; the missing end tells the client that the answer is not complete.
            transport.close()

    async def flush(self) -> None:
        """Write what was added: once for all of it, header included."""
        answer = self.answer
        if answer is None or not answer.prepared:
            return
        if self._unsent:
            data = b"".join(self._unsent)
            self._unsent.clear()
            await answer.write(data)
        else:
            self._request.writer.send_headers()

    def reset(self) -> None:
        """Cut the client's connection."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _open(self, answer: Answer) -> None:
        self.answer = answer
        if self._closing:
            answer.force_close()
        await answer.prepare(self._request)


def timed(headers: Headers, spent_ns: int) -> Headers:
    """The headers with the time spent inspecting so far, in milliseconds (W3C Server Timing)."""
    timing = f"lockgate;dur={spent_ns / 1e6:.2f}"
    upstream = first(headers, "server-timing")
    if upstream is None:
        return (*headers, ("server-timing", timing))
    return (*without(headers, "server-timing"), ("server-timing", f"{upstream}, {timing}"))
