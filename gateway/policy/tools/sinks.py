"""What each argument of a call is to its tool: what an operator declared, or what schema, name and value say.

The order is: declared; the schema's `format` and `enum`; the name; the schema's words about it; the shape of the value.
What a description says may make an argument a target, and never makes one none: descriptions are a server's own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from gateway.policy.call import Argument, Call, Sink
from gateway.policy.tools import vocabulary
from gateway.policy.tools.naming import plain_key, words
from gateway.policy.tools.schema_walk import Node, root
from gateway.policy.tools.shapes import is_sql, shape_of
from gateway.policy.transcript import Defined
from gateway.segment import Path

ROOT: Final = "."
"""How the arguments as a whole are declared, of a tool that takes free text."""

TARGETS: Final = frozenset({Sink.PATH, Sink.URL, Sink.COMMAND, Sink.CODE, Sink.SQL, Sink.RECIPIENT, Sink.ACCOUNT})
"""Sinks that a value's own shape does not overrule, and under which the keys of an object are values too."""

MAX_INNER: Final = 64 * 1024
"""Characters of a text in which arguments are looked for."""

_MEASURES: Final = frozenset({Sink.AMOUNT, Sink.ACCOUNT})
"""Sinks that numbers have."""

_QUERIES: Final = frozenset({"query", "queries", "statement", "statements", "q"})
_PROGRAM: Final = re.compile(r"[\w./+-]+")

_NONE: Final[Mapping[str, Sink]] = MappingProxyType({})


class Taken(Struct, frozen=True):
    """What an argument is taken for, and why, in words that hold nothing untrusted."""

    sink: Sink
    why: str
    is_declared: bool = False


def arguments_of(
    call: Call, defined: Defined | None = None, declared: Mapping[str, Sink] = _NONE
) -> tuple[Argument, ...]:
    """The leaves of a call's arguments, in their order, each with its sink.

    `declared` are sinks by the names of arguments without indices (`to`, `message.to`); one holds for all that is below
    it, and `.` for everything. A command that is given in pieces, as a list or as a program beside its arguments, is
    one leaf with the line that a shell would take for it. Keys of an object are leaves where they can be targets,
    and a text that holds a tool's input as JSON is read like one.
    """
    reader = _Reader(call.name, declared)
    return tuple(reader.read((), call.arguments, root(defined.schema if defined else None)))


def taken(tool: str, path: Path, node: Node, value: Any, declared: Mapping[str, Sink] = _NONE) -> Taken:
    """What the value at `path` of a call of `tool` is taken for; `node` is what the schema says of that place."""
    if (by_operator := _declared(path, declared)) is not None:
        return Taken(by_operator, "declared", is_declared=True)
    if isinstance(value, bool) or value is None:
        return Taken(Sink.VALUE, "it is no text and no number")
    if isinstance(value, str) and value in node.choices:
        return Taken(Sink.VALUE, "its schema lists what it may be")
    found = _by_words(words(tool), path, node, value)
    if isinstance(value, str) and found.sink is Sink.VALUE and (shape := shape_of(value)) is not None:
        return Taken(shape, "its value looks like one")
    return found


class _Reader:
    """Walks through the arguments of one call."""

    def __init__(self, tool: str, declared: Mapping[str, Sink]) -> None:
        self._tool = tool
        self._declared = declared

    def read(self, path: Path, value: Any, node: Node) -> Iterator[Argument]:
        if isinstance(value, Mapping):
            yield from self._object(path, value, node)
        elif isinstance(value, list | tuple):
            yield from self._list(path, value, node)
        else:
            yield self._leaf(path, value, node)
            if (inner := _inner(path, value)) is not None:
                yield from self.read(path, inner, node)

    def _leaf(self, path: Path, value: Any, node: Node) -> Argument:
        found = taken(self._tool, path, node, value, self._declared)
        return Argument(path, value, found.sink, found.is_declared)

    def _object(self, path: Path, value: Mapping[str, Any], node: Node) -> Iterator[Argument]:
        rest = next((key for key in value if key.lower() in vocabulary.REST and _is_flat(value[key])), "")
        program = self._program(path, value, node) if rest else None
        for key, member in value.items():
            place = (*path, key)
            if key == program:
                leaf = self._leaf(place, member, node.below(key))
                yield Argument(place, f"{member} {_line(value[rest])}", Sink.COMMAND, leaf.is_declared)
            elif program is None or key != rest:
                yield from self._key(path, key, node)
                yield from self.read(place, member, node.below(key))

    def _key(self, path: Path, key: str, node: Node) -> Iterator[Argument]:
        """A key as a value: one that is no name and that the schema does not have, where a target is asked for."""
        if path and not key.isidentifier() and key not in node.properties:
            above = taken(self._tool, path, node, "", self._declared)
            if above.sink in TARGETS:
                yield Argument((*path, key), key, above.sink, above.is_declared)

    def _list(self, path: Path, value: Sequence[Any], node: Node) -> Iterator[Argument]:
        above = taken(self._tool, path, node, "", self._declared)
        if above.sink is Sink.COMMAND and _is_one_command(path, value):
            yield Argument(path, _line(value), Sink.COMMAND, above.is_declared)
            return
        for place, item in enumerate(value):
            yield from self.read((*path, place), item, node.below(place))

    def _program(self, path: Path, value: Mapping[str, Any], node: Node) -> str | None:
        """The key of the command that the rest of an object's members are for."""
        for key, member in value.items():
            if not isinstance(member, str) or key.lower() in vocabulary.REST:
                continue
            if taken(self._tool, (*path, key), node.below(key), member, self._declared).sink is Sink.COMMAND:
                return key
        return None


def _inner(path: Path, value: Any) -> Any:
    """The object or list that a text holds, where its name says that it is a tool's input; None where there is none."""
    is_input = not vocabulary.INPUTS.isdisjoint(_name(path)[-1:])
    if (
        not is_input
        or not isinstance(value, str)
        or not value.lstrip().startswith(("{", "["))
        or len(value) > MAX_INNER
    ):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _is_flat(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value)
    )


def _is_one_command(path: Path, value: Sequence[Any]) -> bool:
    """Whether a list is the words of one command: its first is a bare program, and its name is not that of a list."""
    name = _name(path)
    if not value or not _is_flat(value) or (name and name[-1] in vocabulary.LINES):
        return False
    return len(value) > 1 and _PROGRAM.fullmatch(str(value[0])) is not None


def _line(value: Any) -> str:
    return value if isinstance(value, str) else " ".join(_quoted(str(word)) for word in value)


def _quoted(word: str) -> str:
    """One word of a command line, to any POSIX shell (IEEE 1003.1, Shell Command Language, 2.2.2)."""
    return word if _PROGRAM.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'"


def _declared(path: Path, declared: Mapping[str, Sink]) -> Sink | None:
    """The closest declaration at or above a path."""
    if not declared:
        return None
    found = [name for name in declared if is_at(name, path)]
    return declared[max(found, key=lambda name: (name != ROOT, name.count("."), name))] if found else None


def is_at(name: str, path: Path) -> bool:
    """Whether a declared name means a place or one above it: `to` means `to[0].email`, and `.` everything."""
    if name == ROOT:
        return True
    steps = [plain_key(step) for step in name.split(".")]
    return steps == [plain_key(step) for step in path if isinstance(step, str)][: len(steps)]


def _by_words(tool: tuple[str, ...], path: Path, node: Node, value: Any) -> Taken:
    if (by_format := vocabulary.FORMATS.get(node.format)) is not None:
        return Taken(by_format, f"its format is `{node.format}`")
    name = _name(path)
    found = _of_tool(tool, name, value) or _of_name(tool, path)
    if not isinstance(value, str):
        return found if found is not None and found.sink in _MEASURES else Taken(Sink.VALUE, "it is a number")
    if found is None:
        said = next((sink for sink, words in vocabulary.DESCRIPTIONS if words.search(node.words)), None)
        found = Taken(said, "its description says so") if said is not None else None
    if found is None:
        shape = shape_of(value)
        found = Taken(shape, "its value looks like one") if shape is not None else None
    return found or Taken(Sink.TEXT, "nothing says more")


def _of_tool(tool: tuple[str, ...], name: tuple[str, ...], value: Any) -> Taken | None:
    """What the argument that a tool works on is, by the tool; None for any other argument."""
    if name and not vocabulary.FREE.issuperset(name) and name[-1] not in _QUERIES:
        return None
    is_query = bool(name) and name[-1] in _QUERIES
    if is_query and (not vocabulary.DATABASES.isdisjoint(tool) or (isinstance(value, str) and is_sql(value))):
        return Taken(Sink.SQL, "it is a query of a database")
    if not vocabulary.SHELLS.isdisjoint(tool) and not is_query:
        return Taken(Sink.COMMAND, "it is what a shell is given")
    if not vocabulary.INTERPRETERS.isdisjoint(tool) and not is_query:
        return Taken(Sink.CODE, "it is what an interpreter is given")
    if not name and not vocabulary.RUNNERS.isdisjoint(tool):
        return Taken(Sink.COMMAND, "it is what is run")
    return None


def _name(path: Path) -> tuple[str, ...]:
    return next((words(step) for step in reversed(path) if isinstance(step, str)), ())


def _of_name(tool: tuple[str, ...], path: Path) -> Taken | None:
    """By the last name on the way to the value that says anything: `files[0].name` is of `files`."""
    for step in reversed(path):
        if isinstance(step, str):
            name = words(step)
            if (found := _of_words(tool, name)) is not None:
                return found
            if not vocabulary.NEUTRAL.issuperset(name):
                return None
    return None


def _of_words(tool: tuple[str, ...], name: tuple[str, ...]) -> Taken | None:
    """By the last word that says anything; words that nobody knows say nothing."""
    for place in range(len(name) - 1, -1, -1):
        word, before = name[place], name[place - 1] if place else ""
        if word in vocabulary.ENDS and not vocabulary.MOVERS.isdisjoint(tool):
            return Taken(Sink.PATH, f"its name says `{word}`, of what is moved")
        sink = _sink(word, before, place == len(name) - 1)
        if sink is not None:
            return Taken(sink, f"its name says `{word}`")
    return None


def _sink(word: str, before: str, is_last: bool) -> Sink | None:
    """What a word of a name says, after the word before it."""
    if word in {"id", "ids"} and before in vocabulary.OF_RECIPIENTS:
        return Sink.RECIPIENT
    if word == "code" and before and before not in vocabulary.CODES:
        return Sink.VALUE
    if word in {"address", "addresses"} and before in vocabulary.HEADS:
        return vocabulary.HEADS[before]  # `ip_address`, `wallet_address`
    if word == "to" and before and not (is_last and before in vocabulary.SENT_TO):
        return None
    return vocabulary.HEADS.get(word)
