"""The messages between an MCP client and its server over pipes, as a machine that is fed lines and gives commands.

Each line is a message, judged like any other; a request and its answer are one exchange with one record, and so is a
notification by itself. Whatever goes wrong with a message ends in a record, and where somebody waits for an answer, in
a JSON-RPC error: it fails closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from msgspec import structs

from gateway.dialect.jsonrpc import Id, correlated, is_answer, is_request
from gateway.dialect.mcp import Mcp
from gateway.dialect.mcp_refusals import cancelled
from gateway.dialect.message import Instead
from gateway.errors import Code, LockgateError, Malformed, OverLimit
from gateway.exchange import refuse
from gateway.exchange.calls import Calls, Refused
from gateway.exchange.conversation_steps import AskAbout, Count, Step, ToClient, ToServer, clock, onward, told
from gateway.exchange.demand import Demand
from gateway.exchange.events import Ask, Finish, LimitsTaken
from gateway.exchange.facts import Facts
from gateway.exchange.gate import Gate
from gateway.exchange.listing import server_of
from gateway.exchange.messages import Judged, judge_message
from gateway.exchange.open_exchanges import Key, OpenExchange, OpenExchanges
from gateway.exchange.recorded import ExchangeRecord, Inspected
from gateway.exchange.sight import UNTOLD, sight
from gateway.exchange.whole import Outcome
from gateway.policy.call import Answer
from gateway.segment import Direction
from gateway.verdict import Refusal
from gateway.wire.document import Document, glance, parse
from gateway.wire.lines import TOO_LONG

METHOD: Final = "STDIO"
"""Stands in the record where an exchange over HTTP has its method."""

# A reader that takes a CR for the end of a line would see other messages than one that does not.
_BARE_CR: Final = re.compile(rb"\r(?!\n\Z)")


@dataclass(frozen=True, slots=True)
class _Held:
    """A message of the client that waits for what is said about its calls: as it came, as it was judged, and the line
    that goes on, with its end."""

    exchange: OpenExchange
    document: Document
    judged: Judged
    end: bytes
    line: bytes


class Conversation:
    """Feed it lines (with their ends) until `ended`; it never raises. `gate` may be replaced between two of them.

    `new_id` gives each exchange its id. A direction is also who speaks: REQUEST is the client, ANSWER the server.
    """

    def __init__(self, gate: Gate, *, upstream: str, principal: str, new_id: Callable[[], str]) -> None:
        self.gate = gate
        self._upstream = upstream
        self._principal = principal
        self._new_id = new_id
        self._dialect = Mcp()
        self._open = OpenExchanges()
        self._held: dict[str, _Held] = {}
        self._session = ""  # that of all calls: a client starts a process for each

    def receive(self, sender: Direction, line: bytes | None) -> list[Step]:
        """What follows from a line; `TOO_LONG` stands for one that is over the limit on events."""
        try:
            return list(self._receive(sender, line))
        except LockgateError as error:
            return list(self._broken(sender, line, error))
        except Exception as error:  # noqa: BLE001 - the outer boundary: every failure becomes a refusal
            return list(self._failed(sender, line, f"{type(error).__name__}: {error}"))

    def answered(self, id_: str, answers: Sequence[Answer]) -> list[Step]:
        """What follows from the answers to `AskAbout`; nothing where the message is not waited for any more."""
        held = self._held.pop(id_, None)
        if held is None or not held.exchange.waiting:
            return []
        try:
            return list(self._answered_about(held, answers))
        except Exception as error:  # noqa: BLE001 - the outer boundary, as for a line
            line = held.document.raw
            return list(self._failed(Direction.REQUEST, line, f"{type(error).__name__}: {error}"))

    def limited(self, id_: str, taken: LimitsTaken) -> list[Step]:
        """What follows from what the limits say to a `Count`; nothing where the message is not waited for any more."""
        held = self._held.pop(id_, None)
        if held is None or not held.exchange.waiting:
            return []
        exchange = held.exchange
        exchange.facts.limited(taken)
        refusal = refuse.limited(taken, exchange.facts.id)
        if refusal is None:
            return [ToServer(held.line), *clock(exchange)]
        exchange.facts.code, exchange.facts.told = refusal.code, refusal.message
        exchange.is_refused = True
        self._open.drop(exchange)
        instead = told(self._dialect.instead(held.document, refusal))
        return [*instead, Finish(self._record(exchange, "refused"))]

    def overdue(self, id_: str) -> list[Step]:
        """What follows when the time of a `Clock` is over: the client is told, and a late answer goes nowhere."""
        exchange = self._open.by_id(id_)
        if exchange is None or exchange.calls is None:
            return []
        words = exchange.calls.overdue()
        exchange.facts.fault, exchange.is_refused = f"tool: {words}", True
        refusal = self._refusal(exchange.facts, Code.TOOL, words, ("tool-timeout",))
        owed = tuple(one for one in exchange.dialect.owed if one.id in exchange.waiting)
        steps: list[Step] = [ToClient(replace(exchange.dialect, owed=owed).refusal(refusal) + b"\n")]
        steps += [ToServer(cancelled(one.id, words) + b"\n") for one in owed]
        self._open.give_up(one.id for one in owed)
        self._open.drop(exchange)
        return [*steps, Finish(self._record(exchange, "refused"))]

    def ended(self, why: str) -> list[Step]:
        """The server is gone: whoever still waits for it is told `why`."""
        steps: list[Step] = []
        for exchange in self._open.take_all():
            exchange.facts.fault = f"upstream.broken: {why}"
            exchange.facts.upstream_failed = True
            if exchange.sender is Direction.REQUEST:
                message = f"the server is gone before it answered: {why}"
                refusal = self._refusal(exchange.facts, Code.UPSTREAM, message)
                steps.append(ToClient(exchange.dialect.refusal(refusal) + b"\n"))
            steps.append(Finish(self._record(exchange, "failed")))
        return steps

    def left(self) -> list[Step]:
        """The client is gone: nobody waits any more."""
        return [Finish(self._record(exchange, "client_gone")) for exchange in self._open.take_all()]

    # --- a message that can be read ---------------------------------------------------------------------------------

    def _receive(self, sender: Direction, line: bytes | None) -> Iterator[Step]:
        if line is TOO_LONG:
            limit = self.gate.limits.event
            raise OverLimit(f"a message is over the limit of {limit} bytes (`max_event` under [gateway])")
        text = line.rstrip(b"\r\n")
        if not text.strip():
            yield onward(sender, line)
            return
        if _BARE_CR.search(line):
            raise Malformed("a message holds a carriage return")
        document = parse(text)
        messages = document.value if isinstance(document.value, list) else [document.value]
        calls = self._calls_answered(sender, messages)
        judged = judge_message(self.gate, self._dialect, sender, document, self._upstream, calls)
        if self._are_late(sender, messages):
            return
        exchanges = self._answered(sender, messages) or [self._opened(sender, self._dialect.about(document, sender))]
        for exchange in exchanges:
            self._note(exchange, sender, document, judged)
        if judged.refused:
            yield from self._refused(exchanges[0], sender, document, judged)
        else:
            end = line[len(text) :] or b"\n"
            plain = line if not judged.edited and line.endswith(b"\n") else judged.data + end
            made = self._calls(exchanges[0], sender, document)
            if made is None:
                yield onward(sender, plain)
                yield from self._progressed(sender, document)
            else:
                yield from self._ruled(_Held(exchanges[0], document, judged, end, plain), made)
        for exchange in exchanges:
            yield from self._settled(exchange, sender, messages)

    # --- calls of tools ----------------------------------------------------------------------------------------------

    def _calls(self, exchange: OpenExchange, sender: Direction, document: Document) -> Calls | None:
        """The calls that a client makes in a message, ruled on; None where there are none, or nobody rules."""
        gate = self.gate
        made = self._dialect.made(document) if sender is Direction.REQUEST and gate.firewall is not None else ()
        if not made:
            return None
        self._session = self._session or exchange.facts.id
        server = server_of(self._upstream)
        seen = partial(sight, gate, structs.replace(UNTOLD, session=self._session), None)
        calls = Calls(gate.rules, seen, gate.stopped_tools)
        calls.take(structs.replace(one, call=structs.replace(one.call, server=server)) for one in made)
        return calls

    def _ruled(self, held: _Held, calls: Calls) -> Iterator[Step]:
        """Send a message whose calls may be made, refuse it, or ask."""
        held.exchange.calls = calls
        held.exchange.tokens = frozenset(self._dialect.progress_tokens(held.document, Direction.REQUEST))
        if questions := calls.ask():
            self._held[held.exchange.facts.id] = held
            yield AskAbout(held.exchange.facts.id, Ask(questions))
        elif calls.refused is not None:
            yield from self._refused_calls(held, calls.refused)
        else:
            yield from self._counted(held, calls)

    def _counted(self, held: _Held, calls: Calls) -> Iterator[Step]:
        """Send a message whose calls may be made, or see first whether the limits allow it."""
        if calls.are_counted:
            self._held[held.exchange.facts.id] = held
            yield Count(held.exchange.facts.id, Demand(tools=calls.names))
        else:
            yield ToServer(held.line)
            yield from clock(held.exchange)

    def _progressed(self, sender: Direction, document: Document) -> Iterator[Step]:
        """A server that reports progress of a call has more time for it."""
        if sender is Direction.ANSWER:
            for token in self._dialect.progress_tokens(document, sender):
                exchange = self._open.by_token(token)
                yield from clock(exchange) if exchange is not None else ()

    def _calls_answered(self, sender: Direction, messages: list[Any]) -> list[Calls]:
        """The calls of the client that the messages of a body may answer; they were not looked at yet."""
        answers = (one.get("id") for one in messages if isinstance(one, dict) and is_answer(one))
        ids = {correlated(id_) for id_ in answers if isinstance(id_, Id)}
        return [one.calls for one in self._open.answered(sender, ids) if one.calls is not None]

    def _are_late(self, sender: Direction, messages: list[dict[str, Any]]) -> bool:
        """Whether a body of the server answers only what nobody waits for any more."""
        if sender is Direction.REQUEST or not messages:
            return False
        return all(is_answer(one) and self._open.is_late(one.get("id")) for one in messages)

    def _answered_about(self, held: _Held, answers: Sequence[Answer]) -> Iterator[Step]:
        exchange, calls = held.exchange, held.exchange.calls
        assert calls is not None, "something was asked"
        calls.answered(answers)
        if calls.refused is None:
            if calls.changes:
                arguments = {key: change.arguments for key, change in calls.changes.items()}
                data = self._dialect.with_arguments(parse(held.judged.data), arguments)
                exchange.facts.edited = True
                held = replace(held, line=data + held.end)
            yield from self._counted(held, calls)
            return
        yield from self._refused_calls(held, calls.refused)
        self._open.drop(exchange)
        yield Finish(self._record(exchange, "refused"))

    def _refused_calls(self, held: _Held, refused: Refused) -> Iterator[Step]:
        held.exchange.is_refused = True
        refusal = self._refusal(held.exchange.facts, refused.code, refused.words, refused.rules)
        yield from told(self._dialect.instead(held.document, refusal))

    def _record(self, exchange: OpenExchange, outcome: str) -> ExchangeRecord:
        if exchange.calls is not None:
            exchange.facts.add_calls(exchange.calls)
        return exchange.facts.record(outcome)

    def _answered(self, sender: Direction, messages: list[dict[str, Any]]) -> list[OpenExchange]:
        """The exchanges that the answers in a body belong to; they wait for these no more."""
        found: dict[int, OpenExchange] = {}
        for message in messages:
            id_ = message.get("id")
            exchange = self._open.take((_other(sender), id_)) if is_answer(message) else None
            if exchange is not None:
                found[id(exchange)] = exchange
        return list(found.values())

    def _opened(self, sender: Direction, dialect: Mcp) -> OpenExchange:
        facts = Facts(self._new_id(), self._upstream, self._principal, self.gate.rules.digest)
        facts.dialect, facts.method = dialect.name, METHOD
        facts.path = "client" if sender is Direction.REQUEST else "server"
        return OpenExchange(facts, dialect, sender)

    def _note(self, exchange: OpenExchange, sender: Direction, document: Document, judged: Judged) -> None:
        part = Direction.REQUEST if exchange.sender is sender else Direction.ANSWER
        inspected = Inspected(len(document.raw), judged.segments, 0, "dialect", judged.uninspected)
        exchange.is_refused = exchange.is_refused or judged.refused
        exchange.facts.add(
            part, Outcome(judged.verdict, judged.data, judged.edited, inspected, findings=judged.findings)
        )
        if part is Direction.REQUEST:
            exchange.facts.operation = self._dialect.operation(document, named=not judged.findings)

    def _refused(self, exchange: OpenExchange, sender: Direction, document: Document, judged: Judged) -> Iterator[Step]:
        code = judged.verdict.code or Code.CONTENT
        rules = refuse.rules_of(judged.verdict.reasons)
        refusal = self._refusal(exchange.facts, code, refuse.content_message(code, rules), rules)
        if sender is Direction.ANSWER:
            yield ToClient(self._dialect.in_place(document, refusal) + b"\n")
        else:
            yield from told(self._dialect.instead(document, refusal))

    def _settled(self, exchange: OpenExchange, sender: Direction, messages: list[dict[str, Any]]) -> Iterator[Step]:
        """Keep an exchange that waits for an answer, and end what does not."""
        for message in messages:
            # A client is told at once; a server is, when its client has answered what came in place of the request.
            if is_request(message) and not (exchange.is_refused and sender is Direction.REQUEST):
                yield from self._superseded((sender, message["id"]))
                self._open.add((sender, message["id"]), exchange)
            elif message.get("method") == "notifications/cancelled":
                yield from self._cancelled(sender, message)
        if not exchange.waiting:
            outcome = "refused" if exchange.is_refused else exchange.facts.outcome_of_edits()
            yield Finish(self._record(exchange, outcome))
        surplus = self._open.surplus()
        if surplus is not None:
            yield from self._superseded(surplus)

    def _cancelled(self, sender: Direction, message: dict[str, Any]) -> Iterator[Step]:
        """Whoever cancels a request waits no more; an answer that still comes is an exchange of its own, but one to a
        call goes nowhere."""
        params = message.get("params")
        id_ = params.get("requestId") if isinstance(params, dict) else None
        if isinstance(id_, str | int):
            exchange = self._open.take((sender, id_))
            if exchange is not None:
                if exchange.calls is not None:
                    self._open.give_up((id_,))
                if not exchange.waiting:
                    yield Finish(self._record(exchange, "client_gone"))

    def _superseded(self, key: Key) -> Iterator[Step]:
        exchange = self._open.take(key)
        if exchange is not None:
            if exchange.calls is not None:
                self._open.give_up((key[1],))
            exchange.facts.fault = "upstream.timeout: no answer came"
            if not exchange.waiting:
                yield Finish(self._record(exchange, "failed"))

    # --- a message that cannot ---------------------------------------------------------------------------------------

    def _broken(self, sender: Direction, line: bytes | None, error: LockgateError) -> Iterator[Step]:
        code = Code.TOO_LARGE if isinstance(error, OverLimit) else Code.UNREADABLE
        words = f"the message cannot be inspected: {error}"
        if sender is Direction.ANSWER:
            code, words = Code.UPSTREAM, f"the server's message cannot be inspected: {error}"
        yield from self._unread(sender, line, code, words, f"line: {error}", "refused")

    def _failed(self, sender: Direction, line: bytes | None, detail: str) -> Iterator[Step]:
        yield from self._unread(sender, line, Code.INTERNAL, refuse.INTERNAL, f"conversation: {detail}", "failed")

    def _unread(
        self, sender: Direction, line: bytes | None, code: Code, words: str, fault: str, outcome: str
    ) -> Iterator[Step]:
        """Tell who waits, by the ids that the message seems to have; what it says goes nowhere."""
        seen = _glanced(line)
        messages = _messages(seen)
        answered = self._answered(sender, messages) or self._meant(sender, line)
        exchanges = answered or [self._opened(sender, self._dialect)]
        refusal = self._refusal(exchanges[0].facts, code, words)
        if sender is Direction.REQUEST:
            instead = self._dialect.instead(seen, refusal) if seen is not None and messages else Instead()
            # What is no answer to anything is no concern of the server's.
            yield from told(instead if answered else Instead(back=instead.back or self._dialect.refusal(refusal)))
        for exchange in exchanges:
            if sender is Direction.ANSWER:
                yield ToClient(exchange.dialect.refusal(refusal) + b"\n")
            exchange.facts.fault = fault
            exchange.facts.code = code
            yield Finish(self._record(exchange, outcome))
            self._open.drop(exchange)

    def _meant(self, sender: Direction, line: bytes | None) -> list[OpenExchange]:
        """What a message of the server that is too long answers: it is no notification, so the only open request."""
        if sender is Direction.REQUEST or line is not TOO_LONG:
            return []
        return self._open.only_one(Direction.REQUEST)

    def _refusal(self, facts: Facts, code: Code, message: str, rules: tuple[str, ...] = ()) -> Refusal:
        facts.code, facts.told = code, message
        return refuse.of(code, facts.id, message, rules=rules)


def _glanced(line: bytes | None) -> Document | None:
    """A message that is ambiguous or no message, as far as its id can be told."""
    try:
        return glance(line) if line is not TOO_LONG else None
    except Malformed:
        return None


def _messages(document: Document | None) -> list[dict[str, Any]]:
    """The messages of a body that may hold anything; none where they are not all objects with an id that can be one."""
    value = document.value if document is not None else None
    messages: list[Any] = value if isinstance(value, list) else [value]
    return messages if all(isinstance(one, dict) and isinstance(one.get("id"), Id) for one in messages) else []


def _other(side: Direction) -> Direction:
    return Direction.ANSWER if side is Direction.REQUEST else Direction.REQUEST
