"""How many tokens a text will be, without the tokeniser of its model: for what is to be known before the answer comes.

Four characters of English are about one token ("What are tokens and how to count them?", OpenAI help centre, 2026-11),
one of Chinese, Japanese or Korean is about one itself, and letters of other scripts lie between. The length in UTF-8
tells them apart: with c characters in b bytes the estimate is (3b - c) / 8, which is 1/4 for a character of ASCII, 5/8
for one of two bytes, 1 for one of three, and 11/8 for one of four. It adds up, so the cut of a text does not matter.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, Final

from gateway.segment import Path, Uninspected

UNREAD: Final = 1_600
"""Tokens that count for each part which is no text: the most that an image takes ("Vision", Anthropic's API guides,
2026-11; OpenAI's tiles come to 1,105). What a file or a stored conversation takes can only be told by the provider."""

EIGHTHS: Final = 8


def eighths(text: str) -> int:
    """The estimate for a text, in eighths of a token."""
    if text.isascii():
        return 2 * len(text)
    return 3 * len(text.encode("utf-8", "surrogatepass")) - len(text)


def rounded(eighths: int) -> int:
    """Eighths as whole tokens, rounded up."""
    return -(-eighths // EIGHTHS)


def of_body(value: Any, unread: Iterable[Uninspected] = ()) -> int:
    """The tokens of a JSON body: every string and key in it, and a constant for each part that is no text."""
    parts = {part.path for part in unread if part.path}
    return rounded(_eighths(value, (), parts)) + UNREAD * len(parts)


def _eighths(value: Any, path: Path, parts: Container[Path]) -> int:
    if path in parts:
        return 0
    if isinstance(value, str):
        return eighths(value)
    if isinstance(value, dict):
        return sum(eighths(key) + _eighths(member, (*path, key), parts) for key, member in value.items())
    if isinstance(value, list):
        return sum(_eighths(item, (*path, index), parts) for index, item in enumerate(value))
    return EIGHTHS  # a number, or a word of JSON
