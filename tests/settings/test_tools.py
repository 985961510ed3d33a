"""`[tools.NAME]`: what its tables say of tools, and how a wrong one is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.errors import ConfigError
from gateway.policy.call import Call, Tier
from gateway.policy.isolation import Isolation
from gateway.policy.profile import PROFILES
from gateway.policy.tools.tool import Approval, Tool
from gateway.settings import Config
from gateway.settings.arguments import ArgumentTable

BARE = "[rules]\ntool_policies = []\n"


def tool(text: str) -> Tool:
    (found,) = parse(BARE + text, "gate.toml").toolbox().tools
    return found


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "gate.toml")
    (found,) = caught.value.problems
    return found


def words(text: str, name: str, arguments: object) -> list[str]:
    ruled = parse(BARE + text, "gate.toml").toolbox().rule(Call(name, arguments), None, None, PROFILES["balanced"])
    return [reason.words for reason in ruled.reasons if reason.rule != "tool-tier"]


def test_a_table_without_keys_means_the_tool_of_its_name_and_holds_nothing() -> None:
    found = tool("[tools.get_x]")
    assert (found.enabled, found.tier, found.approval, found.sandbox, found.timeout) == (True, None, None, 0, 30.0)
    assert (found.requests_per_minute, found.result.max_size, found.is_constrained) == (None, None, False)
    assert found.closeness(((None, "get_x"),)) is not None


def test_what_others_apply_can_be_read_from_it() -> None:
    found = tool(
        "[tools.x]\nrequests_per_minute = 5\ntimeout = '2m'\nrequires_sandbox = 'vm'\nlanguages = ['r']\n"
        "[tools.x.result]\nmax_size = '1MiB'\nschema = { type = 'object' }\n"
    )
    assert (found.requests_per_minute, found.timeout, found.sandbox) == (5, 120.0, Isolation.VM)
    assert found.result.max_size == 1 << 20
    assert found.result.schema is not None
    assert found.result.schema.fault([]) == "breaks `type` of the schema"


@pytest.mark.parametrize(("text", "tier"), [("0", Tier.READ), ("4", Tier.SYSTEM), ("'send'", Tier.SEND)])
def test_a_tier_is_a_number_or_a_word(text: str, tier: Tier) -> None:
    assert tool(f"[tools.x]\ntier = {text}").tier is tier


@pytest.mark.parametrize(
    ("text", "approval"),
    [("true", Approval.ASKED), ("false", Approval.NONE), ("'approver'", Approval.APPROVER)],
)
def test_an_approval_is_asked_for_or_not(text: str, approval: Approval) -> None:
    assert tool(f"[tools.x]\nrequires_approval = {text}").approval is approval


@pytest.mark.parametrize(
    ("keys", "value", "fault"),
    [
        ("sink = 'path'\nroot = '/srv'", "x/../y", None),
        ("sink = 'path'\nroot = '/srv'", "../y", "is not within `/srv`"),
        ("sink = 'path'\nroot = '/srv'\nallow = ['docs']", "notes", "is not within `docs`"),
        ("sink = 'path'\nallow = ['/Srv']\nignore_case = true", "/srv/a", None),
        ("sink = 'path'\nroot = '/srv'\ndeny = ['secret']", "/etc", None),
        ("sink = 'url'\nhosts = ['a.test']\nports = [443]", "https://a.test", None),
        ("sink = 'url'\nhosts = ['a.test']\nports = [443]", "https://a.test:22", "names a port that is not `443`"),
        ("sink = 'url'\nreach = 'public'", "http://10.0.0.1", "names a private address"),
        ("sink = 'url'\nschemes = ['HTTPS']", "http://a.test", "has a scheme that is none of `https`"),
        ("sink = 'url'\npaths = ['/v1']", "https://a.test/v2", "leads to a path that is not below `/v1`"),
        ("sink = 'url'\ndeny_hosts = ['a.test']", "https://a.test", "names a host that is denied by `a.test`"),
        ("sink = 'url'", "anything at all", None),
        ("sink = 'command'", "anything | at all", None),
        ("sink = 'command'\nprograms = ['ls']", "ls -l", None),
        ("sink = 'command'\nprograms = ['ls']", "rm x", "starts a program that is not `ls`"),
        ("sink = 'command'\nwrites = ['/tmp']", "touch /srv/a", "touches a path that is not within `/tmp`"),
        ("sink = 'command'\nallow = ['/srv']", "cat /etc/x", "touches a path that is not within `/srv`"),
        (
            "sink = 'command'\nhosts = ['a.test']",
            "curl https://b.test",
            "reaches a URL that names a host that is not `a.test`",
        ),
        ("sink = 'command'\ndeny_programs = ['sudo']\nopaque = 'allow'", "ls $X", None),
        ("sink = 'sql'", "drop table x", None),
        (
            "sink = 'sql'\nstatements = ['select']",
            "drop table x",
            "holds a statement of the kind `ddl`, which is not allowed",
        ),
        ("sink = 'sql'\ntables = ['a']\ndialect = 'postgres'", "select 1 from b", "uses a table that is not `a`"),
        ("sink = 'recipient'\nallow = ['*@a.test']", "x@a.test, y@b.test", "is not `*@a.test`"),
        ("sink = 'text'\nmax_size = '1KiB'", "x" * 1025, "is larger than 1024 bytes"),
        ("sink = 'text'\npattern = '[a-z]+'", "A", "does not fit `[a-z]+`"),
        ("max = 2.5\nmin = 1", 3, "is more than 2.5"),
        ("one_of = [1, 'a', true]", "b", "is not `1`, `a` or `true`"),
    ],
)
def test_arguments_are_held_to_their_keys(keys: str, value: object, fault: str | None) -> None:
    found = words(f"[tools.get_x.arguments.thing]\n{keys}", "get_x", {"thing": value})
    assert found == ([] if fault is None else [f"`thing` {fault} ([tools.get_x])"])


def test_a_sink_may_be_what_the_name_says() -> None:
    text = "[tools.get_x.arguments.path]\nallow = ['/srv']\n[tools.get_x.arguments.url]\nhosts = ['a.test']"
    assert words(text, "get_x", {"path": "/etc", "url": "https://a.test"}) == [
        "`path` is not within `/srv` ([tools.get_x])"
    ]


def test_a_table_for_a_sink_holds_all_that_is_taken_for_it() -> None:
    text = "[tools.any]\nmatch = ['*']\n[tools.any.sinks.path]\ndeny = ['~/.ssh']"
    assert words(text, "get_x", {"a": "~/.ssh/x", "b": "~/x"}) == ["`a` is denied by `~/.ssh` ([tools.any])"]


def test_an_agent_may_use_the_tools_of_its_list_and_of_tables_that_it_names() -> None:
    config = parse(
        BARE
        + "[agents.a]\nkey_env = 'A'\ntools = ['get_*', 'mail']\n[agents.b]\nkey_env = 'B'\n[agents.c]\nkey_env = 'C'\n"
        "tools = []\n[tools.mail]\nmatch = ['gmail/send']\n",
        "gate.toml",
    )
    box, allowed = config.toolbox(), config.tools_for("a")
    assert allowed is not None
    listed = [
        box.is_listed(Call(name, {}), allowed) for name in ("get_x", "mcp__gmail__send", "mcp__other__send", "mail")
    ]
    assert listed == [True, True, False, True]
    assert (config.tools_for("b"), config.tools_for("default")) == (None, None)
    assert config.tools_for("c") is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[tools.'a b']",
            "gate.toml:1: tools.a b: is no name of a tool; accepted: letters, digits and . / * ? : @ _ -",
        ),
        ("[tools.x]\ntier = 5", "gate.toml:2: tools.x.tier: `5` is no tier; accepted: 0 to 4, or read, create,"),
        ("[tools.x]\ntier = true", "gate.toml:2: tools.x.tier: `true` is no tier; accepted:"),
        ("[tools.x]\nmatch = ['a/']", "gate.toml:2: tools.x.match: `a/` means no tool; accepted:"),
        ("[tools.x]\nmatch = [7]", "gate.toml:2: tools.x.match: `7` is no text; accepted: text in quotes"),
        ("[tools.x]\nshema = {}", "gate.toml:2: tools.x.shema: unknown key; did you mean `schema`? accepted: enabled,"),
        ("[tools.x]\nschema = 7", "gate.toml:2: tools.x.schema: `7` is no JSON Schema; accepted: a table, such as"),
        ("[tools.x]\nschema = { type = 7 }", "gate.toml:2: tools.x.schema: is no JSON Schema: `type` is wrong"),
        (
            "[tools.x]\nrequires_sandbox = 'wall'",
            "gate.toml:2: tools.x.requires_sandbox: `wall` is no level of isolation",
        ),
        ("[tools.x]\nrequires_approval = 'me'", "gate.toml:2: tools.x.requires_approval: `me` is no sort of"),
        ("[tools.x]\ntimeout = 5", "gate.toml:2: tools.x.timeout: `5` is no duration; accepted:"),
        (
            "[tools.x.arguments.a]\nsynk = 'url'",
            "gate.toml:2: tools.x.arguments.a.synk: unknown key; did you mean `sink`? accepted: sink, required, allow,",
        ),
        (
            "[tools.x.arguments.a]\nsink = 'file'",
            "gate.toml:2: tools.x.arguments.a.sink: `file` is unknown; accepted: path",
        ),
        ("[tools.x.arguments.a]\nmin = 'a'", "gate.toml:2: tools.x.arguments.a.min: `a` is no number; accepted:"),
        ("[tools.x.arguments.a]\nmin = true", "gate.toml:2: tools.x.arguments.a.min: `true` is no number; accepted:"),
        ("[tools.x.arguments.a]\none_of = [[]]", "gate.toml:2: tools.x.arguments.a.one_of: `[]` is no single value;"),
        (
            "[tools.x.arguments.a]\nmin = 2\nmax = 1",
            "gate.toml:1: tools.x.arguments.a: has a `min` of 2 above its `max` of 1",
        ),
        ("[tools.x.arguments.' ']", "gate.toml:1: tools.x.arguments. : is no argument; accepted:"),
        (
            "[tools.x.arguments.url]\nallow = ['a']",
            'gate.toml:1: tools.x: has arguments."url", where `allow` means nothing for the sink `url`; accepted',
        ),
        (
            "[tools.x.arguments.a]\nhosts = ['a.test']",
            'gate.toml:1: tools.x: has arguments."a", where `hosts` means nothing for the sink `text`; accepted there:',
        ),
        (
            "[tools.x.arguments.path]\nallow = ['docs']",
            'gate.toml:1: tools.x: has arguments."path", which holds `docs`, which is relative, and there is no',
        ),
        (
            "[tools.x.arguments.path]\nroot = 'docs'",
            'gate.toml:1: tools.x: has arguments."path", which holds `docs`, which is relative, and there is no',
        ),
        (
            "[tools.x.arguments.a]\npattern = '(a'",
            'gate.toml:1: tools.x: has arguments."a", which holds `(a`, which is no regular expression:',
        ),
        (
            "[tools.x.sinks.path]\nrequired = true",
            "gate.toml:1: tools.x: has sinks.path with `sink` or `required`, which are for single arguments",
        ),
        (
            "[tools.x.sinks.path]\nhosts = ['a.test']",
            "gate.toml:1: tools.x: has sinks.path, where `hosts` means nothing",
        ),
        (
            "[rules]\ntool_policies = ['x']",
            "gate.toml:2: rules.tool_policies: `x` is no shipped policy of tools; accepted:",
        ),
        ("[rules]\ntool_policies = 'mail'", "gate.toml:2: rules.tool_policies: `mail` is no array; accepted:"),
        ("[tools]\nx = 7", "gate.toml:2: tools.x: `7` is no table; accepted: a table"),
        ("tools = 7", "gate.toml:1: tools: `7` is no table; accepted: a table"),
        ("[agents.a]\nkey_env = 'K'\ntools = ['/']", "gate.toml:3: agents.a.tools: `/` means no tool; accepted:"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_accepted(text: str, said: str) -> None:
    assert problem(text).startswith(said)


def test_a_table_of_a_sink_that_is_unknown_is_refused() -> None:
    assert "tools.x.sinks.file" in problem("[tools.x.sinks.file]\ndeny = ['/a']")


def test_the_manual_s_own_tables_load() -> None:
    manual = (Path(__file__).parent.parent.parent / "docs" / "tools.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)
    assert len(snippets) == 3
    for snippet in snippets:
        assert parse(snippet, "tools.md").toolbox().tools


def test_the_manual_names_each_rule_and_each_key_of_an_argument() -> None:
    manual = (Path(__file__).parent.parent.parent / "docs" / "tools.md").read_text(encoding="utf-8")
    for key in ArgumentTable.model_fields:
        assert key == "sink" or f"`{key}`" in manual, key


def test_the_default_is_all_that_is_shipped() -> None:
    assert len(Config().toolbox().tools) > 20


def test_requests_that_are_calls_are_told_with_their_form() -> None:
    (tool,) = (
        one for one in parse('[tools.charge]\nhttp = ["POST pay/{what}"]', "test.toml").toolbox().tools if one.is_own
    )
    assert tool.requests[0].arguments(frozenset({"POST"}), frozenset({"pay"}), "/rent") == {"what": "rent"}
    with pytest.raises(ConfigError, match="means no request; accepted: "):
        parse('[tools.charge]\nhttp = ["pay it"]', "test.toml")
