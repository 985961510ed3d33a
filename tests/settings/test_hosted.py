"""`[hosted]`: what may be listed, and which list holds for whom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.errors import ConfigError
from gateway.policy.tools.hosted import ANYWHERE, OUTSIDE, UNLISTED, judge_hosted, within
from gateway.policy.transcript import Hosted
from gateway.verdict import Effect

AGENT = "[agents.ci]\nkey_env = 'K'\n"


def test_nothing_is_listed_by_default() -> None:
    assert parse("", "gate.toml").hosted_for("default") == ()


def test_an_agent_has_the_common_list_unless_it_has_its_own() -> None:
    common = "[hosted]\nallow = ['web_search', 'remote_*']\n"
    assert parse(AGENT + common, "gate.toml").hosted_for("ci") == ("web_search", "remote_*")
    own = parse(AGENT + "hosted = ['*']\n" + common, "gate.toml")
    assert own.hosted_for("ci") == ("*",)
    assert own.hosted_for("default") == ("web_search", "remote_*")


def test_an_empty_list_of_its_own_takes_everything_from_an_agent() -> None:
    assert parse(AGENT + "hosted = []\n[hosted]\nallow = ['*']", "gate.toml").hosted_for("ci") == ()


@pytest.mark.parametrize("kind", ["web search", "a*b", "**", "", "https://x"])
def test_what_is_no_kind_is_named_with_the_accepted_form(kind: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(f"[hosted]\nallow = ['{kind}']", "gate.toml")
    assert 'is no kind of tool; accepted: a word such as "web_search", with a `*` at its end' in str(raised.value)


def test_a_kind_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="`5` is no kind of tool"):
        parse(AGENT + "hosted = [5]", "gate.toml")


def test_the_example_of_the_manual_loads() -> None:
    manual = Path(__file__).parents[2] / "docs" / "hosted-tools.md"
    (example,) = re.findall(r"```toml\n(.*?)```", manual.read_text(), re.DOTALL)
    config = parse(example, "gate.toml")
    assert config.hosted_for("research") == ("web_*", "mcp")
    assert config.hosted_for("default") == ("web_search", "code")


@pytest.mark.parametrize(
    ("who", "tool", "effect"),
    [
        ("default", Hosted("mcp", "m", ("mcp.example",)), Effect.ALLOW),
        ("default", Hosted("mcp", "m", ("evil.example",)), Effect.BLOCK),
        ("default", Hosted("mcp", "m", ("inner.example",)), Effect.BLOCK),
        ("ci", Hosted("mcp", "m", ("inner.example",)), Effect.ALLOW),
        ("default", Hosted("web_fetch", "f", ("wide.example",)), Effect.ALLOW),
        ("default", Hosted("web_fetch", "f", ("mcp.example",)), Effect.BLOCK),
        ("default", Hosted("remote_image", "image", ("127.0.0.1",)), Effect.BLOCK),
        ("default", Hosted("remote_image", "image", ("::1",)), Effect.BLOCK),
    ],
)
def test_hosts_are_held_to_egress(who: str, tool: Hosted, effect: Effect) -> None:
    entries = (
        "[egress.a]\nhosts = ['mcp.example', 'wide.example', '*.wide.example']\naction = 'inspect'\n"
        "[egress.b]\nhosts = ['inner.example']\naction = 'tunnel'\nagents = ['ci']\n"
    )
    config = parse(AGENT + entries, "gate.toml")
    may_reach = within(config.egress_policy(), who)
    assert judge_hosted([tool], config.hosted_for(who), config.profile_for(who), may_reach).effect is effect


def test_the_manual_names_every_rule() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "hosted-tools.md").read_text()
    for rule in (UNLISTED, OUTSIDE, ANYWHERE):
        assert f"| `{rule}` |" in manual
