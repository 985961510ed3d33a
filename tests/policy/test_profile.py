"""Profiles as tables."""

from __future__ import annotations

from gateway.policy.profile import PROFILES, UnknownJson
from gateway.segment import Trust
from gateway.verdict import Effect


def test_the_longest_prefix_of_a_category_wins() -> None:
    profile = PROFILES["balanced"]
    assert profile.effect("pii.card.debit") is Effect.REDACT
    assert profile.effect("pii.email") is Effect.REPORT


def test_an_unknown_category_is_a_block() -> None:
    assert PROFILES["balanced"].effect("new.thing") is Effect.BLOCK


def test_strict_is_never_milder_than_balanced() -> None:
    balanced, strict = PROFILES["balanced"], PROFILES["strict"]
    categories = {*balanced.effects, *strict.effects, "pii.email", "pii.name"}
    assert all(strict.effect(category) >= balanced.effect(category) for category in categories)
    assert strict.data_threshold <= balanced.data_threshold
    assert strict.user_threshold <= balanced.user_threshold
    assert strict.unknown_json is UnknownJson.BLOCK


def test_thresholds_are_for_data_and_for_users_only() -> None:
    profile = PROFILES["balanced"]
    assert [profile.threshold(trust) for trust in Trust] == [5, None, 8, None]


def test_only_monitor_does_not_enforce() -> None:
    assert [name for name, profile in PROFILES.items() if not profile.enforce] == ["monitor"]
