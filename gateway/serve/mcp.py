"""The way in to MCP servers: `/mcp/NAME/…`, and the well-known path at which their protection is described.

The paths are the base-URL listener's; what they lead to is an upstream like any other, whose dialect knows how a client
writes the server's addresses. By proxy it writes them as the server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from gateway.dialect.mcp_answers import Answers
from gateway.dialect.mcp_door import PREFIX, WELL_KNOWN, Door, Inner, Street
from gateway.dialect.mcp_family import mcp
from gateway.errors import ClientError, Code
from gateway.serve.upstream import Upstream

_METADATA: Final = f"{WELL_KNOWN}/{PREFIX}/"


@dataclass(frozen=True, slots=True)
class Server:
    """An MCP server: the upstream that it is, and how its addresses are written here."""

    upstream: Upstream
    door: Door


def leads_here(path: str) -> bool:
    """Whether a path is one of an MCP server."""
    return path == f"/{PREFIX}" or path.startswith((f"/{PREFIX}/", _METADATA))


def by_proxy(servers: Mapping[str, Server], upstream: Upstream, target: str, answers: Answers) -> Upstream:
    """The upstream that a URL leads to, which may be one of these servers, as it is for the target (path and query).

    `answers` are as for `find`. A message that is sent to another path than the server's own is answered on a stream,
    in HTTP+SSE; elsewhere nothing is sent to others.
    """
    server = servers.get(upstream.name.removeprefix(f"{PREFIX}/"))
    if server is None or upstream.name != server.upstream.name:
        return upstream
    is_apart = target.partition("?")[0] != urlsplit(server.door.url).path
    street = Street(server.door.origin, answers)
    return replace(upstream, family=mcp(asked=Inner(target, answers_apart=is_apart), street=street))


def find(servers: Mapping[str, Server], target: str, host: str, answers: Answers) -> tuple[Upstream, str]:
    """The server that a target (path and query) names, and the target there.

    `host` is how the client writes ours; `answers` are those that the gateway owes on streams, whatever is reloaded
    meanwhile. Raises ClientError where there is none.
    """
    path, mark, query = target.partition("?")
    is_metadata = path.startswith(_METADATA)
    name, slash, rest = path.removeprefix(_METADATA if is_metadata else f"/{PREFIX}/").partition("/")
    server = servers.get(name)
    if server is None:
        known = ", ".join(sorted(servers)) or "none; add a table [mcp.NAME] with its `url`"
        raise ClientError(
            f"no such MCP server; the URL is http://HOST/{PREFIX}/NAME, with NAME one of: {known}",
            code=Code.NOT_FOUND,
            status=404,
        )
    # The listener speaks plain HTTP.
    door = replace(server.door, site=f"http://{host}", answers=answers)
    inner = door.inward(slash + rest + mark + query)
    if is_metadata:
        inner = Inner(WELL_KNOWN + inner.target.removesuffix("/"))
    return replace(server.upstream, family=mcp(door, inner)), inner.target
