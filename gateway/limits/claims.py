"""What a demand takes of the rules that hold for it, and what is put right when it is known what was used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from gateway.dialect.meter import Asked
from gateway.dialect.usage import Usage
from gateway.exchange.demand import Counted, Demand, Part
from gateway.limits.pattern import matching
from gateway.limits.price import OTHER, Price, Prices
from gateway.limits.rule import OF_TOKENS, By, Measure, Rule
from gateway.policy.call import Call
from gateway.policy.egress.host import Host
from gateway.policy.tools.match import spellings
from gateway.state.limit import Charge, Claim, Limit, Slots, Unit

_SHOWN: Final = 80
"""Characters of a model's name that a client is shown."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and where. `host` is that of the upstream."""

    principal: str
    upstream: str
    host: Host


@dataclass(frozen=True, slots=True)
class Terms:
    """The rules for one caller at one upstream, in the order of the file, and what models cost."""

    rules: tuple[Rule, ...] = ()
    prices: Prices = field(default_factory=Prices)

    @property
    def read_body(self) -> bool:
        """Whether one of them needs what the body of a request says."""
        return any(rule.reads_body for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Want:
    """One claim, and how many of its unit are one of the claim's."""

    claim: Claim
    grain: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A rule that cannot count a request; `why` is for the client, with the way out."""

    rule: Rule
    why: str


def wanted(terms: Terms, caller: Caller, demand: Demand) -> tuple[Want, ...] | Unknown:
    """What the demand takes; each key once."""
    wants: list[Want] = []
    for rule in terms.rules:
        keys = dict(_keys(rule, terms.prices, caller, demand))
        for measure in rule.measures if keys else ():
            amount = _amount(rule, measure, terms.prices, demand)
            if isinstance(amount, Unknown):
                return amount
            if amount:
                wants += [_want(rule, measure, key, amount * times) for key, times in keys.items()]
    return tuple(wants)


def corrections(
    charges: Iterable[Charge],
    grains: Mapping[str, int],
    price: Price | None,
    usage: Usage,
    counted: Counted,
) -> tuple[Charge, ...]:
    """What to add to each charge, so that it comes to what was used. Requests stay counted; slots are freed."""
    return tuple(
        Charge(charge.limit, amount, charge.window)
        for charge in charges
        if (amount := _correction(charge, grains.get(charge.limit.key, 1), price, usage, counted))
        or isinstance(charge.limit.bound, Slots)
    )


def _correction(charge: Charge, grain: int, price: Price | None, usage: Usage, counted: Counted) -> int:
    unit = charge.limit.unit
    if unit not in OF_TOKENS or counted is Counted.RESERVATION:
        return 0
    used = price.of(usage) if unit is Unit.COST and price is not None else _tokens(unit, usage)
    return -(-used // grain) - charge.amount


def _tokens(unit: Unit, usage: Usage) -> int:
    read, written = usage.get("input", 0), usage.get("output", 0)
    return {Unit.INPUT_TOKENS: read, Unit.OUTPUT_TOKENS: written, Unit.TOKENS: read + written}.get(unit, 0)


def _want(rule: Rule, measure: Measure, key: str, amount: int) -> Want:
    # One unit a limit is the rule; further ones are counted beside it.
    whole = key if measure.unit is Unit.REQUESTS else f"{key}/{measure.unit}"
    return Want(Claim(Limit(rule.name, whole, measure.unit, measure.bound, rule.on_error), amount), measure.grain)


# --- which requests a rule is for ------------------------------------------------------------------------------------


def _keys(rule: Rule, prices: Prices, caller: Caller, demand: Demand) -> Iterator[tuple[str, int]]:
    """The keys under which a request is counted, each with how often; none where the rule is not for it."""
    model = _model(rule, prices, demand.asked)
    domain = _domain(rule, caller.host)
    if model is None or domain is None:
        return
    for tool, times in _tools(rule, caller, demand).items():
        parts = {
            By.AGENT: caller.principal,
            By.UPSTREAM: caller.upstream,
            By.MODEL: quote(model, safe="*"),
            By.TOOL: quote(tool, safe="*"),
            By.DOMAIN: quote(domain, safe="*"),
        }
        yield "/".join((rule.name, *(parts[by] for by in By if by in rule.by))), times


def _model(rule: Rule, prices: Prices, asked: Asked | None) -> str | None:
    """Under which name a request's model is counted; None where the rule is not for it."""
    if asked is None:  # no model is asked
        return None if rule.models or By.MODEL in rule.by else ""
    if not rule.models:
        return prices.counted_as(asked.model)
    # A request that leaves the model to the provider may be for any: it is counted under the rule, not past it.
    return OTHER if asked.model is None else matching(rule.models, asked.model)


def _domain(rule: Rule, host: Host) -> str | None:
    if not rule.domains:
        return ""
    naming = [pattern for pattern in rule.domains if pattern.names(host)]
    return str(max(naming, key=lambda pattern: pattern.rank)) if naming else None


def _tools(rule: Rule, caller: Caller, demand: Demand) -> dict[str, int]:
    """Under which names the calls of a request are counted, and how many there are of each."""
    if rule.matches:
        server = caller.upstream.removeprefix("mcp/")
        spelt = [spellings(Call(name, None, server=server)) for name in demand.tools]
        meant = sum(any(match.closeness(one) is not None for match in rule.matches) for one in spelt)
        return {"": meant} if meant else {}
    if not rule.tools:
        return {"": 1}
    found: dict[str, int] = {}
    for name in demand.tools:
        pattern = matching(rule.tools, name)
        if pattern is not None:
            key = pattern if By.TOOL in rule.by else ""
            found[key] = found.get(key, 0) + 1
    return found


# --- how much it takes -----------------------------------------------------------------------------------------------


def _amount(rule: Rule, measure: Measure, prices: Prices, demand: Demand) -> int | Unknown:
    unit, asked = measure.unit, demand.asked
    if unit is Unit.CONCURRENCY:
        return int(demand.part is not Part.MESSAGE)
    if unit is Unit.REQUESTS:
        return 1
    if asked is None:
        return 0
    if not asked.counted:
        return Unknown(rule, _uncounted(rule))
    if unit is not Unit.COST:
        return max(_tokens(unit, {"input": asked.input, "output": asked.output}), 1)
    price = prices.of(asked.model)
    if price is None:
        return Unknown(rule, _unpriced(rule, asked.model))
    return max(-(-price.most(asked.input, asked.output) // measure.grain), 1)


def _uncounted(rule: Rule) -> str:
    return (
        f"the limit `{rule.name}` counts tokens or cost, and nothing tells how much of it this request takes; to let "
        f"such requests pass uncounted, name in `upstreams` of [limits.{rule.name}] those that it is for"
    )


def _unpriced(rule: Rule, model: str | None) -> str:
    named = model is not None and len(model) <= _SHOWN and model.isprintable()
    entry = json.dumps(model if named else "*", ensure_ascii=False)
    return (
        f"the limit `{rule.name}` counts cost, and the model has no price; to allow it, add this to the configuration "
        f"with its prices for a million tokens:\n[prices.{entry}]\ninput = 0.0\noutput = 0.0"
    )


def price_of(terms: Terms, demand: Demand) -> Price | None:
    """What the tokens of a demand cost."""
    return terms.prices.of(demand.asked.model) if demand.asked is not None else None


def named(rules: Sequence[Rule], name: str) -> Rule | None:
    """The rule of that name."""
    return next((rule for rule in rules if rule.name == name), None)
