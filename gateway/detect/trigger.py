"""Turns the tree of a pattern into an expression for the pre-filter that hits wherever the pattern does, and cheaply.

The pre-filter only says which rules may hit, so the expression may say less than the pattern: lookarounds are dropped
(it knows none), a repeat at either end shrinks to its least count (`[\\w.]{1,64}@` hits where `[\\w.]@` does), and long
repeats inside lose their upper bound, which would cost it a state per count.
"""

from __future__ import annotations

from typing import Final

from gateway.detect.charset import EVERY, Ranges
from gateway.detect.tree import Alt, Chars, Edge, Look, Node, Repeat, Seq, width

_COUNTED: Final = 64
"""Repeats above this are not counted by the pre-filter: measured, compile time and table size grow with the count."""


def trigger(node: Node) -> str:
    """The expression, in the syntax that the pre-filter reads, with no flags needed but UTF-8."""
    parts = _flat(node)
    parts = _shorten(_shorten(parts)[::-1])[::-1] if len(parts) > 1 else parts
    return "".join(_written(part) for part in parts)


def _flat(node: Node) -> list[Node]:
    """The sequence of a node without lookarounds, nested sequences opened."""
    match node:
        case Look():
            return []
        case Seq(parts):
            return [inner for part in parts for inner in _flat(part)]
        case Repeat(inner, 1, 1):
            return _flat(inner)
        case _:
            return [node]


def _shorten(parts: list[Node]) -> list[Node]:
    """The sequence with the repeat at its front cut to the least count, and what stands before it dropped.

    What `\\b` says about the first of several letters does not hold for the last of them, so it goes as well.
    """
    first = next(index for index, part in enumerate(parts) if not isinstance(part, Edge))
    part, rest = parts[first], parts[first + 1 :]
    if not isinstance(part, Repeat) or part.least == part.most:
        return parts
    if part.least == 0:
        return _shorten(rest) if any(width(other)[0] for other in rest) else parts
    return [Repeat(part.node, part.least, part.least), *rest]


def _written(node: Node) -> str:
    match node:
        case Chars(ranges):
            return _class(ranges)
        case Edge(inside):
            return "\\B" if inside else "\\b"
        case Alt(branches):
            return f"(?:{'|'.join(_written(branch) for branch in branches)})"
        case Repeat(inner, least, most):
            return f"(?:{_written(inner)}){_count(least, most)}"
        case _:
            return "".join(_written(part) for part in _flat(node))


def _count(least: int, most: int) -> str:
    low = min(least, _COUNTED)
    return f"{{{low},}}" if most > _COUNTED else f"{{{low},{most}}}"


def _class(ranges: Ranges) -> str:
    if ranges == EVERY:
        return "(?s:.)"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _char(ranges[0][0])
    return f"[{''.join(_char(low) + (f'-{_char(high)}' if high > low else '') for low, high in ranges)}]"


def _char(code_point: int) -> str:
    character = chr(code_point)
    return character if character.isascii() and character.isalnum() else f"\\x{{{code_point:x}}}"
