"""Tools that the provider runs: what passes, is reported and is denied, in each profile, and why."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.profile import PROFILES
from gateway.policy.tools.hosted import ANYWHERE, OUTSIDE, UNLISTED, HostedRuling, is_listed, judge_hosted
from gateway.policy.transcript import Hosted
from gateway.verdict import Effect

ALLOW, REPORT, BLOCK = Effect.ALLOW, Effect.REPORT, Effect.BLOCK
ANY = None

EGRESS = ("good.example", "any.good.example")
"""Hosts of an egress policy with `good.example` and all names below `wide.example`."""


def may_reach(host: str) -> bool:
    return host in EGRESS or host == "wide.example" or host.endswith(".wide.example")


def ruled(tool: Hosted, profile: str, *listed: str) -> HostedRuling:
    return judge_hosted([tool], listed, PROFILES[profile], may_reach)


GOOD, WIDE, BAD = ("good.example",), ("wide.example",), ("evil.example",)

UNLISTED_CASES: list[tuple[str, tuple[str, ...] | None, Effect, str, Effect, str]] = [
    # kind, hosts, balanced and its rule, strict and its rule
    ("file_search", (), ALLOW, "", BLOCK, UNLISTED),
    ("code", (), ALLOW, "", BLOCK, UNLISTED),
    ("computer", (), ALLOW, "", BLOCK, UNLISTED),
    ("web_search", (), ALLOW, "", BLOCK, UNLISTED),
    ("web_search", ANY, REPORT, ANYWHERE, BLOCK, UNLISTED),
    ("web_search", BAD, REPORT, OUTSIDE, BLOCK, UNLISTED),
    ("web_search", GOOD, REPORT, OUTSIDE, BLOCK, UNLISTED),  # names below it too, which egress does not allow
    ("web_search", WIDE, ALLOW, "", BLOCK, UNLISTED),
    ("web_fetch", ANY, BLOCK, ANYWHERE, BLOCK, UNLISTED),
    ("web_fetch", GOOD, BLOCK, OUTSIDE, BLOCK, UNLISTED),
    ("web_fetch", WIDE, ALLOW, "", BLOCK, UNLISTED),
    ("web_fetch", (*WIDE, *BAD), BLOCK, OUTSIDE, BLOCK, UNLISTED),
    ("code", ANY, BLOCK, ANYWHERE, BLOCK, UNLISTED),
    ("code", GOOD, ALLOW, "", BLOCK, UNLISTED),
    ("shell", BAD, BLOCK, OUTSIDE, BLOCK, UNLISTED),
    ("connector", ANY, BLOCK, ANYWHERE, BLOCK, UNLISTED),
    ("mcp", GOOD, ALLOW, "", BLOCK, UNLISTED),
    ("mcp", BAD, BLOCK, OUTSIDE, BLOCK, OUTSIDE),
    ("mcp", ANY, BLOCK, ANYWHERE, BLOCK, ANYWHERE),
    ("remote_image", GOOD, ALLOW, "", BLOCK, UNLISTED),
    ("remote_image", BAD, BLOCK, OUTSIDE, BLOCK, OUTSIDE),
    ("remote_file", ANY, BLOCK, ANYWHERE, BLOCK, ANYWHERE),
    ("teleport_20270101", ANY, BLOCK, ANYWHERE, BLOCK, UNLISTED),
]


@pytest.mark.parametrize(("kind", "hosts", "balanced", "why", "strict", "strictly"), UNLISTED_CASES)
def test_what_is_not_listed(
    kind: str, hosts: tuple[str, ...] | None, balanced: Effect, why: str, strict: Effect, strictly: str
) -> None:
    tool = Hosted(kind, kind, hosts)
    for profile, effect, rule in (("balanced", balanced, why), ("strict", strict, strictly)):
        ruling = ruled(tool, profile)
        assert (ruling.effect, ruling.would_be) == (effect, effect), profile
        assert [reason.rule for reason in ruling.reasons] == ([rule] if rule else [])
    monitored = ruled(tool, "monitor")
    assert (monitored.effect, monitored.would_be) == (min(balanced, REPORT), balanced)


@pytest.mark.parametrize(
    ("kind", "hosts", "rule"),
    [
        ("web_search", ANY, ""),
        ("web_fetch", ANY, ""),
        ("web_fetch", BAD, ""),  # narrower than anywhere
        ("code", ANY, ""),
        ("connector", ANY, ""),
        ("teleport_20270101", ANY, ""),
        ("mcp", GOOD, ""),
        ("mcp", BAD, OUTSIDE),
        ("mcp", (*GOOD, *BAD), OUTSIDE),
        ("mcp", ANY, ANYWHERE),
        ("remote_image", BAD, OUTSIDE),
        ("remote_file", GOOD, ""),
        ("remote_file", ANY, ANYWHERE),
    ],
)
@pytest.mark.parametrize("profile", ["balanced", "strict"])
def test_what_is_listed_passes_unless_the_request_gives_an_address_outside(
    kind: str, hosts: tuple[str, ...] | None, rule: str, profile: str
) -> None:
    ruling = ruled(Hosted(kind, kind, hosts), profile, kind)
    assert ruling.effect is (BLOCK if rule else ALLOW)
    assert [reason.rule for reason in ruling.reasons] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("kind", "listed", "expected"),
    [
        ("web_search", ("web_search",), True),
        ("web_search", ("web_*",), True),
        ("web_search", ("*",), True),
        ("web_search", ("web",), False),
        ("web_search", ("web_search_*",), False),
        ("web_search", ("Web_Search",), False),
        ("web_search", (), False),
    ],
)
def test_kinds_are_listed_in_full_or_by_how_they_begin(kind: str, listed: tuple[str, ...], expected: bool) -> None:
    assert is_listed(kind, listed) is expected


@pytest.mark.parametrize(
    ("tool", "profile", "words"),
    [
        (
            Hosted("web_fetch", "f", ANY),
            "balanced",
            (
                "`web_fetch`, which the provider runs, may go to any host; hold it to hosts that [egress] allows, or "
                'list its kind under [hosted] (allow = ["web_fetch"])'
            ),
        ),
        (
            Hosted("web_fetch", "f", GOOD),
            "balanced",
            (
                "`web_fetch`, which the provider runs, goes to `good.example`; no entry of [egress] allows that with "
                "all names below it"
            ),
        ),
        (
            Hosted("mcp", "m", BAD),
            "strict",
            "`mcp`, which the provider runs, goes to `evil.example`; no entry of [egress] allows that",
        ),
        (Hosted("mcp", "m", ANY), "strict", "the request gives `mcp` no address that can be read"),
        (
            Hosted("code", "c", ()),
            "strict",
            '`code`, which the provider runs, is not listed; list its kind under [hosted] (allow = ["code"])',
        ),
        (
            Hosted("ignore the rules", "x", ()),
            "strict",
            (
                "a tool of an unknown kind, which the provider runs, is not listed; list its kind under [hosted] "
                '(allow = ["*"])'
            ),
        ),
    ],
)
def test_the_words_say_what_is_wrong_and_what_to_do(tool: Hosted, profile: str, words: str) -> None:
    (reason,) = ruled(tool, profile).reasons
    assert reason.words == words


def test_categories_are_below_tool() -> None:
    found = judge_hosted(
        [Hosted("mcp", "m", BAD), Hosted("mcp", "m", ANY), Hosted("code", "c", ())], (), PROFILES["strict"], may_reach
    )
    assert [reason.category for reason in found.reasons] == [
        "tool.hosted.host",
        "tool.hosted.anywhere",
        "tool.hosted.tool",
    ]


def test_the_strongest_counts_and_each_reason_is_told_once() -> None:
    tools = [Hosted("web_search", "s", ANY), *[Hosted("remote_image", "image", BAD)] * 3, Hosted("code", "c", ())]
    ruling = judge_hosted(tools, (), PROFILES["balanced"], may_reach)
    assert ruling.effect is BLOCK
    assert [(reason.effect, reason.rule) for reason in ruling.reasons] == [(REPORT, ANYWHERE), (BLOCK, OUTSIDE)]


def test_a_request_with_none_passes() -> None:
    assert judge_hosted((), (), PROFILES["strict"], may_reach) == HostedRuling(ALLOW, ALLOW)


KINDS = ["web_search", "web_fetch", "code", "mcp", "connector", "remote_image", "x"]
TOOLS = st.builds(
    Hosted,
    st.sampled_from(KINDS),
    st.just("name"),
    st.none() | st.lists(st.sampled_from([*GOOD, *WIDE, *BAD]), max_size=2).map(tuple),
)


@given(
    st.lists(TOOLS, max_size=4), TOOLS, st.lists(st.sampled_from(["web_*", "*", "mcp", "x"])), st.sampled_from(KINDS)
)
@settings(max_examples=200, deadline=None)
def test_a_longer_list_never_allows_less_and_more_tools_or_a_stricter_profile_never_more(
    tools: list[Hosted], more: Hosted, listed: list[str], kind: str
) -> None:
    balanced, strict = (judge_hosted(tools, listed, PROFILES[name], may_reach) for name in ("balanced", "strict"))
    assert balanced.effect <= strict.effect
    for profile, ruling in (("balanced", balanced), ("strict", strict)):
        assert judge_hosted(tools, [*listed, kind], PROFILES[profile], may_reach).effect <= ruling.effect
        assert judge_hosted([*tools, more], listed, PROFILES[profile], may_reach).effect >= ruling.effect
        assert judge_hosted(tools, listed, PROFILES[profile], lambda _: False).effect >= ruling.effect
