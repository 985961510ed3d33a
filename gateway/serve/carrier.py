"""Carries one exchange between a client and an upstream: feeds it events, carries out its commands, in order.

It decides nothing. Whatever goes wrong here is told to the exchange as an event, so that it ends in a refusal and a
record; where even that fails, the connection is cut. The time that the exchange itself takes is measured.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any, Final, Protocol

from aiohttp import ClientResponse, hdrs, web

from gateway.errors import InternalError
from gateway.exchange.events import (
    AnswerData,
    AnswerStarted,
    BeginAnswer,
    ClientGone,
    Command,
    Consult,
    DialDenied,
    DropUpstream,
    EndAnswer,
    Event,
    ExchangeRecord,
    Extract,
    Failed,
    Finish,
    Headers,
    LimitsTaken,
    ReadBody,
    RequestBroken,
    RequestData,
    RequestStarted,
    Respond,
    SendAnswer,
    SendUpstream,
    StartUpstream,
    UpstreamFailed,
)
from gateway.pdf.reader import Reader
from gateway.serve.answer import Answer
from gateway.serve.dial import Denied
from gateway.serve.headers import end_to_end, first, without
from gateway.serve.judging import Feed
from gateway.serve.ticket import client_of
from gateway.serve.upstream import FAILURES, Patience, Pool, Upstream, detail_of, fault_of

SLOW_CLIENT: Final = 60.0
"""Seconds without a byte of a request body after which its sender is taken for gone (nginx: client_body_timeout)."""

SLOWEST: Final = 500
"""Bytes a second that a request body must make after that time (Apache mod_reqtimeout: `body=20,MinRate=500`)."""

LAST_WORDS: Final = 1.0
"""Seconds that an exchange cut by a shutdown gets to end its answer properly."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Machine(Protocol):
    """What the carrier needs of an exchange."""

    @property
    def finished(self) -> bool: ...

    def weighs(self, event: Event) -> int: ...

    def receive(self, event: Event) -> Sequence[Command]: ...


@dataclass(frozen=True, slots=True)
class Course:
    """What the shell adds to a record: the client's address, and nanoseconds in all and spent inspecting."""

    client: str | None
    took_ns: int
    spent_ns: int


@dataclass(frozen=True, slots=True)
class Means:
    """What carriers share: the way out, where the record goes, and who reads PDFs."""

    pool: Pool
    finish: Callable[[ExchangeRecord, Course], None]
    pdf: Reader = field(default_factory=Reader)


class _Deferred(Exception):
    """The exchange wants something else than to send on: ends an upload, and never leaves this module."""


class _BrokenBody(Exception):
    """The client's body is broken or does not come; never leaves this module."""


class Carrier:
    """One exchange on its way. `run` it in the client's handler task."""

    def __init__(
        self,
        request: web.BaseRequest,
        exchange: Machine,
        upstream: Upstream,
        patience: Patience,
        means: Means,
        consult: Callable[[], Awaitable[LimitsTaken]],
    ) -> None:
        self._request = request
        self._exchange = exchange
        self._feed = Feed(exchange)
        self._target = upstream
        self._patience = patience
        self._means = means
        self._ask = consult
        self._began = perf_counter_ns()
        self._answer: Answer | None = None
        self._unsent: list[bytes] = []
        self._start: StartUpstream | None = None
        self._uploads: deque[SendUpstream] = deque()
        self._deferred: list[Command] = []
        self._upload_fault: Exception | None = None
        self._ended = False
        self._upstream: ClientResponse | None = None
        self._body_wanted = False
        self._closing = False
        self._recorded = False
        self._received = 0
        self._cut = False
        self._task = asyncio.current_task()

    @property
    def connection(self) -> web.RequestHandler:
        return self._request.protocol

    def close_after(self) -> None:
        """Let the client's connection end with this answer."""
        self._closing = True
        if self._answer is not None:
            self._answer.force_close()

    def cut(self) -> None:
        """End the exchange now, as the gateway shuts down."""
        self._cut = True
        if self._task is not None:
            self._task.cancel()

    async def run(self, started: RequestStarted) -> web.StreamResponse:
        """Carry the exchange to its end, and return the answer that was given."""
        try:
            await self._drive(started)
        except asyncio.CancelledError:
            if not self._cut:
                await self._abandon()
                raise
            await self._last_words()
        except ConnectionError:
            await self._abandon()
            if self._answer is None:
                raise
        except Exception as failure:  # noqa: BLE001 -- the outer boundary: whatever it is ends in a refusal and a record
            await self._fail(failure)
        finally:
            if self._upstream is not None:
                self._upstream.close()
        if self._answer is None:
            raise InternalError("an exchange ended without an answer")
        if not self._ended:
            # The server would end an open answer properly, and the client would take a part for the whole.
            self._reset()
        return self._answer

    # -- the course of an exchange

    async def _drive(self, started: RequestStarted) -> None:
        await self._tell(started)
        try:
            while self._body_wanted and self._start is None and not self._exchange.finished:
                await self._tell(await self._read_request())
        except _BrokenBody as broken:
            await self._tell(RequestBroken(str(broken)))
        if self._start is not None and not self._exchange.finished:
            await self._call(self._start)
        if not self._exchange.finished:
            raise InternalError("an exchange stopped before its end")

    async def _call(self, start: StartUpstream) -> None:
        """Send the request upstream, and the answer back."""
        try:
            response = self._upstream = await self._send(start)
        except Denied as denied:
            await self._tell(DialDenied(str(denied)))
            return
        except FAILURES as failure:
            await self._upstream_failed(failure)
            return
        await self._tell(AnswerStarted(response.status, end_to_end(response.raw_headers)))
        while not self._exchange.finished:
            try:
                data = await response.content.readany()
            except FAILURES as failure:
                await self._upstream_failed(failure)
                return
            await self._tell(AnswerData(data, response.content.at_eof()))

    async def _upstream_failed(self, failure: Exception) -> None:
        """What broke may be the upstream, the client's body, or nothing: the exchange wanted no more of the upload."""
        if self._deferred:
            await self._carry_out(self._deferred)
        elif isinstance(self._upload_fault, _BrokenBody):
            await self._tell(RequestBroken(str(self._upload_fault)))
        elif self._upload_fault is not None:
            raise self._upload_fault
        else:
            await self._tell(UpstreamFailed(fault_of(failure), detail_of(failure)))

    async def _send(self, start: StartUpstream) -> ClientResponse:
        patience = self._patience
        deadline = asyncio.timeout(patience.connect + patience.first_byte)
        headers = start.headers
        body: bytes | AsyncIterator[bytes] | None = start.body or None
        if start.body is None:
            # Sent on as it came: with the length that the client declared, or in chunks.
            body = self._upload(deadline)
        else:
            headers = without(headers, "content-length")
        return await self._means.pool.send(self._target, start.method, start.target, headers, body, patience, deadline)

    async def _upload(self, deadline: asyncio.Timeout) -> AsyncIterator[bytes]:
        """The request body as the exchange lets it through. Runs in the client library's own task."""
        while True:
            while self._uploads:
                piece = self._uploads.popleft()
                if piece.data:
                    yield piece.data
                if piece.last:
                    return
                self._extend(deadline)
            try:
                event = await self._read_request()
                commands = await self._feed.receive(event)
            except Exception as fault:
                self._upload_fault = fault
                raise
            self._uploads += (command for command in commands if isinstance(command, SendUpstream))
            self._deferred += (command for command in commands if not isinstance(command, SendUpstream))
            if self._deferred or (event.last and not self._uploads):
                # Not all of the body may go on, so the upstream must not take it for all.
                if self._upstream is not None:
                    self._upstream.close()
                raise _Deferred

    def _extend(self, deadline: asyncio.Timeout) -> None:
        """An upload that moves is not late."""
        if not deadline.expired() and self._upstream is None:
            patience = self._patience
            deadline.reschedule(asyncio.get_running_loop().time() + patience.connect + patience.first_byte)

    async def _read_request(self) -> RequestData:
        content = self._request.content
        try:
            data = content.read_nowait()
            if not data and not content.at_eof():
                async with asyncio.timeout(self._patience_left()):
                    data = await content.readany()
        except TimeoutError:
            raise _BrokenBody(f"it comes too slowly, less than {SLOWEST} bytes a second") from None
        except web.RequestPayloadError as failure:
            raise _BrokenBody(str(failure)) from None
        self._received += len(data)
        return RequestData(data, content.at_eof())

    def _patience_left(self) -> float:
        """Seconds until the body is too slow. A byte now and then is no progress: it would hold the connection."""
        spent = (perf_counter_ns() - self._began) / 1e9
        return max(0.0, min(SLOW_CLIENT, SLOW_CLIENT + self._received / SLOWEST - spent))

    # -- how it ends when it does not end well

    async def _abandon(self) -> None:
        """The client is gone: tell the exchange, and do what needs no client."""
        for command in await self._feed.receive(ClientGone()):
            if isinstance(command, Finish):
                self._record(command.record)

    async def _fail(self, failure: Exception) -> None:
        try:
            await self._tell(Failed("serve", f"{type(failure).__name__}: {failure}"))
        finally:
            if not self._exchange.finished:
                self._reset()

    async def _last_words(self) -> None:
        if self._task is not None:
            self._task.uncancel()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_WORDS):
                await self._tell(Failed("shutdown", "cut after the drain period"))

    def _reset(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    # -- events and commands

    async def _tell(self, event: Event) -> None:
        await self._carry_out(await self._feed.receive(event))

    async def _carry_out(self, commands: Sequence[Command]) -> None:
        try:
            for command in commands:
                await _CARRY[type(command)](self, command)
            await self._flush()
        finally:
            # A client that leaves with the last byte makes a write fail; its exchange is recorded all the same.
            for command in commands:
                if isinstance(command, Finish):
                    self._record(command.record)

    async def _consult(self, _: Consult) -> None:
        await self._tell(await self._ask())

    async def _extract(self, command: Extract) -> None:
        await self._tell(await self._means.pdf.read(command.data))

    async def _read_body(self, _: ReadBody) -> None:
        self._body_wanted = True
        request = self._request
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and not request.content.total_bytes:
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0

    async def _start_upstream(self, command: StartUpstream) -> None:
        self._start = command

    async def _send_upstream(self, command: SendUpstream) -> None:
        self._uploads.append(command)

    async def _begin(self, command: BeginAnswer) -> None:
        await self._open(Answer(command.status, self._reason(command.status), self._timed(command.headers)))

    def _reason(self, status: int) -> str | None:
        """The upstream's own words for its status; None where the status is the gateway's."""
        upstream = self._upstream
        return upstream.reason if upstream is not None and upstream.status == status else None

    async def _respond(self, command: Respond) -> None:
        headers = (*without(command.headers, "content-length"), (hdrs.CONTENT_LENGTH, str(len(command.body))))
        answer = Answer(command.status, self._reason(command.status), self._timed(headers))
        if not self._request.content.is_eof():
            # The rest of the body is not wanted; on a kept connection it would have to be read to its end.
            answer.force_close()
        await self._open(answer)
        if not answer.bodiless:
            self._unsent.append(command.body)
        await self._end(EndAnswer(clean=True))

    async def _open(self, answer: Answer) -> None:
        self._answer = answer
        if self._closing:
            answer.force_close()
        await answer.prepare(self._request)

    async def _send_answer(self, command: SendAnswer) -> None:
        if self._answer is not None and not self._answer.bodiless:
            self._unsent.append(command.data)

    async def _end(self, command: EndAnswer) -> None:
        answer = self._answer
        assert answer is not None
        self._ended = True
        if command.clean:
            await answer.write_eof(b"".join(self._unsent))
            self._unsent.clear()
            return
        await self._flush()
        transport = self._request.transport
        if transport is None or not answer.ends_by_framing:
            self._reset()
        else:
            # What was written still leaves; the missing end tells the client that the answer is not complete.
            transport.close()

    async def _drop_upstream(self, _: DropUpstream) -> None:
        if self._upstream is not None:
            self._upstream.close()

    async def _finish(self, command: Finish) -> None:
        self._record(command.record)

    def _record(self, record: ExchangeRecord) -> None:
        if self._recorded:
            return
        self._recorded = True
        took = perf_counter_ns() - self._began
        self._means.finish(record, Course(client_of(self._request), took, self._feed.spent))

    async def _flush(self) -> None:
        """Write what the commands so far gave: once for all of them, header included."""
        answer = self._answer
        if answer is None or not answer.prepared:
            return
        if self._unsent:
            data = b"".join(self._unsent)
            self._unsent.clear()
            await answer.write(data)
        else:
            self._request.writer.send_headers()

    def _timed(self, headers: Headers) -> Headers:
        """The headers with the time spent inspecting so far, in milliseconds (W3C Server Timing)."""
        timing = f"lockgate;dur={self._feed.spent / 1e6:.2f}"
        upstream = first(headers, "server-timing")
        if upstream is None:
            return (*headers, ("server-timing", timing))
        return (*without(headers, "server-timing"), ("server-timing", f"{upstream}, {timing}"))


type _CarryOut = Callable[[Carrier, Any], Awaitable[None]]

_CARRY: Final[Mapping[type[Command], _CarryOut]] = {
    Consult: Carrier._consult,
    Extract: Carrier._extract,
    ReadBody: Carrier._read_body,
    StartUpstream: Carrier._start_upstream,
    SendUpstream: Carrier._send_upstream,
    BeginAnswer: Carrier._begin,
    SendAnswer: Carrier._send_answer,
    EndAnswer: Carrier._end,
    Respond: Carrier._respond,
    DropUpstream: Carrier._drop_upstream,
    Finish: Carrier._finish,
}
"""How each command is carried out."""
