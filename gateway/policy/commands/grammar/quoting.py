"""Escapes of `$'…'` and of `printf` and `echo -e` (Bash manual 3.1.2.4; POSIX XCU 2.2.4)."""

from __future__ import annotations

import re
from typing import Final

_SIMPLE: Final = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<hex>x\{?(?P<x>[0-9A-Fa-f]{1,8})\}?)|u(?P<u>[0-9A-Fa-f]{1,4})|U(?P<U>[0-9A-Fa-f]{1,8})"
    r"|(?P<o>[0-7]{1,3})|c(?P<c>.)|(?P<s>[abeEfnrtv\\'\"?]))",
    re.DOTALL,
)
_RUN: Final = re.compile(r"(?:\\x[0-9A-Fa-f]{1,2}|\\[0-7]{1,3}){2,}")
_BYTE: Final = re.compile(r"\\x([0-9A-Fa-f]{1,2})|\\([0-7]{1,3})")


def ansi_c(text: str) -> str:
    """What `$'text'` stands for. A NUL ends it, as in C."""
    return _unescaped(text).partition("\0")[0]


def printed(text: str) -> str:
    r"""What `printf '%b'`, a format of `printf`, and `echo -e` write. `\c` ends it; `\0nnn` is octal too."""
    text = re.sub(r"\\0([0-7]{1,3})", r"\\\1", text)
    return _unescaped(re.split(r"(?<!\\)\\c", text, maxsplit=1)[0])


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, _RUN.sub(_bytes, text))


def _bytes(run: re.Match[str]) -> str:
    """Several bytes next to one another are one or more characters of UTF-8."""
    values = bytes(int(found[1], 16) if found[1] else int(found[2], 8) & 0xFF for found in _BYTE.finditer(run[0]))
    text = values.decode("utf-8", "replace")
    return text.replace("\\", "\\\\")


def _character(found: re.Match[str]) -> str:
    if simple := found["s"]:
        return _SIMPLE[simple]
    if found["c"]:
        return chr(ord(found["c"]) & 0x1F)
    if found["o"]:
        return chr(int(found["o"], 8) & 0xFF)
    if found["hex"] and "{" not in found["hex"]:
        digits = found["x"]
        return chr(int(digits[:2], 16)) + digits[2:]
    value = int(found["x"] or found["u"] or found["U"], 16)
    return chr(value) if value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "�"
