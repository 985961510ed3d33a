"""What tokens cost. Costs are whole billionths of the currency that prices are in, whichever that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.dialect.usage import Usage
from gateway.limits.pattern import matching

UNIT: Final = 1_000_000_000
"""Billionths in one."""

_PER: Final = 1_000_000
"""Tokens that a price is for."""

OTHER: Final = "other"
"""What models without a price are counted as, all together: names that clients may choose are not kept."""


@dataclass(frozen=True, slots=True)
class Price:
    """Billionths for a million tokens of each kind. `cached` is what the provider's cache supplied, `written` what
    went into it."""

    input: int
    output: int
    cached: int
    written: int

    def of(self, usage: Usage) -> int:
        """The cost, rounded up to a billionth."""
        cached = min(usage.get("cached", 0), usage.get("input", 0))
        written = min(usage.get("written", 0), usage.get("input", 0) - cached)
        plain = usage.get("input", 0) - cached - written
        whole = plain * self.input + cached * self.cached + written * self.written
        return -(-(whole + usage.get("output", 0) * self.output) // _PER)

    def most(self, input_tokens: int, output_tokens: int) -> int:
        """What it may cost, whatever the cache does."""
        dearest = max(self.input, self.cached, self.written)
        return -(-(input_tokens * dearest + output_tokens * self.output) // _PER)


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by patterns of models' names."""

    by_pattern: Mapping[str, Price] = field(default_factory=dict)

    def of(self, model: str | None) -> Price | None:
        entry = self.entry(model)
        return self.by_pattern[entry] if entry is not None else None

    def entry(self, model: str | None) -> str | None:
        """The pattern that a model's price stands under."""
        # A request may leave the model to the provider; only a price for all holds for that.
        return matching(self.by_pattern, model if model is not None else "")

    def counted_as(self, model: str | None) -> str:
        """The name under which a model is counted: one of few."""
        return self.entry(model) or OTHER
