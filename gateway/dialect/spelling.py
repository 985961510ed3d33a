"""The spellings of a path: the one that all servers take for the same, and what lenient ones may make of it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_ESCAPED_PLAIN: Final = re.compile(r"%(?:2[dDeE]|3[0-9aA]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])")
"""Escapes of the unreserved characters (RFC 3986, section 2.3), and of the colon, which clients escape as they like."""

_SLASHES: Final = re.compile("//+")
_LAYERS: Final = 4
"""How often a path is decoded: more than servers behind one another do. What is escaped deeper stays as it is."""


def resolved(path: str) -> str:
    """A path (no query) as the servers that read most into it take it: what is named in it is found here."""
    return decoded(normal_form(path))


def normal_form(path: str) -> str:
    """The path in the one spelling that all servers take for the same (RFC 3986, section 6.2.2), and what most do."""
    if "%" in path:
        path = _ESCAPED_PLAIN.sub(lambda escape: unquote(escape[0]), path)
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return path.removesuffix("/") or "/"


def decoded(path: str) -> str:
    """The path that a lenient server may make of it: all escapes undone, parameters and dot segments taken out."""
    for _ in range(_LAYERS):
        path = unquote(path)
    path = re.split(r"[?#]", path, maxsplit=1)[0].replace("\\", "/")
    steps: list[str] = []
    for step in path.split("/"):
        name = step.partition(";")[0].strip()
        if name == "..":
            del steps[-1:]
        elif name not in ("", "."):
            steps.append(name)
    return "/" + "/".join(steps)
