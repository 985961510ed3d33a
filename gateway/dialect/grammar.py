"""Grammars: tables of small rules that say which member of a body is read how.

A rule is called with a value and its path, and tells the sink what is there. `members` gives each known member of an
object its rule and all others a rule for what is not known, so a body is read completely or a table says what is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect.base import Delta, EventReading, Lead, Parts, Reading
from gateway.dialect.plain import Voice, leaves, whole
from gateway.errors import Malformed
from gateway.segment import Kind, Path, Place, Role, Segment, Trust, Uninspected
from gateway.wire.document import Document, Patch, parse

type Rule = Callable[[Sink, Any, Path], None]
"""Reads the value at a path of the sink's document."""

SYSTEM: Final = Voice(Role.SYSTEM, Trust.OPERATOR)
USER: Final = Voice(Role.USER, Trust.PRINCIPAL)
ASSISTANT: Final = Voice(Role.ASSISTANT, Trust.MODEL)
REFUSED: Final = replace(ASSISTANT, kind=Kind.REFUSAL)
REASONED: Final = replace(ASSISTANT, kind=Kind.REASONING)
CALL: Final = replace(ASSISTANT, kind=Kind.TOOL_CALL)
CALL_NAME: Final = replace(CALL, editable=False)  # another name is another tool
RESULT: Final = Voice(Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT, wrappable=True)
RESULT_LABEL: Final = replace(RESULT, wrappable=False)  # too short to carry marks: names, file names, error codes
DEFINITION: Final = Voice(Role.SYSTEM, Trust.UNTRUSTED, Kind.TOOL_DEFINITION)
DEFINITION_NAME: Final = replace(DEFINITION, editable=False)
FORMAT: Final = Voice(Role.SYSTEM, Trust.PRINCIPAL, Kind.TOOL_DEFINITION)  # the agent's own schema for the answer
FILE_NAME: Final = Voice(Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT)
UNKNOWN: Final = Voice(Role.USER, Trust.PRINCIPAL, Kind.OPAQUE)
UNKNOWN_DATA: Final = Voice(Role.USER, Trust.UNTRUSTED, Kind.OPAQUE)  # may be the output of a tool
UNKNOWN_ANSWER: Final = Voice(Role.ASSISTANT, Trust.MODEL, Kind.OPAQUE)

JSON_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
"""The type names of JSON Schema (draft 2020-12, section 6.1.1): the only words of a schema that are not read."""


class Sink:
    """Takes what the rules find in one document.

    `parted` are texts in several parts, which are not among `segments`.

    `joined` is true for an event of a stream: there the arguments of a call stay one text, since the exchange reads
    them as JSON when the call is complete, and `growing` texts are told apart from those that stand whole. `apart` is
    true where independent items are left for `parts`.
    """

    __slots__ = ("apart", "document", "growing", "joined", "parted", "parts", "segments", "uninspected")

    def __init__(self, document: Document, *, joined: bool = False, apart: bool = False) -> None:
        self.document = document
        self.joined = joined
        self.apart = apart
        self.parts: list[Parts] = []
        self.parted: list[tuple[Segment, ...]] = []
        self.segments: list[Segment] = []
        self.growing: list[Segment] = []
        self.uninspected: list[Uninspected] = []

    def take(self, parts: Iterable[Segment | Uninspected]) -> None:
        for part in parts:
            if isinstance(part, Segment):
                self.segments.append(part)
            else:
                self.uninspected.append(part)


def read(rule: Rule, document: Document, root: Path = (), *, apart: bool = False) -> Reading:
    """What `rule` finds at `root`; `model` and `stream` are taken from the object there."""
    sink = Sink(document, apart=apart)
    value = document.get(*root)
    rule(sink, value, root)
    settings = value if isinstance(value, dict) else {}
    model = settings.get("model")
    return Reading(
        tuple(sink.segments),
        tuple(sink.uninspected),
        model if isinstance(model, str) else None,
        settings.get("stream") is True,
        tuple(sink.parts),
        tuple(sink.parted),
    )


def read_event(rule: Rule, document: Document, channel: Callable[[Document, Path], tuple[Any, ...]]) -> EventReading:
    """What `rule` finds in one event; `channel` names the growing text that the string at a path belongs to."""
    sink = Sink(document, joined=True)
    rule(sink, document.value, ())
    grown = [_grown(segment, channel(document, segment.place.path)) for segment in sink.growing]
    return EventReading((*grown, *map(whole, sink.segments)), uninspected=tuple(sink.uninspected))


def _grown(segment: Segment, channel: tuple[Any, ...]) -> Delta:
    return Delta(
        channel, segment.place, segment.text, segment.kind, segment.role, segment.trust, segment.editable, whole=False
    )


MAX_SKIPPED: Final = 256
"""Characters of a string that is skipped: more than ids, enumerations and names of models have."""


def skip(_sink: Sink, _value: Any, _path: Path) -> None:
    """For members that hold no text a model reads: ids, names of models, enumerations and numbers.

    `members` reads what is not one of these in their place, lists and objects included, as unknown.
    """


def ignore(_sink: Sink, _value: Any, _path: Path) -> None:
    """As `skip`, for members that hold structures or long data by their definition: settings, signatures, echoes."""


def opaque(voice: Voice) -> Rule:
    """Every string at or under the value, whatever it is."""

    def rule(sink: Sink, _value: Any, path: Path) -> None:
        sink.take(leaves(sink.document, path, voice))

    return rule


def unknown(voice: Voice) -> Rule:
    """What is not known in a part spoken by `voice`: read as opaque, and not marked, since its meaning is not known."""
    return opaque(replace(voice, kind=Kind.OPAQUE, wrappable=False))


def structured(voice: Voice) -> Rule:
    """A result that is JSON: a value of the client's. Only strings with white space are marked as data: an id, a date
    or a URL must stay usable in later calls, and a text that instructs has blanks."""

    def rule(sink: Sink, _value: Any, path: Path) -> None:
        sink.take(map(_marked_as_prose, leaves(sink.document, path, voice)))

    return rule


def _marked_as_prose(part: Segment | Uninspected) -> Segment | Uninspected:
    if isinstance(part, Uninspected) or any(map(str.isspace, part.text)):
        return part
    return replace(part, wrappable=False)


def text(voice: Voice) -> Rule:
    """A string; anything else in its place is read as unknown."""
    otherwise = unknown(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, str):
            if value:
                sink.segments.append(voice.segment(path, value))
        else:
            otherwise(sink, value, path)

    return rule


def growing(rule: Rule) -> Rule:
    """The strings that `rule` finds are pieces of texts that grow from event to event; keys and numbers stand whole."""

    def wrapped(sink: Sink, value: Any, path: Path) -> None:
        before = len(sink.segments)
        rule(sink, value, path)
        found = sink.segments[before:]
        del sink.segments[before:]
        for segment in found:
            is_piece = segment.text and sink.document.get(*segment.place.path) is segment.text
            (sink.growing if is_piece else sink.segments).append(segment)

    return wrapped


def schema(voice: Voice) -> Rule:
    """Every string of a JSON Schema, but for the type names."""

    def rule(sink: Sink, _value: Any, path: Path) -> None:
        found = leaves(sink.document, path, voice)
        sink.take(part for part in found if not (isinstance(part, Segment) and part.text in JSON_TYPES))

    return rule


def address(voice: Voice) -> Rule:
    """The address of something that the provider fetches: what stands in it leaves for another server.

    What an address itself holds (`data:`, RFC 2397) is left to the rule that names the part.
    """
    string = text(replace(voice, kind=Kind.OPAQUE, wrappable=False))

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if not (isinstance(value, str) and value[:5].lower() == "data:"):
            string(sink, value, path)

    return rule


def logprobs(sink: Sink, value: Any, path: Path) -> None:
    """Probabilities of tokens, which spell the text beside them. They are emptied where that text is edited in the same
    event; in a stream others may spell it again, so they are named."""
    if value:
        sink.uninspected.append(Uninspected("logprobs", path))


def uninspected(what: str) -> Rule:
    """A part that is named and not read, unless it is null."""

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if value is not None:
            sink.uninspected.append(Uninspected(what, path))

    return rule


def both(first: Rule, second: Rule) -> Rule:
    def rule(sink: Sink, value: Any, path: Path) -> None:
        first(sink, value, path)
        second(sink, value, path)

    return rule


def arguments(voice: Voice) -> Rule:
    """The arguments of a call, a string that should hold JSON: each of its texts, or the whole where it is not JSON."""
    otherwise = text(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        inner = None if sink.joined or not isinstance(value, str) else inner_document(value)
        found = [] if inner is None else list(leaves(inner, (), voice))
        if not found:
            otherwise(sink, value, path)
        sink.take(_moved_in(part, path) for part in found)

    return rule


def _moved_in(part: Segment | Uninspected, path: Path) -> Segment | Uninspected:
    if isinstance(part, Uninspected):
        return replace(part, path=path)
    return replace(part, place=Place(path, part.place.path))


def inner_document(value: str) -> Document | None:
    """The JSON that a string holds, or None where it holds none.

    Raises Malformed for JSON that some parsers read and others do not, or not alike (duplicate keys, NaN, too deep).
    """
    try:
        return parse(value.encode())
    except Malformed:
        if _is_json_to_some(value):
            raise
        return None


def _is_json_to_some(value: str) -> bool:
    """Whether a lenient parser takes `value` for JSON: Python's takes NaN, duplicate keys and lone surrogates."""
    try:
        json.loads(value)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def members(table: Mapping[str, Rule], otherwise: Rule) -> Rule:
    """An object whose members are read by `table`, those not in it by `otherwise`; so is what is not an object."""

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if not isinstance(value, dict):
            otherwise(sink, value, path)
            return
        for key, member in value.items():
            known = table.get(key, otherwise)
            if known is skip:
                if not (isinstance(member, dict | list) or (isinstance(member, str) and len(member) > MAX_SKIPPED)):
                    continue
                known = otherwise
            if known is not ignore:
                known(sink, member, (*path, key))

    return rule


def each(item: Rule, otherwise: Rule) -> Rule:
    """A list whose items are read by `item`; what is not a list is read by `otherwise`."""

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, list):
            for index, member in enumerate(value):
                item(sink, member, (*path, index))
        else:
            otherwise(sink, value, path)

    return rule


def independent(item: Rule, otherwise: Rule, lead: Lead | None = None) -> Rule:
    """As `each`, for a list whose items mean the same wherever they stand; they may be left to be read one by one.

    `lead` as in `Parts`.
    """
    together = each(item, otherwise)
    alone = partial(read, item)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if sink.apart and isinstance(value, list):
            sink.parts.append(Parts(path, alone, lead))
        else:
            together(sink, value, path)

    return rule


def by(key: str, table: Mapping[str, Rule], otherwise: Rule) -> Rule:
    """An object whose member `key` says by which rule of `table` it is read."""

    def rule(sink: Sink, value: Any, path: Path) -> None:
        tag = value.get(key) if isinstance(value, dict) else None
        known = table.get(tag, otherwise) if isinstance(tag, str) else otherwise
        known(sink, value, path)

    return rule


def values(member: Rule, otherwise: Rule) -> Rule:
    """An object that maps names of any kind to values, each read by `member`."""

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                member(sink, item, (*path, key))
        else:
            otherwise(sink, value, path)

    return rule


def either(voice: Voice, part: Rule, items: Callable[[Rule, Rule], Rule] = each) -> Rule:
    """A string, a part, or a list of parts: how the OpenAI APIs write content. `items` is `each` or `independent`."""
    string, parts = text(voice), items(part, part)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        (string if isinstance(value, str) else parts)(sink, value, path)

    return rule


def skipped(names: str) -> dict[str, Rule]:
    """Table entries for members without text, their names separated by blanks."""
    return dict.fromkeys(names.split(), skip)


def ignored(names: str) -> dict[str, Rule]:
    """As `skipped`, for members with structures or long data."""
    return dict.fromkeys(names.split(), ignore)


def lengthen(document: Document, root: Path, member: str, addition: str) -> tuple[Patch, ...]:
    """The patches that append a paragraph to the string `member` of the object at `root`, or add that member."""
    body = document.get(*root)
    if not isinstance(body, dict):
        return ()
    path: Path = (*root, member)
    if member not in body:
        return (document.append_member(root, member, addition),)
    if isinstance(body[member], str):
        return (document.append_text(path, f"\n\n{addition}"),)
    return (document.replace(path, addition),) if body[member] is None else ()
