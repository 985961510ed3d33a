"""`[limits.NAME]`: how much agents may ask for in a time, and `[prices."MODEL"]`: what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Self

from pydantic import AfterValidator, PlainValidator, model_validator

from gateway import units
from gateway.limits.pattern import pattern
from gateway.limits.price import UNIT, Price
from gateway.limits.rule import AtLimit, By, Measure, Rule, cost_rate
from gateway.policy.egress.pattern import HostPattern, host_pattern
from gateway.settings.fields import Array, Choice, Count, Duration, Table, read
from gateway.state.limit import Bound, Budget, Calendar, OnError, Rate, Slots, Unit

_MOST_MONEY: Final = 9_000_000
"""Of a limit: in billionths as many as a Redis script counts by ones."""

_MOST_PRICE: Final = 1_000_000
_MIN_LEASE: Final = 5.0


def _per(value: object) -> float | Calendar:
    if isinstance(value, str) and value in list(Calendar):
        return Calendar(value)
    try:
        return units.seconds(value)
    except ValueError as error:
        raise ValueError(f"{error}, or a window of the calendar: {', '.join(Calendar)}") from None


def _money(value: object) -> int:
    """Billionths."""
    amount = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if not 0 < amount <= _MOST_MONEY:
        raise ValueError(f"{units.shown(value)} is no cost; accepted: a number above 0, up to {_MOST_MONEY}")
    return max(round(amount * UNIT), 1)


def _price(value: object) -> int:
    """Billionths for a million tokens."""
    amount = value if isinstance(value, int | float) and not isinstance(value, bool) else -1
    if not 0 <= amount <= _MOST_PRICE:
        raise ValueError(f"{units.shown(value)} is no price; accepted: a number from 0 to {_MOST_PRICE}")
    return round(amount * UNIT)


def _lease(value: object) -> float:
    seconds = units.seconds(value)
    if seconds < _MIN_LEASE:
        raise ValueError(f"{units.shown(value)} is too short a lease; accepted: 5s or more")
    return seconds


def _pattern(value: object) -> str:
    return read(pattern, value)


def _domain(value: object) -> HostPattern:
    return read(host_pattern, value)


type Names = Array[Annotated[str, PlainValidator(_pattern)]]
type Model = Annotated[str, AfterValidator(pattern)]


class PriceTable(Table):
    """`[prices."MODEL"]`: for a million tokens, in the currency that limits are in. Kept in billionths."""

    input: Annotated[int, PlainValidator(_price)]
    output: Annotated[int, PlainValidator(_price)]
    cached_input: Annotated[int, PlainValidator(_price)] | None = None
    cache_write: Annotated[int, PlainValidator(_price)] | None = None

    @property
    def price(self) -> Price:
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        return Price(self.input, self.output, cached, written)


class LimitTable(Table):
    """`[limits.NAME]`: so much in a time. `per` and `lease` in seconds, `cost` in billionths."""

    requests: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    tokens: Count | None = None
    cost: Annotated[int, PlainValidator(_money)] | None = None
    concurrency: Count | None = None
    per: Annotated[float | Calendar, PlainValidator(_per)] = 60.0
    burst: Count | None = None
    lease: Annotated[Duration, PlainValidator(_lease)] = 60.0
    by: Array[Choice[By]] = (By.AGENT, By.UPSTREAM)
    agents: Array[str] = ()
    upstreams: Array[str] = ()
    models: Names = ()
    tools: Names = ()
    domains: Array[Annotated[HostPattern, PlainValidator(_domain)]] = ()
    at_limit: Choice[AtLimit] = AtLimit.BLOCK
    switch_to: str | None = None
    on_error: Choice[OnError] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not any(getattr(self, unit) is not None for unit in Unit):
            raise ValueError(f"counts nothing; accepted: one or more of {', '.join(Unit)}")
        if (self.at_limit is AtLimit.SWITCH) != (self.switch_to is not None):
            raise ValueError('switches to no model, or at no limit; accepted: at_limit = "switch" with `switch_to`')
        if self.burst is not None and (self.requests is None or isinstance(self.per, Calendar)):
            raise ValueError("has a burst of nothing; accepted: `burst` with `requests`, and a duration as `per`")
        for by, names in ((By.TOOL, self.tools), (By.DOMAIN, self.domains)):
            if by in self.by and not names:
                raise ValueError(f"counts by {by} and names none; accepted: `{by}s`, each of which is counted apart")
        return self

    def rule(self, name: str, on_error: OnError) -> Rule:
        """The limit of that name; `on_error` holds where the table says nothing of it."""
        return Rule(
            name,
            tuple(self._measures()),
            frozenset(self.by),
            self.models,
            self.tools,
            self.domains,
            self.at_limit,
            self.switch_to,
            self.on_error or on_error,
        )

    def shown(self) -> dict[str, object]:
        """What was configured, as JSON values; `per` and `at_limit` in any case."""
        said = self.model_dump(mode="json", exclude_defaults=True, exclude={"cost", "domains", "per"})
        said |= {"cost": self.cost / UNIT} if self.cost is not None else {}
        said |= {"domains": [str(domain) for domain in self.domains]} if self.domains else {}
        per = self.per if isinstance(self.per, str) else f"{self.per:g}s"
        return {**said, "per": per, "at_limit": str(self.at_limit)}

    def _measures(self) -> Iterator[Measure]:
        for unit in Unit:
            quantity: int | None = getattr(self, unit)
            if quantity is None:
                continue
            if unit is Unit.COST and not isinstance(self.per, Calendar):
                yield cost_rate(quantity, round(self.per * 1e9))
            else:
                yield Measure(unit, self._bound(unit, quantity))

    def _bound(self, unit: Unit, quantity: int) -> Bound:
        if unit is Unit.CONCURRENCY:
            return Slots(quantity, round(self.lease * 1e9))
        if isinstance(self.per, Calendar):
            return Budget(quantity, self.per)
        burst = self.burst if unit is Unit.REQUESTS else None
        return Rate(quantity, round(self.per * 1e9), burst or quantity)
