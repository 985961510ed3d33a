"""A session over a WebSocket, as a machine that is fed events and gives commands: the exchange's sibling.

    START ──▶ LIMITS ──▶ DIALLING ──▶ OPEN ⇄ ASKING ──▶ DONE          any state ──▶ DONE by a refusal

The client's messages are judged one by one, as requests are; those of the server as one stream where a dialect knows
them, and one by one elsewhere. A message that is refused is not forwarded, and where the dialect has an event to say
so, the session goes on; whatever else goes wrong ends it. It fails closed, and knows no socket, clock or loop.

Here is what becomes of the messages; `session_opening.py` has the handshake, `session_ending.py` the endings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, override

from msgspec.structs import replace

from gateway.dialect.base import Coverage, Denials
from gateway.dialect.route import Family
from gateway.dialect.spelling import resolved
from gateway.errors import Code, InternalError, LockgateError, Malformed, OverLimit
from gateway.exchange import headers as fields
from gateway.exchange import hosted, refuse
from gateway.exchange.calls import may_complete
from gateway.exchange.demand import Demand, Part
from gateway.exchange.events import (
    Answered,
    Ask,
    ClientGone,
    Consult,
    DialDenied,
    Failed,
    LimitsTaken,
    RequestBroken,
    Stopped,
    UpstreamFailed,
)
from gateway.exchange.gate import Gate
from gateway.exchange.session_closes import POLICY
from gateway.exchange.session_ending import State
from gateway.exchange.session_events import (
    Accepted,
    ClientClosed,
    Declined,
    Ended,
    FromClient,
    FromServer,
    Message,
    Opcode,
    ServerClosed,
    SessionCommand,
    SessionEvent,
    SessionStarted,
    ToClient,
    ToServer,
    Withdrawn,
)
from gateway.exchange.session_facts import SessionFacts
from gateway.exchange.session_opening import SessionOpening
from gateway.exchange.session_reading import check_text, read
from gateway.exchange.stream import AnswerStream
from gateway.exchange.whole import Outcome
from gateway.segment import Direction
from gateway.verdict import Effect, Refusal
from gateway.wire.document import Document, glance


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message of the client that was judged: as it goes on, and as it was read, where it is a document."""

    message: Message
    document: Document | None


class Session(SessionOpening):
    """One session. Feed it events until `finished`; it never raises.

    `gate` gives what is in force: a session may last for hours, so each message, and each answer, is judged by what
    is in force as it begins.
    """

    def __init__(
        self,
        gate: Callable[[], Gate],
        family: Family,
        *,
        id: str,
        upstream: str,
        principal: str,
        isolation: int | None = None,
    ) -> None:
        super().__init__(gate, family, SessionFacts(id, upstream, principal, gate().rules.digest), isolation)
        self._asked: _Asked | None = None
        self._denials: dict[str, Denials] = {}  # by the ids of answers in which calls were refused

    def weighs(self, event: SessionEvent) -> int:
        """About how many bytes the event would have judged at once; a coded body may decode to all that is allowed."""
        if isinstance(event, FromServer):
            is_calling = self._stream is not None and may_complete(event.message.data, waits=self._stream.waits)
            return len(event.message.data) + (self._kept if is_calling else 0)
        if isinstance(event, FromClient):
            return len(event.message.data)
        if isinstance(event, Answered):
            return self._kept
        if not isinstance(event, Declined):
            return 0
        is_coded = fields.value(event.headers, "content-encoding") is not None
        return self._gate().limits.answer if is_coded else len(event.body)

    @property
    def _kept(self) -> int:
        """About how many bytes calls are held against."""
        return sum(self._sizes)

    def receive(self, event: SessionEvent) -> list[SessionCommand]:
        """The commands that follow from an event. A session that is over ignores what still comes."""
        if self.finished:
            return []
        try:
            return _STEPS[type(event)](self, event)
        except LockgateError as error:
            return self._refuse_error(error)
        except Exception as error:  # noqa: BLE001 - the outer boundary: every failure becomes a refusal
            return self._on_failed(Failed(f"session.{self._state}", f"{type(error).__name__}: {error}"))

    # --- the client's messages -------------------------------------------------------------------------------------

    def _on_client(self, event: FromClient) -> list[SessionCommand]:
        if self._state is not State.OPEN:
            raise InternalError("a message came before the handshakes, or while another waits")
        message = event.message
        self._facts.came(Direction.REQUEST, len(message.data))
        document: Document | None = None
        try:
            if self._endpoint.coverage is Coverage.DIALECT:
                message, document = self._resumed(message, glance(message.data))
            outcome = self._inspect(Direction.REQUEST, message)
        except (Malformed, OverLimit) as error:
            self._facts.fault = f"message: {error}"
            code = Code.TOO_LARGE if isinstance(error, OverLimit) else Code.UNREADABLE
            return self._turn_down(refuse.of(code, self._facts.id, str(error)), document)
        if outcome.verdict.effect >= Effect.ASK:
            return self._turn_down(self._content(outcome.verdict), document)
        refused = hosted.refused(self._gate(), self._endpoint, outcome, message.data, self._facts)
        if refused is not None:
            return self._turn_down(
                refuse.of(refused.code, self._facts.id, refused.words, rules=refused.rules), document
            )
        self._facts.edited = self._facts.edited or outcome.edited
        asked = _Asked(Message(message.opcode, outcome.body), document)
        if document is not None and self._socket.asks(document):
            self._asked = asked
            self._state = State.ASKING
            return [Consult(self._demand(document, outcome))]
        return self._forward(asked)

    @override
    def _on_limits(self, event: LimitsTaken) -> list[SessionCommand]:
        if self._state is not State.ASKING:
            return super()._on_limits(event)
        asked = self._asked
        assert asked is not None
        self._asked = None
        self._state = State.OPEN
        self._facts.limited(event)
        refusal = refuse.limited(event, self._facts.id)
        if refusal is not None:
            return [*self._turn_down(refusal, asked.document), *self._go_on()]
        self._used_before = self._used
        return self._forward(asked)

    def _demand(self, document: Document, outcome: Outcome) -> Demand:
        """What an answer to a message may cost, and what those before it have."""
        meter = self._endpoint.meter
        assert meter is not None  # whatever API a message asks a model in
        path = resolved(self._started.target.partition("?")[0])
        asked = meter.asked(path, document, outcome.inspected.uninspected)
        if asked.model is None:
            asked = replace(asked, model=self._facts.model)
        return Demand(Part.MESSAGE, asked, used=self._used, is_over=self._is_answered)

    def _forward(self, asked: _Asked) -> list[SessionCommand]:
        if asked.document is not None:
            self._socket.went(asked.document)
            self._remember(asked.document)
        return [ToServer(asked.message)]

    def _resumed(self, message: Message, document: Document) -> tuple[Message, Document]:
        """The message with what the server waits for since calls were refused in an answer that it goes on from."""
        dialect = self._endpoint.dialect
        if not self._denials and not dialect.may_lean(message.data):
            return message, document
        found = [self._denials[name] for name in dialect.leans_on(document) if name in self._denials]
        resumed = dialect.resumed(document, found)
        if resumed == document.raw:
            return message, document
        self._facts.edited = True
        return Message(message.opcode, resumed), glance(resumed)

    def _remember(self, document: Document) -> None:
        """Keep what a message told of the conversation, for calls that its answer makes."""
        if self._gate().firewall is not None:
            transcript = self._endpoint.dialect.transcript(document)
            if transcript.turns or transcript.tools:
                self._said.append(transcript)
                self._sizes.append(len(document.raw))

    def _turn_down(self, refusal: Refusal, document: Document | None) -> list[SessionCommand]:
        """Answer a message with a refusal. Where the dialect has no event for that, the session ends."""
        self._facts.code = refusal.code
        complaint = self._socket.complaint(refusal, document)
        if complaint:
            return [ToClient(Message(Opcode.TEXT, complaint))]
        return self._close(POLICY, refusal, "refused")

    # --- the server's messages -------------------------------------------------------------------------------------

    def _on_server(self, event: FromServer) -> list[SessionCommand]:
        if not self._is_open:
            raise InternalError("a message came before the handshakes")
        message = event.message
        self._facts.came(Direction.ANSWER, len(message.data))
        if self._stream is not None:
            return self._on_stream(self._stream, message)
        outcome = self._inspect(Direction.ANSWER, message)
        if outcome.verdict.effect >= Effect.ASK:
            return self._cut(self._content(outcome.verdict))
        self._facts.edited = self._facts.edited or outcome.edited
        return [ToClient(Message(message.opcode, outcome.body))]

    def _on_stream(self, stream: AnswerStream, message: Message) -> list[SessionCommand]:
        if not self._socket.takes_binary:
            check_text(message)
        self._opcode = message.opcode
        stream.feed(message.data)
        return self._released(stream)

    def _on_answered(self, event: Answered) -> list[SessionCommand]:
        """Somebody said what is to become of the calls that wait."""
        if self._stream is None or not self._stream.is_asking:
            raise InternalError("questions were answered that nobody asked")
        self._stream.answered(event.answers)
        return self._released(self._stream)

    def _released(self, stream: AnswerStream) -> list[SessionCommand]:
        """What of the server's messages may leave now, and what must be asked before more of them may."""
        if stream.cut is not None:
            return self._cut(self._content(stream.cut))
        out = self._departed()
        denials = stream.denials()
        for denial in denials:
            self._denials |= dict.fromkeys(denial.names, denial)
        if owed := self._socket.owed(denials):
            out.append(ToServer(Message(Opcode.TEXT, owed)))
        if questions := stream.ask():
            return [*out, Ask(questions, is_patient=True)]
        if stream.at_rest and self._socket.is_idle:
            # What this stretch held is over: what is remembered of it can go, and what is in force now holds.
            self._begin_stream()
        return [*out, *self._go_on()]

    def _inspect(self, direction: Direction, message: Message) -> Outcome:
        """Judge a message alone, and note what was found. Raises what `read` does."""
        if self._socket.takes_binary:
            message = Message(Opcode.TEXT, message.data)
        outcome = read(self._gate(), self._endpoint, self._facts.path, direction, message)
        self._facts.judged(direction, outcome)
        return outcome


_STEPS: Final[Mapping[type[SessionEvent], Callable[[Session, Any], list[SessionCommand]]]] = {
    SessionStarted: Session._on_started,
    LimitsTaken: Session._on_limits,
    Answered: Session._on_answered,
    Accepted: Session._on_accepted,
    Declined: Session._on_declined,
    FromClient: Session._on_client,
    FromServer: Session._on_server,
    ClientClosed: Session._on_client_closed,
    ServerClosed: Session._on_server_closed,
    RequestBroken: Session._on_broken,
    UpstreamFailed: Session._on_upstream_failed,
    DialDenied: Session._on_dial_denied,
    ClientGone: Session._on_client_gone,
    Ended: Session._on_ended,
    Stopped: Session._on_stopped,
    Withdrawn: Session._on_withdrawn,
    Failed: Session._on_failed,
}
"""What each event does."""
