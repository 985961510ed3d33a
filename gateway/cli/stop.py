"""`lockgate stop`, `resume` and `stops`: the switch, on this machine and in the store that gateways share.

The decision goes to this machine's disk first, which its gateways follow whether or not one of them answers, then to
the store, from which all others take it. With `--admin` it goes to a gateway elsewhere by its admin listener instead.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import platform
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from gateway import config as configuration
from gateway.cli.admin import PATIENCE, asked
from gateway.config import Config
from gateway.errors import ConfigError, OperatorError
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.state.shared import OpenRegisters
from gateway.stops.decision import EVERYTHING, Over, Scope
from gateway.stops.folder import Folder, StopsError
from gateway.stops.switch import Switch, told_stops

_PATHS: Final = {True: "/stop", False: "/resume"}


def scope(agent: str | None, tool: str | None, upstream: str | None) -> Scope:
    """What the options name: one thing, or everything. Raises OperatorError for two of them."""
    named = [(Over.AGENT, agent), (Over.TOOL, tool), (Over.UPSTREAM, upstream)]
    found = [Scope(over, name) for over, name in named if name is not None]
    if len(found) > 1:
        raise OperatorError(("a decision is over one thing; give one of --agent, --tool and --upstream, or none",))
    return found[0] if found else EVERYTHING


def decide(path: Path | None, over: Scope, why: str, admin: str | None, *, stopped: bool) -> int:
    """Stop or resume, print what is stopped now, and return 0; 1 where not every gateway can have heard of it."""
    by = f"{_user()}@{platform.node()}"
    config = _config(path)
    if admin is not None:
        return _show(asked(config, admin, _PATHS[stopped], {"scope": str(over), "why": why, "by": by}))
    return asyncio.run(_decide(config, over, why, by, stopped=stopped))


def show(path: Path | None, admin: str | None) -> int:
    """Print what is stopped, and return 0; 1 where the store cannot be asked."""
    config = _config(path)
    if admin is not None:
        return _show(asked(config, admin, "/stops", None))
    return asyncio.run(_looked(config))


async def _decide(config: Config, over: Scope, why: str, by: str, *, stopped: bool) -> int:
    _known(config, over)
    async with _switch(config) as switch:
        await switch.look()  # so that the decision comes after what others decided
        try:
            await switch.decide(over, stopped=stopped, why=why, by=by)
        except StopsError as error:
            raise OperatorError((f"{error}; as that user, or with --admin URL",)) from error
        return _show(told_stops(switch))


async def _looked(config: Config) -> int:
    async with _switch(config) as switch:
        await switch.look()
        return _show(told_stops(switch))


def _config(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()


def _user() -> str:
    """Who decides. In a container a user may be a number alone (KeyError up to Python 3.12, OSError from 3.13)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _known(config: Config, over: Scope) -> None:
    """Raises OperatorError for a name that the configuration does not have: such a stop would stop nothing."""
    upstreams = [
        *config.upstreams,
        *(f"mcp/{name}" for name in config.mcp),
        *(f"egress.{name}" for name in config.egress),
    ]
    names = {Over.AGENT: [DEFAULT_PRINCIPAL, *config.agents], Over.UPSTREAM: upstreams}.get(over.over)
    if names is not None and over.name not in names:
        raise OperatorError(
            (f"the configuration has no {over.over} `{over.name}`; there are: {', '.join(names)} (give the --config)",)
        )


@asynccontextmanager
async def _switch(config: Config) -> AsyncIterator[Switch]:
    """Raises ConfigError where no gateway would see what is decided: files that nobody looks at stop nothing."""
    state = configuration.state_folder(config, os.environ)
    place, table = configuration.store(config, os.environ), config.store
    if place is None and not state.exists():
        raise ConfigError((f"no gateway keeps its state in `{state}`; give the gateway's --config, or --admin URL",))
    # A person waits here, not a request.
    store = OpenRegisters(place, PATIENCE, table.prefix, table.ca_file)
    try:
        yield Switch(Folder(state), store.registers, lambda _: None)
    finally:
        await store.close()


def _show(stops: Mapping[str, Any]) -> int:
    for stop in stops["active"]:
        print(f"{stop['scope']}  since {stop['at']}  by {stop['by']}" + (f": {stop['why']}" if stop["why"] else ""))
    if stops["here"] is not None:
        print(f"this machine: {stops['here']}")
    if not stops["active"] and stops["here"] is None:
        print("nothing is stopped")
    if stops["fault"] is not None:
        print(
            f"warning: known to the gateways of this machine only, who pass it on when they can: {stops['fault']}",
            file=sys.stderr,
        )
        return 1
    return 0
