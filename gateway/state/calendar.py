"""Windows of the calendar by their number, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from gateway.state.limit import SECOND_NS, Calendar

_HOUR: Final = 3600
_DAY: Final = 86400
_WEEK: Final = 7 * _DAY
_MONDAY: Final = 4 * _DAY
"""The first Monday of Unix time: it began on a Thursday."""


def window(calendar: Calendar, unix_ns: int) -> tuple[int, int]:
    """The number of the window in which a time lies, and the nanoseconds that are left of it."""
    seconds = unix_ns // SECOND_NS
    if calendar is Calendar.MONTH:
        at = datetime.fromtimestamp(seconds, UTC)
        number = at.year * 12 + at.month - 1
        end = int(datetime((number + 1) // 12, (number + 1) % 12 + 1, 1, tzinfo=UTC).timestamp())
    else:
        length, start = _LENGTHS[calendar]
        number = (seconds - start) // length
        end = start + (number + 1) * length
    return number, end * SECOND_NS - unix_ns


_LENGTHS: Final = {Calendar.HOUR: (_HOUR, 0), Calendar.DAY: (_DAY, 0), Calendar.WEEK: (_WEEK, _MONDAY)}
