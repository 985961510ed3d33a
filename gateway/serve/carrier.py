"""Carries one exchange between a client and an upstream: feeds it events, carries out its commands, in order.

It decides nothing. Whatever goes wrong here is told to the exchange as an event, so that it ends in a refusal and a
record; where even that fails, the connection is cut. The time that the exchange itself takes is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter_ns
from typing import Any, Final

from aiohttp import ClientResponse, web

from gateway.errors import InternalError
from gateway.exchange import trailers
from gateway.exchange.demand import Demand
from gateway.exchange.events import (
    Announce,
    Announced,
    AnswerData,
    Answered,
    AnswerStarted,
    Ask,
    BeginAnswer,
    CallsOverdue,
    ClientGone,
    Command,
    Consult,
    DialDenied,
    DropUpstream,
    EndAnswer,
    Event,
    Extract,
    Failed,
    Finish,
    LimitsTaken,
    Listen,
    Overdue,
    ReadBody,
    Recall,
    Recalled,
    Remember,
    RequestBroken,
    RequestStarted,
    Respond,
    SendAnswer,
    SendUpstream,
    Settle,
    StartClock,
    StartUpstream,
    Stopped,
    UpstreamFailed,
)
from gateway.exchange.recorded import ExchangeRecord
from gateway.serve.client_body import BrokenBody, ClientBody
from gateway.serve.clocks import Clocks
from gateway.serve.course import course_of
from gateway.serve.denied import Denied, Whose
from gateway.serve.dial import Denied as DialRefused
from gateway.serve.headers import end_to_end, without
from gateway.serve.judging import Feed, Machine
from gateway.serve.means import LAST_WORDS, AskAll, Means
from gateway.serve.reply import Reply, timed
from gateway.serve.upload import Upload
from gateway.serve.upstream import FAILURES, Patience, Upstream, detail_of, fault_of

KEEPALIVE: Final = 10.0
"""Seconds between two signs of life while a call waits for its approval: proxies and SDKs give up after 30 to 60."""


class Carrier:
    """One exchange on its way. `run` it in the client's handler task."""

    def __init__(
        self,
        request: web.BaseRequest,
        exchange: Machine[Event, Command],
        upstream: Upstream,
        patience: Patience,
        means: Means,
        consult: Callable[[Demand], Awaitable[LimitsTaken]],
        ask: AskAll,
        denied: Denied,
        whose: Whose,
    ) -> None:
        self._denied = denied
        self._whose = whose
        self._request = request
        self._exchange = exchange
        self._target = upstream
        self._patience = patience
        self._means = means
        self._consult_limits = consult
        self._ask_all = ask
        self._began = perf_counter_ns()
        self._feed = Feed(exchange)
        self._body = ClientBody(request)
        self._upload = Upload(self._body, self._feed.receive)
        self._reply = Reply(request)
        self._start: StartUpstream | None = None
        self._upstream: ClientResponse | None = None
        self._body_wanted = False
        self._recorded = False
        self._last: Stopped | Overdue | Failed | None = None
        self._clocks = Clocks()
        self._asides: set[asyncio.Task[None]] = set()
        self._task = asyncio.current_task()

    @property
    def connection(self) -> web.RequestHandler:
        return self._request.protocol

    def close_after(self) -> None:
        """Let the client's connection end with this answer."""
        self._reply.close_after()

    def cut(self) -> None:
        """End the exchange now, as the gateway shuts down."""
        self._interrupt(Failed("shutdown", "cut after the drain period"))

    def stop(self, why: str) -> None:
        """End the exchange now, since an operator wants it. `why` is for the client."""
        self._interrupt(Stopped(why))

    def _interrupt(self, last: Stopped | Overdue | Failed) -> None:
        if self._last is None and self._task is not None:
            self._last = last
            self._task.cancel()

    async def run(self, started: RequestStarted) -> web.StreamResponse:
        """Carry the exchange to its end, and return the answer that was given."""
        try:
            await self._drive(started)
        except asyncio.CancelledError:
            if self._last is None:
                await self._abandon()
                raise
            await self._last_words(self._last)
        except ConnectionError:
            await self._abandon()
            if self._reply.answer is None:
                raise
        except Exception as failure:  # noqa: BLE001 -- the outer boundary: whatever it is ends in a refusal and a record
            await self._fail(failure)
        finally:
            self._clocks.stop()
            for task in self._asides:
                task.cancel()
            self._close_upstream()
        if self._reply.answer is None:
            raise InternalError("an exchange ended without an answer")
        if not self._reply.ended:
            # The server would end an open answer properly, and the client would take a part for the whole.
            self._reply.reset()
        return self._reply.answer

    # -- the course of an exchange

    async def _drive(self, started: RequestStarted) -> None:
        await self._tell(started)
        try:
            while self._body_wanted and self._start is None and not self._exchange.finished:
                await self._tell(await self._body.read())
        except BrokenBody as broken:
            await self._tell(RequestBroken(str(broken)))
        if self._start is not None and not self._exchange.finished:
            await self._call(self._start)
        if not self._exchange.finished:
            raise InternalError("an exchange stopped before its end")

    async def _call(self, start: StartUpstream) -> None:
        """Send the request upstream, and the answer back."""
        if self._last is not None:
            # It was interrupted while a thread judged the body, and is cancelled where it next waits. A pooled
            # connection takes a whole request before that.
            await asyncio.sleep(0)
        try:
            response = self._upstream = await self._send(start)
        except DialRefused as denied:
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
        upload = self._upload
        if upload.deferred:
            await self._carry_out(upload.deferred)
        elif isinstance(upload.fault, BrokenBody):
            await self._tell(RequestBroken(str(upload.fault)))
        elif upload.fault is not None:
            raise upload.fault
        else:
            await self._tell(UpstreamFailed(fault_of(failure), detail_of(failure)))

    async def _send(self, start: StartUpstream) -> ClientResponse:
        patience = self._patience
        deadline = asyncio.timeout(patience.connect + patience.first_byte)
        headers = start.headers
        body: bytes | AsyncIterator[bytes] | None = start.body or None
        if start.body is None:
            # Sent on as it came: with the length that the client declared, or in chunks.
            body = self._upload.pieces(partial(self._extend, deadline), self._close_upstream)
        else:
            headers = without(headers, "content-length")
        return await self._means.pool.send(self._target, start.method, start.target, headers, body, patience, deadline)

    def _extend(self, deadline: asyncio.Timeout) -> None:
        """An upload that moves is not late."""
        if not deadline.expired() and self._upstream is None:
            patience = self._patience
            deadline.reschedule(asyncio.get_running_loop().time() + patience.connect + patience.first_byte)

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
                self._reply.reset()

    async def _last_words(self, last: Stopped | Overdue | Failed) -> None:
        if self._task is not None:
            self._task.uncancel()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_WORDS):
                await self._tell(last)

    # -- events and commands

    async def _tell(self, event: Event) -> None:
        if commands := await self._feed.receive(event):
            await self._carry_out(commands)

    async def _carry_out(self, commands: Sequence[Command]) -> None:
        try:
            for command in commands:
                await _CARRY[type(command)](self, command)
            await self._reply.flush()
        finally:
            # A client that leaves with the last byte makes a write fail; its exchange is recorded all the same.
            for command in commands:
                if isinstance(command, Finish):
                    self._record(command.record)

    async def _consult(self, command: Consult) -> None:
        await self._tell(await self._consult_limits(command.demand))

    async def _ask(self, command: Ask) -> None:
        """Ask about calls, and keep the client's connection alive where it bears that."""
        await self._reply.flush()
        asking = asyncio.ensure_future(self._ask_all(command))
        try:
            while not (await asyncio.wait((asking,), timeout=KEEPALIVE if command.keepalive else None))[0]:
                self._reply.add(command.keepalive)
                await self._reply.flush()
        finally:
            asking.cancel()
        await self._tell(Answered(await asking))

    async def _start_clock(self, command: StartClock) -> None:
        ring = partial(self._interrupt, Overdue())
        if command.of is not None:
            ring = partial(self._aside, CallsOverdue(command.of))
        self._clocks.start(command.of, command.seconds, command.most, ring)

    async def _listen(self, command: Listen) -> None:
        command.ear.open(lambda expected: self._aside(Announced(expected)))

    async def _announce(self, command: Announce) -> None:
        command.expected.announce()

    async def _settle(self, command: Settle) -> None:
        self._means.settle(command)

    def _aside(self, event: Event) -> None:
        """Tell of something that comes from neither side, while both go on."""
        task = asyncio.create_task(self._overhear(event))
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    async def _overhear(self, event: Event) -> None:
        try:
            await self._tell(event)
        except ConnectionError:
            pass  # the client is gone, which ends the task that carries the exchange
        except Exception as failure:  # noqa: BLE001 -- as in `run`
            self._interrupt(Failed("serve", f"{type(failure).__name__}: {failure}"))

    async def _recall(self, command: Recall) -> None:
        await self._tell(Recalled(await self._denied.recall(self._whose, command.names)))

    async def _remember(self, command: Remember) -> None:
        await self._denied.remember(self._whose, command.denials)

    async def _extract(self, command: Extract) -> None:
        await self._tell(await self._means.pdf.read(command.data))

    async def _read_body(self, _: ReadBody) -> None:
        self._body_wanted = True
        await self._reply.invite()

    async def _start_upstream(self, command: StartUpstream) -> None:
        self._start = command

    async def _send_upstream(self, command: SendUpstream) -> None:
        self._upload.add(command)

    async def _begin(self, command: BeginAnswer) -> None:
        await self._reply.begin(command.status, self._reason(command.status), timed(command.headers, self._feed.spent))

    async def _respond(self, command: Respond) -> None:
        headers = timed(command.headers, self._feed.spent)
        await self._reply.whole(command.status, self._reason(command.status), headers, command.body)

    def _reason(self, status: int) -> str | None:
        """The upstream's own words for its status; None where the status is the gateway's."""
        upstream = self._upstream
        return upstream.reason if upstream is not None and upstream.status == status else None

    async def _send_answer(self, command: SendAnswer) -> None:
        self._reply.add(command.data)

    async def _end(self, command: EndAnswer) -> None:
        await self._reply.end(clean=command.clean)

    async def _drop_upstream(self, _: DropUpstream) -> None:
        self._close_upstream()

    def _close_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.close()

    async def _finish(self, command: Finish) -> None:
        self._record(command.record)

    def _record(self, record: ExchangeRecord) -> None:
        if self._recorded:
            return
        self._recorded = True
        course = course_of(self._request, self._began, self._feed.spent)
        answer_fields = () if self._upstream is None else self._upstream.raw_headers
        record = trailers.named(record, self._request.raw_headers, answer_fields)
        self._means.finish(record, course)


type _CarryOut = Callable[[Carrier, Any], Awaitable[None]]

_CARRY: Final[Mapping[type[Command], _CarryOut]] = {
    Consult: Carrier._consult,
    ReadBody: Carrier._read_body,
    Extract: Carrier._extract,
    Ask: Carrier._ask,
    StartClock: Carrier._start_clock,
    Listen: Carrier._listen,
    Announce: Carrier._announce,
    Settle: Carrier._settle,
    Recall: Carrier._recall,
    Remember: Carrier._remember,
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
