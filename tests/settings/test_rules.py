"""`[rules]`: the profile that judges a caller, and what the table replaces in it."""

from __future__ import annotations

import pytest

from gateway.config import parse
from gateway.policy.profile import PROFILES, UnknownJson
from gateway.verdict import Effect


def test_an_agent_may_have_its_own() -> None:
    config = parse('[agents.a]\nkey_env = "K"\nprofile = "strict"\n[agents.b]\nkey_env = "L"', "gate.toml")
    assert config.profile_for("a") == PROFILES["strict"]
    assert config.profile_for("b") == config.profile_for("default") == PROFILES["balanced"]


def test_thresholds_and_unknown_json_replace_the_profile_s() -> None:
    config = parse('[rules]\nthresholds = { data = 3, user = 4 }\nunknown_json = "block"', "gate.toml")
    profile = config.profile_for("default")
    assert (profile.data_threshold, profile.user_threshold) == (3, 4)
    assert profile.unknown_json is UnknownJson.BLOCK


@pytest.mark.parametrize(
    ("effects", "in_host", "in_rest"),
    [
        ("", Effect.BLOCK, Effect.REPORT),
        ("egress = 'report'", Effect.REPORT, Effect.REPORT),
        ("'egress.encoded_data.host' = 'ask'", Effect.ASK, Effect.REPORT),
        ("'egress.encoded_data.rest' = 'block', 'egress.encoded_data' = 'ask'", Effect.ASK, Effect.BLOCK),
        ("'pii.email' = 'block'", Effect.BLOCK, Effect.REPORT),
    ],
)
def test_effects_of_what_no_rule_finds_replace_the_profile_s(effects: str, in_host: Effect, in_rest: Effect) -> None:
    profile = parse(f"[rules]\neffects = {{ {effects} }}", "gate.toml").profile_for("default")
    assert profile.effect("egress.encoded_data.host") is in_host
    assert profile.effect("egress.encoded_data.rest") is in_rest


def test_effects_for_hidden_text_are_the_profile_s_and_no_others() -> None:
    config = parse('[rules]\neffects = { "hidden.bare" = "report", "pii.card" = "allow" }', "gate.toml")
    profile = config.profile_for("default")
    assert profile.effect("hidden.bare.template") is Effect.REPORT
    assert profile.effect("hidden.bare.comment") is Effect.REWRITE
    assert profile.effect("pii.card") is Effect.REDACT
