"""The name of a call: its tool and its arguments, however they are spelt.

Two calls have one name where no tool that reads JSON could tell them apart: the order of members, blanks, escapes and
`1.0` for `1` make no difference. A change of type or of a single letter does.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import unicodedata
from typing import Any, Final

from gateway.policy.call import Call

_PREFIX: Final = re.compile(r"mcp__(.+?)__(?=.)", re.DOTALL)
"""What agents put before the name of an MCP server's tool (Claude Code, and others after it)."""

_UNSAID: Final = re.compile(r"[^\w-]", re.ASCII)
"""What the names of tools cannot hold at providers; clients put underscores in its place."""


def fingerprint(call: Call, key: bytes) -> str:
    """HMAC-SHA-256 in hex digits; without the key it tells nothing of short arguments.

    A call keeps its name from the model's answer to the request that makes it: the server is not part of it, and where
    an agent writes the server before the tool (`mcp__SERVER__TOOL`), only the tool is. `server_of` tells the server.
    """
    value = [_PREFIX.sub("", call.name), call.is_readable, _plain(call.arguments)]
    named = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, b"call\0" + named.encode("ascii"), hashlib.sha256).hex()


def server_of(call: Call) -> str:
    """The server that a call is for, in the form that such names are compared in: the one at which it is made, or that
    its name in a model's answer tells. Empty where that tells none."""
    told = _PREFIX.match(call.name)
    server = call.server if call.server is not None else told[1] if told is not None else ""
    return _UNSAID.sub("_", unicodedata.normalize("NFKC", server).casefold())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
