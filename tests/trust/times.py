"""A clock for tests: certificates are made for, and looked at, at a time that stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class Clock:
    """Gives the time it was set to. Real clients look at real time, so it starts there, in whole seconds."""

    time: datetime

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **span: float) -> None:
        self.time += timedelta(**span)


def clock() -> Clock:
    return Clock(datetime.now(UTC).replace(microsecond=0))
