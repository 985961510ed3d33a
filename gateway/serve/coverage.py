"""The coverage matrix: what is done with the bodies of each endpoint of each family, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.config import Config
from gateway.dialect.families import FAMILIES
from gateway.dialect.mcp_family import MCP
from gateway.dialect.route import Endpoint, Family
from gateway.dialect.sockets import sessions

_SOCKET = ("WEBSOCKET",)

OTHER_BODIES = "other bodies"
"""Stands behind a path of which the bodies tell whose they are."""


@dataclass(frozen=True, slots=True)
class Row:
    """One route of a family; `path` is the pattern for the whole path, and `*` stands for every other path."""

    family: str
    methods: tuple[str, ...]
    path: str
    dialect: str
    coverage: str
    request: str
    answer: str
    generates: bool


def families(config: Config) -> tuple[Family, ...]:
    """The families that a configuration uses, by name; MCP last. Whatever else the proxy leads to is plain HTTP."""
    used = {table.dialect for table in config.upstreams.values()}
    if config.proxy.enabled:
        used.add("http")
    return (*(FAMILIES[name] for name in sorted(used)), *((MCP,) if config.mcp else ()))


def matrix(families: Iterable[Family]) -> tuple[Row, ...]:
    """Every route in the order in which they are tried, and each family's fallback last; then the same for sessions."""
    return tuple(row for family in families for row in _rows(family))


def _rows(family: Family) -> Iterable[Row]:
    for route in family.routes:
        methods, path, endpoint = tuple(sorted(route.methods)) or ("*",), route.pattern.pattern, route.endpoint
        yield _row(family.name, methods, path, endpoint)
        if endpoint.doubt is not None:
            yield _row(family.name, methods, f"{path} ({OTHER_BODIES})", endpoint.doubt.otherwise)
    yield _row(family.name, ("*",), "*", family.fallback)
    by_socket = sessions(family)
    for route in by_socket.routes:
        yield _row(family.name, _SOCKET, route.pattern.pattern, route.endpoint)
    yield _row(family.name, _SOCKET, "*", by_socket.fallback)


def _row(family: str, methods: tuple[str, ...], path: str, endpoint: Endpoint) -> Row:
    return Row(
        family,
        methods,
        path,
        endpoint.dialect.name,
        str(endpoint.coverage),
        str(endpoint.request_form),
        str(endpoint.answer_form),
        endpoint.generates,
    )
