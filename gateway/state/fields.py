"""What a client is told about its limits, as response header fields.

`RateLimit-Limit`, `-Remaining` and `-Reset` are what clients read today (draft-ietf-httpapi-ratelimit-headers, up to
version 06); `RateLimit-Policy` and `RateLimit` are the structured fields of that draft since version 08.
"""

from __future__ import annotations

from typing import Final

from gateway.exchange.events import Headers
from gateway.state.limit import SECOND_NS, Calendar, Level, Rate, Slots, Taken, Unit

_WINDOWS: Final = {Calendar.HOUR: 3600, Calendar.DAY: 86400, Calendar.WEEK: 7 * 86400}
"""Seconds. Months differ, and have none."""

_UNITS: Final = {Unit.CONCURRENCY: "concurrent-requests"}
"""Quota units that the draft registers under another name; `requests` is its default."""


def ratelimit_headers(taken: Taken) -> Headers:
    """The fields for an answer: every limit in the structured ones, the one with least left in the older three."""
    if not taken.levels:
        return ()
    tightest = min(taken.levels, key=lambda level: (level.remaining, -level.reset_ns))
    return (
        ("ratelimit-policy", ", ".join(_policy(level) for level in taken.levels)),
        ("ratelimit", ", ".join(_state(level) for level in taken.levels)),
        ("ratelimit-limit", str(tightest.limit.bound.quantity)),
        ("ratelimit-remaining", str(tightest.remaining)),
        ("ratelimit-reset", str(_seconds(tightest.reset_ns))),
    )


def _policy(level: Level) -> str:
    limit, bound = level.limit, level.limit.bound
    unit = "" if limit.unit is Unit.REQUESTS else f';qu="{_UNITS.get(limit.unit, limit.unit)}"'
    if isinstance(bound, Rate):
        window: int | None = max(_seconds(bound.period_ns), 1)
    else:
        window = None if isinstance(bound, Slots) else _WINDOWS.get(bound.window)
    return f'"{limit.name}";q={bound.quantity}{unit}' + (f";w={window}" if window is not None else "")


def _state(level: Level) -> str:
    return f'"{level.limit.name}";r={level.remaining};t={_seconds(level.reset_ns)}'


def _seconds(nanoseconds: int) -> int:
    """Rounded up: a client that waits so long does not come too early."""
    return -(-nanoseconds // SECOND_NS)
