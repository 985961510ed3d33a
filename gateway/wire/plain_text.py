"""Texts without markup: as they came, and where their syntax says something, with it in mind."""

from __future__ import annotations

import re
from typing import Final

from gateway.wire.passage import Passage, Weaver, plain

_SEPARATOR: Final = re.compile(r"[,;|\t\r\n\"]++")
_IN_FIELD: Final = str.maketrans(dict.fromkeys(',;|\t\r\n"', " "))
# In a double-quoted scalar (YAML 1.2, 5.7). The others are those of JSON, which every text is read with.
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|\r?\n[ \t]*+)")


def table(text: str) -> Passage:
    """Comma-separated values and their likes (RFC 4180): the separators of fields are structure."""
    weaver = Weaver()
    at = 0
    for separator in _SEPARATOR.finditer(text):
        start, end = separator.span()
        weaver.add(text[at:start], at, start)
        weaver.add(separator[0], start, end, fixed=True)
        at = end
    weaver.add(text[at:], at, len(text))
    return weaver.passage(_in_field)


def _in_field(text: str) -> str:
    return text.translate(_IN_FIELD)


def yaml(text: str, *, fixed: bool) -> list[Passage]:
    """YAML as it came and, where they make a difference, with its own escapes undone.

    What a replacement means depends on how the scalar around it is quoted, so with `fixed` nothing may be replaced.
    """
    if not _ESCAPE.search(text):
        return [plain(text, fixed=fixed)]
    weaver = Weaver()
    at = 0
    for escape in _ESCAPE.finditer(text):
        start, end = escape.span()
        weaver.add(text[at:start], at, start, fixed=fixed)
        weaver.add(_meant(escape), start, end, fixed=fixed)
        at = end
    weaver.add(text[at:], at, len(text), fixed=fixed)
    return [plain(text, fixed=fixed), weaver.passage(str)]


def _meant(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2]
    if not digits:
        return ""  # a line that goes on
    code = int(digits, 16)
    return chr(code) if code < 0xD800 or 0xE000 <= code <= 0x10FFFF else "\ufffd"
