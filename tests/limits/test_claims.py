"""What a demand takes of the limits, under which keys, and what is put right."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import parse
from gateway.dialect.meter import Asked
from gateway.exchange.demand import Counted, Demand, Part
from gateway.limits.claims import Caller, Terms, Unknown, corrections, named, price_of, wanted
from gateway.limits.price import UNIT, Price
from gateway.limits.rule import cost_rate
from gateway.policy.egress.host import Host
from gateway.state.limit import Charge, Limit, OnError, Rate, Slots, Unit

CALLER = Caller("bot", "openai", Host("api.openai.com"))
ASKED = Asked("gpt-5-mini", 100, 50)
SECOND = 1_000_000_000
PRICES = '[prices."gpt-5*"]\ninput = 1.0\noutput = 10.0\n'


def terms(*lines: str, rest: str = "") -> Terms:
    return parse("\n".join(("[limits.l]", *lines, rest)), "gate.toml").terms_for("bot", "openai")


def taken(held: Terms, demand: Demand | None = None, caller: Caller = CALLER) -> dict[str, int]:
    wants = wanted(held, caller, demand or Demand(asked=ASKED))
    assert not isinstance(wants, Unknown), wants
    return {want.claim.limit.key: want.claim.amount for want in wants}


def why(held: Terms, demand: Demand) -> str:
    found = wanted(held, CALLER, demand)
    assert isinstance(found, Unknown)
    assert found.rule.name == "l"
    return found.why


class TestUnits:
    def test_each_is_counted_beside_the_others(self) -> None:
        held = terms(
            "requests = 9", "input_tokens = 9", "output_tokens = 9", "tokens = 9", "cost = 1", "concurrency = 9",
            'per = "day"', rest=PRICES,
        )  # fmt: skip
        assert taken(held) == {
            "l/bot/openai": 1,
            "l/bot/openai/input_tokens": 100,
            "l/bot/openai/output_tokens": 50,
            "l/bot/openai/tokens": 150,
            "l/bot/openai/cost": 600_000,
            "l/bot/openai/concurrency": 1,
        }

    def test_what_asks_no_model_takes_no_tokens(self) -> None:
        assert taken(terms("requests = 9", "tokens = 9"), Demand()) == {"l/bot/openai": 1}
        assert taken(terms("tokens = 9"), Demand()) == {}

    def test_a_rate_of_cost_has_a_grain_that_a_clock_can_keep(self) -> None:
        held = terms("cost = 100", 'per = "1m"', rest=PRICES)
        (want,) = wanted(held, CALLER, Demand(asked=ASKED))  # type: ignore[misc]
        bound = want.claim.limit.bound
        assert isinstance(bound, Rate)
        assert bound.quantity * want.grain == pytest.approx(100 * UNIT, rel=1e-3)
        assert bound.interval_ns * bound.quantity == pytest.approx(60 * SECOND, rel=1e-3)
        assert want.claim.amount == -(-600_000 // want.grain)
        assert cost_rate(1, 60 * SECOND).grain == 1

    def test_the_mode_without_a_store_is_the_limits_own(self) -> None:
        (want,) = wanted(terms("requests = 1", 'on_error = "deny"'), CALLER, Demand())  # type: ignore[misc]
        assert want.claim.limit.on_error is OnError.DENY


class TestUnknown:
    def test_a_request_that_cannot_be_counted(self) -> None:
        uncounted = Demand(asked=Asked("m", counted=False))
        assert "name in `upstreams` of [limits.l]" in why(terms("tokens = 9"), uncounted)
        assert taken(terms("requests = 9"), uncounted) == {"l/bot/openai": 1}

    @pytest.mark.parametrize(
        ("model", "line"),
        [
            ("gpt-6", '[prices."gpt-6"]'),
            ('a"\\b', '[prices."a\\"\\\\b"]'),
            ("x" * 10_000, '[prices."*"]'),
            ("a\nb", '[prices."*"]'),
            (None, '[prices."*"]'),
        ],
    )
    def test_a_model_without_a_price(self, model: str | None, line: str) -> None:
        told = why(terms("cost = 1", rest=PRICES), Demand(asked=Asked(model, 1, 1)))
        assert line in told.splitlines()
        assert len(told) < 400

    def test_the_line_to_add_is_one_that_is_accepted(self) -> None:
        told = why(terms("cost = 1", rest=PRICES), Demand(asked=Asked("gpt-6", 1, 1)))
        config = parse(PRICES + "\n".join(told.splitlines()[1:]), "gate.toml")
        assert "gpt-6" in config.prices

    def test_a_price_for_all_others(self) -> None:
        held = terms("cost = 1", 'per = "day"', rest='[prices."*"]\ninput = 1.0\noutput = 1.0\n')
        assert taken(held, Demand(asked=Asked(None, 3, 4))) == {"l/bot/openai/cost": 7_000}


class TestFor:
    @pytest.mark.parametrize(
        ("model", "key"),
        [("gpt-5", "l/gpt-5"), ("gpt-5-mini", "l/gpt-5*"), ("gpt-4", None), (None, "l/other")],
    )
    def test_models(self, model: str | None, key: str | None) -> None:
        held = terms("requests = 1", 'models = ["gpt-5*", "gpt-5"]', 'by = ["model"]')
        assert list(taken(held, Demand(asked=Asked(model, 1, 1)))) == ([key] if key else [])
        assert taken(held, Demand()) == {}

    @pytest.mark.parametrize(("model", "key"), [("gpt-5-x", "l/gpt-5*"), ("made-up", "l/other"), (None, "l/other")])
    def test_by_model_alone_keeps_no_name_but_those_with_a_price(self, model: str | None, key: str) -> None:
        held = terms("requests = 1", 'by = ["model"]', rest=PRICES)
        assert list(taken(held, Demand(asked=Asked(model, 1, 1)))) == [key]

    def test_tools_are_counted_call_by_call(self) -> None:
        demand = Demand(tools=("read", "read", "write_a", "write_b", "else"))
        together = terms("requests = 9", 'tools = ["read", "write*"]')
        assert taken(together, demand) == {"l/bot/openai": 4}
        apart = terms("requests = 9", 'tools = ["read", "write*"]', 'by = ["tool"]')
        assert taken(apart, demand) == {"l/read": 2, "l/write*": 2}
        assert taken(together, Demand(tools=("else",))) == {}

    @pytest.mark.parametrize(
        ("host", "key"),
        [("a.example.com", "l/*.example.com"), ("b.example.com", "l/b.example.com"), ("example.org", None)],
    )
    def test_domains(self, host: str, key: str | None) -> None:
        held = terms("requests = 1", 'domains = ["*.example.com", "b.example.com"]', 'by = ["domain"]')
        assert list(taken(held, Demand(), Caller("bot", "proxy", Host(host)))) == ([key] if key else [])

    def test_no_two_names_make_one_key(self) -> None:
        held = terms("requests = 9", 'tools = ["a/b", "a"]', 'by = ["upstream", "tool"]')
        keys = [*taken(held, Demand(tools=("a/b",))), *taken(held, Demand(tools=("a",)))]
        assert keys == ["l/openai/a%2Fb", "l/openai/a"]


class TestSessions:
    def test_the_upgrade_takes_what_needs_no_message(self) -> None:
        opening = Demand(Part.OPENING)
        assert taken(terms("requests = 9", "concurrency = 2"), opening) == {
            "l/bot/openai": 1,
            "l/bot/openai/concurrency": 1,
        }
        assert taken(terms("tokens = 9"), opening) == {}
        assert taken(terms("requests = 9", 'models = ["m"]'), opening) == {}

    def test_a_session_of_which_nothing_is_told_is_refused_where_tokens_count(self) -> None:
        assert "nothing tells" in why(terms("tokens = 9"), Demand(Part.OPENING, Asked(counted=False)))

    def test_a_message_takes_all_but_a_place(self) -> None:
        held = terms("requests = 9", "tokens = 900", "concurrency = 2")
        assert taken(held, Demand(Part.MESSAGE, ASKED)) == {"l/bot/openai": 1, "l/bot/openai/tokens": 150}


class TestCorrections:
    PRICE = Price(UNIT, 10 * UNIT, UNIT, UNIT)

    def corrected(self, unit: Unit, bound: Any, usage: dict[str, int], counted: Counted, grain: int = 1) -> list[int]:
        charge = Charge(Limit("l", "k", unit, bound), 100, 7)
        found = corrections([charge], {"k": grain}, self.PRICE, usage, counted)
        assert all(one.window == 7 for one in found)
        return [one.amount for one in found]

    @pytest.mark.parametrize(
        ("unit", "amount"),
        [(Unit.INPUT_TOKENS, -60), (Unit.OUTPUT_TOKENS, -93), (Unit.TOKENS, -53), (Unit.COST, 109_900)],
    )
    def test_it_comes_to_what_was_used(self, unit: Unit, amount: int) -> None:
        usage = {"input": 40, "output": 7}
        assert self.corrected(unit, Rate(1, 1, 1), usage, Counted.PROVIDER) == [amount]

    def test_of_cost_in_grains(self) -> None:
        usage = {"input": 40, "output": 7}  # 110,000 billionths
        assert self.corrected(Unit.COST, Rate(1, 1, 1), usage, Counted.ESTIMATE, grain=1000) == [10]
        assert self.corrected(Unit.COST, Rate(1, 1, 1), usage, Counted.ESTIMATE, grain=1001) == [10]

    def test_a_reservation_stays(self) -> None:
        assert self.corrected(Unit.TOKENS, Rate(1, 1, 1), {"input": 1}, Counted.RESERVATION) == []

    def test_requests_stay_counted(self) -> None:
        assert self.corrected(Unit.REQUESTS, Rate(1, 1, 1), {}, Counted.NOBODY) == []

    def test_what_nobody_used_is_given_back(self) -> None:
        assert self.corrected(Unit.TOKENS, Rate(1, 1, 1), {}, Counted.NOBODY) == [-100]

    def test_places_are_freed_whatever_was_used(self) -> None:
        assert self.corrected(Unit.CONCURRENCY, Slots(1, 1), {}, Counted.RESERVATION) == [0]


def test_rules_are_found_by_name() -> None:
    held = terms("requests = 1", rest=PRICES)
    assert named(held.rules, "l") is held.rules[0]
    assert named(held.rules, "x") is None
    assert price_of(held, Demand()) is None
    assert price_of(held, Demand(asked=ASKED)) is not None


class TestCallsOfATool:
    TABLES = '[tools.send]\nmatch = ["mail/send_*", "post"]\nrequests_per_minute = 5\n[tools.read]\ntier = 0\n'

    def held(self, upstream: str) -> Terms:
        return parse(self.TABLES, "gate.toml").terms_for("bot", upstream)

    def test_each_call_that_the_table_means_is_counted(self) -> None:
        caller = Caller("bot", "mcp/mail", Host("mail.example"))
        demand = Demand(tools=("send_mail", "Send_Fax", "post", "read"))
        held = self.held("mcp/mail")
        assert taken(held, demand, caller) == {"tools.send/bot/mcp/mail": 3}
        assert [measure.bound for rule in held.rules for measure in rule.measures] == [Rate(5, 60 * SECOND, 5)]
        assert held.read_body

    def test_what_it_does_not_mean_is_not(self) -> None:
        caller = Caller("bot", "mcp/files", Host("files.example"))
        assert taken(self.held("mcp/files"), Demand(tools=("send_mail", "read")), caller) == {}

    def test_models_call_no_tools_of_their_own(self) -> None:
        assert self.held("openai").rules == ()
