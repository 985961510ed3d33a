"""The calls in a stream of the Interactions API, and its events with some of them changed.

A call is a step: it begins with its name, its arguments come in pieces of JSON, and it is complete when its step stops.
Earlier revisions tell it whole in one piece. An event that ends the interaction may restate the steps.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from msgspec import Struct

from gateway.dialect import interactions_calls as whole
from gateway.dialect import interactions_denials as denied
from gateway.dialect.base import Denials, Payload
from gateway.dialect.interactions_grammar import AGENTS
from gateway.dialect.openai_calls import function_call, put, strange_call, text_of
from gateway.dialect.refusals import encode
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply

type Changes = Mapping[Hashable, Change]


class Told(Struct, frozen=True):
    """How a revision of the API tells a step: types of events, the member that it begins in, and a text at first."""

    start: str
    member: str
    delta: str
    stop: str
    last: str
    empty: dict[str, Any]


STEPS: Final = Told("step.start", "step", "step.delta", "step.stop", "interaction.completed", {"type": "model_output"})
CONTENTS: Final = Told(
    "content.start", "content", "content.delta", "content.stop", "interaction.complete", {"type": "text", "text": ""}
)


def told(document: Document) -> Told | None:
    """By which revision an event begins a step; None where it begins none. Raises Malformed where both do."""
    found = [one for one in (STEPS, CONTENTS) if isinstance(document.get(one.member), dict)]
    if len(found) > 1:
        raise Malformed("an event of the stream begins two steps")
    return found[0] if found else None


@dataclass(slots=True, eq=False)
class _Call:
    """One call: `step` as it began, its arguments in `pieces`, or `whole` as one piece told it."""

    key: Hashable
    step: dict[str, Any]
    told: Told
    pieces: list[str] = field(default_factory=list)
    whole: dict[str, Any] | None = None
    events: int = 0
    call: Call | None = None

    def complete(self) -> Called:
        self.call = self._call()
        return Called(self.key, self.call)

    def _call(self) -> Call:
        step = {**self.step, **(self.whole or {})}
        if text_of(step.get("type")) not in AGENTS:
            return strange_call({**step, "arguments": "".join(self.pieces) or step.get("arguments")})
        if self.pieces and step.get("arguments"):
            raise Malformed("a call of the stream begins with arguments and goes on with others")
        arguments = "".join(self.pieces) if self.pieces else step.get("arguments")
        return function_call(step.get("name"), arguments, step.get("id"))

    def tell(self, piece: dict[str, Any]) -> None:
        """Take a piece that tells the call whole. Raises Malformed where it says otherwise than what came before."""
        before = {**self.step, **(self.whole or {})}
        if any(before.get(key) and value and before[key] != value for key, value in piece.items()):
            raise Malformed("a call of the stream is told in two ways")
        self.whole = {**(self.whole or {}), **{key: value for key, value in piece.items() if value is not None}}


@dataclass(slots=True)
class Found:
    """What one event holds of calls.

    `of` is the call whose step it speaks of, `number` how many events did before it, `piece` how many pieces of its
    arguments came before where it is one. `restated` are those among the steps of an interaction, by their paths, and
    `waiting` the places of a status that depends on all calls so far.
    """

    of: _Call | None = None
    number: int = 0
    piece: int | None = None
    restated: dict[Path, _Call] = field(default_factory=dict)
    waiting: tuple[Path, ...] = ()
    calling: tuple[Hashable, ...] = ()
    called: tuple[Called, ...] = ()


_STATUSES: Final[tuple[Path, ...]] = (("status",), ("interaction", "status"))


class StreamedCalls:
    """The calls of one stream. What an event holds is kept until it has left."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}  # by the index of their step
        self._steps: set[int] = set()  # steps that are known to be no call
        self._alike: dict[str, list[_Call]] = {}  # the complete ones, by all that they say
        self._waiting: deque[Found] = deque()
        self._identity: Any = None  # of the interaction

    def read(self, document: Document, index: int | None, *, stops: bool, ends_all: bool) -> Found:
        found = Found()
        called: list[Called] = []
        self._identity = document.get("interaction", "id") or document.get("interaction_id") or self._identity
        if index is not None:
            self._step(found, document, index)
            if stops and index in self._open:
                called.append(self._complete(self._open.pop(index)))
        if ends_all:
            called += self.rest()
        restated: Counter[str] = Counter()
        for path, call in whole.listed(document, ("interaction",)):
            said = _all_of(call)
            alike = self._alike.get(said, [])
            if len(alike) == restated[said]:  # none of those that came is left for it
                called.append(self._complete(self._begin(document.get(*path), STEPS)))
                alike = self._alike[said]
            found.restated[path] = alike[restated[said]]
            restated[said] += 1
        found.waiting = tuple(path for path in _STATUSES if document.get(*path) == whole.ACTION)
        return self._took(found, called)

    def passed(self) -> Found:
        """The end of the stream, which ends all that have begun."""
        return self._took(Found(), list(self.rest()))

    def _took(self, found: Found, called: list[Called]) -> Found:
        held = [] if found.of is None else [found.of]
        held += self._calls if found.waiting else found.restated.values()
        found.called = tuple(called)
        found.calling = tuple(dict.fromkeys((*(call.key for call in held), *(one.key for one in called))))
        self._waiting.append(found)
        return found

    def _step(self, found: Found, document: Document, index: int) -> None:
        begun, delta = told(document), document.get("delta")
        if begun is not None:
            step = document.get(begun.member)
            if whole.wanted(step) is None:
                _refuse_nested(step)
                self._steps.add(index)
                return
            self._open[index] = self._begin(step, begun)
        call = self._open.get(index)
        kind = delta.get("type") if isinstance(delta, dict) else None
        is_whole = isinstance(delta, dict) and whole.wanted(delta) is not None
        if isinstance(delta, dict) and not is_whole:
            _refuse_nested(delta)
        if call is None and is_whole:
            call = self._open[index] = self._begin({"type": kind}, CONTENTS)
        elif call is None and kind == "arguments_delta" and index not in self._steps:
            raise Malformed("the stream goes on in the middle of a call; take it up from an earlier event")
        if call is None:
            return
        found.of, found.number = call, call.events
        call.events += 1
        if isinstance(delta, dict):
            self._piece(found, call, delta)

    @staticmethod
    def _piece(found: Found, call: _Call, delta: dict[str, Any]) -> None:
        text = delta.get("arguments")
        if whole.wanted(delta) is not None:
            call.tell(delta)
        elif isinstance(text, str):
            found.piece = len(call.pieces)
            call.pieces.append(text)
        elif text:
            raise Malformed("a piece of a call's arguments is not a text")

    def _begin(self, step: dict[str, Any], by: Told) -> _Call:
        call = _Call(("call", len(self._calls)), step, by)
        self._calls.append(call)
        return call

    def _complete(self, call: _Call) -> Called:
        called = call.complete()
        self._alike.setdefault(_all_of(called.call), []).append(call)
        return called

    def rest(self) -> tuple[Called, ...]:
        """The calls that are not over yet, which are over now."""
        rest, self._open = self._open, {}
        return tuple(self._complete(call) for call in rest.values())

    def left(self) -> None:
        self._waiting.popleft()

    def denials(self, changes: Changes) -> tuple[Denials, ...]:
        refused = [(one.call, changes[one.key]) for one in self._calls if one.call is not None and one.key in changes]
        return denied.remembered(self._identity, refused)

    # --- the events as they leave ----------------------------------------------------------------------------------

    def changed(self, event: str | None, document: Document, changes: Changes) -> Sequence[Payload]:
        """The events in place of the one that leaves next."""
        found = self._waiting[0]
        call = found.of
        change = None if call is None else changes.get(call.key)
        if call is None or change is None:
            return [(event, apply(document.raw, self._mended(document, found, changes)))]
        if change.refusal is not None:
            return list(_refused(event, document, found, call, change.refusal))
        patches = _rewritten(document, found, call, change.arguments)
        return [] if patches is None else [(event, apply(document.raw, patches))]

    def _mended(self, document: Document, found: Found, changes: Changes) -> Iterator[Patch]:
        for path, call in found.restated.items():
            if call.key in changes:
                yield from whole.patches(document, path, changes[call.key])
        for path in found.waiting if self._is_none_left(changes) else ():
            yield from whole.over(document, path)

    def _is_none_left(self, changes: Changes) -> bool:
        """Whether there were calls, and all are refused."""
        refused = (changes.get(one.key) for one in self._calls)
        return bool(self._calls) and all(one is not None and one.refusal is not None for one in refused)


def _all_of(call: Call) -> str:
    """All that a call says, as a text: Python takes `true` for 1, and has no hash of an object."""
    return json.dumps((call.name, call.id, call.is_readable, call.arguments), sort_keys=True)


def _refuse_nested(step: dict[str, Any]) -> None:
    """A whole interaction may hold calls within its steps; a stream tells each by an index of its own."""
    if whole.holds_calls(step):
        raise Malformed("a call of the stream stands within another step")


def _refused(event: str | None, document: Document, found: Found, call: _Call, words: str) -> Iterator[Payload]:
    """A step of the model's own words: it begins where the call did, and stops where that stopped."""
    is_stop = told(document) is None and document.get("delta") is None
    if not found.number:
        by, index = call.told, document.get("index")
        identity = {"event_id": document.get("event_id")} if document.get("event_id") is not None else {}
        started = {"event_type": by.start, "index": index, by.member: by.empty, **identity}
        if told(document) is not None:  # otherwise the step has begun already
            yield _payload(event, started)
        yield _payload(event, {"event_type": by.delta, "index": index, "delta": whole.said(words)})
    elif is_stop:
        yield event, document.raw


def _payload(event: str | None, value: dict[str, Any]) -> Payload:
    return None if event is None else value["event_type"], encode(value)


def _rewritten(document: Document, found: Found, call: _Call, arguments: Any) -> Iterator[Patch] | None:
    """The patches for an event of a call with other arguments, all of which are in its first piece, or where it begins.

    None where the event is to go.
    """
    begun = told(document)
    if found.piece is not None:
        written = orjson.dumps(arguments).decode()
        return None if found.piece else iter((document.replace(("delta", "arguments"), written),))
    if begun is not None and not call.pieces and (call.whole is None or call.step.get("arguments")):
        return iter((put(document, (begun.member,), "arguments", arguments),))
    if document.get("delta", "type") in AGENTS:
        return iter((put(document, ("delta",), "arguments", arguments),))
    return iter(())
