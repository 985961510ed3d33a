"""What the store is still to be told: charges and corrections that were counted without it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import batched
from typing import Final

from gateway.state.calendar import window
from gateway.state.limit import Budget, Charge, Limit, Slots
from gateway.state.store import Counters

MOST: Final = 100_000
"""Keys for which something may wait. Beyond that the oldest are dropped: they would be of windows long over."""

_BATCH: Final = 200
"""Charges of one delivery: a script that takes about a millisecond, in which the server does nothing else."""


class Owed:
    """One sum for each key and window, so that what was taken and what was given back of it arrive as one charge.

    Delivered apart, a correction could come before what it corrects, where nothing is there to be given back. `unix` is
    the clock of the calendar in nanoseconds.
    """

    def __init__(self, unix: Callable[[], int] = time.time_ns) -> None:
        self._unix = unix
        self._turn = asyncio.Lock()  # else two deliveries at once would both charge what waits
        self._charges: OrderedDict[tuple[str, int], Charge] = OrderedDict()

    def __len__(self) -> int:
        return len(self._charges)

    def __contains__(self, charge: Charge) -> bool:
        """Whether something waits for the key and the window of this one."""
        return _place(charge) in self._charges

    def units(self, limit: Limit) -> int:
        """How many units wait to be charged to a limit now."""
        number = window(limit.bound.window, self._unix())[0] if isinstance(limit.bound, Budget) else 0
        known = self._charges.get((limit.key, number))
        return known.amount if known is not None else 0

    def add(self, charge: Charge) -> None:
        """Have one wait. Slots do not: whoever holds one renews it, and a lease that nobody renews ends."""
        if isinstance(charge.limit.bound, Slots):
            return
        known = self._charges.pop(_place(charge), None)
        amount = charge.amount + (known.amount if known is not None else 0)
        if amount:
            self._charges[_place(charge)] = replace(charge, amount=amount)
        while len(self._charges) > MOST:
            self._charges.popitem(last=False)

    async def deliver(
        self, counters: Counters, due: Callable[[Charge], Charge], delivered: Callable[[Charge], None]
    ) -> None:
        """Charge what is due of what waits now, and tell of each; what comes in meanwhile waits for the next time.

        Raises StoreError; what was not delivered waits on.
        """
        async with self._turn:
            for batch in batched(tuple(self._charges.values()), _BATCH):
                charged = [due(charge) for charge in batch]
                await counters.settle(charged, "")
                for waited, charge in zip(batch, charged, strict=True):
                    self.add(replace(waited, amount=-waited.amount))
                    delivered(charge)


def _place(charge: Charge) -> tuple[str, int]:
    return charge.limit.key, charge.window
