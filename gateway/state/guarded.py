"""Counters that go on when the store does not: each limit in the mode that it declares.

store answers ──▶ its answer; what is left is remembered
store fails   ──▶ after some failures in a row it is asked no more, but by a probe each second
                  deny    the request is refused
                  local   this worker enforces its share, from what was left when last seen
                  allow   the request passes, unchecked
store is back ──▶ what was counted here is charged there, and settlements that waited are delivered
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from gateway.errors import StoreError
from gateway.state.breaker import Breaker
from gateway.state.limit import Charge, Claim, Level, Limit, OnError, Slots, Source, Taken
from gateway.state.members import BEAT, Members
from gateway.state.memory import MemoryCounters
from gateway.state.share import most_of, share_of, used_share
from gateway.state.store import Counters

PROBE: Final = 1.0
"""Seconds between two probes of a store that failed."""

MOST_SEEN: Final = 10_000
"""Limits whose last level is remembered, the latest: about 2 MB."""

MOST_OWED: Final = 100_000
"""Keys for which corrections may wait. Beyond that the oldest are dropped: they would be of windows long over."""

type Told = Callable[[str], None]
"""Takes a line for the log of the operator."""


class GuardedCounters:
    """`Counters` over shared ones. Run `watch` beside it. `now` is a monotonic clock in nanoseconds."""

    def __init__(
        self, shared: Counters, members: Members, told: Told, now: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.breaker = Breaker()
        self.members = members
        self.unshared = 0  # requests that were decided without the store
        self._shared = shared
        self._told = told
        self._now = now
        self._local = MemoryCounters()
        self._seeded: set[str] = set()
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()  # by key: units left, and when
        self._delivering: asyncio.Task[None] | None = None
        self._owed: OrderedDict[tuple[str, int], Charge] = OrderedDict()

    @property
    def owed(self) -> int:
        """For how many keys the store is to be told what was counted here."""
        return len(self._owed)

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        if not self.breaker.is_open:
            with suppress(StoreError):
                taken = await self._noted(self._shared.take(claims, holder))
                self._see(taken.levels)
                self._deliver_soon()
                return taken
        self.unshared += 1
        return await self._take_alone(claims, holder)

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        """Never raises: a correction that cannot be delivered waits."""
        if not self.breaker.is_open:
            with suppress(StoreError):
                await self._noted(self._shared.settle(charges, holder))
                return
        for charge in charges:
            self._owe(charge)
        if not self.breaker.is_open:
            return
        shares = [self._share(charge.limit) for charge in charges]
        local = [replace(charge, limit=share) for charge, share in zip(charges, shares, strict=True) if share]
        await self._local.settle(local, holder)

    async def renew(self, limits: Sequence[Limit], holder: str) -> None:
        """Never raises: a lease that cannot be renewed now is taken anew when the store is back."""
        if not self.breaker.is_open:
            with suppress(StoreError):
                await self._noted(self._shared.renew(limits, holder))
                return
        await self._local.renew([share for limit in limits if (share := self._share(limit))], holder)

    async def watch(self) -> None:
        """Give signs of life, and probe a store that failed. Runs until cancelled."""
        beaten = 0.0
        while True:
            if self.breaker.is_open or time.monotonic() - beaten >= BEAT:
                await self.beat()
                beaten = time.monotonic()
            await asyncio.sleep(PROBE)

    async def beat(self) -> None:
        """One sign of life; where the store had failed and this is answered, it is told what it missed."""
        try:
            await self.members.beat()
            await self._deliver()
        except StoreError as error:
            self._fail(error)
            return
        if self.breaker.worked():
            self._seeded.clear()
            self._local = MemoryCounters()
            self._told("the store is back, and limits are shared again")

    # -- with the store

    async def _noted[V](self, call: Awaitable[V]) -> V:
        """What the store answers. A failure counts."""
        try:
            answer = await call
        except StoreError as error:
            self._fail(error)
            raise
        self.breaker.worked()
        return answer

    def _fail(self, error: StoreError) -> None:
        if self.breaker.failed(str(error)):
            self._told(f"the store cannot be used, and limits are kept without it: {error}")

    def _see(self, levels: Sequence[Level]) -> None:
        now = self._now()
        for level in levels:
            self._note_seen(level.limit.key, level.remaining, now)
            if level.limit.key in self._seeded and not self._owed and self._delivering is None:
                # The store knows all of what was counted here, and what others took since; the next outage begins anew.
                self._seeded.discard(level.limit.key)
                self._local.forget(level.limit.key)

    def _note_seen(self, key: str, remaining: int, at: int) -> None:
        self._seen[key] = remaining, at
        self._seen.move_to_end(key)
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    def _deliver_soon(self) -> None:
        """After a hiccup the store is told at once what was counted here: until then others may use that too."""
        if self._owed and self._delivering is None:
            self._delivering = asyncio.create_task(self._deliver_once())

    async def _deliver_once(self) -> None:
        try:
            with suppress(StoreError):  # then the next beat does
                await self._deliver()
        finally:
            self._delivering = None

    async def _deliver(self) -> None:
        """Charge in the store what was counted here. What comes in meanwhile waits for the next beat."""
        while self._owed:
            batch = [self._owed.popitem(last=False)[1] for _ in range(min(len(self._owed), _BATCH))]
            try:
                await self._shared.settle(batch, "")
            except StoreError:
                for charge in batch:
                    self._owe(charge)
                raise
            self._charged(batch)

    def _charged(self, charges: Sequence[Charge]) -> None:
        """Less is left in the store now than when it was last seen."""
        now = self._now()
        for charge in charges:
            remaining, at = self._seen.get(charge.limit.key, (most_of(charge.limit), now))
            self._note_seen(charge.limit.key, remaining - charge.amount, at)

    # -- without it

    async def _take_alone(self, claims: Sequence[Claim], holder: str) -> Taken:
        denying = [claim.limit.name for claim in claims if claim.limit.on_error is OnError.DENY]
        if denying:
            raise StoreError(f"the store is away, and the limit `{denying[0]}` is not to be passed without it")
        counted = [claim for claim in claims if claim.limit.on_error is OnError.LOCAL]
        shares = [self._share(claim.limit) for claim in counted]
        for claim, share in zip(counted, shares, strict=True):
            if share is None:
                return Taken(claim.limit.name, _POOR_NS, (), source=Source.LOCAL)
        local = [Claim(share, claim.amount) for claim, share in zip(counted, shares, strict=True) if share]
        await self._seed(counted)
        taken = await self._local.take(local, holder)
        if taken.allowed:
            whole = {claim.limit.key: claim.limit for claim in counted}
            for charge in taken.charges:
                self._owe(replace(charge, limit=whole[charge.limit.key]))
        source = Source.LOCAL if counted or not claims else Source.UNCHECKED
        return replace(taken, source=source)

    def _share(self, limit: Limit) -> Limit | None:
        return share_of(limit, self.members.rank, self.members.count)

    async def _seed(self, claims: Sequence[Claim]) -> None:
        """Begin each share with what was used of it when the whole was last seen."""
        for claim in claims:
            limit, share = claim.limit, self._share(claim.limit)
            if share is None or limit.key in self._seeded:
                continue
            self._seeded.add(limit.key)
            remaining, at = self._seen.get(limit.key, (None, 0))
            if remaining is not None:
                await self._local.spend(share, used_share(limit, share, remaining, self._now() - at))

    def _owe(self, charge: Charge) -> None:
        """Have the store told of it later. Slots are not: whoever holds one renews it."""
        if isinstance(charge.limit.bound, Slots):
            return
        key = charge.limit.key, charge.window
        known = self._owed.pop(key, None)
        amount = charge.amount + (known.amount if known is not None else 0)
        self._owed[key] = replace(charge, amount=amount)
        while len(self._owed) > MOST_OWED:
            self._owed.popitem(last=False)


_BATCH: Final = 200
_POOR_NS: Final = 1_000_000_000
"""What a client waits for whose worker has no share at all: until there are other members, or the store is back."""
