"""The little of CSS that can hide a text: declarations, and rules whose selector is one simple compound.

A rule that is not understood (a combinator, a pseudo-class, a media query) is passed over, so that text which it may
hide counts as visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_PROPERTIES: Final = """
    background background-clip background-color background-image bottom clip clip-path color content-visibility display
    filter font font-size height left margin-left margin-top max-height max-width opacity overflow overflow-x overflow-y
    position right text-indent top transform visibility -webkit-background-clip width
"""
PROPERTIES: Final = frozenset(_PROPERTIES.split())
"""Those that are looked at."""

_COLOURING: Final = frozenset({"background", "background-color", "background-image", "color"})

type Declared = Mapping[str, str]
"""Values by property, both in lower case."""

_ESCAPE: Final = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n\r\f]?|([^\n]))")
_NOISE: Final = re.compile(r"/\*[\s\S]*?(?:\*/|\Z)|<!--|-->")
_QUOTED: Final = re.compile(r"\"(?:[^\"\\\n]++|\\[\s\S])*+\"?+|'(?:[^'\\\n]++|\\[\s\S])*+'?+")
_BRACE: Final = re.compile(r"[{};]")
_COMPOUND: Final = re.compile(r"(\*|[a-z][\w-]*+)?((?:[.#][\w-]++)*+)")
_PART: Final = re.compile(r"[.#][\w-]++")
_IMPORTANT: Final = re.compile(r"![ \t\n\r\f]*+important[ \t\n\r\f]*+\Z")
_OPEN_MEDIA: Final = re.compile(r"@(?:media[\s(]+(?:only\s+)?(?:all|screen)|layer\b[^,]*|supports\b.*)\s*\Z", re.DOTALL)
"""At-rules whose rules are taken for rules of the page: they hold wherever pages are shown."""


def declared(block: str) -> list[tuple[str, str, bool]]:
    """The declarations of a block that are looked at, in order: property, value, whether important."""
    found: list[tuple[str, str, bool]] = []
    for declaration in _cleaned(block).split(";"):
        name, colon, value = declaration.partition(":")
        name = name.strip()
        if colon and name in PROPERTIES:
            value = value.strip()
            mark = _IMPORTANT.search(value)
            found.append((name, value[: mark.start()].rstrip() if mark else value, mark is not None))
    return found


def _cleaned(text: str) -> str:
    """Lower case, without comments, strings and escapes."""
    if "/*" in text or "<!--" in text or "-->" in text:
        text = _NOISE.sub(" ", text)
    if '"' in text or "'" in text:
        text = _QUOTED.sub('""', text)
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    return text.lower()


def _unescaped(escape: re.Match[str]) -> str:
    if escape[2]:
        return escape[2]
    code = int(escape[1], 16)
    return chr(code) if 0 < code < 0xD800 else "\ufffd"


MOST_COMPOUNDS: Final = 16
"""Selectors of several parts with one part in common that are looked at: each element asks for all of them."""


@dataclass(slots=True)
class _Rule:
    """What one selector declares: its parts (`.a`, `#b`), its tag or ``, and values as (important, order, value)."""

    parts: frozenset[str]
    tag: str
    specificity: int
    values: dict[str, tuple[bool, int, str]]


class Sheet:
    """The rules of a page's style sheets."""

    def __init__(self, sheets: Iterable[str] = ()) -> None:
        self._rules: dict[str, dict[tuple[str, frozenset[str]], _Rule]] = {}
        self._order = 0
        self.is_whole = True
        """Whether all rules that colour anything were understood."""
        for sheet in sheets:
            for selectors, block, holds in self._blocks(_cleaned(sheet)):
                if declarations := declared(block):
                    for selector in selectors.split(","):
                        self._add(selector.strip() if holds else "", declarations)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def _blocks(self, text: str) -> Iterator[tuple[str, str, bool]]:
        """Selectors and declarations of the rules, and whether they hold without a condition."""
        at = depth = 0
        passed: int | None = None  # the depth from which on rules hold under a condition
        prelude = ""
        for brace in _BRACE.finditer(text):
            piece = text[at : brace.start()].strip()
            if brace[0] == "{":
                nested = prelude and not prelude.startswith("@")
                if passed is None and (nested or (piece.startswith("@") and not _OPEN_MEDIA.match(piece))):
                    passed = depth
                depth += 1
                prelude = piece
            elif brace[0] == "}":
                if prelude and not prelude.startswith("@"):
                    yield prelude, piece, passed is None
                depth = max(0, depth - 1)
                passed = None if passed == depth else passed
                prelude = ""
            elif prelude and not prelude.startswith("@"):
                continue  # the end of a declaration, of which the block has more
            elif piece.startswith("@import"):
                self.is_whole = False
            at = brace.end()

    def _add(self, selector: str, declarations: list[tuple[str, str, bool]]) -> None:
        compound = _COMPOUND.fullmatch(selector)
        rule = self._rule(compound) if compound and selector else None
        if rule is None:
            self.is_whole = self.is_whole and not any(name in _COLOURING for name, *_ in declarations)
            return
        self._order += 1
        for name, value, important in declarations:
            if important or not rule.values.get(name, (False,))[0]:
                rule.values[name] = important, self._order, value

    def _rule(self, compound: re.Match[str]) -> _Rule | None:
        parts = frozenset(_PART.findall(compound[2]))
        tag = "" if compound[1] in (None, "*") else compound[1]
        rules = self._rules.setdefault(min(parts, default=tag or "*"), {})
        if (tag, parts) not in rules:
            if len(rules) >= MOST_COMPOUNDS:
                return None
            ids = sum(part[0] == "#" for part in parts)
            specificity = ids * 1_000_000 + (len(parts) - ids) * 1_000 + bool(tag)
            rules[tag, parts] = _Rule(parts, tag, specificity, {})
        return rules[tag, parts]

    def of(self, name: str, classes: Iterable[str] = (), id_: str | None = None, inline: str | None = None) -> Declared:
        """What holds for an element. Its own declarations win over those of rules, important ones over all others."""
        marks = {f".{one.lower()}" for one in classes}
        if id_ is not None:
            marks.add(f"#{id_.lower()}")
        won: dict[str, tuple[bool, int, int, str]] = {}
        for key in (*marks, name, "*"):
            for rule in self._rules.get(key, {}).values():
                if rule.parts <= marks and rule.tag in ("", name):
                    for what, (important, order, value) in rule.values.items():
                        won[what] = max(won.get(what, (False, -1, 0, "")), (important, rule.specificity, order, value))
        found = {what: value for what, (important, *_, value) in won.items()}
        own = declared(inline) if inline else ()
        return found | {what: value for what, value, force in own if force or not (what in won and won[what][0])}
