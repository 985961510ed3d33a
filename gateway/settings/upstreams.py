"""`[upstreams.NAME]` and `[mcp.NAME]`: what requests are sent on to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, PlainValidator

from gateway.settings.fields import FilePath, Pause, Table, Variable, plain_name, web_address

_RESERVED: Final = frozenset({"mcp", "healthz"})  # paths of the gateway itself, now or soon
BUILT_IN: Final[Mapping[str, Mapping[str, object]]] = {
    "openai": {"dialect": "openai", "base_url": "https://api.openai.com"},
    "anthropic": {"dialect": "anthropic", "base_url": "https://api.anthropic.com"},
    "gemini": {"dialect": "gemini", "base_url": "https://generativelanguage.googleapis.com"},
    "ollama": {"dialect": "ollama", "base_url": "http://127.0.0.1:11434"},
}
"""The providers' own base addresses (API references of OpenAI, Anthropic, Gemini and Ollama, November 2026)."""
METADATA: Final = "/.well-known"
"""Where a server says beside its own paths how it is protected (RFC 8615; RFC 9728, section 3, and RFC 8414)."""


def _upstream_name(name: str) -> str:
    if name in _RESERVED:
        raise ValueError("is reserved for the gateway itself; accepted: another name")
    return plain_name(name)


def _base_url(value: object) -> str:
    return web_address(value).rstrip("/")


type UpstreamName = Annotated[str, AfterValidator(_upstream_name)]


class Upstream(Table):
    """`[upstreams.NAME]`: one API. The rest of a request's path is appended to `base_url` (no `/` at its end)."""

    dialect: Literal["openai", "anthropic", "gemini", "ollama", "azure", "bedrock", "vertex", "a2a", "http"]
    base_url: Annotated[str, PlainValidator(_base_url)]
    api_key_env: Variable | None = None
    verify: bool = True
    ca_file: FilePath | None = None


class McpServer(Table):
    """`[mcp.NAME]`: one MCP server, reached at `/mcp/NAME`; the rest of a request's path is appended to `url`."""

    url: Annotated[str, PlainValidator(web_address)]
    api_key_env: Variable | None = None
    idle_timeout: Pause = None  # streams of a server are quiet until it has something to say
    verify: bool = True
    ca_file: FilePath | None = None
