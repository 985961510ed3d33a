"""The values that inspection works on: a text, who speaks in it, how far it is trusted, and where it stands.

A dialect turns a body into segments; detection and policy see nothing else of the body; edits go back by `Place`.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from msgspec import Struct

type Path = tuple[str | int, ...]
"""Keys and indices from the root of a JSON document to a value; `()` is the document itself."""


class Role(StrEnum):
    """Who speaks, in the terms of the chat APIs."""

    SYSTEM = "system"  # system and developer messages, `instructions`, `systemInstruction`
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Trust(IntEnum):
    """How far a text may steer the model. Ordered, so that `min` of two is the safer one."""

    UNTRUSTED = 0  # tool results, documents, fetched pages, quoted material: data, never instructions
    MODEL = 1  # what a model made of everything it read
    PRINCIPAL = 2  # the user's own words
    OPERATOR = 3  # system and developer text


class Kind(StrEnum):
    """What sort of text it is; decides wrapping and what is reported as inspected."""

    TEXT = "text"
    REASONING = "reasoning"
    REFUSAL = "refusal"
    TOOL_DEFINITION = "tool_definition"
    TOOL_CALL = "tool_call"  # arguments of a call, or its name
    TOOL_RESULT = "tool_result"
    DOCUMENT = "document"
    QUOTED = "quoted"  # fenced, tagged or delimited material inside a user's text
    OPAQUE = "opaque"  # a string in JSON that no dialect knows, or a whole text body


class Direction(StrEnum):
    """Which way the text goes."""

    REQUEST = "request"
    ANSWER = "answer"


class Span(Struct, frozen=True, gc=False, order=True):
    """A half-open range of code points in a segment's text."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: {self.start}..{self.end}")

    def shifted(self, by: int) -> Span:
        return Span(self.start + by, self.end + by)

    def touches(self, other: Span) -> bool:
        """Whether the two share a code point or a border."""
        return self.start <= other.end and other.start <= self.end


class Place(Struct, frozen=True, gc=False):
    """Where a text stands in a body.

    `path` leads to a JSON string; `inner`, where it is set, leads on inside the JSON that this string itself holds
    (tool arguments); `offset` is the number of code points before the text, for a text that is part of a string.
    """

    path: Path
    inner: Path | None = None
    offset: int = 0


class Segment(Struct, frozen=True, gc=False):
    """A text to be inspected.

    `editable` is false where a change would break a signature (thinking blocks); an edit there becomes a block.
    `wrappable` is true where the hierarchy may mark the text as data.
    """

    place: Place
    text: str
    role: Role
    trust: Trust
    kind: Kind = Kind.TEXT
    editable: bool = True
    wrappable: bool = False


class Uninspected(Struct, frozen=True):
    """A part that was seen and not read, by name: an image, a file reference, a tool that the provider runs itself."""

    what: str  # "image", "audio", "file", "hosted_tool", "stored_context", "binary_body"
    path: Path = ()
