"""The calls in a stream of chat completions: which of them each piece belongs to, and when each is complete."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.dialect import openai_chat_calls as whole
from gateway.dialect.containers import items_of, members_of
from gateway.dialect.openai_calls import custom_call, function_call, strange_call, text_of
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, parse

type Changes = Mapping[Hashable, Change]


@dataclass(slots=True, eq=False)
class StreamedCall:
    """One call as its pieces come, among those of its choice.

    `key` is also where its texts stand: choice and index, and how many calls were made at that index before it.
    """

    key: tuple[Hashable, ...]
    row: Row
    index: int = 0
    nth: int = 0
    follows_text: bool = False
    id: str = ""
    names: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    is_custom: bool = False
    strange: Any = None  # a piece of a form that is not known
    pieces: int = 0
    is_over: bool = False

    def called(self) -> Called:
        self.is_over = True
        return Called(self.key, self._call())

    def _call(self) -> Call:
        name, arguments = "".join(self.names), "".join(self.arguments)
        if self.strange is not None:
            known = {"id": self.id, "name": name, "arguments": arguments}
            return strange_call({**known, **self.strange} if isinstance(self.strange, dict) else known)
        return (custom_call if self.is_custom else function_call)(name, arguments, self.id)


class Row:
    """The calls of a choice in the order in which they began, and on their way out, what clients see of them."""

    def __init__(self) -> None:
        self.calls: list[StreamedCall] = []
        self.has_refused = False  # among those that were passed
        self._passed = 0
        self._kept: set[int] = set()  # indices at which clients have a call
        self._gone: list[int] = []  # indices at which they have none, in order
        self._shown: dict[Hashable, int] = {}

    def index_of(self, call: StreamedCall, changes: Changes) -> int:
        """The index of a call for clients: without a gap where earlier calls were refused. It stays once it was told.

        All calls that began before it are passed with that: their events have left.
        """
        shown = self._shown.get(call.key)
        if shown is None:
            while self.calls[self._passed] is not call:
                self._pass(self.calls[self._passed], changes)
                self._passed += 1
            shown = self._shown[call.key] = call.index - bisect_left(self._gone, call.index)
        return shown

    def _pass(self, call: StreamedCall, changes: Changes) -> None:
        if not is_refused(call, changes):
            self._kept.add(call.index)
            if call.index in self._gone:
                self._gone.remove(call.index)
        else:
            self.has_refused = True
            if call.index not in self._kept and call.index not in self._gone:
                insort(self._gone, call.index)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a call; `number` counts those of the call. `arguments` is how many pieces of arguments came before,
    None where it holds none."""

    call: StreamedCall
    number: int
    arguments: int | None


@dataclass(slots=True)
class Found:
    """What one event holds of calls: pieces by the paths of their items, in order; calls that are over before it goes
    on at their index; and by its path each choice that the event finishes, with all its calls.

    `whole` are calls in a message that stands whole in the event, by their paths, as some servers send one.
    """

    pieces: dict[Path, Piece] = field(default_factory=dict)
    over: list[StreamedCall] = field(default_factory=list)
    finished: dict[Path, list[StreamedCall]] = field(default_factory=dict)
    whole: dict[Path, Called] = field(default_factory=dict)


NOTHING: Final = Found()


class ChatCalls:
    """Follows the calls of one stream."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}  # by choice
        self._current: dict[tuple[Hashable, ...], StreamedCall] = {}  # by choice and index
        self._told: set[int] = set()  # choices with text
        self._events = 0

    def read(self, document: Document) -> Found:
        """The pieces of an event; every event is read, in order."""
        found = Found()
        for position, choice in enumerate(items_of(document.get("choices"), "choices")):
            delta = members_of(choice.get("delta"), "delta") if isinstance(choice, dict) else {}
            if delta.get("content") or delta.get("tool_calls") or "function_call" in delta:
                self._read(found, delta, index_of(choice, position), ("choices", position, "delta"))
            if isinstance(choice, dict) and choice.get("finish_reason"):
                row = self._rows.get(index_of(choice, position))
                if row is not None:
                    found.finished["choices", position] = row.calls
            if isinstance(choice, dict) and "message" in choice:
                self._whole(found, document)
        return found

    def _whole(self, found: Found, document: Document) -> None:
        self._events += 1
        for called in whole.calls(document):
            assert isinstance(called.key, tuple)
            found.whole[called.key] = Called((self._events, called.key), called.call)

    def _read(self, found: Found, delta: dict[str, Any], choice: int, path: Path) -> None:
        if delta.get("content"):
            self._told.add(choice)
        for position, item in enumerate(items_of(delta.get("tool_calls"), "tool_calls")):
            if isinstance(item, dict):
                call = self._call(choice, index_of(item, position), item, found)
                found.pieces[*path, "tool_calls", position] = _added(call, item)
        older = delta.get("function_call")
        members_of(older, "function_call")
        if isinstance(older, dict):
            key = ("choices", choice, "delta", "function_call")
            call = self._current.get(key) or self._begin(choice, key, key)
            found.pieces[*path, "function_call"] = _added(call, {"function": older})

    def _call(self, choice: int, index: int, item: dict[str, Any], found: Found) -> StreamedCall:
        """Which of the calls at an index a piece belongs to.

        Some servers give all parallel calls the same index (Gemini's compatible endpoint did); there a new call has
        another id and a name. To a client that joins by index it still goes on with the call before it, so that must be
        complete. An id that changes without a name means nothing.
        """
        place = ("choices", choice, "delta", "tool_calls", index)
        call = self._current.get(place) or self._begin(choice, place, (*place, 0), index)
        given = item.get("id")
        if isinstance(given, str) and given and given != call.id:
            if call.id and _names_a_call(item):
                if not _is_complete(call):
                    raise Malformed("a call of the stream begins at the `index` of one that is not complete")
                found.over.append(call)
                call = self._begin(choice, place, (*place, call.nth + 1), index, call.nth + 1)
            call.id = call.id or given
        return call

    def _begin(
        self, choice: int, place: tuple[Hashable, ...], key: tuple[Hashable, ...], index: int = 0, nth: int = 0
    ) -> StreamedCall:
        row = self._rows.setdefault(choice, Row())
        call = StreamedCall(key, row, index, nth, choice in self._told)
        row.calls.append(call)
        self._current[place] = call
        return call

    def rest(self) -> tuple[Called, ...]:
        """The calls that are not over yet, which are over now."""
        return over(call for row in self._rows.values() for call in row.calls)


def over(calls: Iterable[StreamedCall]) -> tuple[Called, ...]:
    """Those calls that were not over before."""
    return tuple(call.called() for call in calls if not call.is_over)


def _added(call: StreamedCall, item: dict[str, Any]) -> Piece:
    """Note what a piece adds to its call."""
    number, before = call.pieces, len(call.arguments)
    call.pieces += 1
    is_custom = not isinstance(item.get("function"), dict) and isinstance(item.get("custom"), dict)
    call.is_custom = call.is_custom or is_custom
    member = "input" if is_custom else "arguments"
    held = item.get("custom" if is_custom else "function")
    if held is None and set(item) <= _IDS:
        return Piece(call, number, None)
    if not isinstance(held, dict) or not isinstance(held.get(member, ""), str | None):
        call.strange = item
        return Piece(call, number, None)
    call.names.append(text_of(held.get("name")))
    if not isinstance(held.get(member), str):
        return Piece(call, number, None)
    call.arguments.append(held[member])
    return Piece(call, number, before)


_IDS: Final = frozenset({"index", "id", "type"})


def _names_a_call(item: dict[str, Any]) -> bool:
    called = item.get("function") or item.get("custom")
    return isinstance(called, dict) and bool(called.get("name"))


def _is_complete(call: StreamedCall) -> bool:
    """Whether nothing can be added to the arguments of a call: an object, or none at all."""
    arguments = "".join(call.arguments)
    try:
        return not arguments or isinstance(parse(arguments.encode()).value, dict)
    except Malformed:
        return False


def index_of(item: Any, position: int) -> int:
    """The `index` that an item of a list gives itself; its position where it gives none."""
    index = item.get("index") if isinstance(item, dict) else None
    if index is None:
        return position
    if not isinstance(index, int):
        raise Malformed("an `index` in the stream is not a number")
    return index


def is_refused(call: StreamedCall, changes: Changes) -> bool:
    change = changes.get(call.key)
    return change is not None and change.refusal is not None
