"""A gateway of several workers: keeps the sockets and the workers, and speaks for all of them.

The supervisor reads no body and no rule, so that what an agent sends can hurt a worker alone. It owns what there must
be once: the listening sockets, the admin listener, mitmproxy, the secret and the authority, which it makes before the
first worker starts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway import audit, keys, record
from gateway import config as configuration
from gateway.app import doors, sharing, status
from gateway.app.front import Front
from gateway.app.orders import DIGEST, GRACE, Ask, Order
from gateway.app.post import Post, State
from gateway.app.purposes import AUDIT_KEY, hop_key
from gateway.app.roll import Roll
from gateway.app.service import ensured
from gateway.approve.desk import Desk
from gateway.approve.roster import Roster
from gateway.config import Config
from gateway.errors import ConfigError, InternalError
from gateway.pins.board import Board
from gateway.serve import totals
from gateway.serve.admin import Readiness, View
from gateway.serve.approvals import Approvals
from gateway.serve.listener import standing
from gateway.serve.means import LAST_WORDS
from gateway.serve.pins import Pins
from gateway.serve.totals import Totals
from gateway.state.shared import OpenRegisters
from gateway.state.sqlite import FILE as REGISTERS
from gateway.stops.folder import Folder
from gateway.stops.switch import Switch
from gateway.units import Address

BEAT: Final = 1.0
"""Seconds between questions for the counts: what a killed worker counted since then is lost to the metrics."""

END: Final = 5.0
"""Seconds that workers get to end at once."""


class Supervisor:
    """The whole gateway. `open` it in a running loop, then `drain` and `close` it.

    `listen` replaces the configured address of the base-URL listener, and `modes` are those of a mitmproxy before it.
    """

    def __init__(
        self,
        path: Path | None,
        environ: Mapping[str, str],
        listen: Address | None = None,
        modes: tuple[str, ...] = (),
    ) -> None:
        self._text = configuration.read(path) if path is not None else None
        self.config = configuration.parse(self._text, str(path)) if self._text is not None else Config()
        if problems := sharing.faults(self.config):
            raise ConfigError(problems)
        self._path, self._environ, self._listen, self._modes = path, environ, listen, modes
        self._secret = configuration.secret(self.config, environ)
        shown = configuration.secrets(self.config, environ)
        self._front = Front(self.config, environ, shown.admin_token, modes)
        # It only decides; the workers follow the files and the store by themselves.
        table = self.config.store
        state = configuration.state_folder(self.config, environ)
        place = configuration.store(self.config, environ)
        self._store = OpenRegisters(place, table.timeout, table.prefix, table.ca_file, state / REGISTERS)
        assert self._store.lasting is not None, "there is a file"
        roster = Roster()
        self._roll = Roll(path, environ, self.config, shown, roster)
        self._pages = Approvals(Desk(self._store.lasting, roster), roster)
        folder = Folder(state)
        self.switch = Switch(folder, self._store.registers, lambda _: None)
        self._began = datetime.now(UTC)
        self._totals = Totals()
        self._doors: doors.Doors | None = None
        self._claim: int | None = None
        self.listeners: dict[str, str | None] = {}
        self.posts: list[Post] = []
        self._beating: asyncio.Task[None] | None = None
        self._rolling: asyncio.Task[None] | None = None
        self._draining = False

    async def open(self) -> None:
        """Start all of it. Raises LockgateError where no worker can serve, or the configuration is wrong; then none of
        it is left."""
        try:
            await self._open()
        except BaseException:  # a signal may end the start
            await self.close()
            raise

    async def _open(self) -> None:
        if self.config.audit.enabled:
            self._begin_chains()
        self._doors = opened = doors.opened(self.config, self._listen, has_mitmproxy=bool(self._modes))
        self.listeners |= opened.addresses()
        if opened.proxy or self._modes:
            ensured(self.config, self._environ)
        pins = Pins(Board(self._store.lasting))  # workers see by themselves what is decided, and note it
        view = View(self._metrics, self._readiness, self._status, self.switch, self._pages, pins)
        self.listeners["admin"] = str(await self._front.open(view))
        key = hop_key(self.config, self._secret)
        workers = self.config.gateway.workers
        order = Order(self._path, self._text, workers, key, opened.descriptors())
        self.posts = [Post(number, order, self._environ, self._totals.end) for number in range(1, workers + 1)]
        await asyncio.gather(*(post.settled.wait() for post in self.posts))
        if problems := next((post.problems for post in self.posts if post.problems), ()):
            raise ConfigError(problems)
        if not any(post.state is State.SERVING for post in self.posts):
            raise InternalError(f"no worker can be started; the last that was tried: {self.posts[-1].last_end}")
        await self._front.start_mitmproxy(standing(opened.hop) if opened.hop else None, key)
        self._beating = asyncio.create_task(self._beat())

    def _begin_chains(self) -> None:
        """Hold the folder of the audit, and begin the chain of each worker that has none.

        So each worker has a chain before the first record is written, and one that is missing later was taken away.
        """
        table = self.config.audit
        folder = configuration.audit_folder(self.config, self._environ)
        self._claim = audit.claim(folder)
        key, keep = keys.derive(self._secret, AUDIT_KEY), timedelta(seconds=table.keep)
        count = self.config.gateway.workers
        for number in range(1, count + 1):
            own = audit.worker_folder(folder, number)
            if not audit.files(own):
                audit.Writer(own, key, keep=keep, fsync=table.fsync, workers=count).close()

    async def drain(self) -> None:
        """Have all workers take no new work and finish what is under way; who does not end in time is killed."""
        self._draining = True
        self._shut()
        await self._leave(Ask.DRAIN, self.config.gateway.drain + LAST_WORDS + GRACE)

    async def close(self) -> None:
        """End everything at once."""
        self._draining = True
        self._shut()
        minding = [task for task in (self._beating, self._rolling) if task is not None]
        for task in minding:
            task.cancel()
        await asyncio.gather(*minding, return_exceptions=True)
        await self._front.close_mitmproxy()
        await self._leave(Ask.END, END)
        await self._front.close()
        await self._store.close()
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _shut(self) -> None:
        """Nothing may wait at sockets that nobody serves any more."""
        if self._doors is not None:
            self._doors.close()

    async def _leave(self, how: Ask, patience: float) -> None:
        for post in self.posts:
            post.leave(how)
        if not self.posts:
            return
        _, late = await asyncio.wait([post.keeping for post in self.posts], timeout=patience)
        if not late:
            return
        for post in (post for post in self.posts if post.keeping in late):
            record.log().error("a worker does not end in time, and is killed", worker=post.number)
            post.kill()
        await asyncio.wait(late)

    def reload(self) -> None:
        """Have all workers load the files again."""
        for post in self.posts:
            post.reload()
        self._rolling = asyncio.create_task(self._roll.load())

    # -- what it says of all of them

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            await self._roll.look()
            await self._count()

    async def _count(self) -> list[dict[str, Any] | None]:
        return await asyncio.gather(*(post.count() for post in self.posts))

    def in_flight(self) -> int:
        """Exchanges that are under way, as last heard."""
        return sum(post.in_flight for post in self.posts)

    async def announce(self) -> None:
        """The first line of the log."""
        state = configuration.state_folder(self.config, self._environ)
        status.announce(await self._status(), self._path, state)

    async def _metrics(self) -> bytes:
        answers = await self._count()
        up = {post.number: answer is not None for post, answer in zip(self.posts, answers, strict=True)}
        restarts = {post.number: post.restarts for post in self.posts}
        return self._totals.text((post.counts for post in self.posts), totals.workers(up, restarts))

    async def _readiness(self) -> Readiness:
        return self._judged(await self._count())

    def _judged(self, answers: Sequence[Mapping[str, Any] | None]) -> Readiness:
        """Ready while one worker is, and nothing that all of them need is amiss."""
        faults = {post.number: post.faults(answer) for post, answer in zip(self.posts, answers, strict=True)}
        told = tuple(f"worker {number}: {fault}" for number, found in faults.items() for fault in found)
        if len({answer[DIGEST] for answer in answers if answer is not None}) > 1:
            told = (*told, "the workers judge by different rules")
        reasons = self._front.unready()
        if self._draining:
            reasons = ("draining", *reasons)
        elif all(faults.values()):
            reasons = (*reasons, *told) if told else (*reasons, "no worker has been started yet")
        return Readiness(reasons, told if not reasons else ())

    async def _status(self) -> Mapping[str, object]:
        answers, served = await asyncio.gather(
            self._count(), asyncio.gather(*(post.ask(Ask.SERVING) for post in self.posts))
        )
        workers = [
            post.status(answer, serving) for post, answer, serving in zip(self.posts, answers, served, strict=True)
        ]
        parts = {
            "listeners": self.listeners,
            "mitmproxy": self._front.status(),
            **next((serving for serving in served if serving is not None), {}),
            "in_flight": self.in_flight(),
            "workers": workers,
        }
        readiness = self._judged(answers)
        told = status.of_gateway(self._began, readiness.reasons, parts)
        return {**told, "amiss": list(readiness.amiss)}
