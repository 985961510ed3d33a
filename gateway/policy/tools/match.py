"""Which calls a name in the configuration means: by tool, or by MCP server and tool, with `*` and `?` in either."""

from __future__ import annotations

import re
import unicodedata
from itertools import islice
from typing import Final

from msgspec import Struct

from gateway.policy.call import Call
from gateway.policy.tools.globs import fits

FORM: Final = '"send_email", "gmail/send_email" (that tool of the MCP server), "gmail/*", "delete_*"'

type Closeness = tuple[int, int]
"""How closely a name means a call, compared as tuples: without wildcards before with, then by the letters given."""

type Spellings = tuple[tuple[str | None, str], ...]
"""Server and tool, in the form that names are compared in."""

PREFIX: Final = "mcp__"
"""What agents put before the name of a server, two underscores, and the name of its tool."""

MAX_NAME: Final = 128
"""Characters of a tool's name at providers, and more than most of them take (Anthropic API reference, 2026-11)."""

_DIVISION: Final = re.compile(r"(?<=.)(?=__.)", re.DOTALL)


class Match(Struct, frozen=True):
    """A pattern of tools, and of servers (any and none where it is None), in the form that names are compared in."""

    tool: str
    server: str | None = None

    def closeness(self, spelt: Spellings) -> Closeness | None:
        """How closely it means a call that is spelt so; None if it does not."""
        for server, tool in spelt:
            if fits(self.tool, tool) and (self.server is None or (server is not None and fits(self.server, server))):
                text = f"{self.server or ''}{self.tool}"
                wild = sum(text.count(letter) for letter in "*?")
                return int(not wild), len(text) - wild
        return None


def match(text: str) -> Match:
    """The pattern of a text. Raises ValueError with the accepted form."""
    server, slash, tool = text.rpartition("/")
    if not tool or (slash and not server) or "/" in server:
        raise ValueError(f"means no tool; accepted: {FORM}")
    return Match(plain(tool), plain(server) if slash else None)


def plain(name: str) -> str:
    """A name as names are compared: compatibility forms as what they stand for, case aside."""
    return unicodedata.normalize("NFKC", name).casefold()


def spellings(call: Call) -> Spellings:
    """Server and tool of a call, as they may be read: agents write `mcp__SERVER__TOOL` for a tool of an MCP server."""
    name = plain(call.name)
    if call.server is not None:
        return ((plain(call.server), name),)
    return ((None, name), *divided(name))


def divided(name: str) -> tuple[tuple[str, str], ...]:
    """The servers and tools that `mcp__SERVER__TOOL` may name: either may have two underscores of its own.

    Of a name that is longer than names are, they are divided by the first ones alone.
    """
    rest = name.removeprefix(PREFIX)
    if rest == name:
        return ()
    places = (found.start() for found in _DIVISION.finditer(rest))
    most = 1 if len(name) > MAX_NAME else None
    return tuple((rest[:place], rest[place + 2 :]) for place in islice(places, most))
