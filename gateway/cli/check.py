"""`lockgate check`: would the gateway start, and what would it cover?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from rich.markup import escape
from rich.table import Table

from gateway import config as configuration
from gateway.app import sharing
from gateway.cli import check_tools, offline
from gateway.cli.tables import wide
from gateway.config import Config
from gateway.errors import OperatorError
from gateway.reload import Loaded
from gateway.serve.coverage import families, matrix
from gateway.serve.gaps import gaps
from gateway.serve.reach import openings
from gateway.settings import DEFAULT_PRINCIPAL, Anonymous


def check(path: Path | None) -> int:
    """Print what is wrong, all at once, and return 1; else print what would be served, and return 0."""
    problems: list[str] = []
    loaded: Loaded | None = None
    try:
        loaded = offline.load(path)
    except OperatorError as error:
        problems += error.problems
    problems += _environment(path)
    if loaded is None or problems:
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        return 1
    _show(loaded)
    return 0


def _environment(path: Path | None) -> tuple[str, ...]:
    """What the configuration wants and is not there: variables, and a store; none where the file itself is wrong."""
    try:
        config = configuration.load(path) if path is not None else Config()
    except OperatorError:
        return ()
    problems = sharing.faults(config)
    try:
        configuration.secrets(config, os.environ)
        if config.gateway.secret_env is not None:  # asked for only then: without it, a secret would be made here
            configuration.secret(config, os.environ)
    except OperatorError as error:
        problems += error.problems
    return problems


def _show(loaded: Loaded) -> None:
    config = loaded.config
    console = wide()
    console.print(f"profile {config.rules.profile}, {len(loaded.rules.rules)} rules, hierarchy {config.hierarchy.mode}")
    for gap in gaps(config):
        console.print(f"not protected: {gap}", markup=False)
    proxy = config.proxy
    way = f"proxy at {proxy.listen}, who shows no key is {_NOBODY[proxy.anonymous]}" if proxy.enabled else "no proxy"
    for table in (_upstreams(config), _agents(config)):
        console.print(table)
    console.print(way, markup=False)
    if proxy.enabled:
        console.print(_egress(config))
    console.print(_tools(config))
    console.print(_coverage(config))
    console.print("ok")


def _upstreams(config: Config) -> Table:
    table = _table("upstream", "dialect", "goes to", "key")
    for name, upstream in config.upstreams.items():
        _add(table, name, upstream.dialect, upstream.base_url, _key(upstream.api_key_env))
    for name, server in config.mcp.items():
        _add(table, f"mcp/{name}", "mcp", server.url, _key(server.api_key_env))
    return table


def _agents(config: Config) -> Table:
    table = _table("agent", "known by", "profile", "limits", "tools")
    for name, agent in config.agents.items():
        limits = [limit for limit in config.limits if limit in agent.limits or name in config.limits[limit].agents]
        tools = "by tier" if agent.tools is None else ", ".join(agent.tools) or "none"
        _add(table, name, ", ".join(agent.known_by), config.profile_for(name).name, ", ".join(limits), tools)
    _add(table, DEFAULT_PRINCIPAL, "everybody else", config.rules.profile, "", "by tier")
    return table


def _egress(config: Config) -> Table:
    table = _table("egress", "action", "hosts", "ports", "methods", "paths", "agents", "addresses")
    for opening in openings(config.egress_policy()):
        values = (opening.hosts, opening.ports, opening.methods, opening.paths, opening.agents)
        everything = (" ".join(map(str, value)) or "all" for value in values)
        _add(table, opening.entry, opening.action, *everything, " ".join(opening.addresses) or "public")
    return table


def _tools(config: Config) -> Table:
    table = _table(*check_tools.HEADER)
    for row in check_tools.rows(config):
        _add(table, *row)
    return table


def _coverage(config: Config) -> Table:
    table = _table("family", "methods", "path", "coverage", "dialect", "request", "answer")
    for row in matrix(families(config)):
        _add(table, row.family, " ".join(row.methods), row.path, row.coverage, row.dialect, row.request, row.answer)
    return table


_NOBODY: Final = {Anonymous.DEFAULT: f"the agent `{DEFAULT_PRINCIPAL}`", Anonymous.REFUSE: "refused"}
_FOLDED: Final = frozenset({"path", "hosts", "paths", "addresses", "goes to", "tools", "means", "tier", "arguments"})
"""Columns that may be long, and are broken where the terminal ends."""


def _table(*names: str) -> Table:
    table = Table(box=None)
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name not in _FOLDED)
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*map(escape, cells))


def _key(variable: str | None) -> str:
    return "the client's" if variable is None else f"that in {variable}"
