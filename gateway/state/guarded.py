"""Counters that go on when the store does not: each limit in the mode that it declares.

store answers ──▶ its answer; what is left is remembered
store fails   ──▶ after some failures in a row it is asked no more, but by a probe each second
                  deny    the request is refused
                  local   this worker enforces its share, from what was left when last seen
                  allow   the request passes, unchecked
store is back ──▶ what was counted here is charged there, and settlements that waited are delivered

Of a rate only that is charged which has not come back since: who counted for an hour owes what its share shows as used,
not the requests of an hour.
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
from gateway.state.limit import SECOND_NS, Budget, Charge, Claim, Level, Limit, OnError, Rate, Slots, Source, Taken
from gateway.state.members import BEAT, Members
from gateway.state.memory import Clock, MemoryCounters
from gateway.state.owed import Owed
from gateway.state.share import share_of, used_share
from gateway.state.store import Counters

PROBE: Final = 1.0
"""Seconds between two probes of a store that failed."""

MOST_SEEN: Final = 10_000
"""Limits whose last level is remembered, the latest: about 2 MB."""

_POOR_NS: Final = 1_000_000_000
"""What a client waits for whose worker has no share at all: until there are other members, or the store is back."""

type Told = Callable[[str], None]
"""Takes a line for the log of the operator."""


async def _at_once() -> None:
    """What is always connected."""


class GuardedCounters:
    """`Counters` over shared ones. Run `watch` beside it. `now` is a monotonic clock, `unix` that of the calendar, both
    in nanoseconds.

    `reach` connects to a store that failed, and may take longer than a request may: names, Sentinels or nodes may first
    have to be asked anew. Raises StoreError.
    """

    def __init__(
        self,
        shared: Counters,
        members: Members,
        told: Told,
        now: Clock = time.monotonic_ns,
        unix: Clock = time.time_ns,
        reach: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self.breaker = Breaker()
        self.members = members
        self.unshared = 0  # requests that were decided without the store
        self._shared = shared
        self._told = told
        self._now = now
        self._reach = reach
        self._local = MemoryCounters(now, unix)
        self._seen: OrderedDict[str, tuple[Level, int]] = OrderedDict()  # by key: where it stood, and when
        self._owed = Owed(unix)
        self._delivering: asyncio.Task[None] | None = None

    @property
    def owed(self) -> int:
        """For how many keys the store is to be told what was counted here."""
        return len(self._owed)

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        """As the store decides, or without it as the limits declare. Raises StoreError where one declares `deny`."""
        if not self.breaker.is_open:
            with suppress(StoreError):
                taken = await self._noted(self._shared.take(claims, holder))
                self._see(taken.levels)
                self._deliver_soon()
                return taken
        self.unshared += 1
        return await self._take_alone(claims, holder)

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        """Never raises: a correction that cannot be delivered waits, and so does one of what itself still waits."""
        waiting = [charge for charge in charges if self.breaker.is_open or charge in self._owed]
        direct = [charge for charge in charges if charge not in waiting]
        if direct:
            try:
                await self._noted(self._shared.settle(direct, holder))
            except StoreError:
                waiting = list(charges)
        for charge in waiting:
            self._owed.add(charge)
        # A slot may be held here since a take that failed, though the store has been back for long.
        here = [charge for charge in charges if charge in waiting or isinstance(charge.limit.bound, Slots)]
        await self._local.settle(
            [replace(charge, limit=share) for charge in here if (share := self._share(charge.limit))], holder
        )

    async def renew(self, limits: Sequence[Limit], holder: str) -> None:
        """Never raises: a lease that cannot be renewed now is taken anew when the store is back."""
        if not self.breaker.is_open:
            with suppress(StoreError):
                await self._noted(self._shared.renew(limits, holder))
                return
        await self._local.renew([share for limit in limits if (share := self._share(limit))], holder)

    async def watch(self) -> None:
        """Give signs of life, and probe a store that failed. Runs until cancelled, whatever goes wrong: a watch that
        ended would leave this worker out of the members, and the store away for good."""
        due = self._now()
        while True:
            if self.breaker.is_open or self._now() >= due:
                try:
                    await self.beat()
                except Exception as error:  # noqa: BLE001 -- the outer boundary of this task: told, and tried again
                    self._told(f"no sign of life was given: {type(error).__name__}: {error}")
                due = self._now() + round(BEAT * SECOND_NS)
            await asyncio.sleep(PROBE)

    async def beat(self) -> None:
        """One sign of life; where the store had failed and this is answered, it is told what it missed."""
        try:
            if self.breaker.is_open:
                await self._reach()
            await self._deliver()  # first, by the shares that it was counted by
            await self.members.beat()
        except StoreError as error:
            self._fail(error)
            return
        if self.breaker.worked():
            self._told("the store is back, and limits are shared again")

    async def leave(self) -> None:
        """Tell the store what it missed, and be no member any more. Raises StoreError."""
        await self._deliver()
        await self.members.leave()

    # -- with the store

    async def _noted[V](self, call: Awaitable[V]) -> V:
        """What the store answers. A failure counts; an answer that comes when the others gave up closes nothing, as the
        store is first to be told what it missed."""
        try:
            answer = await call
        except StoreError as error:
            self._fail(error)
            raise
        if not self.breaker.is_open:
            self.breaker.worked()
        return answer

    def _fail(self, error: StoreError) -> None:
        if self.breaker.failed(str(error)):
            self._told(f"the store cannot be used, and limits are kept without it: {error}")

    def _see(self, levels: Sequence[Level]) -> None:
        now = self._now()
        for level in levels:
            if not isinstance(level.limit.bound, Slots):
                self._seen[level.limit.key] = level, now
                self._seen.move_to_end(level.limit.key)
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    def _know(self, charge: Charge) -> None:
        """The store was told of a charge, which it did not know when it said how much was left."""
        if seen := self._seen.get(charge.limit.key):
            level, at = seen
            self._seen[charge.limit.key] = replace(level, remaining=level.remaining - charge.amount), at

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
        await self._owed.deliver(self._shared, self._due, self._know)

    def _due(self, charge: Charge) -> Charge:
        """What of a charge has not come back since it was counted: of what was used of a share, what was there first
        comes back first. Of a budget nothing does."""
        share = self._share(charge.limit)
        if share is None or not isinstance(share.bound, Rate):
            return charge
        return replace(charge, amount=min(charge.amount, self._local.outstanding(share, share.bound)))

    # -- without it

    async def _take_alone(self, claims: Sequence[Claim], holder: str) -> Taken:
        denying = [claim.limit.name for claim in claims if claim.limit.on_error is OnError.DENY]
        if denying:
            raise StoreError(f"the store is away, and the limit `{denying[0]}` is not to be passed without it")
        local = []
        whole = {claim.limit.key: claim.limit for claim in claims if claim.limit.on_error is OnError.LOCAL}
        for claim in claims:
            if claim.limit.key not in whole:
                continue
            share = self._share(claim.limit)
            if share is None:
                return Taken(claim.limit.name, _POOR_NS, (), source=Source.LOCAL)
            self._begin(claim.limit, share)
            local.append(Claim(share, claim.amount))
        taken = await self._local.take(local, holder)
        # Whoever settles them later settles the limit, whatever the share will be then.
        charges = tuple(replace(charge, limit=whole[charge.limit.key]) for charge in taken.charges)
        for charge in charges:
            self._owed.add(charge)
        return replace(taken, charges=charges, source=Source.LOCAL if whole or not claims else Source.UNCHECKED)

    def _share(self, limit: Limit) -> Limit | None:
        return share_of(limit, self.members.rank, self.members.count)

    def _begin(self, limit: Limit, share: Limit) -> None:
        """Begin the share with what was used of it when the store was last seen to count the limit, if it was seen
        since the share last began, and with what this worker counted that the store does not know."""
        level, at = self._seen.pop(limit.key, (None, 0))
        if level is None:
            return
        elapsed = self._now() - at
        is_over = isinstance(limit.bound, Budget) and elapsed >= level.reset_ns
        used = 0 if is_over else used_share(limit, share, level.remaining, elapsed)
        self._local.begin(share, used + self._owed.units(limit))
