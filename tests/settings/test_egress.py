"""`[egress]`: what its tables let agents reach."""

from __future__ import annotations

from gateway.config import parse
from gateway.policy.egress.entry import Action, Scheme


def test_an_entry_allows_443_and_denies_every_port_unless_it_lists_some() -> None:
    text = (
        "[egress.a]\nhosts = ['a.example']\naction = 'inspect'\n"
        "[egress.b]\nhosts = ['b.example']\naction = 'deny'\n"
        "[egress.c]\nhosts = ['c.example']\naction = 'tunnel'\nports = [8443]\n"
    )
    egress = parse(text, "gate.toml").egress
    assert [egress[name].entry(name).ports for name in "abc"] == [{443}, set(), {8443}]


def test_a_provider_that_is_built_in_may_get_a_single_key() -> None:
    policy = parse("[agents.ci]\nkey_env = 'K'\n[egress.openai]\nagents = ['ci']", "gate.toml").egress_policy()
    actions = [policy.decide(who, Scheme.HTTPS, "api.openai.com", 443).action for who in ("ci", "default")]
    assert actions == [Action.INSPECT, Action.DENY]  # though there is an upstream of that host too


def test_a_provider_that_is_built_in_may_be_denied() -> None:
    policy = parse("[egress.openai]\naction = 'deny'", "gate.toml").egress_policy()
    assert policy.decide("default", Scheme.HTTPS, "api.openai.com", 443).action is Action.DENY


def test_an_upstream_is_allowed_at_its_own_host_and_port() -> None:
    text = "[upstreams.far]\ndialect = 'http'\nbase_url = 'https://far.example:8443/api'"
    policy = parse(text, "gate.toml").egress_policy()
    decision = policy.decide("default", Scheme.HTTPS, "far.example", 8443, "GET", "/api/x")
    assert (decision.action, decision.reason) == (
        Action.INSPECT,
        "[upstreams.far] allows `far.example:8443`",
    )
    assert policy.decide("default", Scheme.HTTPS, "far.example", 443).action is Action.DENY


def test_an_upstream_that_cannot_be_read_is_not_allowed() -> None:
    text = "[upstreams.far]\ndialect = 'http'\nbase_url = 'http://1.2.3.4.5'"
    assert "upstreams.far" not in {entry.name for entry in parse(text, "gate.toml").egress_policy().entries}
