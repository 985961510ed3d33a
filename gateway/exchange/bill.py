"""What one exchange used, in tokens: as its provider counted, or the best that is known where it did not.

not sent, turned down by the upstream     nothing
answered to its end, with counts          the provider's counts
a stream without counts, or cut           what came, estimated
an answer that was never read             what was reserved
"""

from __future__ import annotations

from typing import Final

from gateway.dialect.estimate import of_body, rounded
from gateway.dialect.meter import Asked, Meter
from gateway.dialect.usage import Usage
from gateway.exchange.demand import Counted
from gateway.exchange.stream import StreamTotals
from gateway.wire.document import Document

_FREE: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods with which a model is asked nothing: to look at what an earlier request made is not paid again."""

_ERRORS: Final = 400
"""Statuses from here on: providers charge nothing for them."""


def meter_for(meter: Meter | None, method: str) -> Meter | None:
    """The meter that counts what a request with that method costs."""
    return None if method.upper() in _FREE else meter


class Bill:
    """Told step by step what became of a request. `asked` is set where it was looked at."""

    def __init__(self, meter: Meter | None = None) -> None:
        self.meter = meter
        self.asked: Asked | None = None
        self._is_due = False  # whether the upstream has it, and has not turned it down
        self._is_told = False  # whether the answer came to its end
        self._is_read = False  # whether its texts were read, as far as they came
        self._usage: Usage = {}
        self._written = 0

    def sent(self) -> None:
        self._is_due = True

    def turned_down(self) -> None:
        """The upstream did not take the request."""
        self._is_due = False

    def began(self, status: int) -> None:
        """An answer began."""
        self._is_due = self._is_due and status < _ERRORS

    def answered(self, document: Document | None) -> None:
        """The whole answer came. None is one that is no JSON."""
        if self.meter is None or document is None:
            return
        self._is_told = self._is_read = True
        self._usage = self.meter.used(document)
        if "output" not in self._usage and self.meter.writes:
            self._written = of_body(document.value)

    def streamed(self, totals: StreamTotals, *, to_its_end: bool) -> None:
        """So much of a stream came."""
        self._is_read = True
        self._is_told = to_its_end
        self._usage = dict(totals.usage)
        self._written = rounded(totals.written)

    def settled(self) -> tuple[Usage, Counted]:
        """What it comes to."""
        if self.meter is None or not self._is_due:
            return self._usage if self.meter is None else {}, Counted.NOBODY
        last = "output" if self.meter.writes else "input"
        if self._is_told and last in self._usage:
            return self._usage, Counted.PROVIDER
        asked = self.asked if self.asked is not None and self.asked.counted else None
        if self._is_read and not (asked is not None and asked.goes_on):
            return self._estimated(asked), Counted.ESTIMATE
        if asked is None:
            return {}, Counted.NOBODY
        return {"input": asked.input, "output": asked.output}, Counted.RESERVATION

    def _estimated(self, asked: Asked | None) -> Usage:
        found = dict(self._usage)
        if asked is not None:
            found.setdefault("input", asked.input)
        found["output"] = max(found.get("output", 0), self._written)
        return found
