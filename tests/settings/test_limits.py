"""`[limits]`: which of them a request takes from."""

from __future__ import annotations

from gateway.config import parse
from gateway.state.limit import Limit, Rate, Unit


def names(text: str, principal: str, upstream: str) -> list[str]:
    agents = '[agents.a]\nkey_env = "K"\nlimits = ["own"]\n[agents.b]\nkey_env = "L"\n[limits.own]\nrequests = 1\n'
    return [limit.name for limit in parse(agents + text, "gate.toml").limits_for(principal, upstream)]


def test_a_limit_that_nobody_names_is_everybody_s() -> None:
    text = "[limits.all]\nrequests = 1"
    assert names(text, "a", "openai") == ["own", "all"]
    assert names(text, "b", "openai") == names(text, "default", "x") == ["all"]


def test_a_limit_can_name_agents_and_upstreams() -> None:
    text = '[limits.some]\nrequests = 1\nagents = ["b", "default"]\nupstreams = ["openai"]'
    assert names(text, "b", "openai") == names(text, "default", "openai") == ["some"]
    assert names(text, "b", "gemini") == []
    assert names(text, "a", "openai") == ["own"]


def test_it_is_counted_for_each_agent_at_each_upstream() -> None:
    config = parse('[limits.all]\nrequests = 6\nper = "1.5s"\nburst = 2', "gate.toml")
    assert config.limits_for("a", "openai") == (Limit("all", "all/a/openai", Unit.REQUESTS, Rate(6, 1_500_000_000, 2)),)
    config = parse("[limits.all]\nrequests = 6", "gate.toml")
    assert config.limits_for("a", "openai")[0].bound == Rate(6, 60_000_000_000, 6)
