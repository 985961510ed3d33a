"""Patterns of the shell (Bash manual 3.5.8.1), held against texts that are known."""

from __future__ import annotations

import re
from typing import Final

MAX_STARS: Final = 1
MAX_LENGTH: Final = 256
"""Stars of a pattern, and characters of a text, up to which they are matched: the time is a power of the former."""
MAX_NAME_STARS: Final = 3
"""Stars of a pattern that is held against a name, which is short."""

_CLASSES: Final = {
    "alpha": "A-Za-z", "digit": "0-9", "alnum": "A-Za-z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "punct": r"!-/:-@\[-`{-~", "blank": r" \t", "xdigit": "0-9A-Fa-f", "word": r"\w",
}  # fmt: skip
_TOKEN: Final = re.compile(r"\*+|\?|\[[!^]?\]?(?:\[:\w+:\]|[^]])*\]|\\.|[^*?\[\\]+|.", re.DOTALL)


def pattern(pieces: list[tuple[str, bool]], max_stars: int = MAX_STARS) -> str | None:
    """The regular expression of a pattern in pieces, each with whether it is quoted; None beyond the bounds."""
    parts: list[str] = []
    stars = 0
    for text, is_quoted in pieces:
        if is_quoted:
            parts.append(re.escape(text))
            continue
        for found in _TOKEN.finditer(text):
            stars += found[0][0] == "*"
            parts.append(_token(found[0]))
    return "".join(parts) if stars <= max_stars else None


def _token(text: str) -> str:
    if text[0] == "*":
        return ".*"
    if text == "?":
        return "."
    if text[0] == "[" and len(text) > 2:
        is_not = text[1] in "!^"
        inner = text[2 if is_not else 1 : -1]
        inner = re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], ""), re.sub(r"[\\&|~]", r"\\\g<0>", inner))
        # Python would take two dashes for a difference, one day.
        inner = re.sub(r"(?<!\\)\[", r"\\[", inner).replace("--", r"\-")
        return f"[{'^' if is_not else ''}{inner}]" if inner else re.escape(text)
    if text[0] == "\\" and len(text) == 2:
        return re.escape(text[1])
    return re.escape(text)


def compiled(expression: str | None) -> re.Pattern[str] | None:
    """The expression, or None where it is none (such as one with a range from high to low)."""
    if expression is None:
        return None
    try:
        return re.compile(expression, re.DOTALL)
    except re.error:
        return None


def matches(spelt: str, name: str) -> bool:
    """Whether a pattern, as it is spelt, takes the whole name. One that is beyond the bounds takes every name."""
    expression = compiled(pattern([(spelt, False)], MAX_NAME_STARS))
    return expression is None or expression.fullmatch(name) is not None
