"""`lockgate pins`: what MCP servers say of their tools, what of it is new or changed, and the decisions.

The pins are in the store that gateways share, or in the folder of this machine's gateway; whoever can write there may
decide. With `--admin` a gateway elsewhere is asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway import config as configuration
from gateway.cli.admin import PATIENCE, AdminRefused, asked
from gateway.cli.approvals import myself
from gateway.cli.terminal import plain
from gateway.config import Config
from gateway.errors import ConfigError, StoreError
from gateway.pins.board import Board, PinsError
from gateway.pins.shown import all_shown, shown
from gateway.policy.integrity import Standing
from gateway.state.redis.place import Place
from gateway.state.shared import OpenRegisters
from gateway.state.sqlite import FILE

type Shown = dict[str, Any]
"""A pin as `gateway.pins.shown` has it."""


def show_all(path: Path | None, admin: str | None, server: str | None, *, everything: bool, as_json: bool) -> int:
    """Print what waits, or all pins, and return 0."""
    found = _found(_config(path), admin, server)
    chosen = [one for one in found if everything or one["waits"]]
    if as_json:
        print(json.dumps(chosen, indent=2))
        return 0
    for one in chosen:
        print(_line(one))
    if not chosen:
        print("no tools are pinned" if everything else "no tool waits for a decision")
    return 0


def show(path: Path | None, admin: str | None, server: str, tool: str | None, *, as_json: bool) -> int:
    """Print what changed in the tools of a server, or in one, and return 0; 1 where there is none."""
    found = [one for one in _found(_config(path), admin, server) if tool in {None, one["tool"]}]
    if not found:
        return _failed(f"no {'tools' if tool is None else 'such tool'} of `{plain(server)}` pinned")
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join(map(_full, found)))
    return 0


def decide(
    path: Path | None, admin: str | None, server: str, tool: str | None, *, is_accepted: bool, seen: str | None
) -> int:
    """Accept or deny what waits of a tool, or of all tools of a server; print that, and return 0; 1 where there is
    nothing to decide."""
    config = _config(path)
    tools = [tool] if tool is not None else [one["tool"] for one in _found(config, admin, server) if one["waits"]]
    if not tools:
        return _failed(f"nothing of `{plain(server)}` waits for a decision")
    try:
        for one in tools:
            if admin is None:
                pin = asyncio.run(_at(config, partial(_decided, server, one, seen, is_accepted=is_accepted)))
            else:
                body = {"decision": "accept" if is_accepted else "deny", "by": myself()}
                body |= {"digest": seen} if seen is not None else {}
                (pin,) = asked(config, admin, f"/pins/{quote(server, safe='')}/{quote(one, safe='')}", body)["pins"]
            print(_line(pin))
    except (PinsError, AdminRefused) as error:
        return _refused(error)
    return 0


def forget(path: Path | None, admin: str | None, server: str) -> int:
    """Forget the tools of a server, and return 0; 1 where there are none."""
    config = _config(path)
    try:
        if admin is None:
            asyncio.run(_at(config, lambda board: board.forget(server, myself())))
        else:
            asked(config, admin, f"/pins/{quote(server, safe='')}", {"decision": "forget", "by": myself()})
    except (PinsError, AdminRefused) as error:
        return _refused(error)
    print(f"forgotten; the next list of the tools of `{plain(server)}` is a first one")
    return 0


# -- where the pins are


def _found(config: Config, admin: str | None, server: str | None) -> list[Shown]:
    if admin is None:
        return asyncio.run(_at(config, lambda board: _looked(board, server)))
    found: list[Shown] = asked(config, admin, "/pins", None)["pins"]
    return [one for one in found if server in {None, one["server"]}]


async def _looked(board: Board, server: str | None) -> list[Shown]:
    await board.look()
    return all_shown(board.known, server)


async def _decided(server: str, tool: str, seen: str | None, board: Board, *, is_accepted: bool) -> Shown:
    return shown(server, tool, await board.decide(server, tool, is_accepted=is_accepted, by=myself(), seen=seen))


async def _at[V](config: Config, do: Callable[[Board], Awaitable[V]]) -> V:
    async with _board(config) as board:
        try:
            return await do(board)
        except StoreError as error:
            raise ConfigError((f"the pins cannot be used: {error}",)) from error


@asynccontextmanager
async def _board(config: Config) -> AsyncIterator[Board]:
    """Raises ConfigError where no gateway would see what is decided."""
    state = configuration.state_folder(config, os.environ)
    place, table = _place(config), config.store
    if place is None and not state.exists():
        raise ConfigError((f"no gateway keeps its state in `{state}`; give the gateway's --config, or --admin URL",))
    store = OpenRegisters(place, PATIENCE, table.prefix, table.ca_file, state / FILE)
    try:
        yield Board(store.lasting)
    finally:
        await store.close()


def _place(config: Config) -> Place | None:
    """Where the store is; None where this process is not told, as an MCP client's child is not."""
    variable = config.store.url_env
    if variable is None or os.environ.get(variable):
        return configuration.store(config, os.environ)
    print(f"warning: {variable} is not set; these are pins of this machine alone", file=sys.stderr)
    return None


# -- on the terminal


def _config(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()


def _line(pin: Shown) -> str:
    words = [plain(pin["server"]), plain(pin["tool"]), pin["standing"]]
    if pin["of"]:
        words.append(f"(of {plain(pin['of'])})")
    if pin["by"]:
        words.append(f"by {plain(pin['by'])}")
    return "  ".join(words)


def _full(pin: Shown) -> str:
    lines = [_line(pin), f"digest {pin['digest']}"]
    if pin["waits"]:
        lines += [_WHY[Standing(pin["standing"])], *map(plain, str(pin["difference"]).split("\n"))]
    return "\n".join(lines)


_WHY: Final = {
    Standing.NEW: "its server did not have it when its tools were accepted:",
    Standing.CHANGED: "its server says something else of it than what was accepted:",
    Standing.RENAMED: "it is a tool that was accepted under another name, and is not listed under that any more:",
    Standing.IMITATES: "it has the name of another server's tool, or one that looks like it:",
    Standing.MEDDLES: "what its server says of it speaks of another server's tool:",
}


def _refused(error: PinsError | AdminRefused) -> int:
    if isinstance(error, AdminRefused):
        if error.status not in {400, 404}:
            raise error
        return _failed(plain(error.words))
    return _failed(plain(error))


def _failed(words: str) -> int:
    print(f"error: {words}", file=sys.stderr)
    return 1
