"""The tokens of HTML and XML, each with its place in the text.

The states are those of the HTML standard (13.2.5), as far as they tell what is text, tag, attribute or comment, so that
this reader agrees with browsers on broken pages too. Every step goes forward and reads what it reads once, so the work
is linear in the text whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, StrEnum
from functools import cache
from typing import Final

from msgspec import Struct


class Syntax(Enum):
    HTML = "html"
    XML = "xml"


class Sort(StrEnum):
    TEXT = "text"  # references count
    CDATA = "cdata"  # they do not
    RAW = "raw"  # the content of a script and its likes: neither tags nor references count
    START = "start"
    END = "end"
    COMMENT = "comment"  # what stands between its marks
    DECLARATION = "declaration"  # doctypes, processing instructions


class Attribute(Struct, frozen=True, gc=False):
    """`start` and `end` are the value's, without quotes; those of the name where there is no value (`valued` false)."""

    name: str
    start: int
    end: int
    valued: bool
    quoted: bool


class Token(Struct, frozen=True, gc=False):
    """`start` and `end` are what is read: the inside of a comment, the whole of a tag. `name` is in lower case."""

    sort: Sort
    start: int
    end: int
    name: str = ""
    attributes: tuple[Attribute, ...] = ()
    closed: bool = False  # ends in `/>`


# Text with the less-than signs that open nothing.
_TEXT: Final = re.compile(r"(?:[^<]++|<(?![a-zA-Z!?]|/[\s\S]))++")
_CLOSING: Final = re.compile(r"--!?>")
_TAG_NAME: Final = re.compile(r"[^\t\n\f\r />]++")
# One attribute, or the end of the tag (2); what stands before it is (1). A quote that nothing closes runs to the end.
_VALUE: Final = r"\"([^\"]*+)(?:\"|\Z)|'([^']*+)(?:'|\Z)|([^\t\n\f\r >\"'][^\t\n\f\r >]*+)|(?=>)|\Z"
_ATTRIBUTE: Final = re.compile(
    r"([\t\n\f\r /]*+)(?:(>)|([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    rf"(?:[\t\n\f\r ]*+(=)[\t\n\f\r ]*+(?:{_VALUE}))?+)"
)
_DECLARED: Final = re.compile(r"<!doctype|<\?xml[\s?]", re.IGNORECASE | re.ASCII)
_IN_SCRIPT: Final = re.compile(r"<!--|-->|</?script(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII)
_XML_DOCTYPE_END: Final = re.compile(r"[^\[>]*+(?:>|\[[^\]]*+\][^>]*+>)")


class Tokenizer:
    """Reads a text once. What depends on the elements around is told by its reader, between two tokens."""

    def __init__(self, text: str, syntax: Syntax) -> None:
        self._text = text
        self._xml = syntax is Syntax.XML
        self.foreign = self._xml
        """Whether the next token stands in XML, or in SVG or MathML, where CDATA sections are read."""
        self.raw: str | None = None
        """The element that was opened last, if its content holds no markup; reading it sets this back."""

    def __iter__(self) -> Iterator[Token]:
        text, at = self._text, 0
        while at < len(text):
            if self.raw is not None:
                end = self._raw_end(self.raw, at)
                self.raw = None
                if end > at:
                    yield Token(Sort.RAW, at, end)
            elif run := _TEXT.match(text, at):
                end = run.end()
                yield Token(Sort.TEXT, at, end)
            else:
                token, end = self._markup(at)
                if token is not None:
                    yield token
            at = end

    def _raw_end(self, name: str, at: int) -> int:
        if name == "plaintext":
            return len(self._text)
        if name == "script":
            return _script_end(self._text, at)
        end = _end_tag(name).search(self._text, at)
        return end.start() if end else len(self._text)

    def _markup(self, at: int) -> tuple[Token | None, int]:
        """The token that begins with the less-than sign at `at`, if it makes one, and where the text goes on."""
        text = self._text
        if text.startswith("<!--", at):
            return self._comment(at)
        if self.foreign and text.startswith("<![CDATA[", at):
            return _delimited(text, Sort.CDATA, at + 9, "]]>")
        if self._xml and text.startswith("<?", at):
            return _delimited(text, Sort.DECLARATION, at + 2, "?>")
        if self._xml and text.startswith("<!DOCTYPE", at):
            found = _XML_DOCTYPE_END.match(text, at)
            return Token(Sort.DECLARATION, at + 2, found.end() - 1 if found else len(text)), (
                found.end() if found else len(text)
            )
        if text[at + 1] in "!?":
            sort = Sort.DECLARATION if _DECLARED.match(text, at) else Sort.COMMENT
            return _delimited(text, sort, at + 2, ">")
        closing = text[at + 1] == "/"
        first = text[at + 2] if closing else text[at + 1]
        if not (first.isascii() and first.isalpha()):
            return (None, at + 3) if first == ">" else _delimited(text, Sort.COMMENT, at + 2, ">")
        return self._tag(at, at + 2 if closing else at + 1, Sort.END if closing else Sort.START)

    def _comment(self, at: int) -> tuple[Token, int]:
        text = self._text
        if self._xml:
            return _delimited(text, Sort.COMMENT, at + 4, "-->")
        for abrupt in ("<!-->", "<!--->"):
            if text.startswith(abrupt, at):
                return Token(Sort.COMMENT, at + 4, at + 4), at + len(abrupt)
        close = _CLOSING.search(text, at + 4)
        start, end = (close.start(), close.end()) if close else (len(text), len(text))
        return Token(Sort.COMMENT, at + 4, start), end

    def _tag(self, at: int, named: int, sort: Sort) -> tuple[Token, int]:
        """A tag that is not finished is read as text: browsers drop it, other readers show it."""
        text = self._text
        name = _TAG_NAME.match(text, named)
        assert name is not None
        attributes: list[Attribute] = []
        position = name.end()
        if text.startswith(">", position):  # by far the most common
            return Token(sort, at, position + 1, name[0].lower()), position + 1
        while found := _ATTRIBUTE.match(text, position):
            position = found.end()
            if found[2]:
                token = Token(sort, at, position, name[0].lower(), tuple(attributes), found[1].endswith("/"))
                return token, position
            attributes.append(_attribute(found))
        return Token(Sort.TEXT, at, len(text)), len(text)


def _attribute(found: re.Match[str]) -> Attribute:
    name = found[3].lower()
    for group in (5, 6, 7):
        if found[group] is not None:
            return Attribute(name, found.start(group), found.end(group), valued=True, quoted=group != 7)
    if found[4]:
        return Attribute(name, found.end(), found.end(), valued=True, quoted=False)
    return Attribute(name, found.start(3), found.end(3), valued=False, quoted=False)


def _delimited(text: str, sort: Sort, start: int, delimiter: str) -> tuple[Token, int]:
    end = text.find(delimiter, start)
    return (Token(sort, start, end), end + len(delimiter)) if end >= 0 else (Token(sort, start, len(text)), len(text))


@cache
def _end_tag(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII)


def _script_end(text: str, at: int) -> int:
    """Where the script ends: in what looks like a comment, an end tag may be that of a start tag there (13.2.5.17)."""
    escaped = nested = False
    while mark := _IN_SCRIPT.search(text, at):
        at = mark.end()
        match mark[0].lower():
            case "<!--":
                escaped = True
                at -= 2  # its dashes may be those of the end, too
            case "-->":
                escaped = nested = False
            case "<script":
                nested = escaped
            case _ if nested:
                nested = False
            case _:
                return mark.start()
    return len(text)
