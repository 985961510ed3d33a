"""One worker's share of a limit, for when nobody can be asked how much the others used."""

from __future__ import annotations

from dataclasses import replace

from gateway.state.limit import Bound, Budget, Limit, Rate


def share_of(limit: Limit, rank: int, count: int) -> Limit | None:
    """The limit of the member of that rank (from 0) among `count`; None where nothing is left for it.

    Shares add up to the limit exactly: the first so many members have one unit more than the others.
    """
    quantity = _part(limit.bound.quantity, rank, count)
    if quantity == 0:
        return None
    bound: Bound
    if isinstance(limit.bound, Rate):
        burst = _part(limit.bound.burst, rank, count)
        if burst == 0:
            return None
        bound = Rate(quantity, limit.bound.period_ns, burst)
    else:
        bound = replace(limit.bound, quantity=quantity)
    return replace(limit, bound=bound)


def used_share(limit: Limit, share: Limit, remaining: int, elapsed_ns: int) -> int:
    """How many units of a share count as used, where so many were left of the whole `elapsed_ns` nanoseconds ago.

    Rounded up. Of slots none do: whoever holds one renews it.
    """
    bound = limit.bound
    if isinstance(bound, Rate):
        used = bound.burst - remaining - elapsed_ns // bound.interval_ns
        return max(-(-used * most_of(share) // bound.burst), 0)
    if isinstance(bound, Budget):
        return -(-(bound.quantity - remaining) * most_of(share) // bound.quantity)
    return 0


def _part(whole: int, rank: int, count: int) -> int:
    each, more = divmod(whole, count)
    return each + (rank < more)


def most_of(limit: Limit) -> int:
    """The most units that are ever left of it."""
    return limit.bound.burst if isinstance(limit.bound, Rate) else limit.bound.quantity
