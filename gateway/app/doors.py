"""The sockets at which a gateway takes connections, one set for each way in: opened once, by whoever is to keep them.

They are open before anybody serves them, so a connection that comes early waits in the kernel's queue. A worker gets
them from the supervisor by inheritance, and what it does not take when it dies is still in the queue for the others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.serve.listener import Sockets, bound, standing
from gateway.units import Address

_ANY_PORT = Address("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Doors:
    """The listening sockets by way in; none of a way that is not wanted."""

    base_url: Sockets
    proxy: Sockets = ()
    hop: Sockets = ()

    def addresses(self) -> dict[str, str | None]:
        """Where each way in listens, for an operator."""
        ways = {"base_url": self.base_url, "proxy": self.proxy, "hop": self.hop}
        return {name: str(standing(sockets)) if sockets else None for name, sockets in ways.items()}

    def descriptors(self) -> dict[str, list[int]]:
        """The same sockets as numbers, for a process that inherits them."""
        ways = {"base_url": self.base_url, "proxy": self.proxy, "hop": self.hop}
        return {name: [one.fileno() for one in sockets] for name, sockets in ways.items()}

    @classmethod
    def inherited(cls, descriptors: Mapping[str, list[int]]) -> Self:
        """The sockets behind these numbers, which no process that is started here inherits in turn."""
        ways = {name: tuple(socket.socket(fileno=number) for number in found) for name, found in descriptors.items()}
        for number in (number for found in descriptors.values() for number in found):
            os.set_inheritable(number, False)
        return cls(**ways)

    def close(self) -> None:
        """Close them here; where another process has them, it goes on to listen."""
        for one in (*self.base_url, *self.proxy, *self.hop):
            one.close()


def opened(config: Config, listen: Address | None, *, has_mitmproxy: bool) -> Doors:
    """All that the configuration wants. `listen` replaces its address of the base-URL listener.

    Raises ConfigError with the setting that cannot be had; then none is open.
    """
    doors = Doors(_bound("gateway.listen", listen or config.gateway.listen))
    with _closed_on_error(doors):
        proxy: Sockets = ()
        if config.proxy.enabled:
            otherwise = ", or do without the proxy: `enabled = false` under [proxy]"
            proxy = _bound("proxy.listen", config.proxy.listen, otherwise)
    doors = Doors(doors.base_url, proxy)
    with _closed_on_error(doors):
        if has_mitmproxy or config.proxy.hop is not None:
            return Doors(doors.base_url, proxy, _bound("proxy.hop", config.proxy.hop or _ANY_PORT))
    return doors


def _bound(setting: str, at: Address, otherwise: str = "") -> Sockets:
    try:
        return bound(at)
    except ConfigError as error:
        raise ConfigError(tuple(f"{setting}: {problem}{otherwise}" for problem in error.problems)) from error


@contextmanager
def _closed_on_error(doors: Doors) -> Iterator[None]:
    try:
        yield
    except ConfigError:
        doors.close()
        raise
