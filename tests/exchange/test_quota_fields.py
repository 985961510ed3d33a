"""What an answer says of limits, beside what its upstream says."""

from __future__ import annotations

import pytest

from gateway.exchange.demand import Quota
from gateway.exchange.quota_fields import added

AT = "2026-11-25T08:00:00Z"


def quota(unit: str, remaining: int, reset_s: int = 5) -> Quota:
    return Quota(unit, 100, remaining, reset_s, AT)


def test_openai() -> None:
    found = added((), "openai_chat", (), [quota("tokens", 7, 61), quota("requests", 3), quota("input_tokens", 1)])
    assert found == (
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-requests", "3"),
        ("x-ratelimit-reset-requests", "5s"),
        ("x-ratelimit-limit-tokens", "100"),
        ("x-ratelimit-remaining-tokens", "7"),
        ("x-ratelimit-reset-tokens", "1m1s"),
    )


def test_anthropic() -> None:
    found = added((), "anthropic", (), [quota("output_tokens", 7)])
    assert found == (
        ("anthropic-ratelimit-output-tokens-limit", "100"),
        ("anthropic-ratelimit-output-tokens-remaining", "7"),
        ("anthropic-ratelimit-output-tokens-reset", AT),
    )


def test_others_have_no_words_for_it() -> None:
    assert added((), "gemini", (("ratelimit", "r"),), [quota("tokens", 7)]) == (("ratelimit", "r"),)


def test_hours_are_written_as_go_writes_them() -> None:
    assert dict(added((), "openai_chat", (), [quota("tokens", 7, 90061)]))["x-ratelimit-reset-tokens"] == "25h1m1s"


def test_of_two_limits_the_tighter_is_told() -> None:
    found = dict(added((), "openai_chat", (), [quota("tokens", 7), quota("tokens", 3), quota("tokens", 5)]))
    assert found["x-ratelimit-remaining-tokens"] == "3"


@pytest.mark.parametrize("theirs", ["3", "7", "none of yours", "²"])
def test_what_the_upstream_says_stays_where_it_is_as_tight(theirs: str) -> None:
    upstream = (("X-RateLimit-Remaining-Tokens", theirs), ("x-ratelimit-limit-tokens", "9"))
    assert added(upstream, "openai_chat", (), [quota("tokens", 7)]) == upstream


@pytest.mark.parametrize("theirs", ["8", "9" * 5000])
def test_it_gives_way_whole_where_ours_is_tighter(theirs: str) -> None:
    upstream = (("X-RateLimit-Remaining-Tokens", theirs), ("x-ratelimit-limit-tokens", "9"), ("x-other", "1"))
    found = added(upstream, "openai_chat", (), [quota("tokens", 7)])
    assert [field for field in found if field[0].lower().startswith("x-ratelimit-limit")] == [
        ("x-ratelimit-limit-tokens", "100")
    ]
    assert found[0] == ("x-other", "1")


def test_lists_are_joined_and_single_fields_replaced() -> None:
    upstream = (("RateLimit", '"a";r=1'), ("RateLimit-Remaining", "5"))
    general = (("ratelimit", '"b";r=2'), ("ratelimit-remaining", "2"))
    assert added(upstream, "plain", general, ()) == (("RateLimit", '"a";r=1'), *general)
