"""An entrance behind its listener, which is opened, emptied and closed as one."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import timedelta

from aiohttp import web

from gateway.serve.base_url import BaseUrl
from gateway.serve.entrance import Entrance
from gateway.serve.hop import Hop
from gateway.serve.judging import LONGEST
from gateway.serve.ledger import Ledger
from gateway.serve.listener import Listener, Sockets
from gateway.serve.means import LAST_WORDS
from gateway.serve.posture import Posture
from gateway.serve.proxy import Proxy
from gateway.serve.ticket import Tickets
from gateway.serve.tunnel import Gatekeeper
from gateway.serve.upstream import Pool
from gateway.state.store import Store
from gateway.trust.authority import Authority
from gateway.trust.leaf import Leaves
from gateway.units import Address


class Doorway:
    """One way in. `keeper` answers what is no HTTP request: the CONNECTs of a proxy."""

    def __init__(self, entrance: Entrance, listener: Listener, keeper: Gatekeeper | None = None) -> None:
        self.entrance = entrance
        self._listener = listener
        self._keeper = keeper

    async def start(self, at: Address | Sockets) -> Address:
        """Listen, and return where. Raises ConfigError where that cannot be."""
        return await self._listener.start(at)

    def take(self, posture: Posture) -> None:
        """Serve new requests by that, and end what is under way that it stops, and unread tunnels that it forbids."""
        self.entrance.posture = posture
        self.entrance.review()
        if self._keeper is not None:
            self._keeper.review()

    async def drain(self, patience: float) -> None:
        """Take no new work, let what is under way finish within `patience` seconds, and cut what does not."""
        live = self.entrance.live
        self.entrance.draining = True
        for carrier in live:
            carrier.close_after()
        await self._listener.drain(self._busy, patience)
        for carrier in tuple(live):
            carrier.cut()
        # What a thread judges cannot be interrupted, and is recorded when that is done.
        await self._listener.drain(self._busy, LAST_WORDS + LONGEST)
        await self.entrance.loose.end()

    async def close(self) -> None:
        """End everything at once."""
        if self._keeper is not None:
            await self._keeper.close()
        await self._listener.close()
        await self.entrance.loose.end()

    def _busy(self) -> AbstractSet[web.RequestHandler]:
        return {carrier.connection for carrier in self.entrance.live}


def base_url(posture: Posture, pool: Pool, store: Store, ledger: Ledger) -> Doorway:
    entrance = BaseUrl(posture, pool, store, ledger)
    return Doorway(entrance, Listener(entrance, unread=entrance.unread, idle=entrance.idle))


def proxy(
    posture: Posture, pool: Pool, store: Store, ledger: Ledger, authority: Authority, leaf_lifetime: float
) -> Doorway:
    """The proxy. `leaf_lifetime` is in seconds."""
    entrance = Proxy(posture, pool, store, ledger)
    leaves = Leaves(authority, timedelta(seconds=leaf_lifetime))
    keeper = Gatekeeper(entrance, pool, leaves, ledger, lambda handle: listener.serve(handle))
    listener = Listener(entrance, keeper.connection, entrance.unread, entrance.idle)
    return Doorway(entrance, listener, keeper)


def hop(posture: Posture, pool: Pool, store: Store, ledger: Ledger, key: bytes) -> Doorway:
    """The way in behind mitmproxy. `key` is that of the tickets."""
    entrance = Hop(posture, pool, store, ledger, Tickets(key))
    return Doorway(entrance, Listener(entrance, unread=entrance.unread, idle=entrance.idle))
