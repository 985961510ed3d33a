"""Whether a condition of SQL can be false at all: `WHERE 1=1` is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

type Node = Any
"""An expression of sqlglot, known here by the name of its class and its arguments."""

_COMPARED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "EQ": lambda a, b: a == b,
    "NullSafeEQ": lambda a, b: a == b,
    "NEQ": lambda a, b: a != b,
    "NullSafeNEQ": lambda a, b: a != b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
}
_REFLEXIVE: Final = frozenset(("EQ", "NullSafeEQ", "GTE", "LTE", "Like", "ILike"))
_LIKES: Final = frozenset(("Like", "ILike", "SimilarTo", "Glob", "RegexpLike", "RegexpILike"))


def can_be_false(node: Node, depth: int = 0) -> bool:
    """Whether it can be false for some row. What is too deep to tell counts as what cannot."""
    return depth < _MAX_DEPTH and not _is_always(node, is_true=True, depth=depth)


_MAX_DEPTH: Final = 40


def _is_always(node: Node, *, is_true: bool, depth: int) -> bool:
    """Whether a condition is the same for each row: true, or false."""
    kind = type(node).__name__
    if depth > _MAX_DEPTH:
        return is_true
    if node.args.get("negate"):  # `IS NOT`
        is_true = not is_true
    if kind in ("Paren", "Where"):
        return _is_always(node.this, is_true=is_true, depth=depth + 1)
    if kind == "Not":
        return _is_always(node.this, is_true=not is_true, depth=depth + 1)
    if kind in ("And", "Or"):
        sides = list(node.flatten())[:1000]
        found = (_is_always(side, is_true=is_true, depth=depth + 1) for side in sides)
        return any(found) if (kind == "Or") == is_true else all(found)
    if kind == "Is" and type(node.expression).__name__ == "Null":
        return not is_true  # of a key, which is never null; this errs towards that
    constant = _constant(node, depth)
    if constant is not None:
        return bool(constant) == is_true
    return is_true and _is_tautology(node, kind)


def _is_tautology(node: Node, kind: str) -> bool:
    if kind in _REFLEXIVE and node.this == node.expression:
        return True  # `x = x`
    if kind in _LIKES and type(node.expression).__name__ == "Literal":
        return bool(node.expression.name) and not node.expression.name.strip("%*.")
    if kind == "Exists":
        return (
            type(node.this).__name__ == "Select"
            and node.this.args.get("where") is None
            and node.this.args.get("from_") is None
        )
    if kind == "In":
        return node.this in (node.expressions or ())
    return False


def _constant(node: Node, depth: int) -> Any:
    """The value of an expression of literals alone, or None."""
    kind = type(node).__name__
    if depth > _MAX_DEPTH or node is None:
        return None
    if kind == "Literal":
        return _number(node.name) if not node.is_string else _truth(node)
    if kind == "Boolean":
        return bool(node.this)
    if kind in ("Paren", "Cast", "TryCast"):
        return _constant(node.this, depth + 1)
    if kind == "Neg":
        value = _constant(node.this, depth + 1)
        return -value if isinstance(value, int | float) else None
    if kind in _COMPARED or kind in ("Add", "Sub", "Mul"):
        return _combined(node, kind, depth)
    if kind == "In" and node.expressions:
        value = _constant(node.this, depth + 1)
        return (value is not None and any(value == _constant(one, depth + 1) for one in node.expressions)) or None
    if kind == "Between":
        values = [_constant(one, depth + 1) for one in (node.this, node.args.get("low"), node.args.get("high"))]
        numbers = [value for value in values if isinstance(value, int | float)]
        return numbers[1] <= numbers[0] <= numbers[2] if len(numbers) == 3 else None
    return None


def _combined(node: Node, kind: str, depth: int) -> Any:
    left, right = _constant(node.this, depth + 1), _constant(node.expression, depth + 1)
    if left is None or right is None:
        return None
    if kind in _COMPARED:
        same = isinstance(left, str) == isinstance(right, str)
        return _COMPARED[kind](left, right) if same else None
    if isinstance(left, str) or isinstance(right, str):
        return None
    return {"Add": left + right, "Sub": left - right, "Mul": left * right}[kind]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _truth(node: Node) -> str:
    return str(node.name)
