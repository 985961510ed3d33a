"""`[limits]`: which of them a request takes from."""

from __future__ import annotations

from gateway.config import parse


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
