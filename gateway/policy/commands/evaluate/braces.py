"""Brace expansion (Bash manual 3.5.1): one word that becomes several, before anything else in it is expanded."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from gateway.policy.commands.grammar.cursor import Unreadable
from gateway.policy.commands.grammar.tree import Literal, Parameter, Part, Word

MAX_WORDS: Final = 1024
"""Words that one word may become."""
MAX_OPEN: Final = 64
"""Braces that one word may open: each is looked for where it is closed."""
MAX_DEPTH: Final = 24
"""Braces inside one another and one after another."""

_SEQUENCE: Final = re.compile(r"(-?[0-9]{1,15}|[A-Za-z])\.\.(-?[0-9]{1,15}|[A-Za-z])(?:\.\.(-?[0-9]{1,15}))?")
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_MARK: Final = re.compile(r"([{},])")


def braced(word: Word) -> list[Word]:
    """The words that it becomes; itself alone where nothing is in braces. Raises `Unreadable` beyond the bound."""
    if not any(isinstance(part, Literal) and not part.is_quoted and "{" in part.text for part in word.parts):
        return [word]
    tokens = _tokens(word)
    if sum(_is(token, "{") for token in tokens) > MAX_OPEN:
        raise Unreadable(f"a word has more than {MAX_OPEN} braces")
    return [Word(tuple(_named(parts))) for parts in _expanded(tokens, depth=0)]


def _named(parts: list[Part]) -> list[Part]:
    """The parts of a word that was in braces, which are expanded first: `$a{1,2}` is `$a1` and `$a2`."""
    kept: list[Part] = []
    for part in parts:
        last = kept[-1] if kept else None
        found = _NAME.match(part.text) if isinstance(part, Literal) and not part.is_quoted else None
        if isinstance(part, Literal) and isinstance(last, Parameter) and found and last.source[1:].isidentifier():
            name = last.name + found[0]
            kept[-1] = Parameter(name, f"${name}", is_quoted=last.is_quoted)
            part = Literal(part.text[found.end() :])
        kept.append(part)
    return kept


def _tokens(word: Word) -> list[Part]:
    """The parts, with each brace and comma that may be a mark as a part of its own."""
    tokens: list[Part] = []
    for part in word.parts:
        if isinstance(part, Literal) and not part.is_quoted:
            tokens.extend(Literal(text) for text in _MARK.split(part.text) if text)
        else:
            tokens.append(part)
    return tokens


def _is(part: Part, text: str) -> bool:
    return isinstance(part, Literal) and not part.is_quoted and part.text == text


def _expanded(tokens: list[Part], depth: int) -> list[list[Part]]:
    if depth > MAX_DEPTH:
        raise Unreadable("braces are nested too deep")
    for start, token in enumerate(tokens):
        if not _is(token, "{"):
            continue
        end, commas = _closing(tokens, start)
        if end is None:
            continue
        choices = _choices(tokens, start, end, commas)
        if choices is None:
            continue
        inner = [one for choice in choices for one in _expanded(choice, depth + 1)]
        rest = _expanded(tokens[end + 1 :], depth + 1)
        if len(inner) * len(rest) > MAX_WORDS:
            raise Unreadable(f"braces make more than {MAX_WORDS} words")
        return [[*tokens[:start], *one, *other] for one in inner for other in rest]
    return [tokens]


def _closing(tokens: list[Part], start: int) -> tuple[int | None, list[int]]:
    """Where the brace is closed, and the commas that part what is in it."""
    depth = 0
    commas: list[int] = []
    for at in range(start, len(tokens)):
        if _is(tokens[at], "{"):
            depth += 1
        elif _is(tokens[at], ","):
            commas += [at] if depth == 1 else []
        elif _is(tokens[at], "}"):
            depth -= 1
            if depth == 0:
                return at, commas
    return None, []


def _choices(tokens: list[Part], start: int, end: int, commas: list[int]) -> list[list[Part]] | None:
    if commas:
        bounds = [start, *commas, end]
        return [tokens[low + 1 : high] for low, high in pairwise(bounds)]
    inner = tokens[start + 1 : end]
    if len(inner) == 1 and isinstance(inner[0], Literal) and not inner[0].is_quoted:
        found = _SEQUENCE.fullmatch(inner[0].text)
        if found is not None and found[1].lstrip("-").isdigit() == found[2].lstrip("-").isdigit():
            return [[Literal(text, is_quoted=not text.isalnum())] for text in _sequence(found[1], found[2], found[3])]
    return None


def _sequence(first: str, last: str, step: str | None) -> list[str]:
    is_number = first.lstrip("-").isdigit()
    low, high = (int(first), int(last)) if is_number else (ord(first), ord(last))
    by = abs(int(step or 1)) or 1
    values = range(low, high + 1, by) if low <= high else range(low, high - 1, -by)
    if len(values) > MAX_WORDS:
        raise Unreadable(f"braces make more than {MAX_WORDS} words")
    if not is_number:
        return [chr(value) for value in values]
    is_padded = any(len(text.lstrip("-")) > 1 and text.lstrip("-")[0] == "0" for text in (first, last))
    width = max(len(first), len(last)) if is_padded else 0
    return [str(value).zfill(width) for value in values]
