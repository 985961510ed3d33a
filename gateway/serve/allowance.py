"""What one exchange takes from the limits: asked for before it goes on, renewed while it runs, put right at its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.dialect.usage import Usage
from gateway.errors import Code, StoreError
from gateway.exchange.demand import Counted, Demand, Part, Quota
from gateway.exchange.events import LimitsTaken
from gateway.exchange.recorded import ExchangeRecord
from gateway.limits.claims import Caller, Terms, Unknown, Want, corrections, named, price_of, wanted
from gateway.limits.price import OTHER, UNIT, Price
from gateway.limits.rule import AtLimit
from gateway.state.fields import ratelimit_headers
from gateway.state.limit import SECOND_NS, Charge, Claim, Level, Limit, Slots, Taken, Unit
from gateway.state.store import Counters

_CODES: Final = {AtLimit.ASK: Code.APPROVAL}
"""What a denied request is refused with, where it is not with `rate_limited`."""

MOST_HELD: Final = 256
"""Answers of a session that may be under way, as many as a session reads at once. What was reserved for those before,
of which nothing was told, stays so."""

_RENEWALS: Final = 3
"""Renewals in the time of a lease, so that one may fail."""


class Loose:
    """Work that nobody waits for. It begins at once, and as far as nothing is waited for in it, is done at once."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Wait for all of it. It ends by itself, as no store is waited for for long."""
        while self._tasks:
            await asyncio.wait(self._tasks)


@dataclass(frozen=True, slots=True)
class Bill:
    """What an exchange came to: what was reserved for it (tokens), and what it cost, where its model has a price.

    `counted_as` is under which name its model is counted.
    """

    counted_as: str
    reserved: Usage = field(default_factory=dict)
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """What one take brought."""

    holder: str
    charges: tuple[Charge, ...]
    grains: dict[str, int]
    price: Price | None


class Allowance:
    """One exchange's. `terms` gives what is in force; `holder` is its id."""

    def __init__(
        self, counters: Counters, loose: Loose, terms: Callable[[], Terms], caller: Caller, holder: str
    ) -> None:
        self._counters = counters
        self._loose = loose
        self._terms = terms
        self._caller = caller
        self._holder = holder
        self._held: deque[_Held] = deque(maxlen=MOST_HELD)  # of a session: of the answers that are under way
        self._opening: _Held | None = None  # of a session: what it took as it began
        self._is_session = False
        self._takes = 0
        self._settled: Usage = {}  # what was told of a session so far
        self._reserved: Usage = {}
        self._renewal: asyncio.Task[None] | None = None
        self._is_over = False

    async def take(self, demand: Demand) -> LimitsTaken:
        """Take what is demanded, or tell why not."""
        terms = self._terms()
        self._is_session = demand.part is not Part.WHOLE
        if demand.is_over:
            self._settle_held(demand.used, Counted.PROVIDER)
        wants = wanted(terms, self._caller, demand)
        if isinstance(wants, Unknown):
            return LimitsTaken(wants.rule.name, why=wants.why)
        if not wants:
            return LimitsTaken()
        # A session's slot is its own; what a message takes is put right without freeing that.
        self._takes += 1
        holder = self._holder if demand.part is not Part.MESSAGE else f"{self._holder}/{self._takes}"
        try:
            taken = await self._taken([want.claim for want in wants], holder)
        except StoreError as error:
            return LimitsTaken(unavailable=str(error))
        if not taken.allowed:
            return self._denied(terms, demand, taken)
        self._keep(demand, _Held(holder, taken.charges, _grains(wants), price_of(terms, demand)))
        return _told(taken)

    async def _taken(self, claims: Sequence[Claim], holder: str) -> Taken:
        """The store's answer. Where nobody waits for it any more, what it took is given back."""
        asking = asyncio.Task(self._counters.take(claims, holder), loop=asyncio.get_running_loop(), eager_start=True)
        if asking.done():  # a store in this process
            return asking.result()
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            self._loose.begin(self._give_back(asking, holder))
            raise

    async def _give_back(self, asking: asyncio.Future[Taken], holder: str) -> None:
        with suppress(StoreError):
            charges = (await asking).charges
            await self._counters.settle(corrections(charges, {}, None, {}, Counted.NOBODY), holder)

    def settle(self, record: ExchangeRecord) -> Bill:
        """The exchange is over: put right what was taken, once, and tell what it came to."""
        usage = dict(record.usage)
        self._end(usage, record.counted)
        if not usage:
            return Bill(OTHER, self._reserved)
        prices = self._terms().prices
        price = prices.of(record.model)
        return Bill(
            prices.counted_as(record.model), self._reserved, price.of(usage) / UNIT if price is not None else None
        )

    def close(self) -> None:
        """Leave it as it was reserved, where the exchange broke down without a record."""
        self._end({}, Counted.RESERVATION)

    def _end(self, usage: Usage, counted: Counted) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._renewal is not None:
            self._renewal.cancel()
        self._settle_held(usage, counted)
        if self._opening is not None:
            self._correct(self._opening, usage, Counted.RESERVATION)

    def _keep(self, demand: Demand, held: _Held) -> None:
        if demand.part is Part.OPENING:
            self._opening = held
        else:
            self._held.append(held)
        if demand.asked is not None and demand.asked.counted:
            for name, count in (("input", demand.asked.input), ("output", demand.asked.output)):
                self._reserved[name] = self._reserved.get(name, 0) + count
        slots = [charge.limit for charge in held.charges if isinstance(charge.limit.bound, Slots)]
        if slots:
            self._renewal = asyncio.create_task(self._renew(slots, held.holder))

    def _settle_held(self, usage: Usage, counted: Counted) -> None:
        """Correct all that is held by what was used since that was last done.

        The answers of a session are not told apart: the first that is held is charged with all, the others are given
        back, or stay reserved where nobody knows what became of them.
        """
        since = {name: count - self._settled.get(name, 0) for name, count in usage.items()}
        self._settled = usage
        held = tuple(self._held)
        self._held.clear()
        is_told = self._is_session and any(since.values())
        for index, one in enumerate(held):
            if index == 0:
                self._correct(one, since, Counted.PROVIDER if is_told else counted)
            else:
                self._correct(one, {}, counted)

    def _correct(self, held: _Held, usage: Usage, counted: Counted) -> None:
        charges = corrections(held.charges, held.grains, held.price, usage, counted)
        if charges:
            self._loose.begin(self._deliver(charges, held.holder))

    async def _deliver(self, charges: Sequence[Charge], holder: str) -> None:
        with suppress(StoreError):
            await self._counters.settle(charges, holder)

    async def _renew(self, limits: Sequence[Limit], holder: str) -> None:
        lease = min(limit.bound.lease_ns for limit in limits if isinstance(limit.bound, Slots))
        while True:
            await asyncio.sleep(lease / SECOND_NS / _RENEWALS)
            with suppress(StoreError):
                await self._counters.renew(limits, holder)

    def _denied(self, terms: Terms, demand: Demand, taken: Taken) -> LimitsTaken:
        rule = named(terms.rules, taken.denied_by or "")
        told = _told(taken)
        return LimitsTaken(
            taken.denied_by,
            taken.retry_after,
            told.headers,
            told.source,
            code=_CODES.get(rule.at_limit, Code.RATE) if rule is not None else Code.RATE,
            switch_to=rule.switch_to if rule is not None and not demand.switched else None,
            quotas=told.quotas,
        )


def _grains(wants: Sequence[Want]) -> dict[str, int]:
    return {want.claim.limit.key: want.grain for want in wants}


def _told(taken: Taken) -> LimitsTaken:
    now = datetime.now(UTC)
    quotas = tuple(_quota(level, now) for level in taken.levels if level.limit.unit in _PROVIDERS)
    return LimitsTaken(headers=ratelimit_headers(taken), source=taken.source, quotas=quotas)


_PROVIDERS: Final = frozenset({Unit.REQUESTS, Unit.TOKENS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS})
"""What providers speak of in their fields."""


def _quota(level: Level, now: datetime) -> Quota:
    seconds = -(-level.reset_ns // SECOND_NS)
    at = (now + timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Quota(level.limit.unit, level.limit.bound.quantity, level.remaining, seconds, at)
