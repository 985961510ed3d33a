"""The calls in a stream of typed events: which of them each event speaks of, and when each is complete.

A call is told several times: as it begins, piece by piece, when it is done, and in events that restate the response. A
client may act on any of these. So where they disagree, each is judged, or the stream is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from msgspec.structs import replace

from gateway.dialect import openai_responses_calls as whole
from gateway.dialect.base import Denials
from gateway.dialect.containers import members_of
from gateway.dialect.openai_calls import text_of
from gateway.dialect.openai_denials import names_of, returned
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document

type Changes = Mapping[Hashable, Change]

ADDED: Final = "response.output_item.added"
DONE: Final = "response.output_item.done"

PIECES: Final[Mapping[str, tuple[str, str]]] = {
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
}
"""Events that tell the arguments of a call, by their type without its last word: the type of the item, and the member
that holds the arguments when they are done."""

_RESPONSE: Final[Path] = ("response",)


@dataclass(slots=True, eq=False)
class StreamedCall:
    """One call as its events come. `item` is the last of it that was told whole, `pieces` are its arguments in pieces,
    `stated` what was said to be all of them. `is_begun_whole` is whether it had arguments as it began, `names`
    are the ids of the response that it is in."""

    key: Hashable
    item: dict[str, Any]
    call: Call | None = None
    pieces: list[str] = field(default_factory=list)
    stated: list[str] = field(default_factory=list)
    events: int = 0
    is_begun_whole: bool = False
    names: tuple[str, ...] = ()

    def complete(self, item: dict[str, Any] | None, call: Call) -> Called:
        """The call is over. Raises Malformed where its pieces come to something else."""
        self.item, self.call = item or self.item, call
        for arguments in (*(["".join(self.pieces)] if self.pieces else []), *self.stated):
            self.check(arguments)
        return Called(self.key, call)

    def check(self, arguments: str) -> None:
        """Raise Malformed where the call, which is over, has other arguments than these."""
        if self.call is None or not _is_same(whole.made(self._with(arguments)), self.call):
            raise Malformed("the pieces of a call of the stream come to another one than its item")

    def as_far_as_told(self) -> Called:
        """The call that nothing ended."""
        arguments = self.stated[-1] if self.stated else "".join(self.pieces)
        call = whole.made(self._with(arguments) if arguments else self.item)
        assert call is not None
        return self.complete(None, call)

    def _with(self, arguments: str) -> dict[str, Any]:
        member = "input" if self.item.get("type") == "custom_tool_call" else "arguments"
        return {**self.item, member: arguments}


@dataclass(slots=True)
class Found:
    """What one event holds of calls.

    `of` is the call whose item it speaks of, `number` how many events did before it, `piece` how many pieces of its
    arguments came before where it is one. `restated` are calls in the output of a response, by the paths of their
    items; `called` those that are complete with the event.
    """

    of: StreamedCall | None = None
    number: int = 0
    piece: int | None = None
    restated: dict[Path, StreamedCall] = field(default_factory=dict)
    called: list[Called] = field(default_factory=list)

    @property
    def calling(self) -> tuple[Hashable, ...]:
        held = [] if self.of is None else [self.of.key]
        return tuple(dict.fromkeys((*held, *(call.key for call in self.restated.values()))))


NOTHING: Final = Found()


class Session:
    """The calls of all streams of a session, each with a key of its own.

    `own` are the ids of calls that the client itself put into the conversation; the server tells of them as of any.
    """

    def __init__(self) -> None:
        self.own: deque[Any] = deque(maxlen=_REMEMBERED)
        self._count = 0
        self._calls: deque[StreamedCall] = deque(maxlen=_REMEMBERED)

    def begin(self, item: dict[str, Any], names: tuple[str, ...]) -> StreamedCall:
        self._count += 1
        is_begun_whole = bool(item.get("arguments") or item.get("input"))
        call = StreamedCall(("call", self._count), item, is_begun_whole=is_begun_whole, names=names)
        self._calls.append(call)
        return call

    def find(self, item: dict[str, Any]) -> StreamedCall | None:
        """The call that was told in an item of this type and id."""
        return next((call for call in reversed(self._calls) if _names(call.item) == _names(item)), None)

    def denials(self, changes: Changes) -> tuple[Denials, ...]:
        """What is to be remembered of refused calls, response by response."""
        refused: dict[tuple[str, ...], list[Any]] = {}
        for call in self._calls:
            change = changes.get(call.key)
            if call.names and call.call is not None and change is not None and change.refusal is not None:
                refused.setdefault(call.names, []).extend(returned(call.item, change.refusal))
        return tuple(Denials(names, tuple(items)) for names, items in refused.items())


_REMEMBERED: Final = 256
"""Calls that are known when they are told again: more than a conversation's next turn looks back to."""


class EventCalls:
    """Follows the calls of one stream, which may be one of several in a session."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session or Session()
        self.names: tuple[str, ...] = ()  # the ids of the response, once told
        self._current: dict[Hashable, StreamedCall] = {}  # by the name of their item
        self._open: dict[Hashable, StreamedCall] = {}  # those that are not over, by key
        self._known: dict[Hashable, StreamedCall] = {}  # by type and id, and by what they say once that is known

    def read(self, kind: str, document: Document, name: Hashable) -> Found:
        """What an event of a type holds; `name` is the one name of the item that it speaks of."""
        found = Found()
        self.names = names_of(document, _RESPONSE) or self.names
        item = document.get("item")
        members_of(item, "item")
        if isinstance(item, dict) and kind.startswith("conversation.item."):
            self._echoed(found, item)
        elif isinstance(item, dict):
            is_done = kind == DONE or (kind != ADDED and item.get("status") != "in_progress")
            self._told(found, item, name, is_done=is_done)
        elif document.get("output_index") is not None or document.get("item_id") is not None:
            self._piece(found, kind, document, name)
        for path, call in whole.listed(document, _RESPONSE):
            found.restated[path] = self._restated(found, document.get(*path), call, path[-1])
        return found

    def _told(self, found: Found, item: dict[str, Any], name: Hashable, *, is_done: bool) -> None:
        """An event that tells an item whole, as it begins or when it is done."""
        call = whole.wanted(item)
        if call is None:
            return
        known = self._current.get(name)
        if known is None or (known.call is not None and not (is_done and _is_same(known.call, call))):
            known = self._begin(name, item)
        _count(found, known)
        if is_done and known.call is None:
            self._complete(found, known, item, call)

    def _echoed(self, found: Found, item: dict[str, Any]) -> None:
        """A Realtime event that tells of an item as a part of the conversation, beside the answer that it came in."""
        call = whole.wanted(item)
        if call is None:
            return
        known = self.session.find(item)
        if known is not None:
            found.restated["item",] = known
        elif item.get("status") != "in_progress" and item.get("call_id") not in self.session.own:
            known = found.restated["item",] = self._begin(None, item)
            self._complete(found, known, item, call)

    def _piece(self, found: Found, kind: str, document: Document, name: Hashable) -> None:
        """Any other event that speaks of an item."""
        stem, _, step = kind.rpartition(".")
        written_as = PIECES.get(stem)
        known = self._current.get(name)
        if known is None and written_as is not None:
            # A stream that is taken up in its middle: the item was told before, to whoever read that.
            item = {"type": written_as[0], "id": document.get("item_id")} | {
                member: document.get(member) for member in ("call_id", "name") if document.get(member) is not None
            }
            known = self._begin(name, item)
        if known is None:
            return
        told = text_of(document.get("name"))
        if written_as is not None and told and told != (text_of(known.item.get("name")) or told):
            raise Malformed("a call of the stream is told under two names")
        _count(found, known)
        if written_as is not None:
            text = document.get("delta" if step == "delta" else written_as[1])
            if isinstance(text, str) and step == "delta":
                found.piece = len(known.pieces)
                known.pieces.append(text)
            elif isinstance(text, str) and known.call is None:
                known.stated.append(text)
            elif isinstance(text, str):
                known.check(text)

    def _restated(self, found: Found, item: dict[str, Any], call: Call, position: Hashable) -> StreamedCall:
        """The call that a response restates: known by its place or its id, or else a new one."""
        by_id = self._known.get(_names(item))
        for one in (self._current.get(position), by_id, self._known.get(_content(call))):
            if one is not None and _is_same(one.call, call):
                return one
        new = by_id if by_id is not None and by_id.call is None else self._begin(None, item)
        self._complete(found, new, item, call)
        return new

    def _begin(self, name: Hashable, item: dict[str, Any]) -> StreamedCall:
        """A new call; `name` is that of its item, None where events will not speak of that."""
        call = self.session.begin(item, self.names)
        self._open[call.key] = self._known[_names(item)] = call
        if name is not None:
            self._current[name] = call
        return call

    def _complete(self, found: Found, known: StreamedCall, item: dict[str, Any], call: Call) -> None:
        found.called.append(known.complete(item, call))
        self._open.pop(known.key, None)
        self._known[_names(item)] = self._known[_content(call)] = known

    @property
    def is_calling(self) -> bool:
        """Whether a call has begun and is not over."""
        return bool(self._open)

    def rest(self) -> tuple[Called, ...]:
        """The calls that are not over yet, which are over now."""
        rest, self._open = self._open, {}
        return tuple(call.as_far_as_told() for call in rest.values())


def _count(found: Found, call: StreamedCall) -> None:
    found.of, found.number = call, call.events
    call.events += 1


def _names(item: dict[str, Any]) -> tuple[str, str]:
    return text_of(item.get("type")), text_of(item.get("call_id")) or text_of(item.get("id"))


def _content(call: Call) -> tuple[str, bytes]:
    return call.name, orjson.dumps(call.arguments, option=orjson.OPT_SORT_KEYS)


def _is_same(one: Call | None, other: Call) -> bool:
    """Whether two tellings are of one call: also with ids that some servers make anew for each event."""
    return one is not None and replace(one, id="") == replace(other, id="")
