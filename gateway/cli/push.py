"""`lockgate rules push`, `pushed` and `rollback`: rule packs for the whole fleet, by the store that it shares."""

from __future__ import annotations

import asyncio
import getpass
import os
import platform
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from gateway import config as configuration
from gateway.cli.offline import loader
from gateway.config import Config
from gateway.errors import ConfigError, OperatorError, StoreError
from gateway.fleet.follow import KEY, REGISTER, check_names, kept, members
from gateway.fleet.push import UNDER_WAY, Push, Stage, begun, shown
from gateway.state.members import read_members
from gateway.state.redis.place import Place
from gateway.state.shared import OpenRegisters
from gateway.state.store import Registers

_PATIENCE: Final = 10.0


def push(path: Path | None, folder: Path, share: float, watch_s: float, why: str) -> int:
    """Push the packs of a folder in place of those pushed before; an empty folder takes them back. Returns 0."""
    packs = kept(folder)
    if not folder.is_dir():
        raise ConfigError((f"`{folder}` is no folder; give one with the packs, *.toml",))
    check_names(packs)
    config = _config(path)
    _place(config)
    asyncio.run(loader(path).tried(packs))  # with their proofs, as every gateway will

    def make(before: Push | None, known: dict[str, Any]) -> Push:
        if before is not None and before.stage in UNDER_WAY:
            raise OperatorError(
                (f"the push {before.id} is under way; wait for its end, or end it: lockgate rules rollback",)
            )
        if not known:
            raise OperatorError(("no gateway is a member of this fleet now; is it the store that they share?",))
        by = f"{getpass.getuser()}@{platform.node()}"
        return begun(
            secrets.token_hex(4),
            packs,
            members(known),
            before,
            share=share,
            watch_s=watch_s,
            by=by,
            why=why,
            now_ns=time.time_ns(),
        )

    return asyncio.run(_written(config, make))


def rollback(path: Path | None, why: str) -> int:
    """Take the last push back everywhere. Returns 0."""

    def make(before: Push | None, _: dict[str, Any]) -> Push:
        if before is None or before.stage is Stage.ROLLED_BACK:
            raise OperatorError(("there is no push to take back; see lockgate rules pushed",))
        reason = f"by {getpass.getuser()}@{platform.node()}" + (f": {why}" if why else "")
        return replace(before, stage=Stage.ROLLED_BACK, reason=reason, since_ns=time.time_ns())

    return asyncio.run(_written(_config(path), make))


def show(path: Path | None) -> int:
    """Print how the last push stands, and who serves by what. Returns 1 where a gateway has a problem."""
    return asyncio.run(_shown(_config(path)))


async def _written(config: Config, make: Callable[[Push | None, dict[str, Any]], Push]) -> int:
    async with _registers(config) as registers:
        before, version = await _last(registers)
        after = make(before, dict(await read_members(registers)))
        if await registers.write(REGISTER, KEY, after.encode(), version=version) is None:
            raise OperatorError(("somebody else pushed at this moment; look at lockgate rules pushed, and try again",))
    return await _shown(config)


async def _shown(config: Config) -> int:
    async with _registers(config) as registers:
        last, _ = await _last(registers)
        found = members(await read_members(registers))
    if last is None:
        print("nothing was pushed")
    else:
        told = shown(last, found, time.time_ns())
        print(f"push {told['id']} by {told['by']}{f': {last.why}' if last.why else ''}")
        print(f"packs: {', '.join(last.packs) or 'none'} ({told['digest'] or 'empty'})")
        print(f"stage: {told['stage']}{f', waits for {told["waits_for"]}' if told['waits_for'] else ''}")
        if last.reason:
            print(f"reason: {last.reason}")
        if last.stage is Stage.CANARY:
            print(f"first on: {', '.join(last.canaries)}")
    for name, member in sorted(found.items()):
        print(f"{name}  rules {member.rules[:16]}  config {member.config}  pushed {member.pushed or '-'}")
        if member.problem is not None:
            print(f"  {member.problem}")
    return int(any(member.problem is not None for member in found.values()))


async def _last(registers: Registers) -> tuple[Push | None, int]:
    """The last push and its version; None and 0 where there was none."""
    entry = (await registers.read(REGISTER)).get(KEY)
    return (Push.decode(entry.value), entry.version) if entry is not None else (None, 0)


@asynccontextmanager
async def _registers(config: Config) -> AsyncIterator[Registers]:
    table = config.store
    opened = OpenRegisters(_place(config), _PATIENCE, table.prefix, table.ca_file)
    assert opened.registers is not None
    try:
        yield opened.registers
    except StoreError as error:
        raise ConfigError((str(error),)) from error
    finally:
        await opened.close()


def _place(config: Config) -> Place:
    place = configuration.store(config, os.environ)
    if place is None:
        raise ConfigError(('a push needs the store that gateways share: `url = "redis://…"` under [store]',))
    return place


def _config(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()
