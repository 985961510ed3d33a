"""The composition root: makes the parts of a gateway, joins them, starts them, and ends them in order."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gateway import __version__, audit, keys, record
from gateway import config as configuration
from gateway.config import Config
from gateway.detect import prefilter
from gateway.detect.memory import VerdictMemory
from gateway.errors import ConfigError
from gateway.mitm import Hop, Mitmproxy
from gateway.reload import Loaded, Loader
from gateway.serve import doorway
from gateway.serve.admin import Admin, View
from gateway.serve.coverage import families, matrix
from gateway.serve.doorway import Doorway
from gateway.serve.gaps import gaps
from gateway.serve.ledger import Ledger
from gateway.serve.listener import Listener
from gateway.serve.metrics import Metrics
from gateway.serve.posture import Posture, posture, site
from gateway.serve.reach import openings
from gateway.serve.upstream import Pool
from gateway.shelf import Shelf
from gateway.state.memory import memory_store
from gateway.state.store import Store
from gateway.trust import folder as trust
from gateway.trust import mitmproxy as mitmproxy_folder
from gateway.trust.authority import Authority, fingerprint
from gateway.units import Address

AUDIT_KEY: Final = "audit"
FINGERPRINT_KEY: Final = "fingerprint"
HIERARCHY_KEY: Final = "hierarchy"
HOP_KEY: Final = "hop"
SHELF_KEY: Final = "prefilters"
"""Purposes of the keys that are derived from the gateway's secret."""

MEMORY: Final = 1 << 16
"""Texts whose findings are remembered: some hundred long conversations, at about 200 bytes each 13 MB."""

RETRY: Final = 5.0
"""Seconds before files are followed again after that failed: slow enough not to fill the log."""


class Service:
    """One gateway. `start` it in a running loop, then `drain` and `close` it.

    `listen` replaces the configured address of the base-URL listener, and `modes` are those of a mitmproxy before it.
    Raises OperatorError where the configuration, the rules or the environment are wrong.
    """

    def __init__(
        self,
        path: Path | None,
        environ: Mapping[str, str],
        listen: Address | None = None,
        modes: tuple[str, ...] = (),
    ) -> None:
        first = configuration.load(path) if path is not None else Config()
        secret = configuration.secret(first, environ)
        self._hierarchy_key = keys.derive(secret, HIERARCHY_KEY)
        self._memory = VerdictMemory(MEMORY)
        self._path = path
        self._state = configuration.state_folder(first, environ)
        shelf = Shelf(self._state / "prefilters", keys.derive(secret, SHELF_KEY))
        self.loader = Loader(path, environ, keys.derive(secret, FINGERPRINT_KEY), self._swap, shelf)
        loaded = self.loader.load()
        self.config = loaded.config
        self._listen = listen or self.config.gateway.listen
        self._token = loaded.secrets.admin_token
        self._audit_folder = configuration.audit_folder(self.config, environ) if self.config.audit.enabled else None
        self._audit_key = keys.derive(secret, AUDIT_KEY)
        self._posture = self._made(loaded)
        self._began = datetime.now(UTC)
        self._listening = False
        self._parent = loaded.secrets.parent_proxy
        self._ca_folder = configuration.ca_folder(first, environ)
        self.proxy: Address | None = None  # where it listens, once it does
        self.hop: Address | None = None  # likewise
        self._hop_key = keys.derive(secret, HOP_KEY) if self.config.proxy.hop is not None else secrets.token_bytes(32)
        self._modes = modes
        credentials = configuration.variables(self.config)
        self._harmless = {name: value for name, value in environ.items() if name not in credentials}
        self.mitmproxy: Mitmproxy | None = None
        self._authority: Authority | None = None
        self._doorways: list[Doorway] = []
        self._is_fast = self.loader.status.is_accelerated or not prefilter.AVAILABLE
        self._watch: asyncio.Task[None] | None = None
        self._watch_fault: str | None = None
        self._watch_restarts = 0

    async def start(self, *, follow: bool = True) -> None:
        """Open the audit file and the listeners. `follow` is whether edited files are taken up."""
        table = self.config.audit
        self._audit = (
            audit.Writer(self._audit_folder, self._audit_key, keep=timedelta(seconds=table.keep), fsync=table.fsync)
            if self._audit_folder is not None
            else None
        )
        self.metrics = Metrics(self._in_flight)
        self.metrics.ruleset(self._posture.digest)
        self.ledger = Ledger(self._audit.append if self._audit is not None else None, self.metrics)
        self._pool = Pool(parent=self._parent)
        store = memory_store()
        base_url = doorway.base_url(self._posture, self._pool, store, self.ledger)
        self._doorways = [base_url]
        view = View(self.metrics, self.unready, self.status)
        self._side_door = Listener(Admin(view, site(self.config.admin.listen), self._token))
        try:
            self.admin = await _opened("admin.listen", self._side_door.start(self.config.admin.listen))
            self.address = await _opened("gateway.listen", base_url.start(self._listen))
            if self.config.proxy.enabled:
                self.proxy = await self._start_proxy(store)
            if self._modes or self.config.proxy.hop is not None:
                self.hop = await self._start_hop(store)
                if self._modes:
                    await self._start_mitmproxy(self.hop)
        except ConfigError:
            await self.close()
            raise
        self._listening = True
        if follow:
            self._watch = asyncio.create_task(self._follow())

    async def _start_proxy(self, store: Store) -> Address:
        """Open the proxy, which needs a certificate authority: made on the first run. Raises ConfigError."""
        table = self.config.proxy
        authority = trust.ensure(self._ca_folder, table.name_constraints, datetime.now(UTC))
        proxy = doorway.proxy(self._posture, self._pool, store, self.ledger, authority, table.leaf_lifetime)
        self._doorways.append(proxy)
        self._authority = authority
        self.metrics.authority_ends(authority.certificate.not_valid_after_utc)
        return await _opened(
            "proxy.listen", proxy.start(table.listen), ", or do without the proxy: `enabled = false` under [proxy]"
        )

    async def _start_hop(self, store: Store) -> Address:
        """Open the way in behind mitmproxy. Raises ConfigError."""
        hop = doorway.hop(self._posture, self._pool, store, self.ledger, self._hop_key)
        self._doorways.append(hop)
        return await hop.start(self.config.proxy.hop or Address("127.0.0.1", 0))

    async def _start_mitmproxy(self, hop: Address) -> None:
        """Start mitmproxy, with the authority of the proxy. Raises ConfigError."""
        authority = trust.ensure(self._ca_folder, self.config.proxy.name_constraints, datetime.now(UTC))
        confdir = mitmproxy_folder.write(self._ca_folder, authority)
        self.mitmproxy = Mitmproxy(self._modes, Hop(hop, self._hop_key, confdir), self._harmless)
        await self.mitmproxy.start()

    async def drain(self) -> None:
        """Take no new work, let what is under way finish within the configured time, and cut what does not."""
        self._listening = False
        await asyncio.gather(*(way.drain(self.config.gateway.drain) for way in self._doorways))

    def _in_flight(self) -> int:
        return sum(len(way.entrance.live) for way in self._doorways)

    async def close(self) -> None:
        """End everything at once."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)  # however it ended, the rest is closed too
        if self.mitmproxy is not None:
            await self.mitmproxy.close()
        for way in self._doorways:
            await way.close()
        await self._side_door.close()
        await self._pool.close()
        record.flush()
        if self._audit is not None:
            self._audit.close()

    # -- what it serves by

    async def _follow(self) -> None:
        """Follow the files as configured. Should that fail, it is told and begun again: an edit must not go unseen."""
        while True:
            try:
                await self.loader.watch()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the gateway goes on with what it has
                self._watch_fault = f"{type(error).__name__}: {error}"
                self._watch_restarts += 1
                with suppress(Exception):  # the log may be what failed
                    record.log().error("edited files are not followed, trying again", error=self._watch_fault)
                await asyncio.sleep(RETRY)
                self._watch_fault = None
            else:
                return

    def _made(self, loaded: Loaded) -> Posture:
        return posture(loaded.config, loaded.secrets, loaded.rules, self._hierarchy_key, self._memory)

    def _swap(self, loaded: Loaded) -> None:
        """Serve new requests by what was loaded; where it cannot be used, all stays as it is."""
        try:
            self._posture = self._made(loaded)
        except ConfigError as error:
            self.metrics.reload_failed()
            record.log().error("not taken, the last good configuration stays", problems=list(error.problems))
            return
        for way in self._doorways:
            way.take(self._posture)
        self._is_fast = self._is_fast or self.loader.status.is_accelerated
        self.metrics.ruleset(self._posture.digest)

    # -- what it says of itself

    def unready(self) -> tuple[str, ...]:
        """Why no traffic should be sent here; empty where it may."""
        reasons = []
        if not self._listening:
            reasons.append("not listening, or draining")
        if self._watch is not None and not self._is_fast:
            reasons.append("the pre-filter is being compiled for the first time; until then matching is slow")
        if self._watch_fault is not None:
            reasons.append(f"edited files are not followed: {self._watch_fault}")
        if self.ledger.fault is not None:
            reasons.append(f"the audit cannot be written: {self.ledger.fault}")
        if self.mitmproxy is not None and self.mitmproxy.fault is not None:
            reasons.append(f"mitmproxy does not run: {self.mitmproxy.fault}")
        return tuple(reasons)

    def status(self) -> dict[str, object]:
        """The posture, for an operator; JSON values only."""
        serving, reload = self._posture, self.loader.status
        config = serving.config
        return {
            "version": __version__,
            "uptime_s": round((datetime.now(UTC) - self._began).total_seconds()),
            "ready": not self.unready(),
            "not_ready_because": list(self.unready()),
            "listeners": {
                "base_url": str(self.address),
                "proxy": str(self.proxy) if self.proxy is not None else None,
                "hop": str(self.hop) if self.hop is not None else None,
                "admin": str(self.admin),
            },
            "mitmproxy": self.mitmproxy.status() if self.mitmproxy is not None else None,
            "profile": serving.default_gate.profile.name,
            "rules": {"count": len(serving.default_gate.rules.rules), "digest": serving.digest},
            "reload": {
                "loaded_at": reload.loaded_at.isoformat() if reload.loaded_at is not None else None,
                "problems": list(reload.problems),
                "needs_restart": list(reload.needs_restart),
                "accelerated": reload.is_accelerated,
                "fault": self._watch_fault,
                "restarts": self._watch_restarts,
            },
            "hierarchy": str(config.hierarchy.mode),
            "on_error": {"exchange": "refuse", "limits": "refuse", "audit": "refuse new requests", "log": "go on"},
            "not_protected": list(gaps(config)),
            "in_flight": self._in_flight(),
            "proxy": self._proxy_status(),
            "egress": [asdict(opening) for opening in openings(serving.egress)],
            "agents": {
                name: {
                    "known_by": list(agent.known_by),
                    "profile": config.profile_for(name).name,
                }
                for name, agent in config.agents.items()
            },
            "limits": {
                name: {"requests": limit.requests, "per_s": limit.per, "burst": limit.burst or limit.requests}
                for name, limit in config.limits.items()
            },
            "upstreams": {
                name: {
                    "dialect": table.dialect,
                    "base_url": table.base_url,
                    "key": "injected" if serving.upstreams[name].key is not None else "the client's",
                }
                for name, table in config.upstreams.items()
            },
            "mcp": {
                name: {
                    "url": table.url,
                    "key": "injected" if serving.mcp[name].upstream.key is not None else "the client's",
                }
                for name, table in config.mcp.items()
            },
            "coverage": [asdict(row) for row in matrix(families(config))],
        }

    def _proxy_status(self) -> dict[str, object] | None:
        """Who may come, and by which authority; None where there is no proxy."""
        if self._authority is None:
            return None
        certificate = self._authority.certificate
        return {
            "anonymous": str(self._posture.config.proxy.anonymous),
            "parent": self._parent is not None,
            "ca": {
                "folder": str(self._ca_folder),
                "sha256": fingerprint(certificate),
                "not_after": certificate.not_valid_after_utc.isoformat(),
                "permitted": list(map(str, self._authority.permitted)),
            },
        }

    def announce(self) -> None:
        """The first line of the log: what listens where, by what it judges, and what it leaves open."""
        gate = self._posture.default_gate
        record.log().info(
            "listening",
            base_url=f"http://{self.address}",
            proxy=f"http://{self.proxy}" if self.proxy is not None else None,
            mitmproxy=list(self.mitmproxy.listening) if self.mitmproxy is not None else None,
            admin=f"http://{self.admin}",
            profile=gate.profile.name,
            rules=len(gate.rules.rules),
            hierarchy=str(self.config.hierarchy.mode),
            config=str(self._path) if self._path is not None else None,
            state=str(self._state),
            not_protected=list(gaps(self.config)),
        )


async def _opened(setting: str, opening: Awaitable[Address], otherwise: str = "") -> Address:
    """Where a listener stands. Raises ConfigError with the setting, and what else could be done."""
    try:
        return await opening
    except ConfigError as error:
        raise ConfigError(tuple(f"{setting}: {problem}{otherwise}" for problem in error.problems)) from error


@asynccontextmanager
async def serve_in_process(
    path: Path | None,
    environ: Mapping[str, str],
    listen: Address | None = None,
    modes: tuple[str, ...] = (),
    *,
    follow: bool = True,
) -> AsyncIterator[Service]:
    """A gateway in this process: for the demo, the tests and the benchmark."""
    service = Service(path, environ, listen, modes)
    await service.start(follow=follow)
    try:
        yield service
    finally:
        await service.close()


async def _serve(path: Path | None, environ: Mapping[str, str], listen: Address | None, modes: tuple[str, ...]) -> None:
    async with serve_in_process(path, environ, listen, modes) as service:
        stop, force = asyncio.Event(), asyncio.Event()
        _on_signals(service, stop, force)
        service.announce()
        await stop.wait()
        record.log().info("draining", in_flight=service.status()["in_flight"], limit_s=service.config.gateway.drain)
        draining, forced = asyncio.create_task(service.drain()), asyncio.create_task(force.wait())
        await asyncio.wait((draining, forced), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, forced):
            task.cancel()
        record.log().info("stopped")


def _on_signals(service: Service, stop: asyncio.Event, force: asyncio.Event) -> None:
    """The first SIGTERM or SIGINT drains, the second ends at once; SIGHUP loads everything again."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[object]] = set()

    def end() -> None:
        (force if stop.is_set() else stop).set()

    def reload() -> None:
        task: asyncio.Task[object] = asyncio.create_task(service.loader.reload_now())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, end)
    loop.add_signal_handler(signal.SIGHUP, reload)


def run(path: Path | None, listen: Address | None = None, modes: tuple[str, ...] = ()) -> None:
    """Serve until a signal. Raises OperatorError where the gateway cannot start."""
    config = configuration.load(path) if path is not None else Config()
    record.configure(config.log.format, config.log.level)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(path, os.environ, listen, modes))


if sys.platform == "win32":

    def loop_factory() -> None:
        """The platform's own event loop: there is no uvloop."""
else:
    import uvloop

    def loop_factory() -> type[uvloop.Loop]:
        return uvloop.Loop
