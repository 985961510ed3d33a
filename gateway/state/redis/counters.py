"""Limits counted in Redis: all claims of a request in one script, one round trip, by the server's clock.

All counts share a hash tag, so on a cluster one shard carries them; only then can they be taken together or not at all.
The names of keys hold a keyed hash of what is counted apart: agents are configuration, but models and hosts are
whatever a client writes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from gateway.errors import StoreError
from gateway.state.limit import Budget, Charge, Claim, Level, Limit, Rate, Slots, Taken
from gateway.state.redis.connection import Connection
from gateway.state.redis.scripts import CLOCK, RENEW, SETTLE, TAKE

VERSION: Final = "v1"
"""Of the form of keys and values: another version counts under other keys."""

_HASH_BYTES: Final = 16
_US: Final = 1000  # nanoseconds
_LATE: Final = -1
_NOTHING: Final = (0, 0, 0)

_KINDS: Final[Mapping[type, str]] = {Rate: "r", Budget: "b", Slots: "s"}
"""Part of the name of a key, as each is kept in another type: a limit that is edited to another kind counts anew."""


class RedisCounters:
    """`Counters` in Redis. `key` keys the hashes in the names of keys; a fleet shares it. `now` is a monotonic clock in
    nanoseconds."""

    def __init__(
        self, connection: Connection, prefix: str, key: bytes, now: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._connection = connection
        self._prefix = f"{prefix}:{VERSION}:{{limits}}"
        self._key = key
        self._now = now
        self._ahead: int | None = None  # the server's clock before ours, in microseconds

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        parameters = [_parameters(claim.limit, claim.amount) for claim in claims]
        answer = await self._run(TAKE, [claim.limit for claim in claims], parameters, holder)
        return _taken(claims, answer)

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        parameters = [_parameters(charge.limit, charge.amount, charge.window) for charge in charges]
        await self._run(SETTLE, [charge.limit for charge in charges], parameters, holder)

    async def renew(self, limits: Sequence[Limit], holder: str) -> None:
        slots = [limit for limit in limits if isinstance(limit.bound, Slots)]
        await self._run(RENEW, slots, [_parameters(limit, 1) for limit in slots], holder)

    async def _run(
        self, script: str, limits: Sequence[Limit], parameters: Sequence[tuple[Any, ...]], holder: str
    ) -> Sequence[int]:
        """The answer of a script, which does nothing if it only begins when this has given up. Raises StoreError."""
        if not limits:
            return _NOTHING
        names = [self._name(limit) for limit in limits]
        asked = self._now() // _US
        if self._ahead is None:
            # Else the first would have no deadline, and could be counted after it was given up.
            self._learn(asked, await self._connection.run(CLOCK, names[:1], []))
            asked = self._now() // _US
        deadline = asked + (self._ahead or 0) + round(self._connection.timeout * 1e6)
        arguments = [deadline, holder, *(one for each in parameters for one in each)]
        answer: Sequence[int] = await self._connection.run(script, names, arguments)
        self._learn(asked, answer[0])
        if answer[1] == _LATE:
            raise StoreError(f"{self._connection.place} did not come to it in time")
        return answer

    def _learn(self, asked: int, clock: int) -> None:
        """Take up what an answer says of the server's clock: it was read after asking, and before now.

        What is known better is kept as long as it fits between the two, so that one slow answer does not make the next
        deadlines too early; a clock that jumped, or another server's, no longer fits.
        """
        least, most = clock - self._now() // _US, clock - asked
        self._ahead = least if self._ahead is None else min(max(self._ahead, least), most)

    def _name(self, limit: Limit) -> str:
        hashed = hashlib.blake2b(
            limit.key.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_HASH_BYTES
        ).hexdigest()
        return f"{self._prefix}:{_KINDS[type(limit.bound)]}:{limit.name}:{hashed}"


def _parameters(limit: Limit, amount: int, window: int = 0) -> tuple[Any, ...]:
    """What the scripts are told of one key."""
    bound = limit.bound
    if isinstance(bound, Rate):
        return "r", amount, repr(bound.period_ns / bound.quantity / _US), bound.burst, 0
    if isinstance(bound, Budget):
        return "b", amount, bound.quantity, bound.window.value, window
    return "s", amount, bound.quantity, bound.lease_ns // _US, 0


def _taken(claims: Sequence[Claim], answer: Sequence[int]) -> Taken:
    _, denied, wait, *numbers = answer
    levels = tuple(Level(claim.limit, numbers[3 * at], numbers[3 * at + 1] * _US) for at, claim in enumerate(claims))
    if denied:
        return Taken(claims[denied - 1].limit.name, None if wait < 0 else wait * _US, levels)
    charges = tuple(Charge(claim.limit, claim.amount, numbers[3 * at + 2]) for at, claim in enumerate(claims))
    return Taken(None, 0, levels, charges)
