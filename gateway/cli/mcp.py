"""`lockgate mcp -- CMD`: runs an MCP server over standard input and output, with the gateway in between.

The same rules, profile and records as the running gateway's. A client starts one such process for each server, so each
keeps an audit of its own, in a folder below the configured one.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import secrets
import sys
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway import app, audit, keys, record
from gateway import config as configuration
from gateway.app import pinning, purposes
from gateway.app.approving import Approving, Note
from gateway.app.loop import loop_factory
from gateway.audit import AuditError
from gateway.cli.offline import any_variable
from gateway.config import Config
from gateway.detect.memory import VerdictMemory
from gateway.errors import ConfigError
from gateway.exchange.conversation import Conversation
from gateway.exchange.demand import Demand
from gateway.exchange.events import Ask, LimitsTaken
from gateway.exchange.gate import Gate
from gateway.exchange.recorded import ExchangeRecord
from gateway.limits.claims import Caller, Terms
from gateway.policy.call import Answer
from gateway.policy.egress.host import parse_host
from gateway.reload import Loaded, Loader
from gateway.serve.allowance import Allowance, Loose
from gateway.serve.asking import Asker, nobody_approves
from gateway.serve.gates import firewall_of, gate_of, hierarchy_of
from gateway.serve.reads import Reads
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.shelf import Shelf
from gateway.state.redis.place import Place
from gateway.state.shared import Means, OpenRegisters, OpenStore
from gateway.state.sqlite import FILE
from gateway.stdio.relay import Relay, Standard, Times
from gateway.stops.decision import Every
from gateway.stops.folder import Folder
from gateway.stops.switch import Switch

REMEMBERED: Final = 4096
"""Texts whose findings are remembered: tool definitions and results of one server."""

AUDITS: Final = 64
"""How many processes for one server may keep an audit at a time: clients that somebody has open."""

_ID_BYTES: Final = 12  # as the ids of exchanges over HTTP
_NAME: Final = re.compile(r"[^a-z0-9-]+")
_HERE: Final = parse_host("localhost")  # where the server is


def run(path: Path | None, name: str | None, command: Sequence[str]) -> int:
    """Run the server, and return its exit code. Raises OperatorError where the gateway or the server cannot start."""
    config = configuration.load(path) if path is not None else Config()
    record.configure(config.log.format, config.log.level)
    session = _Session(path, config, os.environ, named(name or Path(command[0]).name))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(session.relay(command))
        session.close()
        # A pre-filter may still be compiled, on a thread that cannot be told to stop, and a client waits for our end.
        sys.stdout.flush()
        os._exit(code)


def named(name: str) -> str:
    """A name in the form that names in the configuration have."""
    return _NAME.sub("-", name.lower()).strip("-") or "server"


class _Session:
    """What one process works with: rules, the conversation, and where records go."""

    def __init__(self, path: Path | None, config: Config, environ: Mapping[str, str], name: str) -> None:
        secret = configuration.secret(config, environ)
        self._key = keys.derive(secret, app.HIERARCHY_KEY)
        self._reads = Reads()
        self._memory = VerdictMemory(REMEMBERED)
        # What a server must not have: it is as little trusted as what it says.
        own = configuration.variables(config)
        self._environ = {variable: value for variable, value in environ.items() if variable not in own}
        shelf = Shelf(configuration.state_folder(config, environ) / "prefilters", keys.derive(secret, app.SHELF_KEY))
        # The credentials of upstreams are none of its business, and a client hands on few variables.
        self._loader = Loader(path, any_variable(path), keys.derive(secret, app.FINGERPRINT_KEY), self._swap, shelf)
        self._upstream = f"mcp/{name}"
        # What other machines decide reaches the folder by a gateway of this one: a client hands on few variables, and
        # the store's URL may be in one.
        self._switch = Switch(Folder(configuration.state_folder(config, environ)), None, lambda _: None)
        self._registers = _registers(config, environ)
        self._approving = _approving(self._registers, secret, config, self._note)
        self._pins = self._registers or _of_this_machine(config, environ)
        self._board = pinning.board_of(self._pins.lasting, self._note)
        self._counting = _counting(config, environ, secret, name)
        self._loose = Loose()
        self._terms = Terms()
        self._times = Times(lambda: secrets.token_hex(_ID_BYTES))
        self._conversation = Conversation(
            self._gate(self._loader.load()), upstream=self._upstream, principal=DEFAULT_PRINCIPAL, new_id=self._times
        )
        self._audit = _audit(config, environ, secret, name) if config.audit.enabled else None

    async def relay(self, command: Sequence[str]) -> int:
        await pinning.read(self._board)
        await self._counting.open()
        following = (self._loader.watch(), self._switch.follow(), self._board.follow())
        tasks = [asyncio.create_task(one) for one in following]
        if self._approving is not None:
            tasks.append(asyncio.create_task(self._approving.follow()))
        try:
            relay = Relay(self._conversation, Standard(), self._times, self._finish, self._approve, self._take)
            return await relay.run(command, self._environ)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._approving is not None:
                await self._approving.close()
            await pinning.read(self._board)  # what was listed last is to be known next time
            await self._pins.close()
            await self._counting.close()

    def close(self) -> None:
        record.flush()
        if self._audit is not None:
            self._audit.close()

    def _gate(self, loaded: Loaded) -> Gate:
        config = loaded.config
        if self._approving is not None:
            # A client hands on few variables: whom a webhook is, the gateway of this machine knows.
            silent = replace(loaded.secrets, webhook=None, webhook_secret=None)
            self._approving.take(config, silent, loaded.rules)
        profile = config.profile_for(DEFAULT_PRINCIPAL)
        hierarchy = hierarchy_of(config, self._key)
        toolbox, egress = config.toolbox(), config.egress_policy()
        self._terms = config.terms_of_tools(self._upstream)
        firewall = firewall_of(
            config, DEFAULT_PRINCIPAL, toolbox, egress, self._key, pins=self._board, reads=self._reads
        )
        return gate_of(config, loaded.rules, profile, hierarchy, self._memory, self._stopped_tools, firewall)

    def _stopped_tools(self) -> Container[str]:
        """What may not be called: with the server or its user stopped, everything."""
        stops = self._switch.stops
        return Every() if stops.against(DEFAULT_PRINCIPAL, self._upstream) is not None else stops.tools

    async def _approve(self, ask: Ask) -> tuple[Answer, ...]:
        asker = Asker(DEFAULT_PRINCIPAL, self._upstream, "")
        return await (self._approving.answers if self._approving is not None else nobody_approves)(asker, ask)

    async def _take(self, id_: str, demand: Demand) -> LimitsTaken:
        caller = Caller(DEFAULT_PRINCIPAL, self._upstream, _HERE)
        allowance = Allowance(self._counting.store.counters, self._loose, lambda: self._terms, caller, id_)
        return await allowance.take(demand)

    def _note(self, event: str, **details: object) -> None:
        """Record what became of a question, as a gateway's ledger does."""
        self._write({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **details})

    def _swap(self, loaded: Loaded) -> None:
        self._conversation.gate = self._gate(loaded)

    def _finish(self, made: ExchangeRecord, took_ns: int, spent_ns: int) -> None:
        began = datetime.now(UTC) - timedelta(microseconds=took_ns / 1e3)
        line = record.canonical(
            made,
            duration_ms=took_ns / 1e6,
            inspect_ms=spent_ns / 1e6,
            client=None,
            time=began,
        )
        for one in (line, *record.call_lines(made, began, took_ns / 1e6)):
            self._write(one)
        if self._approving is not None:
            self._approving.ended(made)

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._audit is not None:
            self._audit.append(line)
        with suppress(Exception):  # standard error may be closed; the audit is the record that counts
            record.write(line)


def _registers(config: Config, environ: Mapping[str, str]) -> OpenRegisters | None:
    """Where approvals are; None where this process is not told, as the URL of the store is in a variable."""
    try:
        place = configuration.store(config, environ)
    except ConfigError:
        return None
    table = config.store
    file = configuration.state_folder(config, environ) / FILE
    return OpenRegisters(place, table.timeout, table.prefix, table.ca_file, file)


def _counting(config: Config, environ: Mapping[str, str], secret: bytes, name: str) -> OpenStore:
    """Where calls are counted: with the gateways, where this process is told of the store that they share, or else by
    itself. Where nothing is to be counted as it starts it joins nobody, as what a gateway lets pass without the store
    is a share by the number of those who use it."""
    is_needed = bool(config.terms_of_tools(f"mcp/{name}").rules)
    table = config.store
    means = Means(table.timeout, table.prefix, keys.derive(secret, purposes.STORE_KEY), table.ca_file)
    me = f"{platform.node()}/mcp-{name}/{secrets.token_hex(4)}"
    return OpenStore(_place(config, environ) if is_needed else None, means, me, lambda line: record.log().warning(line))


def _place(config: Config, environ: Mapping[str, str]) -> Place | None:
    """Where the store is; None where there is none, or this process is not told."""
    try:
        return configuration.store(config, environ)
    except ConfigError:
        return None


def _of_this_machine(config: Config, environ: Mapping[str, str]) -> OpenRegisters:
    """Where pins are where this process is not told of the store."""
    return OpenRegisters(None, config.store.timeout, "", None, configuration.state_folder(config, environ) / FILE)


def _approving(store: OpenRegisters | None, secret: bytes, config: Config, note: Note) -> Approving | None:
    if store is None or store.lasting is None:
        return None
    return Approving(store.lasting, secret, config, note, lambda line: record.log().warning(line))


def _audit(config: Config, environ: Mapping[str, str], secret: bytes, name: str) -> audit.Writer:
    """The audit of this process: the first folder of this server's that nobody else writes to."""
    table = config.audit
    base = configuration.audit_folder(config, environ) / f"mcp-{name}"
    key = keys.derive(secret, app.AUDIT_KEY)
    problem = AuditError("")
    for number in range(1, AUDITS + 1):
        folder = base / str(number)
        try:
            return audit.Writer(folder, key, keep=timedelta(seconds=table.keep), fsync=table.fsync)
        except AuditError as error:
            problem = error
    raise ConfigError((f"audit: {problem}; end the other processes, or set another `folder`",)) from problem
