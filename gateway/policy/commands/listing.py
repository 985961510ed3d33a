"""Lists of words, written as one text."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """The words of a text: a table of a hundred options reads better so."""
    return tuple(text.split())
