"""The RateLimit fields of an answer."""

from __future__ import annotations

from gateway.state.fields import ratelimit_headers
from gateway.state.limit import Budget, Calendar, Level, Limit, Rate, Slots, Taken, Unit

SECOND = 1_000_000_000


def test_each_limit_is_named_and_the_tightest_is_in_the_older_fields() -> None:
    minute = Level(Limit("minute", "k", Unit.REQUESTS, Rate(60, 60 * SECOND, 10)), remaining=4, reset_ns=5 * SECOND + 1)
    day = Level(Limit("day", "k", Unit.REQUESTS, Rate(1000, 86400 * SECOND, 1000)), remaining=3, reset_ns=9 * SECOND)
    assert ratelimit_headers(Taken(None, 0, (minute, day))) == (
        ("ratelimit-policy", '"minute";q=60;w=60, "day";q=1000;w=86400'),
        ("ratelimit", '"minute";r=4;t=6, "day";r=3;t=9'),
        ("ratelimit-limit", "1000"),
        ("ratelimit-remaining", "3"),
        ("ratelimit-reset", "9"),
    )


def test_windows_and_units_are_those_of_the_draft() -> None:
    tokens = Level(Limit("tokens", "k", Unit.TOKENS, Budget(5000, Calendar.DAY)), 1000, 3 * SECOND)
    spent = Level(Limit("spent", "k", Unit.COST, Budget(9, Calendar.MONTH)), 8, 4 * SECOND)
    at_once = Level(Limit("at-once", "k", Unit.CONCURRENCY, Slots(4, SECOND)), 2, SECOND)
    fields = dict(ratelimit_headers(Taken(None, 0, (tokens, spent, at_once))))
    assert fields["ratelimit-policy"] == (
        '"tokens";q=5000;qu="tokens";w=86400, "spent";q=9;qu="cost", "at-once";q=4;qu="concurrent-requests"'
    )


def test_without_limits_there_is_nothing_to_say() -> None:
    assert ratelimit_headers(Taken(None, 0, ())) == ()
