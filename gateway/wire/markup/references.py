"""Character references, as a browser reads them (HTML, 13.2.5.72 to 13.2.5.80)."""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final

from gateway.wire.passage import Weaver

# The longest name has 32 characters with its semicolon; what is longer is none, and need not be looked at.
REFERENCE: Final = re.compile(r"&(?:#[xX]([0-9a-fA-F]++);?|#([0-9]++);?|([a-zA-Z][a-zA-Z0-9]{1,31};?))")
_LONGEST_NUMBER: Final = 7
"""Digits of U+10FFFF in decimal, without leading zeros."""
_WINDOWS: Final = {code: bytes([code]).decode("cp1252", "replace") for code in range(0x80, 0xA0)}
"""Numbers that are read as bytes of windows-1252, whatever Unicode has there."""


def weave(into: Weaver, text: str, start: int, end: int, *, in_value: bool = False, one_line: bool = False) -> None:
    """Add `text[start:end]` with its references decoded. `in_value` is whether it is an attribute's value, in which
    fewer names are read without their semicolon; `one_line` makes spaces of line ends, as HTML does."""
    source = text[start:end]
    if one_line and ("\n" in source or "\r" in source):
        source = source.replace("\n", " ").replace("\r", " ")
    at = 0
    if "&" in source:
        for reference in REFERENCE.finditer(source):
            found = _meant(reference, source, in_value=in_value)
            if found is None:
                continue
            character, stop = found
            into.add(source[at : reference.start()], start + at, start + reference.start())
            into.add(character, start + reference.start(), start + stop)
            at = stop
    into.add(source[at:], start + at, end)


def _meant(reference: re.Match[str], source: str, *, in_value: bool) -> tuple[str, int] | None:
    """The text of a reference and where it ends; None where it is none after all."""
    if not reference[3]:
        return _numbered(reference), reference.end()
    name = reference[3]
    if name in html5:
        if not (in_value and not name.endswith(";") and source.startswith("=", reference.end())):
            return html5[name], reference.end()
        return None
    if in_value:  # with more letters behind it, it is the text of a link: `?a=b&copyright=1`
        return None
    for length in range(len(name) - 1, 1, -1):
        if name[:length] in html5:
            return html5[name[:length]], reference.start() + 1 + length
    return None


def _numbered(reference: re.Match[str]) -> str:
    digits, base = (reference[1], 16) if reference[1] else (reference[2], 10)
    digits = digits.lstrip("0")
    code = int(digits or "0", base) if len(digits) <= _LONGEST_NUMBER else 0
    if code in _WINDOWS:
        return _WINDOWS[code]
    return "\ufffd" if code == 0 or 0xD800 <= code < 0xE000 or code > 0x10FFFF else chr(code)
