"""Arithmetic of the shell over whole numbers (Bash manual 6.5), as far as it is plain."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<based>[0-9]+#[0-9A-Za-z]+)|(?P<hex>0[xX][0-9A-Fa-f]+)|(?P<number>[0-9]+)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%()<>&|^~!]))"
)
_BINARY: Final[dict[str, tuple[int, Callable[[int, int], int]]]] = {
    "||": (1, lambda a, b: int(bool(a or b))),
    "&&": (2, lambda a, b: int(bool(a and b))),
    "|": (3, operator.or_),
    "^": (4, operator.xor),
    "&": (5, operator.and_),
    "==": (6, operator.eq),
    "!=": (6, operator.ne),
    "<": (7, operator.lt),
    ">": (7, operator.gt),
    "<=": (7, operator.le),
    ">=": (7, operator.ge),
    "<<": (8, lambda a, b: a << b if 0 <= b < 64 else 0),
    ">>": (8, lambda a, b: a >> b if 0 <= b < 64 else 0),
    "+": (9, operator.add),
    "-": (9, operator.sub),
    "*": (10, operator.mul),
    "/": (10, lambda a, b: int(a / b)),
    "%": (10, lambda a, b: a - b * int(a / b)),
    "**": (11, lambda a, b: a**b if 0 <= b < 64 else 0),
}
_UNARY: Final[dict[str, Callable[[int], int]]] = {
    "-": lambda value: -value,
    "+": lambda value: value,
    "~": lambda value: ~value,
    "!": lambda value: int(not value),
}
_MAX_TOKENS: Final = 64
"""Tokens of an expression that is evaluated; each level of it takes one frame."""


def evaluate(text: str, value: Callable[[str], str | None]) -> int | None:
    """The value of an expression, or None where it cannot be told. `value` gives that of a variable."""
    tokens: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(tokens) >= _MAX_TOKENS:
            return None
        tokens.append(found[0].strip())
        at = found.end()
    try:
        return _Expression(tokens, value).whole()
    except (ArithmeticError, ValueError, IndexError):
        return None


class _Expression:
    """Reads tokens by precedence. Raises ValueError or IndexError where they are no expression."""

    def __init__(self, tokens: list[str], value: Callable[[str], str | None]) -> None:
        self._tokens = tokens
        self._value = value

    def whole(self) -> int:
        if not self._tokens:
            return 0
        result = self._binary(0)
        if self._tokens:
            raise ValueError("more follows")
        return result

    def _binary(self, least: int) -> int:
        left = self._unary()
        while self._tokens and (known := _BINARY.get(self._tokens[0])) is not None and known[0] > least:
            self._tokens.pop(0)
            left = int(known[1](left, self._binary(known[0])))
            if abs(left) >= 2**63:  # where the shell wraps around, and powers of powers would never end
                raise ValueError("out of range")
        return left

    def _unary(self) -> int:
        token = self._tokens.pop(0)
        if token == "(":
            result = self._binary(0)
            if self._tokens.pop(0) != ")":
                raise ValueError("not closed")
            return result
        if token in _UNARY:
            return _UNARY[token](self._unary())
        return self._number(token)

    def _number(self, token: str) -> int:
        if "#" in token:
            base, _, digits = token.partition("#")
            return int(digits, int(base))
        if token[0].isdigit():
            is_octal = token[0] == "0" and len(token) > 1 and token[1] not in "xX"
            return int(token, 8 if is_octal else 0)
        text = self._value(token)
        if text is None:
            raise ValueError("not known")
        return int(text.strip() or "0", 0)
