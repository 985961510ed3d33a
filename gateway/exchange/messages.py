"""APIs that exchange messages: each message is judged by itself, and a refusal takes the place of just that one.

What an exchange does otherwise for such an API stands here, so that the machine only asks: for any other API these
functions change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.dialect.apart import Awaited, Ear, Expected
from gateway.dialect.base import Fields
from gateway.dialect.message import MessageDialect, RpcDialect
from gateway.dialect.route import Endpoint
from gateway.errors import InternalError, NotJson
from gateway.exchange.calls import Calls
from gateway.exchange.gate import Gate
from gateway.exchange.growth import Step
from gateway.exchange.judge import STOPPED_TOOL, judge
from gateway.exchange.listing import server_of, shown
from gateway.exchange.results import checked
from gateway.exchange.stream import StreamTotals
from gateway.policy.call import Called, Change
from gateway.segment import Direction, Uninspected
from gateway.verdict import Effect, Finding, Refusal, Verdict
from gateway.wire.document import Document, apply, glance, parse
from gateway.wire.frames import Frame, Framing, framer

type MakeRefusal = Callable[[Verdict], Refusal]
"""Makes the refusal for a verdict of an exchange."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a message: `data` is what goes on, the bytes that came unless `edited`; for no use if refused."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    data: bytes
    edited: bool
    segments: int
    uninspected: tuple[Uninspected, ...]

    @property
    def refused(self) -> bool:
        return self.verdict.effect >= Effect.ASK


def judge_message(
    gate: Gate,
    dialect: MessageDialect,
    direction: Direction,
    document: Document,
    upstream: str,
    calls: Iterable[Awaited] = (),
) -> Judged:
    """Judge one message from or for that upstream. `calls` are those that it may answer. Raises Malformed for what is
    none."""
    reading = dialect.request(document) if direction is Direction.REQUEST else dialect.answer(document)
    judgement = judge(gate, direction, reading.segments)
    if calls_stopped(gate, dialect, document):
        judgement = replace(judgement, verdict=STOPPED_TOOL)
    verdict, edits = judgement.verdict, judgement.verdict.edits
    data = apply(document.raw, document.edits(edits)) if edits else document.raw
    is_edited = bool(edits)
    if direction is Direction.ANSWER and verdict.effect < Effect.ASK:
        left = shown(gate, dialect, server_of(upstream), document, data)
        verdict, data = left.added_to(verdict), checked(dialect, calls, document, left.body)
        is_edited = data != document.raw
    return Judged(
        verdict,
        tuple(finding for findings in judgement.findings for finding in findings),
        data,
        is_edited,
        len(judgement.segments),
        reading.uninspected,
    )


class MessageStream:
    """A stream of messages to a client: each leaves as soon as it is judged, in the order in which they came.

    It is used as an `AnswerStream`, but is never cut for what a message says: the message is replaced, and the event
    that it came in keeps its id. `refusal` says why. `calls` are those that its request made. Raises
    Malformed and OverLimit for what cannot be read; `drain` then still gives what came before.
    """

    cut: Verdict | None = None

    def __init__(
        self,
        gate: Gate,
        dialect: MessageDialect,
        framing: Framing,
        refusal: MakeRefusal,
        upstream: str,
        calls: Calls | None = None,
    ) -> None:
        self.reports = 0  # of progress, that have come
        self.renewed: dict[Expected, None] = {}  # calls of others whose progress was reported since this was emptied
        self.settled: dict[Expected, None] = {}  # likewise, whose answers have all come
        self._calls = (calls,) if calls is not None else ()
        self._gate = gate
        self._dialect = dialect
        self._upstream = upstream
        self._framer = framer(framing, gate.limits.event)
        self._reader = dialect.messages(framing)
        self._refusal = refusal
        self._out: list[bytes] = []
        self.totals = StreamTotals()

    def feed(self, data: bytes) -> None:
        self.totals.bytes += len(data)
        self._take_all(self._framer.feed(data))

    def finish(self) -> None:
        """The stream is over; an event that nothing ended is read too."""
        self._take_all(self._framer.finish())

    def break_off(self) -> None:
        """The upstream stopped in the middle. Nothing is held; half an event does not leave."""

    @property
    def ear(self) -> Ear | None:
        """What it waits for, once it has named the address of requests that are answered on it."""
        return self._reader.ear

    def close(self) -> None:
        """It is over, for whoever sends requests that are answered on it."""
        self._reader.close()

    def give_up(self, expected: Expected, refusal: Refusal) -> bytes:
        """Answers in place of those that did not come in time, as events; what still comes of them does not leave."""
        return self._reader.give_up(expected, refusal)

    def ending(self, refusal: Refusal) -> bytes:
        """Answers to what a client still waits for; empty where it waits for nothing."""
        return self._reader.ending(refusal)

    @property
    def unread(self) -> int:
        """Bytes of an event that has not come whole."""
        return self._framer.unread

    def drain(self) -> bytes:
        """The bytes that may leave and were not given yet."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _take_all(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._out.append(self._onward(frame))

    def _onward(self, frame: Frame) -> bytes:
        if frame.data is None:
            return frame.raw
        self.totals.events += 1
        try:
            document = parse(frame.data)
        except NotJson:
            return self._with_data(frame, self._reader.other(frame.event, frame.data))
        if self._reader.is_late(document):
            return b""
        settled = self._reader.settled(document)
        self.settled.update((one, None) for one in settled if not one.owed)
        calls = (*self._calls, *(one.calls for one in settled))
        judged = judge_message(self._gate, self._dialect, Direction.ANSWER, document, self._upstream, calls)
        self._progress(self._dialect.progress_tokens(document, Direction.ANSWER))
        self._reader.sent(frame.event, document, frame.data)
        if (kept := self._reader.kept(document)) is not None:
            return self._with_data(frame, kept)
        totals = self.totals
        totals.add(Step(judged.verdict, judged.findings))
        totals.uninspected.update(dict.fromkeys(judged.uninspected))
        if judged.refused:
            return self._with_data(frame, self._dialect.in_place(document, self._refusal(judged.verdict)))
        return self._with_data(frame, judged.data)

    def _progress(self, tokens: tuple[Hashable, ...]) -> None:
        self.reports += len(tokens)
        if self.ear is not None:
            found = (self.ear.reported(token) for token in tokens)
            self.renewed.update((one, None) for one in found if one is not None)

    def _with_data(self, frame: Frame, data: bytes) -> bytes:
        if data == frame.data:
            return frame.raw
        self.totals.edited = True
        return frame.with_data(data)


def calls_stopped(gate: Gate, dialect: object, document: Document | None) -> bool:
    """Whether a message calls a tool that an operator has stopped."""
    if document is None or not isinstance(dialect, RpcDialect):
        return False
    stopped = gate.stopped_tools()
    return bool(stopped) and any(name in stopped for name in dialect.tools_called(document))


def bound(endpoint: Endpoint, document: Document | None, direction: Direction) -> Endpoint:
    """The endpoint with refusals that answer the messages in a body."""
    dialect = endpoint.dialect
    if document is None or not isinstance(dialect, RpcDialect):
        return endpoint
    return replace(endpoint, dialect=dialect.about(document, direction))


def is_message(endpoint: Endpoint, body: bytes) -> bool:
    """Whether a JSON body claims to be a message of the endpoint's API."""
    return isinstance(endpoint.dialect, RpcDialect) and endpoint.dialect.is_message(glance(body))


def instead(endpoint: Endpoint, document: Document | None, refusal: Refusal) -> bytes | None:
    """What goes upstream in place of a refused request body; None where its sender is told instead."""
    if document is None or not isinstance(endpoint.dialect, MessageDialect):
        return None
    replaced = endpoint.dialect.instead(document, refusal)
    return replaced.onward if replaced.back is None else None


def unrepeated(endpoint: Endpoint, headers: Fields) -> Fields:
    """The fields of a request that say something of their own: all but those that have to repeat the body."""
    if not isinstance(endpoint.dialect, MessageDialect):
        return headers
    return tuple(field for field in headers if not endpoint.dialect.repeats(field[0].lower()))


def request_fields(endpoint: Endpoint, headers: Fields, before: Document | None, body: bytes) -> Fields:
    """The fields of a request that goes on with `body`. Raises ClientError where they disagree with what came."""
    if not isinstance(endpoint.dialect, MessageDialect):
        return headers
    after = before if before is None or body is before.raw else parse(body)
    return endpoint.dialect.request_fields(headers, before, after)


def called(endpoint: Endpoint, document: Document | None) -> tuple[str, ...]:
    """The tools that a request calls by itself, one name for each call."""
    if document is None or not isinstance(endpoint.dialect, RpcDialect):
        return ()
    return endpoint.dialect.tools_called(document)


def made(endpoint: Endpoint, document: Document | None, upstream: str) -> tuple[Called, ...]:
    """The calls of tools that a message makes of its server."""
    if document is None or not isinstance(endpoint.dialect, MessageDialect):
        return ()
    server = server_of(upstream)
    return tuple(replace(one, call=replace(one.call, server=server)) for one in endpoint.dialect.made(document))


def expect(endpoint: Endpoint, calls: Calls, of: str) -> Expected | None:
    """Leave the calls of a request, sent by the exchange of that id, to the stream on which they are answered; None
    where that is not another one, or not known. Raises ClientError where it could not tell them from others."""
    return endpoint.dialect.expect(calls, of) if isinstance(endpoint.dialect, MessageDialect) else None


def may_be_checked(endpoint: Endpoint) -> bool:
    """Whether what a request is answered comes here, or on a stream that is served here."""
    return not isinstance(endpoint.dialect, MessageDialect) or endpoint.dialect.is_heard


def with_arguments(endpoint: Endpoint, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
    """The message with other arguments of its calls."""
    if not isinstance(endpoint.dialect, MessageDialect):
        raise InternalError("the arguments of this call cannot be replaced")
    return endpoint.dialect.with_arguments(document, {key: one.arguments for key, one in changes.items()})


def operation(endpoint: Endpoint, document: Document | None, *, named: bool) -> str | None:
    """What a request asks for, for the record. Where something was found in it, it is not `named` what for."""
    if document is None or not isinstance(endpoint.dialect, RpcDialect):
        return None
    return endpoint.dialect.operation(document, named=named)
