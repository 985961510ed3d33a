"""The tree of a pattern, and what can be read off it: which parts it has, and how wide a match may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.detect.charset import Ranges


@dataclass(frozen=True, slots=True)
class Chars:
    """One code point out of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Edge:
    """`\\b`, or `\\B` where `inside` is true."""

    inside: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A lookahead or lookbehind; it spans nothing."""

    node: Node
    ahead: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Seq:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alt:
    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`node` between `least` and `most` times; greed does not change which texts match."""

    node: Node
    least: int
    most: int


type Node = Chars | Edge | Look | Seq | Alt | Repeat


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes inside it."""
    yield node
    match node:
        case Seq(parts) | Alt(parts):
            for part in parts:
                yield from walk(part)
        case Repeat(inner) | Look(inner):
            yield from walk(inner)
        case _:
            pass


def width(node: Node) -> tuple[int, int]:
    """The least and the most code points that a match may span."""
    match node:
        case Chars():
            return 1, 1
        case Seq(parts):
            widths = [width(part) for part in parts]
            return sum(least for least, _ in widths), sum(most for _, most in widths)
        case Alt(branches):
            widths = [width(branch) for branch in branches]
            return min(least for least, _ in widths), max(most for _, most in widths)
        case Repeat(inner, least, most):
            low, high = width(inner)
            return low * least, high * most
        case _:
            return 0, 0


def ahead(node: Node) -> int:
    """Most code points after a match that decide whether it stands; the `\\b` at its end is not counted."""
    match node:
        case Look(inner, ahead=True):
            return width(inner)[1] + ahead(inner) + 1  # one more, as it may end in `\b` itself
        case Seq(parts) | Alt(parts):
            return max((ahead(part) for part in parts), default=0)
        case Repeat(inner):
            return ahead(inner)
        case _:
            return 0
