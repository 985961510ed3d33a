"""A circuit breaker: after some failures in a row nobody asks any more, until a probe is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

FAILURES: Final = 3
"""Failures in a row that open it. One may be a hiccup; each that is waited for costs a request its time-out."""


class Breaker:
    """Closed at first. `fault` is why it is open, `since` from when on."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.since: datetime | None = None
        self.failures = 0  # since the start
        self._in_a_row = 0

    @property
    def is_open(self) -> bool:
        return self.fault is not None

    def failed(self, fault: str) -> bool:
        """Note a failure; whether it opened just now."""
        self.failures += 1
        self._in_a_row += 1
        if self._in_a_row < FAILURES or self.is_open:
            return False
        self.fault, self.since = fault, datetime.now(UTC)
        return True

    def worked(self) -> bool:
        """Note a success; whether it closed just now."""
        was_open = self.is_open
        self._in_a_row = 0
        self.fault = self.since = None
        return was_open
