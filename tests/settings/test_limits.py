"""`[limits]`: which of them a request takes from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.limits.rule import AtLimit, By, Measure
from gateway.settings.limits import LimitTable
from gateway.state.limit import Budget, Calendar, OnError, Rate, Slots, Unit

DOCS = Path(__file__).parent.parent.parent / "docs" / "limits.md"
SECOND = 1_000_000_000


def names(text: str, principal: str, upstream: str) -> list[str]:
    agents = '[agents.a]\nkey_env = "K"\nlimits = ["own"]\n[agents.b]\nkey_env = "L"\n[limits.own]\nrequests = 1\n'
    return [limit.name for limit in parse(agents + text, "gate.toml").terms_for(principal, upstream).rules]


def test_a_limit_that_nobody_names_is_everybody_s() -> None:
    text = "[limits.all]\nrequests = 1"
    assert names(text, "a", "openai") == ["own", "all"]
    assert names(text, "b", "openai") == names(text, "default", "x") == ["all"]


def test_a_limit_can_name_agents_and_upstreams() -> None:
    text = '[limits.some]\nrequests = 1\nagents = ["b", "default"]\nupstreams = ["openai"]'
    assert names(text, "b", "openai") == names(text, "default", "openai") == ["some"]
    assert names(text, "b", "gemini") == []
    assert names(text, "a", "openai") == ["own"]


def measures(text: str) -> tuple[Measure, ...]:
    (rule,) = parse(f"[limits.l]\n{text}", "gate.toml").terms_for("a", "openai").rules
    return rule.measures


@pytest.mark.parametrize(
    ("text", "measure"),
    [
        ("requests = 6", Measure(Unit.REQUESTS, Rate(6, 60 * SECOND, 6))),
        ("requests = 6\nper = '1.5s'\nburst = 2", Measure(Unit.REQUESTS, Rate(6, SECOND * 3 // 2, 2))),
        ("tokens = 6\nper = 'month'", Measure(Unit.TOKENS, Budget(6, Calendar.MONTH))),
        ("concurrency = 6\nlease = '5s'", Measure(Unit.CONCURRENCY, Slots(6, 5 * SECOND))),
        ("cost = 0.5\nper = 'day'", Measure(Unit.COST, Budget(500_000_000, Calendar.DAY))),
        ("cost = 6\nper = '1m'", Measure(Unit.COST, Rate(60_000_000, 60 * SECOND, 60_000_000), 100)),
    ],
)
def test_each_unit_has_its_bound(text: str, measure: Measure) -> None:
    assert measures(text) == (measure,)


def test_a_burst_is_one_of_requests() -> None:
    calls, tokens = measures("requests = 6\ntokens = 9\nburst = 2")
    assert (calls.bound, tokens.bound) == (Rate(6, 60 * SECOND, 2), Rate(9, 60 * SECOND, 9))


def test_it_is_counted_for_each_agent_at_each_upstream_unless_it_says_else() -> None:
    config = parse("[limits.a]\nrequests = 1\n[limits.b]\nrequests = 1\nby = ['model']", "gate.toml")
    one, other = config.terms_for("a", "openai").rules
    assert (set(one.by), set(other.by)) == ({By.AGENT, By.UPSTREAM}, {By.MODEL})
    assert (one.reads_body, other.reads_body) == (False, True)
    assert one.at_limit is AtLimit.BLOCK
    assert one.on_error is OnError.LOCAL


@pytest.mark.parametrize(
    ("text", "reads"),
    [("tokens = 1", True), ("cost = 1", True), ("concurrency = 1", False), ("requests = 1\nmodels = ['m']", True)],
)
def test_the_body_is_read_first_only_where_a_limit_needs_it(text: str, reads: bool) -> None:
    assert parse(f"[limits.l]\n{text}", "gate.toml").terms_for("a", "openai").read_body is reads


def test_prices_are_as_the_input_where_nothing_else_is_said() -> None:
    config = parse("[prices.m]\ninput = 2\noutput = 4.5\n[prices.'n*']\ninput = 1\noutput = 1\ncached_input = 0", "f")
    one, other = config.prices["m"].price, config.prices["n*"].price
    assert (one.input, one.output, one.cached, one.written) == (2 * SECOND, SECOND * 9 // 2, 2 * SECOND, 2 * SECOND)
    assert (other.cached, other.written) == (0, SECOND)


def test_what_an_operator_is_shown_is_what_was_configured() -> None:
    table = LimitTable.model_validate({"tokens": 5, "cost": 1.5, "domains": ["*.a.example"], "per": "day"})
    assert table.shown() == {
        "tokens": 5, "cost": 1.5, "domains": ["*.a.example"], "per": "day", "at_limit": "block",
    }  # fmt: skip
    assert json.dumps(LimitTable.model_validate({"requests": 5}).shown())
    assert LimitTable.model_validate({"requests": 5}).shown() == {"requests": 5, "per": "60s", "at_limit": "block"}


EXAMPLES = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_manual_are_accepted(example: str) -> None:
    assert parse(example, "gate.toml").limits


def test_the_manual_names_each_key() -> None:
    text = DOCS.read_text()
    assert len(EXAMPLES) == 2
    assert [key for key in LimitTable.model_fields if not re.search(rf"`{key}[`\\s]", text)] == []
