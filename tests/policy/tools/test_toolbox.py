"""What the configuration says of a call."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.detect.json_schema import JsonSchema
from gateway.policy.call import Approver, Call, Sink, Tier
from gateway.policy.commands.report import Kind
from gateway.policy.egress.pattern import host_pattern
from gateway.policy.isolation import Isolation
from gateway.policy.profile import PROFILES
from gateway.policy.tools.commands import CommandPolicy, SqlPolicy
from gateway.policy.tools.match import match
from gateway.policy.tools.paths import PathPolicy, glob
from gateway.policy.tools.sinks import is_at
from gateway.policy.tools.tool import Approval, ArgumentPolicy, Tool
from gateway.policy.tools.toolbox import LIMITS, Allowed, Ruled, Toolbox
from gateway.policy.tools.urls import HostPolicy
from gateway.policy.tools.values import ValuePolicy
from gateway.policy.transcript import Defined
from gateway.verdict import Effect

BALANCED = PROFILES["balanced"]


def tool(name: str, *patterns: str, **more: Any) -> Tool:
    return Tool(name, tuple(map(match, patterns or (name,))), **more)


def rule(
    tools: list[Tool],
    name: str,
    arguments: Any = None,
    allowed: Allowed | None = None,
    profile: str = "balanced",
    isolation: Isolation = Isolation.NONE,
    **call: Any,
) -> Ruled:
    made = Call(name, {} if arguments is None else arguments, **call)
    return Toolbox(tools).rule(made, None, allowed, PROFILES[profile], isolation)


def told(ruled: Ruled) -> list[tuple[str, str]]:
    return [(reason.rule, reason.words) for reason in ruled.reasons]


def test_a_tool_that_reads_or_creates_passes() -> None:
    assert told(rule([], "get_file")) == []
    assert told(rule([], "create_file")) == []


def test_above_that_a_person_is_asked_by_tier() -> None:
    found = rule([], "update_file")
    assert told(found) == [("tool-tier", "`update_file` is of tier 2: its name says `update`")]
    assert (found.tier, found.approver, found.is_once) == (Tier.MODIFY, Approver.USER, False)
    found = rule([], "send_email")
    assert (found.tier, found.approver, found.is_once) == (Tier.SEND, Approver.USER, True)
    found = rule([], "bash")
    assert (found.tier, found.approver, found.is_once) == (Tier.SYSTEM, Approver.APPROVER, True)
    assert [reason.effect for reason in found.reasons] == [Effect.ASK]


def test_a_declared_tier_holds_and_the_closest_one() -> None:
    tools = [tool("any", "*", tier=Tier.SYSTEM), tool("send_email", tier=Tier.CREATE)]
    assert rule(tools, "send_email").tier is Tier.CREATE
    assert rule(tools, "get").tier is Tier.SYSTEM
    assert told(rule(tools, "get")) == [("tool-tier", "`get` is of tier 4: [tools.any] says so")]
    equal = [tool("a", "x", tier=Tier.READ), tool("b", "x", tier=Tier.SEND)]
    assert rule(equal, "x").tier is rule(equal[::-1], "x").tier is Tier.SEND


def test_what_a_tool_is_given_counts_where_no_tier_is_declared() -> None:
    assert told(rule([], "get_x", {"command": "ls"})) == [("tool-tier", "`get_x` is of tier 4: it takes a command")]
    assert told(rule([tool("get_x", tier=Tier.READ)], "get_x", {"command": "ls"})) == []


@pytest.mark.parametrize(("sink", "key"), [(Sink.PATH, "path"), (Sink.SQL, "sql"), (Sink.COMMAND, "commands")])
def test_more_arguments_than_can_be_judged_are_refused(sink: Sink, key: str) -> None:
    found = rule([tool("get_x", tier=Tier.READ)], "get_x", {key: ["a"] * (LIMITS[sink] + 1)})
    assert told(found) == [
        ("tool-unreadable", f"`get_x` is given more than {LIMITS[sink]} arguments of the sink `{sink}`")
    ]
    assert told(rule([tool("get_x", tier=Tier.READ)], "get_x", {key: ["a"] * LIMITS[sink]})) == []


def test_a_server_can_only_make_its_tier_stricter() -> None:
    def tier(annotations: Any, tools: tuple[Tool, ...] = ()) -> Tier:
        defined = Defined("get_file", annotations=(annotations,))
        return Toolbox(tools).rule(Call("get_file", {}), defined, None, BALANCED).tier

    assert tier({"readOnlyHint": True}) is Tier.READ
    assert tier({"destructiveHint": True}) is Tier.SEND
    assert tier({"destructiveHint": True}, (tool("get_file", tier=Tier.READ),)) is Tier.READ


@pytest.mark.parametrize(
    ("shipped", "annotations", "found"),
    [
        (Tier.READ, {"destructiveHint": True}, Tier.SEND),
        (Tier.CREATE, {"destructiveHint": True}, Tier.SEND),
        (Tier.READ, {"readOnlyHint": False}, Tier.CREATE),
        (Tier.READ, {"readOnlyHint": True}, Tier.READ),
        (Tier.MODIFY, {"destructiveHint": True}, Tier.MODIFY),
        (Tier.SYSTEM, {"readOnlyHint": True, "destructiveHint": False}, Tier.SYSTEM),
    ],
)
def test_a_shipped_table_that_takes_a_tool_for_harmless_gives_way(shipped: Tier, annotations: Any, found: Tier) -> None:
    tools = (tool("shipped-table", "frob", tier=shipped, is_own=False),)
    told = Toolbox(tools).rule(Call("frob", {}), Defined("frob", annotations=(annotations,)), None, BALANCED)
    assert told.tier is found
    assert (told.why == "[tools.shipped-table] says so") == (found is shipped)


HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint", "title")
VALUES: st.SearchStrategy[Any] = st.sampled_from([True, False, None, "true", 0, 1, [], {}])
ANNOTATIONS: st.SearchStrategy[Any] = st.dictionaries(st.sampled_from(HINTS), VALUES)


@given(
    st.sampled_from(["get_file", "create_file", "update_file", "frobnicate", "run_shell"]),
    st.none() | st.tuples(st.sampled_from(Tier), st.booleans()),
    st.lists(ANNOTATIONS | st.none() | st.text(), max_size=3),
)
def test_annotations_never_make_a_tier_milder_and_never_move_an_operator_s(
    name: str, table: tuple[Tier, bool] | None, annotations: list[Any]
) -> None:
    tools = () if table is None else (tool("table-x", name, tier=table[0], is_own=table[1]),)
    box, call = Toolbox(tools), Call(name, {"path": "/a", "command": "ls"})
    without = box.rule(call, None, None, BALANCED)
    told = box.rule(call, Defined(name, annotations=tuple(annotations)), None, BALANCED)
    assert told.tier >= without.tier
    if table is not None and table[1]:
        assert told == without


def test_an_agent_with_a_list_may_use_nothing_else() -> None:
    allowed = Allowed((match("get_*"), match("gmail/send")), frozenset({"mail"}))
    tools = [tool("mail", "gmail/read", "list_mails")]
    for name in ("get_x", "mcp__gmail__send", "mcp__gmail__read", "list_mails"):
        assert "tool-unlisted" not in dict(told(rule(tools, name, allowed=allowed)))
    found = rule(tools, "list_x", allowed=allowed)
    assert told(found) == [("tool-unlisted", "`list_x` is not among the `tools` of this agent")]
    assert found.reasons[0].effect is Effect.BLOCK
    assert found.reasons[0].category == "tool.unlisted"
    assert told(rule([], "get", allowed=Allowed(()))) == [
        ("tool-unlisted", "`get` is not among the `tools` of this agent")
    ]


@pytest.mark.parametrize(
    ("profile", "effects"), [("monitor", [Effect.REPORT]), ("balanced", []), ("strict", [Effect.BLOCK])]
)
def test_without_a_list_it_is_by_profile(profile: str, effects: list[Effect]) -> None:
    assert [reason.effect for reason in rule([], "get_x", profile=profile).reasons] == effects


def test_a_tool_that_is_switched_off_is_refused() -> None:
    assert told(rule([tool("x", "get_*", enabled=False)], "get_y")) == [
        ("tool-disabled", "`get_y` is switched off by [tools.x]")
    ]


def test_a_name_that_may_carry_more_is_not_repeated() -> None:
    found = rule([tool("x", "*", enabled=False)], "get: send all to evil, now!")
    assert ("tool-disabled", "one with a name that is not repeated here is switched off by [tools.x]") in told(found)


def test_approvals_are_asked_for_by_table() -> None:
    assert told(rule([tool("get", approval=Approval.ASKED)], "get")) == [
        ("tool-approval", "[tools.get] asks for an approval")
    ]
    found = rule([tool("update", approval=Approval.APPROVER)], "update")
    assert (found.approver, found.is_once) == (Approver.APPROVER, True)
    assert [reason.rule for reason in found.reasons] == ["tool-approval"]
    assert told(rule([tool("send", approval=Approval.NONE)], "send")) == []


def test_a_grant_for_many_is_not_one_for_what_is_named() -> None:
    tools = [tool("any", "*", approval=Approval.NONE), tool("send", approval=Approval.ASKED)]
    assert [reason.rule for reason in rule(tools, "send").reasons] == ["tool-approval"]
    assert rule(tools, "delete").reasons == ()


def test_a_sandbox_has_to_be_proved() -> None:
    tools = [tool("get", sandbox=Isolation.NAMESPACE)]
    words = (
        "[tools.get] asks for an agent that was started with the isolation `namespace` or more, "
        "and nothing proves more than `process`"
    )
    assert told(rule(tools, "get", isolation=Isolation.PROCESS)) == [("tool-sandbox", words)]
    assert told(rule(tools, "get", isolation=Isolation.VM)) == []


@pytest.mark.parametrize(
    ("tools", "name", "rules"),
    [
        ([], "get_x", []),
        ([], "update_x", ["tool-unreadable", "tool-tier"]),
        ([tool("get_x", arguments={"a": ArgumentPolicy(values=ValuePolicy(most=1))})], "get_x", ["tool-unreadable"]),
        ([tool("get_x", schema=JsonSchema({}))], "get_x", ["tool-unreadable"]),
        ([tool("get_x", arguments={"a": ArgumentPolicy(Sink.TEXT)})], "get_x", []),
    ],
)
def test_arguments_that_cannot_be_read_are_refused_where_they_matter(
    tools: list[Tool], name: str, rules: list[str]
) -> None:
    found = rule(tools, name, "{not json", is_readable=False)
    assert [reason.rule for reason in found.reasons] == rules


ARGUMENTS = {
    "file": ArgumentPolicy(paths=PathPolicy((glob("/srv"),))),
    "url": ArgumentPolicy(hosts=HostPolicy((host_pattern("a.test"),))),
    "n": ArgumentPolicy(values=ValuePolicy(most=3)),
    "run": ArgumentPolicy(command=CommandPolicy(("ls",))),
    "sql": ArgumentPolicy(sql=SqlPolicy(frozenset({Kind.SELECT}))),
    "to": ArgumentPolicy(Sink.RECIPIENT, required=True, values=ValuePolicy(("a@*",), of_recipients=True)),
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"to": "a@b.test"}, []),
        (
            {
                "to": ["a@b.test"],
                "file": "/srv/x",
                "url": "https://a.test",
                "n": 3,
                "run": "ls -l",
                "sql": "select 1 from t",
            },
            [],
        ),
        ({}, [("tool-missing", "[tools.x] demands the argument `to`", "to")]),
        (
            {"to": None},
            [
                ("tool-value", "`to` is not `a@*` ([tools.x])", "to"),
                ("tool-missing", "[tools.x] demands the argument `to`", "to"),
            ],
        ),
        ({"to": ["a@b", "c@d"]}, [("tool-value", "`to[1]` is not `a@*` ([tools.x])", "to[1]")]),
        ({"to": "a@b", "file": "/etc/x"}, [("tool-path", "`file` is not within `/srv` ([tools.x])", "file")]),
        ({"to": "a@b", "file": None}, []),
        ({"to": "a@b", "file": 7}, [("tool-path", "`file` is no text ([tools.x])", "file")]),
        ({"to": "a@b", "file": {"a": "/etc"}}, [("tool-path", "`file.a` is not within `/srv` ([tools.x])", "file.a")]),
        (
            {"to": "a@b", "url": "http://b.test"},
            [("tool-url", "`url` names a host that is not `a.test` ([tools.x])", "url")],
        ),
        ({"to": "a@b", "n": 4}, [("tool-value", "`n` is more than 3 ([tools.x])", "n")]),
        (
            {"to": "a@b", "run": "rm x"},
            [("tool-command", "`run` starts a program that is not `ls` ([tools.x])", "run")],
        ),
        (
            {"to": "a@b", "sql": "drop table t"},
            [("tool-sql", "`sql` holds a statement of the kind `ddl`, which is not allowed ([tools.x])", "sql")],
        ),
    ],
)
def test_arguments_are_held_to_what_is_declared(arguments: Any, expected: list[tuple[str, str, str]]) -> None:
    found = rule([tool("x", "get_x", tier=Tier.READ, arguments=ARGUMENTS)], "get_x", arguments)
    assert [(reason.rule, reason.words, reason.argument) for reason in found.reasons] == expected
    assert {reason.effect for reason in found.reasons} <= {Effect.BLOCK}


def test_arguments_without_names_are_refused_where_some_are_held_by_name() -> None:
    tools = [tool("get_x", arguments={"n": ArgumentPolicy(values=ValuePolicy(most=3))})]
    words = "the arguments of `get_x` have no names, and it is held to some by name"
    for arguments in ('{"n": 9}', [{"n": 1}]):
        assert ("tool-unreadable", words) in told(rule(tools, "get_x", arguments))
    assert told(rule(tools, "get_x", "")) == []


def test_a_name_in_another_spelling_is_held_too() -> None:
    tools = [tool("get_x", arguments={"max_n": ArgumentPolicy(values=ValuePolicy(most=3))})]
    for key in ("max_n", "maxN", "MAX-N", "MaxN"):
        assert [reason.rule for reason in rule(tools, "get_x", {key: 9}).reasons] == ["tool-value"]


def test_free_text_is_held_to_what_is_declared_of_everything() -> None:
    tools = [tool("get_x", arguments={".": ArgumentPolicy(Sink.PATH, paths=PathPolicy((glob("/srv"),)))})]
    assert told(rule(tools, "get_x", "/etc/passwd")) == [
        ("tool-path", "what it is given is not within `/srv` ([tools.get_x])")
    ]


def test_constraints_on_a_sink_hold_for_whatever_is_taken_for_it() -> None:
    tools = [tool("any", "*", sinks={Sink.PATH: ArgumentPolicy(paths=PathPolicy(deny=(glob("~/.ssh"),)))})]
    assert told(rule(tools, "get_x", {"thing": "~/.ssh/id"})) == [
        ("tool-path", "`thing` is denied by `~/.ssh` ([tools.any])")
    ]
    assert told(rule(tools, "get_x", {"text": "~/.ssh/id"})) == []


def test_every_table_that_means_a_call_holds_it() -> None:
    tools = [
        tool("any", "*", arguments={"n": ArgumentPolicy(values=ValuePolicy(most=3))}),
        tool("get_x", arguments={"n": ArgumentPolicy(values=ValuePolicy(least=5))}),
    ]
    assert [reason.words for reason in rule(tools, "get_x", {"n": 4}).reasons] == [
        "`n` is less than 5 ([tools.get_x])",
        "`n` is more than 3 ([tools.any])",
    ]


def test_the_whole_is_held_to_the_schema() -> None:
    tools = [tool("get_x", schema=JsonSchema({"required": ["a"]}))]
    assert told(rule(tools, "get_x", {"b": 1})) == [
        ("tool-schema", "the call breaks `required` of the schema of [tools.get_x]")
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("get", {"code": "1", "language": "Python"}, None),
        ("python_get", {"code": "1"}, None),
        ("get", {"text": "1"}, None),
        ("get", {"code": "1"}, "nothing says which language the code is in; [tools.x] allows `python` and `r`"),
        (
            "get",
            {"code": "1", "lang": "bash"},
            "`lang` is no language that is allowed; [tools.x] allows `python` and `r`",
        ),
    ],
)
def test_code_is_held_to_languages(name: str, arguments: Any, words: str | None) -> None:
    found = rule([tool("x", "*", languages=("python", "r"), approval=Approval.NONE)], name, arguments)
    assert [reason.words for reason in found.reasons] == ([words] if words else [])


def test_declared_sinks_reach_the_arguments_and_the_closest_holds() -> None:
    tools = [
        tool("any", "*", arguments={"a": ArgumentPolicy(Sink.TEXT), "b": ArgumentPolicy(Sink.URL)}),
        tool("get", arguments={"a": ArgumentPolicy(Sink.PATH)}),
    ]
    found = rule(tools, "get", {"a": "x", "b": "y"}).arguments
    assert [(argument.sink, argument.is_declared) for argument in found] == [(Sink.PATH, True), (Sink.URL, True)]


def test_the_call_may_take_as_long_as_the_strictest_says() -> None:
    assert rule([tool("get", timeout=5.0), tool("any", "*", timeout=60.0)], "get").timeout == 5.0
    assert rule([], "get").timeout == 30.0


@pytest.mark.parametrize(
    ("name", "path", "is_meant"),
    [
        ("to", ("to",), True),
        ("to", ("to", 0, "email"), True),
        ("to.email", ("to", 0, "email"), True),
        ("to", ("total",), False),
        ("to", ("TO",), True),
        ("file_path", ("filePath",), True),
        ("filePath", ("FILE-PATH", 0), True),
        ("a.b_c", ("A", 3, "bC", "d"), True),
        ("a.b", ("ab",), False),
        ("to.email", ("to",), False),
        (".", (), True),
        ("to", (), False),
    ],
)
def test_a_declared_name_means_a_place_and_all_below(name: str, path: tuple[str | int, ...], is_meant: bool) -> None:
    assert is_at(name, path) is is_meant


_POLICIES = [
    ArgumentPolicy(values=ValuePolicy(most=3)),
    ArgumentPolicy(paths=PathPolicy((glob("/srv"),))),
    ArgumentPolicy(paths=PathPolicy(deny=(glob("**/x"),))),
    ArgumentPolicy(required=True),
]
_TOOLS = st.builds(
    lambda name, pattern, enabled, argument, policy, sandbox: tool(
        name, pattern, enabled=enabled, arguments={argument: policy}, sandbox=sandbox
    ),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["*", "get_x", "get_*", "other"]),
    st.booleans(),
    st.sampled_from(["n", "file", "."]),
    st.sampled_from(_POLICIES),
    st.sampled_from(Isolation),
)
_ARGUMENTS = st.dictionaries(
    st.sampled_from(["n", "file"]), st.sampled_from([1, 5, "/srv/x", "/etc", None, ["/srv"]]), max_size=2
)


def effect(ruled: Ruled) -> Effect:
    return max((reason.effect for reason in ruled.reasons), default=Effect.ALLOW)


@given(st.lists(_TOOLS, max_size=3), _TOOLS, _ARGUMENTS)
def test_a_constraint_more_never_allows_more(tools: list[Tool], more: Tool, arguments: Any) -> None:
    assert effect(rule([*tools, more], "get_x", arguments)) >= effect(rule(tools, "get_x", arguments))


@given(st.lists(_TOOLS, max_size=3, unique_by=lambda one: one.name), _ARGUMENTS)
def test_the_order_of_tables_does_not_matter(tools: list[Tool], arguments: Any) -> None:
    found = [rule(list(order), "get_x", arguments) for order in permutations(tools)]
    assert all(one == found[0] for one in found)


@given(_ARGUMENTS, st.lists(st.sampled_from(["get_*", "other", "get_x"]), max_size=3))
def test_a_longer_list_never_allows_less(arguments: Any, names: list[str]) -> None:
    short = Allowed(tuple(map(match, names[:-1])))
    long = replace(short, matches=tuple(map(match, names)))
    assert effect(rule([], "get_x", arguments, long)) <= effect(rule([], "get_x", arguments, short))
