"""What happens when a client, an upstream or the exchange does not do as it should: no hang, no silent pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from aiohttp import web

from gateway.dialect.apart import Ear
from gateway.errors import Code
from gateway.exchange.events import (
    Announced,
    Answered,
    Ask,
    BeginAnswer,
    CallsOverdue,
    ClientGone,
    Command,
    EndAnswer,
    Event,
    Failed,
    Finish,
    LimitsTaken,
    Listen,
    ReadBody,
    RequestData,
    RequestStarted,
    Respond,
    SendAnswer,
    SendUpstream,
    Settle,
    StartClock,
    StartUpstream,
    UpstreamFailed,
)
from gateway.exchange.recorded import ExchangeRecord, Inspected
from gateway.policy.call import Answer, Call, Question, Ruling, Session, Tier
from gateway.serve import carrier, client_body
from gateway.serve.asking import Asker, nobody_approves
from gateway.serve.entrance import MakeExchange
from gateway.serve.identity import Known
from gateway.serve.posture import Posture
from gateway.serve.upstream import Patience, Upstream
from gateway.verdict import Effect
from tests.dialect.test_apart import Calls
from tests.serve.loopback import FAMILY, Running, answer, ask, dialled, gateway, peer, posture, through, upstream_of
from tests.serve.test_base_url import Echo, request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"


async def _never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(30)


# --- upstreams that fail


async def test_an_upstream_that_is_down_is_502() -> None:
    async with gateway(posture({"up": Upstream("up", FAMILY, "http://127.0.0.1:1")})) as running:
        got = await ask(running.address, request("POST /up/x", body=b"body"))
        record = await running.recorded()
    assert (got.status, record.code, record.outcome) == (502, Code.UPSTREAM, "failed")
    assert record.fault is not None
    assert record.fault.startswith("upstream.unreachable: ClientConnectorError")


async def test_an_upstream_whose_certificate_does_not_verify_is_502() -> None:
    async with upstream_of(Echo()) as base:
        upstream = Upstream("up", FAMILY, base.replace("http:", "https:"))
        async with gateway(posture({"up": upstream})) as running:
            assert (await ask(running.address, request("GET /up/x"))).status == 502
            assert (await running.recorded()).code is Code.UPSTREAM


@pytest.mark.parametrize("path", ["/up/x", "/up/read/x"])
async def test_an_upstream_that_is_late_is_504(path: str) -> None:
    async with through(talk=_never, patience=Patience(0.1, 0.2, None)) as running:
        got = await ask(running.address, request(f"POST {path}", body=b"{}"))
        record = await running.recorded()
    assert (got.status, record.code, record.fault) == (504, Code.TIMEOUT, "upstream.timeout: TimeoutError: ")


async def test_an_upstream_that_falls_silent_in_the_middle_cuts_the_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await _never(reader, writer)

    async with through(talk=talk, patience=Patience(5, 5, 0.1)) as running:
        got = await ask(running.address, request("GET /up/x"))
        record = await running.recorded()
    assert (got.status, got.body, got.complete) == (200, b"hi", False)
    assert record.fault is not None
    assert record.fault.startswith("upstream.timeout")


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", b"Content-Length: 9\r\n\r\nhi"])
async def test_an_upstream_that_breaks_off_cuts_the_answer(framing: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + framing)

    async with through(talk=talk) as running:
        got = await ask(running.address, request("GET /up/x"))
        record = await running.recorded()
    assert (got.status, got.body, got.complete) == (200, b"hi", False)
    assert (record.outcome, record.fault) == ("failed", "upstream.broken: ClientPayloadError")


async def test_an_http_1_0_client_sees_a_reset_where_it_could_not_tell_a_cut() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")

    async with through(talk=talk) as running, dialled(running.address) as (reader, writer):
        writer.write(b"GET /up/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        await running.recorded()
        with suppress(ConnectionResetError):
            assert not (await reader.read()).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    "sent",
    [b"not http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""],
    ids=["garbage", "length", "closed"],
)
async def test_an_upstream_that_speaks_no_http_is_502(sent: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)

    async with through(talk=talk) as running:
        got = await ask(running.address, request("POST /up/x?key=secret", body=b"body"))
        record = await running.recorded()
    assert (got.status, record.code) == (502, Code.UPSTREAM)
    assert "secret" not in str(record.fault)


async def test_an_upstream_that_answers_before_the_upload_ends_is_heard() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await reader.read(2**16)

    async with through(talk=talk) as running, dialled(running.address) as (reader, writer):
        writer.write(request("POST /up/x", "Content-Length: 1000000") + b"x" * 1000)
        got = await answer(reader)
    assert (got.status, got.body) == (413, b"big")


# --- clients that fail


async def test_a_client_that_goes_away_ends_the_upstream_call() -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await reader.read()
        gone.set()

    async with through(talk=talk) as running:
        async with dialled(running.address) as (reader, writer):
            writer.write(request("GET /up/x"))
            await reader.readuntil(b"hi\r\n")
        async with asyncio.timeout(5):
            await gone.wait()
        assert (await running.recorded()).outcome == "client_gone"
        assert not running.base_url.live


@pytest.mark.parametrize("path", ["/up/x", "/up/read/x"], ids=["in-pieces", "collected"])
async def test_a_client_that_goes_away_in_its_own_body_is_recorded(path: str) -> None:
    echo = Echo()
    async with through(echo) as running:
        async with dialled(running.address) as (_reader, writer):
            writer.write(request(f"POST {path}", "Content-Length: 1000") + b"part")
            await running.busy()
            await asyncio.sleep(0.05)
        assert (await running.recorded()).outcome == "client_gone"
    assert echo.seen == []


TOO_SLOW = "request_body: it comes too slowly, less than 500 bytes a second"


@pytest.mark.parametrize("path", ["/up/x", "/up/read/x"], ids=["in-pieces", "collected"])
async def test_a_body_whose_framing_breaks_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_body, "SLOW_CLIENT", 0.1)  # the server library stops reading, and tells nobody
    echo = Echo()
    async with through(echo) as running, dialled(running.address) as (reader, writer):
        writer.write(request(f"POST {path}", "Transfer-Encoding: chunked") + b"5\r\nbytes\r\n")
        await running.busy()
        writer.write(b"zz\r\n")
        assert (await answer(reader)).status == 400
        record = await running.recorded()
    assert (record.outcome, echo.seen) == ("refused", [])
    assert record.fault == TOO_SLOW


@pytest.mark.parametrize("path", ["/up/x", "/up/read/x"], ids=["in-pieces", "collected"])
async def test_a_client_that_falls_silent_in_its_body_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_body, "SLOW_CLIENT", 0.1)
    async with through(Echo()) as running, dialled(running.address) as (reader, writer):
        writer.write(request(f"POST {path}", "Content-Length: 1000") + b"part")
        assert (await answer(reader)).status == 400
        record = await running.recorded()
    assert record.fault == TOO_SLOW


async def test_an_upload_that_moves_is_not_late() -> None:
    echo = Echo()
    async with (
        through(echo, patience=Patience(0.1, 0.1, None)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request("POST /up/x", "Content-Length: 5"))
        for _ in range(5):
            await asyncio.sleep(0.1)
            writer.write(b"x")
        assert (await answer(reader)).status == 200
    assert echo.seen[0][3] == b"xxxxx"


# --- exchanges that do odd things


def record(outcome: str = "refused") -> ExchangeRecord:
    nothing = Inspected()
    return ExchangeRecord(
        "id",
        "up",
        "default",
        "",
        "GET",
        "/",
        "",
        400,
        outcome,
        Effect.BLOCK,
        Effect.BLOCK,
        None,
        (),
        (),
        nothing,
        nothing,
    )


class Scripted:
    """An exchange that answers events by a function, and says that it is finished once it gave a Finish."""

    def __init__(self, script: Callable[[Event], Sequence[Command]]) -> None:
        self.script = script
        self.seen: list[Event] = []
        self.finished = False

    def weighs(self, _: Event) -> int:
        return 0

    def receive(self, event: Event) -> Sequence[Command]:
        self.seen.append(event)
        commands = self.script(event)
        self.finished = self.finished or any(isinstance(command, Finish) for command in commands)
        return commands


def made(machine: Scripted) -> MakeExchange:
    def make(_posture: Posture, _upstream: Upstream, _known: Known, _id: str) -> Scripted:
        return machine

    return make


async def run(script: Callable[[Event], Sequence[Command]], raw: bytes) -> tuple[bytes, Scripted, Running, Echo]:
    """All bytes that a client gets from an exchange with that script."""
    machine, echo = Scripted(script), Echo()
    async with (
        upstream_of(echo) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}), made(machine)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(raw)
        data = b""
        with suppress(ConnectionResetError, TimeoutError):
            async with asyncio.timeout(2):
                while piece := await reader.read(2**16):
                    data += piece
    return data, machine, running, echo


def on(**answers: Sequence[Command]) -> Callable[[Event], Sequence[Command]]:
    """A script from event names to commands."""
    return lambda event: answers.get(type(event).__name__, ())


async def test_an_exception_in_the_exchange_is_told_to_it() -> None:
    def script(event: Event) -> Sequence[Command]:
        if isinstance(event, Failed):
            return [Respond(500, (), b"refused"), Finish(record("failed"))]
        raise ValueError("broken")

    data, machine, running, _ = await run(script, request("GET /up/x", "Connection: close"))
    assert data.startswith(b"HTTP/1.1 500 ")
    assert data.endswith(b"refused")
    assert machine.seen[-1] == Failed("serve", "ValueError: broken")
    assert running.records == [record("failed")]


async def test_an_exchange_that_cannot_even_refuse_gets_its_connection_cut(caplog: pytest.LogCaptureFixture) -> None:
    def script(_: Event) -> Sequence[Command]:
        raise ValueError("broken")

    data, _, _, echo = await run(script, request("GET /up/x"))
    assert (data, echo.seen) == (b"", [])


async def test_an_exchange_that_stops_before_its_end_fails() -> None:
    failed: list[Command] = [Respond(500, (), b"refused"), Finish(record("failed"))]
    data, machine, _, echo = await run(on(Failed=failed), request("GET /up/x", "Connection: close"))
    assert data.startswith(b"HTTP/1.1 500 ")
    assert isinstance(machine.seen[-1], Failed)
    assert echo.seen == []


async def test_an_exchange_that_ends_without_an_answer_is_a_bare_500(caplog: pytest.LogCaptureFixture) -> None:
    data, _, _, _ = await run(on(RequestStarted=[Finish(record())]), request("GET /up/x", "Connection: close"))
    assert data.startswith(b"HTTP/1.1 500 ")


async def test_an_answer_that_was_not_ended_is_not_ended_for_it() -> None:
    begun: list[Command] = [BeginAnswer(200, ()), SendAnswer(b"part"), Finish(record("cut"))]
    data, _, _, _ = await run(on(RequestStarted=begun), request("GET /up/x"))
    assert not data.endswith(b"0\r\n\r\n")


async def test_header_and_body_leave_in_one_piece() -> None:
    whole: list[Command] = [
        BeginAnswer(200, ()),
        SendAnswer(b"a"),
        SendAnswer(b"b"),
        EndAnswer(clean=True),
        Finish(record()),
    ]
    data, _, _, _ = await run(on(RequestStarted=whole), request("GET /up/x", "Connection: close"))
    assert data.endswith(b"\r\n\r\n2\r\nab\r\n0\r\n\r\n")


async def test_a_cut_sends_what_was_decided_and_no_end() -> None:
    cut: list[Command] = [BeginAnswer(200, ()), SendAnswer(b"decided"), EndAnswer(clean=False), Finish(record("cut"))]
    data, _, _, _ = await run(on(RequestStarted=cut), request("GET /up/x"))
    assert data.endswith(b"7\r\ndecided\r\n")


async def test_a_body_for_an_answer_that_has_none_is_left_out() -> None:
    whole: list[Command] = [BeginAnswer(204, ()), SendAnswer(b"stray"), EndAnswer(clean=True), Finish(record())]
    data, _, _, _ = await run(on(RequestStarted=whole), request("GET /up/x", "Connection: close"))
    assert data.startswith(b"HTTP/1.1 204 ")
    assert data.endswith(b"\r\n\r\n")
    head, _, _, _ = await run(
        on(RequestStarted=[Respond(400, (), b"refused"), Finish(record())]), request("HEAD /up/x", "Connection: close")
    )
    assert b"Content-Length: 7" in head
    assert head.endswith(b"\r\n\r\n")


async def test_a_refusal_in_the_middle_of_an_upload_drops_the_upstream_and_answers() -> None:
    def script(event: Event) -> Sequence[Command]:
        match event:
            case RequestStarted():
                return [StartUpstream("POST", "/x", (), None), ReadBody()]
            case RequestData(data=b"first"):
                return [SendUpstream(b"first", last=False)]
            case RequestData():
                return [Respond(413, (), b"enough"), Finish(record())]
            case _:
                return ()

    machine, echo = Scripted(script), Echo()
    async with (
        upstream_of(echo) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}), made(machine)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request("POST /up/x", "Content-Length: 100"))
        await asyncio.sleep(0.05)
        writer.write(b"first")
        await asyncio.sleep(0.05)
        writer.write(b"second")
        got = await answer(reader)
    assert (got.status, got.body, got.all("connection"), echo.seen) == (413, b"enough", ["close"], [])
    assert not any(isinstance(event, UpstreamFailed) for event in machine.seen)


async def test_a_refusal_during_the_answer_and_the_upload_ends_both() -> None:
    """The upstream answers at once and goes on; the refusal comes from the rest of the request."""

    def script(event: Event) -> Sequence[Command]:
        match event:
            case RequestStarted():
                return [StartUpstream("POST", "/x", (), None), ReadBody()]
            case RequestData(data=b"first"):
                return [SendUpstream(b"first", last=False)]
            case RequestData():
                return [EndAnswer(clean=False), Finish(record("cut"))]
            case _:
                return [BeginAnswer(200, ())] if type(event).__name__ == "AnswerStarted" else ()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await reader.read()

    machine = Scripted(script)
    async with (
        peer(talk) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}), made(machine)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request("POST /up/x", "Content-Length: 100") + b"first")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"more")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
    assert running.records == [record("cut")]


async def test_a_cut_exchange_gets_its_last_words() -> None:
    words: list[Command] = [SendAnswer(b"bye"), EndAnswer(clean=True), Finish(record("cut"))]
    started = [StartUpstream("GET", "/x", (), b"")]
    machine = Scripted(on(RequestStarted=started, AnswerStarted=[BeginAnswer(200, ())], Failed=words))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        await _never(reader, writer)

    async with (
        peer(talk) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}), made(machine)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request("GET /up/x"))
        await reader.readuntil(b"\r\n\r\n")
        for one in running.base_url.live:
            one.close_after()
            one.cut()
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\nbye\r\n0\r\n\r\n"
    assert machine.seen[-1] == Failed("shutdown", "cut after the drain period")


class TestCallsOfOthers:
    """What other exchanges send is answered on the stream of this one."""

    @asynccontextmanager
    async def carried(self, machine: Scripted) -> AsyncIterator[tuple[Running, asyncio.StreamReader]]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            await _never(reader, writer)

        async with (
            peer(talk) as base,
            gateway(posture({"up": Upstream("up", FAMILY, base)}), made(machine)) as running,
            dialled(running.address) as (reader, writer),
        ):
            writer.write(request("GET /up/x"))
            await reader.readuntil(b"\r\n\r\n")
            yield running, reader

    def listening(self, ear: Ear, **answers: Sequence[Command]) -> Scripted:
        began: list[Command] = [BeginAnswer(200, ()), Listen(ear)]
        return Scripted(on(RequestStarted=[StartUpstream("GET", "/x", (), b"")], AnswerStarted=began, **answers))

    async def test_it_is_told_of_them_and_when_their_time_is_over(self) -> None:
        ear = Ear("/m")
        expected = ear.expect(Calls(), "post", {1: None})
        end = record("forwarded")
        said: list[Command] = [SendAnswer(b"late"), Settle("post", ()), EndAnswer(clean=True), Finish(end)]
        clock: list[Command] = [SendAnswer(b"heard"), StartClock(0.05, 1.0, expected)]
        machine = self.listening(ear, Announced=clock, CallsOverdue=said)
        async with self.carried(machine) as (_, reader), asyncio.timeout(5):
            expected.announce()
            assert await reader.readuntil(b"heard\r\n") == b"5\r\nheard\r\n"
            assert await reader.readuntil(b"0\r\n\r\n") == b"4\r\nlate\r\n0\r\n\r\n"
        assert machine.seen[2:4] == [Announced(expected), CallsOverdue(expected)]

    async def test_what_fails_of_it_ends_the_exchange(self) -> None:
        ear = Ear("/m")
        words: list[Command] = [SendAnswer(b"bye"), EndAnswer(clean=True), Finish(record("failed"))]
        # Of this answer nothing can be made: it is no command.
        machine = self.listening(ear, Failed=words, Announced=[None])  # type: ignore[list-item]
        async with self.carried(machine) as (running, reader), asyncio.timeout(5):
            ear.expect(Calls(), "post", {1: None}).announce()
            assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\nbye\r\n0\r\n\r\n"
            assert (await running.recorded()).outcome == "failed"
        assert machine.seen[-1] == Failed("serve", "KeyError: <class 'NoneType'>")

    async def test_a_client_that_is_gone_is_no_failure(self) -> None:
        ear = Ear("/m")

        def script(event: Event) -> Sequence[Command]:
            if isinstance(event, Announced):
                raise ConnectionResetError
            return on(
                RequestStarted=[StartUpstream("GET", "/x", (), b"")],
                AnswerStarted=[BeginAnswer(200, ()), Listen(ear)],
                ClientGone=[Finish(record("client_gone"))],
            )(event)

        machine = Scripted(script)
        async with self.carried(machine) as (running, _), asyncio.timeout(5):
            ear.expect(Calls(), "post", {1: None}).announce()
            await asyncio.sleep(0)
        assert (await running.recorded()).outcome == "client_gone"
        assert not any(isinstance(event, Failed) for event in machine.seen)


async def test_a_client_that_is_gone_is_told_to_the_exchange_once() -> None:
    gone = asyncio.Event()

    def script(event: Event) -> Sequence[Command]:
        if isinstance(event, ClientGone):
            gone.set()
            return [Finish(record("client_gone"))]
        return [ReadBody()] if isinstance(event, RequestStarted | LimitsTaken) else ()

    machine = Scripted(script)
    async with (
        upstream_of(Echo()) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}), made(machine)) as running,
    ):
        async with dialled(running.address) as (_, writer):
            writer.write(request("POST /up/x", "Content-Length: 10"))
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            await gone.wait()
        assert (await running.recorded()).outcome == "client_gone"
    assert [type(event) for event in machine.seen] == [RequestStarted, ClientGone]


async def test_a_client_that_went_away_while_it_is_written_to_is_gone() -> None:
    """The pieces are large, so that writing them waits for a client that reads nothing, and then is no more."""
    piece = b"x" * 2**20

    async def endless(got: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(got)
        while True:
            await response.write(piece)

    async with through(endless) as running:
        async with dialled(running.address) as (reader, writer):
            writer.write(request("GET /up/x"))
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
        assert (await running.recorded()).outcome == "client_gone"


async def test_an_exchange_cut_while_its_answer_is_under_way_closes_the_connection_after() -> None:
    answered: list[Command] = [BeginAnswer(200, ()), SendAnswer(b"a")]
    ended: list[Command] = [EndAnswer(clean=True), Finish(record())]
    machine = Scripted(
        on(RequestStarted=[StartUpstream("GET", "/x", (), b"")], AnswerStarted=answered, AnswerData=ended)
    )
    gate = asyncio.Event()

    async def slow(got: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(got)
        await gate.wait()
        return response

    async with (
        upstream_of(slow) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}), made(machine)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request("GET /up/x"))
        await reader.readuntil(b"1\r\na\r\n")
        for one in running.base_url.live:
            one.close_after()
        gate.set()
        async with asyncio.timeout(5):
            assert await reader.read() == b"0\r\n\r\n"


async def test_an_upload_that_the_exchange_fails_on_is_a_failure_of_ours() -> None:
    def script(event: Event) -> Sequence[Command]:
        match event:
            case RequestStarted():
                return [StartUpstream("POST", "/x", (), None), ReadBody()]
            case RequestData():
                raise ValueError("broken")
            case Failed():
                return [Respond(500, (), b"refused"), Finish(record("failed"))]
            case _:
                return ()

    data, machine, _, echo = await run(script, request("POST /up/x", "Connection: close", body=b"body"))
    assert data.endswith(b"refused")
    assert machine.seen[-1] == Failed("serve", "ValueError: broken")
    assert echo.seen == []


async def test_an_upload_whose_end_the_exchange_holds_back_is_not_taken_for_whole() -> None:
    def script(event: Event) -> Sequence[Command]:
        match event:
            case RequestStarted():
                return [StartUpstream("POST", "/x", (), None), ReadBody()]
            case UpstreamFailed():
                return [Respond(502, (), b"refused"), Finish(record("failed"))]
            case _:
                return ()

    data, _, _, echo = await run(script, request("POST /up/x", "Connection: close", body=b"body"))
    assert data.startswith(b"HTTP/1.1 502 ")
    assert echo.seen == []


class TestAsking:
    """What a client sees while somebody is asked about a call."""

    QUESTION = Question(Call("pay", {}), Ruling(Effect.ASK, Effect.ASK, Tier.SEND), "f", Session())

    def asking(self, keepalive: bytes) -> Callable[[Event], Sequence[Command]]:
        ask: list[Command] = [BeginAnswer(200, ()), SendAnswer(b"begun\n"), Ask((self.QUESTION,), keepalive)]
        ended: list[Command] = [SendAnswer(b"answered"), EndAnswer(clean=True), Finish(record("forwarded"))]
        gone: list[Command] = [Finish(record("client_gone"))]
        return on(RequestStarted=ask, Answered=ended, ClientGone=gone)

    async def test_who_asks_is_told_to_who_answers_and_the_answer_to_the_exchange(self) -> None:
        seen: list[tuple[Asker, Ask]] = []
        yes = (Answer(is_approved=True),)

        async def approve(asker: Asker, asked: Ask) -> tuple[Answer, ...]:
            seen.append((asker, asked))
            return yes

        machine = Scripted(self.asking(b""))
        by = replace(posture({"up": Upstream("up", FAMILY, "http://127.0.0.1:9")}), approve=approve)
        async with gateway(by, made(machine)) as running, dialled(running.address) as (reader, writer):
            writer.write(request("GET /up/x", "Connection: close"))
            data = await reader.read()
        assert b"begun\n" in data
        assert b"answered" in data
        assert Answered(yes) in machine.seen
        ((asker, asked),) = seen
        assert (asker.principal, asker.upstream) == ("default", "up")
        assert asked.questions == (self.QUESTION,)

    async def test_while_nobody_has_answered_the_client_gets_signs_of_life(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(carrier, "KEEPALIVE", 0.01)
        answer_now = asyncio.Event()

        async def approve(_: Asker, __: Ask) -> tuple[Answer, ...]:
            await answer_now.wait()
            return (Answer(is_approved=True),)

        by = replace(posture({"up": Upstream("up", FAMILY, "http://127.0.0.1:9")}), approve=approve)
        async with (
            gateway(by, made(Scripted(self.asking(b": wait\n")))) as running,
            dialled(running.address) as (reader, writer),
        ):
            writer.write(request("GET /up/x", "Connection: close"))
            before = await reader.readuntil(b": wait\n")
            before += await reader.readuntil(b": wait\n")
            assert b"begun\n" in before
            answer_now.set()
            assert b"answered" in await reader.read()

    async def test_a_client_that_leaves_is_not_waited_for(self) -> None:
        cancelled = asyncio.Event()

        async def approve(_: Asker, __: Ask) -> tuple[Answer, ...]:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return ()

        machine = Scripted(self.asking(b""))
        by = replace(posture({"up": Upstream("up", FAMILY, "http://127.0.0.1:9")}), approve=approve)
        async with gateway(by, made(machine)) as running:
            async with dialled(running.address) as (reader, writer):
                writer.write(request("GET /up/x"))
                await reader.readuntil(b"begun\n")
            async with asyncio.timeout(5):
                await cancelled.wait()

    async def test_a_question_that_cannot_be_asked_ends_the_exchange(self) -> None:
        async def approve(_: Asker, __: Ask) -> tuple[Answer, ...]:
            raise OSError("the store is gone")

        ask: list[Command] = [Ask((self.QUESTION,))]
        failed: list[Command] = [Respond(500, (), b"refused"), Finish(record("failed"))]
        machine = Scripted(on(RequestStarted=ask, Failed=failed))
        by = replace(posture({"up": Upstream("up", FAMILY, "http://127.0.0.1:9")}), approve=approve)
        async with gateway(by, made(machine)) as running, dialled(running.address) as (reader, writer):
            writer.write(request("GET /up/x", "Connection: close"))
            assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
        assert machine.seen[-1] == Failed("serve", "OSError: the store is gone")

    async def test_where_nobody_can_be_asked_the_answer_is_no(self) -> None:
        (answer,) = await nobody_approves(Asker("default", "up", "id"), Ask((self.QUESTION,)))
        assert answer == Answer(is_approved=False, words="nobody can approve it here")
