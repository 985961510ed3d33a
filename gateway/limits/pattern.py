"""Names of models and tools as an operator writes them: one name, or with a `*` at the end all that begin so."""

from __future__ import annotations

from collections.abc import Iterable


def matching(patterns: Iterable[str], name: str) -> str | None:
    """The pattern that a name falls under: itself, else the longest that ends in `*`; None where there is none.

    Whatever the case of letters is: there are servers that do not mind it.
    """
    best: str | None = None
    wanted = name.casefold()
    for pattern in patterns:
        known = pattern.casefold()
        if known == wanted:
            return pattern
        is_longer = best is None or len(pattern) > len(best)
        if is_longer and known.endswith("*") and wanted.startswith(known[:-1]):
            best = pattern
    return best


def pattern(text: str) -> str:
    """The pattern that a text is. Raises ValueError."""
    if not text or "*" in text[:-1] or not text.isprintable() or text != text.strip():
        raise ValueError('is no name; accepted: a name such as "gpt-5", or the beginning of some such as "gpt-5*"')
    return text
