"""What one process serves with: its rules, its record keeping and its ways in, joined, started, and ended in order."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from gateway import audit, keys, launch, record
from gateway import config as configuration
from gateway.app import pinning, status
from gateway.app.approving import Approving
from gateway.app.doors import Doors
from gateway.app.purposes import AUDIT_KEY, FINGERPRINT_KEY, HIERARCHY_KEY, SHELF_KEY, STORE_KEY, hop_key
from gateway.approve.roster import Roster
from gateway.config import Config
from gateway.detect import prefilter
from gateway.detect.memory import VerdictMemory
from gateway.errors import ConfigError
from gateway.fleet.follow import FOLDER as PUSHED
from gateway.fleet.follow import Follower
from gateway.fleet.push import Member, digest
from gateway.reload import Loaded, Loader
from gateway.serve import doorway
from gateway.serve.denied import Denied
from gateway.serve.doorway import Doorway
from gateway.serve.ledger import Ledger
from gateway.serve.metrics import Metrics
from gateway.serve.posture import Posture, posture
from gateway.serve.reads import Reads
from gateway.serve.upstream import Pool
from gateway.shelf import Shelf
from gateway.state.shared import Means, OpenStore
from gateway.state.sqlite import FILE as REGISTERS
from gateway.stops.decision import Decision, Stops
from gateway.stops.folder import Folder
from gateway.stops.switch import Switch
from gateway.trust import folder as trust
from gateway.trust.authority import Authority

MEMORY: Final = 1 << 16
"""Texts whose findings are remembered: some hundred long conversations, at about 200 bytes each 13 MB."""

RETRY: Final = 5.0
"""Seconds before files are followed again after that failed: slow enough not to fill the log."""


@dataclass(frozen=True, slots=True)
class Seat:
    """What a process has to be told that serves beside others: its number, from 1, and how many there are.

    `origin` is the configuration that all began with, `hop_key` that of the tickets of the mitmproxy that they share.
    """

    number: int
    workers: int
    origin: Config
    hop_key: bytes = field(repr=False)


class Service:
    """The serving part of a gateway. `start` it in a running loop, then `drain` and `close` it.

    `seat` is None where it is the only one. Raises OperatorError where the configuration, the rules or the environment
    are wrong.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str], seat: Seat | None = None) -> None:
        first = seat.origin if seat is not None else configuration.load(path) if path is not None else Config()
        secret = configuration.secret(first, environ)
        self._hierarchy_key = keys.derive(secret, HIERARCHY_KEY)
        self._launch_key = launch.key_of(secret)
        self._memory = VerdictMemory(MEMORY)
        self._environ = environ
        self._seat = seat
        state = configuration.state_folder(first, environ)
        shelf = Shelf(state / "prefilters", keys.derive(secret, SHELF_KEY))
        fingerprints, origin = keys.derive(secret, FINGERPRINT_KEY), seat.origin if seat is not None else None
        self.loader = Loader(path, environ, fingerprints, self._swap, shelf, origin, state / PUSHED)
        loaded = self.loader.load()
        self.config = loaded.config
        self.secrets = loaded.secrets
        self.hop_key = seat.hop_key if seat is not None else hop_key(self.config, secret)
        self._audit_key = keys.derive(secret, AUDIT_KEY)
        place = configuration.store(first, environ)
        self.shared = OpenStore(place, _means(self.config, secret), _name(seat), _tell, state / REGISTERS)
        registers = self.shared.store.registers if place is not None else None
        self.switch = Switch(Folder(state), registers, self._stopped)
        self.fleet = self._follower(state) if self.config.rules.reload else None
        self._stops = self.switch.stops
        self._reads = Reads()
        self._denied = Denied(self.shared.store.registers, self._hierarchy_key)
        self.approving = Approving(
            self.shared.store.registers,
            secret,
            self.config,
            self._note,
            _tell,
            lambda what: self.metrics.approval(what),
        )
        self.roster = Roster()
        self.board = pinning.board_of(self.shared.store.registers, self._note)
        self._posture = self._made(loaded)
        self._listening = False
        self._authority: Authority | None = None
        self._audit: audit.Writer | None = None
        self._pool: Pool | None = None
        self._doorways: list[Doorway] = []
        self._is_fast = self.loader.status.is_accelerated or not prefilter.AVAILABLE
        self._watch: asyncio.Task[None] | None = None
        self._minding: list[asyncio.Task[None]] = []
        self._watch_fault: str | None = None
        self._watch_restarts = 0
        self._reloads: set[asyncio.Task[object]] = set()
        self.metrics = self._counting()

    def _counting(self) -> Metrics:
        """The metrics, with what they show from the start, and how they ask for what changes by itself."""
        metrics = Metrics(self.in_flight)
        metrics.ruleset(self._posture.digest)
        metrics.stops(self._stops.count)
        metrics.store_up(lambda: self.shared.is_up)
        metrics.approvals_pending(lambda: self.approving.pending)
        metrics.pins_waiting(lambda: len(self.board.waiting))
        return metrics

    async def start(self, doors: Doors, *, follow: bool = True) -> None:
        """Open the audit file, and serve at these sockets, which are closed with it. `follow` is whether edited files
        are taken up. Raises LockgateError; then it is to be closed all the same."""
        self._audit = self._opened_audit()
        self.ledger = Ledger(
            self._audit.append if self._audit is not None else None, self.metrics, ended=self.approving.ended
        )
        self._pool = Pool(parent=self.secrets.parent_proxy)
        store = self.shared.store
        await self.shared.open()
        await self.switch.look()  # what was stopped elsewhere holds from the first request on
        await pinning.read(self.board)
        base_url = doorway.base_url(self._posture, self._pool, store, self.ledger)
        self._doorways = [base_url]
        if doors.proxy:
            # Made on the first run, if it was not made before the workers started.
            table = self.config.proxy
            authority = self._authority = ensured(self.config, self._environ)
            self.metrics.authority_ends(authority.certificate.not_valid_after_utc)
            proxy = doorway.proxy(self._posture, self._pool, store, self.ledger, authority, table.leaf_lifetime)
            self._doorways.append(proxy)
            await proxy.start(doors.proxy)
        if doors.hop:
            hop = doorway.hop(self._posture, self._pool, store, self.ledger, self.hop_key)
            self._doorways.append(hop)
            await hop.start(doors.hop)
        await base_url.start(doors.base_url)
        self._listening = True
        following = (self.switch.follow(), self.approving.follow(), self.board.follow())
        self._minding = [asyncio.create_task(one) for one in following]
        if self.fleet is not None:
            self._minding.append(asyncio.create_task(self.fleet.follow()))
        if follow:
            self._watch = asyncio.create_task(self._follow())

    def _opened_audit(self) -> audit.Writer | None:
        table, seat = self.config.audit, self._seat
        if not table.enabled:
            return None
        folder = configuration.audit_folder(self.config, self._environ)
        return audit.Writer(
            folder if seat is None else audit.worker_folder(folder, seat.number),
            self._audit_key,
            keep=timedelta(seconds=table.keep),
            fsync=table.fsync,
            workers=seat.workers if seat is not None else None,
        )

    async def drain(self) -> None:
        """Take no new work, let what is under way finish within the configured time, and cut what does not."""
        self._listening = False
        await asyncio.gather(*(way.drain(self.config.gateway.drain) for way in self._doorways))

    async def close(self) -> None:
        """End everything at once."""
        tasks = [*([self._watch] if self._watch is not None else []), *self._minding]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # however they ended, the rest is closed too
        for way in self._doorways:
            await way.close()
        if self._pool is not None:
            await self._pool.close()
        await self.approving.close()
        await pinning.read(self.board)  # what was listed last is to be known after a restart
        await self.shared.close()
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
        made = posture(
            loaded.config,
            loaded.secrets,
            loaded.rules,
            self._hierarchy_key,
            self._memory,
            self._launch_key,
            lambda: self._stops.tools,
            self.board,
            self._reads,
        )
        self.approving.take(loaded.config, loaded.secrets, loaded.rules, made.tls)
        self.roster.take(loaded.config.people, loaded.secrets.approver)
        return replace(made, stops=self._stops, approve=self.approving.answers, denied=self._denied)

    def _note(self, event: str, **details: object) -> None:
        self.ledger.note(event, **details)

    def _stopped(self, stops: Stops) -> None:
        """Hold to these stops from now on, what is under way included."""
        before, self._stops = self._stops, stops
        self._posture = replace(self._posture, stops=stops)
        for way in self._doorways:
            way.take(self._posture)
        self.metrics.stops(stops.count)
        for decision in stops.decisions.values():
            if before.decisions.get(decision.scope) != decision:
                self.ledger.note("stopped" if decision.stopped else "resumed", **_noted(decision))
        if before.here != stops.here:
            self.ledger.note("stopped" if stops.here else "resumed", scope="this machine", why=stops.here or "")

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

    def _follower(self, state: Path) -> Follower | None:
        """What keeps this gateway in step with its fleet; None where nothing is shared."""
        guard = self.shared.guard
        if guard is None:
            return None
        guard.members.about = self._about
        gateway = f"{platform.node()}/{hashlib.sha256(str(state).encode()).hexdigest()[:8]}"
        return Follower(self.shared.store.registers, guard.members, state / PUSHED, gateway, self.loader.tried)

    def _about(self) -> dict[str, object]:
        """What this worker tells the others of itself."""
        assert self.fleet is not None, "nobody else is told"
        member = Member(
            self.fleet.gateway,
            digest(self.loader.serving_pushed),
            self._posture.digest,
            hashlib.sha256(repr(self._posture.config).encode()).hexdigest()[:16],
            self.fleet.problem or next(iter(self.loader.status.problems), None),
            self.ledger.tally,
        )
        told: dict[str, object] = msgspec.to_builtins(member)
        return told

    def reload(self) -> None:
        """Load the files again, whether or not anything changed."""
        task: asyncio.Task[object] = asyncio.create_task(self.loader.reload_now())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    # -- what it says of itself

    @property
    def digest(self) -> str:
        """That of the rules by which it judges."""
        return self._posture.digest

    def in_flight(self) -> int:
        """Exchanges that are under way."""
        return sum(len(way.entrance.live) for way in self._doorways)

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
        return tuple(reasons)

    def serving(self) -> dict[str, object]:
        """What it serves by, for an operator; JSON values only."""
        reload = {
            **status.of_reload(self.loader.status),
            "fault": self._watch_fault,
            "restarts": self._watch_restarts,
        }
        folder = configuration.ca_folder(self.config, self._environ)
        proxy = status.of_proxy(self._posture, folder, self._authority, has_parent=bool(self.secrets.parent_proxy))
        return {
            "reload": reload,
            "in_flight": self.in_flight(),
            "fleet": self.fleet.status() if self.fleet is not None else None,
            "store": self.shared.status(self._posture.config.store.on_error),
            "approvals": self.approving.status(),
            "pins": pinning.status(self.board),
            "proxy": proxy,
            **status.of_posture(self._posture),
        }


def ensured(config: Config, environ: Mapping[str, str]) -> Authority:
    """The certificate authority of the proxy, made on the first run. Raises ConfigError."""
    folder = configuration.ca_folder(config, environ)
    return trust.ensure(folder, config.proxy.name_constraints, datetime.now(UTC))


def _means(config: Config, secret: bytes) -> Means:
    table = config.store
    return Means(table.timeout, table.prefix, keys.derive(secret, STORE_KEY), table.ca_file)


def _tell(line: str) -> None:
    with suppress(Exception):  # the log may be what fails
        record.log().warning(line)


def _name(seat: Seat | None) -> str:
    """A name that no other worker has, on this machine or another."""
    return f"{platform.node()}/{seat.number if seat is not None else 0}/{secrets.token_hex(4)}"


def _noted(decision: Decision) -> dict[str, object]:
    at = datetime.fromtimestamp(decision.at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    return {"scope": str(decision.scope), "why": decision.why, "by": decision.by, "decided": at}
