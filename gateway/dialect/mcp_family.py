"""Which paths of an MCP server speak what: its metadata has a well-known path, and everything else is the protocol."""

from __future__ import annotations

import re
from typing import Final

from gateway.dialect.base import Coverage
from gateway.dialect.mcp import Mcp
from gateway.dialect.mcp_door import WELL_KNOWN, Door, Inner, Street
from gateway.dialect.mcp_metadata import Metadata
from gateway.dialect.route import Endpoint, Family, Form, route


def mcp(door: Door | None = None, asked: Inner | None = None, street: Street | None = None) -> Family:
    """The family of the server behind `door`, or by proxy on a `street`, of which something is `asked`."""
    metadata = route("GET", f"(.*){re.escape(WELL_KNOWN)}(/.*)?", Endpoint(Metadata(door), Coverage.DIALECT))
    messages = Endpoint(Mcp(door, asked or Inner(""), street=street), Coverage.DIALECT, answer_form=Form.NOTE)
    return Family("mcp", (metadata,), messages, "authorization", "Bearer ")


MCP: Final[Family] = mcp()
"""A server that is nowhere yet, to show what would be done with its bodies."""
