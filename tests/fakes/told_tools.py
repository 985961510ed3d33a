"""An MCP server whose tools are what a file says of them, whenever it is asked: `{"read": "Reads.", …}`.

python -m tests.fakes.told_tools FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent, Tool

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}


class Told(MCPServer):
    """Lists what the file says, and does nothing of it."""

    def __init__(self, file: Path) -> None:
        super().__init__("told", log_level="CRITICAL")
        self._file = file

    async def list_tools(self) -> list[Tool]:
        told = json.loads(self._file.read_text())
        return [Tool(name=name, description=text, input_schema=SCHEMA) for name, text in told.items()]

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        return CallToolResult(content=[TextContent(type="text", text=f"{name} was called")])


if __name__ == "__main__":
    Told(Path(sys.argv[1])).run("stdio")
