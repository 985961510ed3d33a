"""What there is once for a gateway, however many processes serve: the admin listener, and mitmproxy if it is wanted."""

from __future__ import annotations

from collections.abc import Mapping

from gateway import config as configuration
from gateway.app.service import ensured
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.mitm import Hop, Mitmproxy
from gateway.serve.admin import Admin, View
from gateway.serve.listener import Listener
from gateway.serve.posture import site
from gateway.trust import mitmproxy as mitmproxy_folder
from gateway.units import Address


class Front:
    """The two of them. `modes` are those of mitmproxy; without any there is none."""

    def __init__(self, config: Config, environ: Mapping[str, str], token: str | None, modes: tuple[str, ...]) -> None:
        self.mitmproxy: Mitmproxy | None = None
        self._config = config
        self._environ = environ
        self._token = token
        self._modes = modes
        self._listener: Listener | None = None

    async def open(self, view: View) -> Address:
        """Open the admin listener, and return where it stands. Raises ConfigError."""
        at = self._config.admin.listen
        self._listener = Listener(Admin(view, site(at), self._token))
        try:
            return await self._listener.start(at)
        except ConfigError as error:
            raise ConfigError(tuple(f"admin.listen: {problem}" for problem in error.problems)) from error

    async def start_mitmproxy(self, hop: Address | None, key: bytes) -> None:
        """Start mitmproxy, if it is wanted, with the proxy's authority and the way to the hop. Raises ConfigError."""
        if not self._modes or hop is None:
            return
        authority = ensured(self._config, self._environ)
        confdir = mitmproxy_folder.write(configuration.ca_folder(self._config, self._environ), authority)
        # What is as little trusted as the net is shown no credential.
        secret = configuration.variables(self._config)
        harmless = {name: value for name, value in self._environ.items() if name not in secret}
        self.mitmproxy = Mitmproxy(self._modes, Hop(hop, key, confdir), harmless)
        await self.mitmproxy.start()

    def unready(self) -> tuple[str, ...]:
        """Why no traffic should be sent here."""
        if self.mitmproxy is None or self.mitmproxy.fault is None:
            return ()
        return (f"mitmproxy does not run: {self.mitmproxy.fault}",)

    def status(self) -> dict[str, object] | None:
        """What mitmproxy does; None where there is none."""
        return self.mitmproxy.status() if self.mitmproxy is not None else None

    async def close_mitmproxy(self) -> None:
        """End mitmproxy: before what is behind it."""
        if self.mitmproxy is not None:
            await self.mitmproxy.close()

    async def close(self) -> None:
        """End the admin listener: the last that answers."""
        if self._listener is not None:
            await self._listener.close()
