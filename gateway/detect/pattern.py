"""Reads the pattern of a rule into a tree, and refuses what cannot be read alike by every engine or held in a stream.

The accepted syntax is a part of Python's: literals, `.`, classes, `\\d \\w \\s` (ASCII), `\\b \\B`, groups, branches,
repeats with an upper bound, lookarounds, and the leading flags `i`, `s` and `x`. Anchors are refused because a segment
may begin and end anywhere, back-references because no pre-filter knows them.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.detect import charset
from gateway.detect.charset import Ranges
from gateway.detect.tree import Alt, Chars, Edge, Look, Node, Repeat, Seq, walk, width

MAX_WIDTH: Final = 4_200
"""Most code points that one match may span, which streams hold: a PEM key of 4,096 bits has about 3,300."""
MAX_BEHIND: Final = 64
"""Most code points that a lookbehind may read; streams keep more than that of what they have released."""
MAX_AHEAD: Final = 64
"""Most code points that a lookahead may read; a stream holds a match for that much longer."""

_CLASSES: Final[dict[str, Ranges]] = {
    "d": charset.DIGIT,
    "D": charset.complement(charset.DIGIT),
    "w": charset.WORD,
    "W": charset.complement(charset.WORD),
    "s": charset.SPACE,
    "S": charset.complement(charset.SPACE),
}
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_HEX: Final = {"x": 2, "u": 4}
_FLAGS: Final = re.compile(r"\(\?([isx]+)\)")
_COUNT: Final = re.compile(r"\{(\d{1,5})(?:(,)(\d{1,5})?)?\}")
_OPEN: Final = re.compile(r"\?(?:(?P<look><?[=!])|P<[A-Za-z_]\w*>|>|(?P<flags>[isx]*):)")


class PatternError(ValueError):
    """The pattern is outside the accepted syntax; the message says where and what to write."""


def parse(source: str) -> Node:
    """The tree of a pattern. Raises `PatternError`."""
    reader = _Reader(source)
    node = reader.alternation()
    if reader.at < len(source):
        raise reader.wrong("unbalanced `)`")
    least, most = width(node)
    if least == 0:
        raise PatternError("the pattern can match nothing; it must span at least one character")
    if most > MAX_WIDTH:
        raise PatternError(f"a match may span {most} characters, at most {MAX_WIDTH} are allowed; lower the repeats")
    return node


def leading_flags(source: str) -> str:
    """The flags at the front of a pattern, such as `ix`."""
    found = _FLAGS.match(source)
    return found[1] if found else ""


def quoted(text: str) -> str:
    """The pattern for a text as it is."""
    return "".join(
        character if character.isalnum() or character in " _" or not character.isascii() else f"\\{character}"
        for character in text
    )


class _Reader:
    """A recursive-descent reader over one pattern."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.flags = leading_flags(source)
        self.at = len(self.flags) + 3 if self.flags else 0

    def wrong(self, what: str) -> PatternError:
        return PatternError(f"{what} at character {self.at + 1} of the pattern")

    def peek(self) -> str:
        """The next character that means something; empty at the end."""
        while "x" in self.flags and self.at < len(self.source):
            here = self.source[self.at]
            if here == "#":
                end = self.source.find("\n", self.at)
                self.at = len(self.source) if end < 0 else end
            elif here.isspace():
                self.at += 1
            else:
                break
        return self.source[self.at : self.at + 1]

    def take(self) -> str:
        here = self.source[self.at : self.at + 1]
        if not here:
            raise self.wrong("unfinished pattern")
        self.at += 1
        return here

    def alternation(self) -> Node:
        branches = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else Alt(tuple(branches))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while (here := self.peek()) and here not in "|)":
            parts.append(self.repeated(self.atom()))
        return parts[0] if len(parts) == 1 else Seq(tuple(parts))

    def repeated(self, node: Node) -> Node:
        here = self.peek()
        if here in ("*", "+"):
            raise self.wrong(f"`{here}` has no upper bound; write how many at most, such as `{{1,8}}`,")
        if here == "?":
            self.at += 1
            least, most = 0, 1
        elif counted := _COUNT.match(self.source, self.at):
            least, most = self.counts(counted)
        else:
            return node
        if isinstance(node, Edge | Look):
            raise self.wrong("a repeated assertion")
        if self.source[self.at : self.at + 1] in ("?", "+"):
            self.at += 1  # lazy or possessive: it changes which match is found first, not where one can begin or end
        return Repeat(node, least, most)

    def counts(self, counted: re.Match[str]) -> tuple[int, int]:
        least = int(counted[1])
        if counted[2] and not counted[3]:
            raise self.wrong(f"`{counted[0]}` has no upper bound; write `{{{least},{max(8, 4 * least)}}}` or the like")
        most = int(counted[3]) if counted[3] else least
        if most < max(least, 1):
            raise self.wrong(f"`{counted[0]}` repeats nothing")
        self.at = counted.end()
        return least, most

    def atom(self) -> Node:
        here = self.take()
        match here:
            case "(":
                return self.group()
            case "[":
                return Chars(self.cased(self.char_class()))
            case "\\":
                return self.escape()
            case ".":
                return Chars(charset.EVERY if "s" in self.flags else charset.NO_NEWLINE)
            case "^" | "$":
                raise self.wrong(f"`{here}` is refused, texts begin anywhere; write `(?<![^\\n])` or `(?![^\\n])`,")
            case "*" | "+" | "?" | "{" | "}" | "]":
                raise self.wrong(f"bare `{here}`; write `\\{here}` for the character,")
            case _:
                return Chars(self.cased(charset.of(here)))

    def group(self) -> Node:
        outer = self.flags
        look = ""
        if self.source.startswith("?", self.at):
            opened = _OPEN.match(self.source, self.at)
            if not opened:
                raise self.wrong("unknown group; accepted are `(`, `(?:`, `(?i:`, `(?P<name>`, `(?>`, and lookarounds,")
            look = opened["look"] or ""
            self.flags += opened["flags"] or ""
            self.at = opened.end()
        node = self.alternation()
        if self.peek() != ")":
            raise self.wrong("missing `)`")
        self.at += 1
        self.flags = outer
        return self.look(node, look) if look else node

    def look(self, node: Node, sign: str) -> Look:
        least, most = width(node)
        forward = "<" not in sign
        if most > (MAX_AHEAD if forward else MAX_BEHIND):
            raise self.wrong(f"a lookaround of {most} characters; at most {MAX_AHEAD} are allowed")
        if not forward and least != most:
            raise self.wrong("a lookbehind of varying width")
        if not forward and any(isinstance(part, Edge | Look) for part in walk(node)):
            raise self.wrong("an assertion inside a lookbehind")
        return Look(node, forward, sign.endswith("!"))

    def escape(self) -> Node:
        here = self.take()
        if here in "bB":
            return Edge(inside=here == "B")
        if here in _CLASSES:
            return Chars(_CLASSES[here])
        return Chars(self.cased(charset.of(self.escaped(here))))

    def escaped(self, here: str) -> str:
        """The character that an escape stands for."""
        if here in _CONTROLS:
            return _CONTROLS[here]
        if here in _HEX:
            digits = self.source[self.at : self.at + _HEX[here]]
            if not re.fullmatch(f"[0-9A-Fa-f]{{{_HEX[here]}}}", digits):
                raise self.wrong(f"`\\{here}` needs {_HEX[here]} hexadecimal digits")
            self.at += _HEX[here]
            return chr(int(digits, 16))
        if here.isalnum():
            raise self.wrong(f"unknown escape `\\{here}`")
        return here

    def char_class(self) -> Ranges:
        negative = self.source.startswith("^", self.at)
        self.at += negative
        ranges: list[tuple[int, int]] = []
        while not self.source.startswith("]", self.at):
            ranges.extend(self.class_item())
        self.at += 1
        if not ranges:
            raise self.wrong("empty class")
        # The case is opened before the complement: `[^a]` without case refuses both letters.
        found = self.cased(charset.union(ranges))
        return charset.complement(found) if negative else found

    def class_item(self) -> Ranges:
        here = self.take()
        if here == "[" or self.source[self.at - 1 : self.at + 1] in ("--", "&&", "||", "~~"):
            raise self.wrong(f"write `\\{here}` inside a class; sets of sets are refused,")
        if here == "\\":
            here = self.take()
            if here in _CLASSES:
                return _CLASSES[here]
            here = self.escaped(here)
        if not self.source.startswith("-", self.at) or self.source.startswith("-]", self.at):
            return charset.of(here)
        self.at += 1
        last = self.take()
        if last == "\\":
            last = self.escaped(self.take())
        if last < here:
            raise self.wrong(f"the range `{here}-{last}` runs backwards")
        return charset.of(here + last)

    def cased(self, ranges: Ranges) -> Ranges:
        return charset.either_case(ranges) if "i" in self.flags else ranges
