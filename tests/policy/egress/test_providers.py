"""The providers that are there without configuration."""

from __future__ import annotations

import pytest

from gateway.config import Config
from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.pattern import Exactly
from gateway.policy.egress.providers import PROVIDERS

DEFAULT = Config().egress_policy()


@pytest.mark.parametrize(
    "host", ["api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com", "api.mistral.ai"]
)
def test_a_provider_is_inspected_on_443_and_nowhere_else(host: str) -> None:
    assert DEFAULT.decide("default", Scheme.HTTPS, host, 443, "POST", "/v1/x").action is Action.INSPECT
    assert DEFAULT.decide("default", Scheme.HTTPS, host, 8443).action is Action.DENY
    assert DEFAULT.decide("default", Scheme.HTTP, host, 80, "POST", "/v1/x").action is Action.DENY
    assert DEFAULT.decide("default", Scheme.HTTPS, f"x.{host}", 443).action is Action.DENY


def test_every_provider_is_a_list_of_names_and_no_wildcard() -> None:
    entries = {entry.name: entry for entry in DEFAULT.entries}
    for name in PROVIDERS:
        entry = entries[f"egress.{name}"]
        assert entry.action is Action.INSPECT
        assert entry.ports == {443}
        assert all(isinstance(pattern, Exactly) for pattern in entry.hosts)


def test_of_a_host_that_is_also_a_web_site_only_the_api_is_allowed() -> None:
    assert DEFAULT.decide("default", Scheme.HTTPS, "openrouter.ai", 443, "POST", "/api/v1/x").action is Action.INSPECT
    assert DEFAULT.decide("default", Scheme.HTTPS, "openrouter.ai", 443, "GET", "/settings").action is Action.DENY
