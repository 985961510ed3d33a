"""Which calls a name in the configuration means: by tool, or by MCP server and tool, with `*` and `?` in either."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from msgspec import Struct

from gateway.policy.call import Call
from gateway.policy.tools.globs import fits

FORM: Final = '"send_email", "gmail/send_email" (that tool of the MCP server), "gmail/*", "delete_*"'

type Closeness = tuple[int, int]
"""How closely a name means a call, compared as tuples: without wildcards before with, then by the letters given."""

type Spellings = tuple[tuple[str | None, str], ...]
"""Server and tool, in the form that names are compared in."""

_PREFIXED: Final = re.compile(r"mcp__(.+?)__(.+)", re.DOTALL)


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
    parts = _PREFIXED.fullmatch(name)
    return ((None, name),) if parts is None else ((None, name), (parts[1], parts[2]))
