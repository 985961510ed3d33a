"""A gateway that is one process: what serves, and what there is once, beside each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway import config as configuration
from gateway.app import doors, status
from gateway.app.front import Front
from gateway.app.service import Service
from gateway.approve.desk import Desk
from gateway.errors import LockgateError
from gateway.mitm import Mitmproxy
from gateway.serve.admin import Readiness, View
from gateway.serve.approvals import Approvals
from gateway.serve.listener import standing
from gateway.serve.pins import Pins
from gateway.units import Address


class Alone(Service):
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
        super().__init__(path, environ)
        self._path = path
        self._listen = listen
        self._front = Front(self.config, environ, self.secrets.admin_token, modes)
        self._has_mitmproxy = bool(modes)
        self._began = datetime.now(UTC)
        self._state = configuration.state_folder(self.config, environ)
        self.proxy: Address | None = None  # where it listens, once it does
        self.hop: Address | None = None  # likewise

    async def open(self, *, follow: bool = True) -> None:
        """Open all of it. `follow` is whether edited files are taken up. Raises LockgateError; then none is open."""
        opened = doors.opened(self.config, self._listen, has_mitmproxy=self._has_mitmproxy)
        try:
            await self.start(opened, follow=follow)
            pages = Approvals(Desk(self.shared.store.registers, self.roster), self.roster)
            self.admin = await self._front.open(
                View(self._text, self._readiness, self._told, self.switch, pages, Pins(self.board))
            )
            self.address = standing(opened.base_url)
            self.proxy = standing(opened.proxy) if opened.proxy else None
            self.hop = standing(opened.hop) if opened.hop else None
            await self._front.start_mitmproxy(self.hop, self.hop_key)
        except LockgateError:
            await self.close()
            opened.close()
            raise

    async def close(self) -> None:
        """End everything at once."""
        await self._front.close_mitmproxy()
        await super().close()
        await self._front.close()

    # -- what it says of itself

    @property
    def mitmproxy(self) -> Mitmproxy | None:
        """The mitmproxy before it, if there is one."""
        return self._front.mitmproxy

    def unready(self) -> tuple[str, ...]:
        """Why no traffic should be sent here; empty where it may."""
        return (*super().unready(), *self._front.unready())

    def status(self) -> dict[str, object]:
        """The posture, for an operator; JSON values only."""
        listeners = {
            "base_url": str(self.address),
            "proxy": str(self.proxy) if self.proxy is not None else None,
            "hop": str(self.hop) if self.hop is not None else None,
            "admin": str(self.admin),
        }
        parts = {"listeners": listeners, "mitmproxy": self._front.status(), **self.serving()}
        return status.of_gateway(self._began, self.unready(), parts)

    async def announce(self) -> None:
        """The first line of the log."""
        status.announce(self.status(), self._path, self._state)

    async def _text(self) -> bytes:
        return self.metrics.text()

    async def _readiness(self) -> Readiness:
        return Readiness(self.unready())

    async def _told(self) -> Mapping[str, object]:
        return self.status()


@asynccontextmanager
async def serve_in_process(
    path: Path | None,
    environ: Mapping[str, str],
    listen: Address | None = None,
    modes: tuple[str, ...] = (),
    *,
    follow: bool = True,
) -> AsyncIterator[Alone]:
    """A gateway in this process: for the demo, the tests and the benchmark."""
    gateway = Alone(path, environ, listen, modes)
    await gateway.open(follow=follow)
    try:
        yield gateway
    finally:
        await gateway.close()
