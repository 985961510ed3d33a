"""What a client is told about its limits, as response header fields.

`RateLimit-Limit`, `-Remaining` and `-Reset` are what clients read today (draft-ietf-httpapi-ratelimit-headers, up to
version 06); `RateLimit-Policy` and `RateLimit` are the structured fields of that draft since version 08.
"""

from __future__ import annotations

from typing import Final

from gateway.exchange.events import Headers
from gateway.state.store import Level, Taken

_SECOND_NS: Final = 1_000_000_000


def ratelimit_headers(taken: Taken) -> Headers:
    """The fields for an answer: every limit in the structured ones, the one with least left in the older three."""
    if not taken.levels:
        return ()
    tightest = min(taken.levels, key=lambda level: (level.remaining, -level.reset_ns))
    return (
        ("ratelimit-policy", ", ".join(_policy(level) for level in taken.levels)),
        ("ratelimit", ", ".join(_state(level) for level in taken.levels)),
        ("ratelimit-limit", str(tightest.limit.quantity)),
        ("ratelimit-remaining", str(tightest.remaining)),
        ("ratelimit-reset", str(_seconds(tightest.reset_ns))),
    )


def _policy(level: Level) -> str:
    limit = level.limit
    return f'"{limit.name}";q={limit.quantity};w={max(_seconds(limit.period_ns), 1)}'


def _state(level: Level) -> str:
    return f'"{level.limit.name}";r={level.remaining};t={_seconds(level.reset_ns)}'


def _seconds(nanoseconds: int) -> int:
    """Rounded up: a client that waits so long does not come too early."""
    return -(-nanoseconds // _SECOND_NS)
