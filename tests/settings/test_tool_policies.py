"""The shipped policies of tools hold what their proofs say, and an operator's tables go over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.config import parse
from gateway.policy.call import Call, Sink, Tier
from gateway.policy.profile import PROFILES
from gateway.policy.tools.toolbox import Toolbox
from gateway.resources import tool_policy_names
from gateway.settings import Config, starter
from gateway.settings.tools import ToolTable

PROVED = {"tool", "server", "arguments", "tier", "rules"}


def proofs() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for policy in tool_policy_names():
        yield from ((policy, proof) for proof in starter.proofs(policy))


def box(*policies: str) -> Toolbox:
    names = ", ".join(f"'{name}'" for name in policies)
    return parse(f"[rules]\ntool_policies = [{names}]", "gate.toml").toolbox()


@pytest.mark.parametrize(("policy", "proof"), list(proofs()), ids=str)
def test_a_policy_does_to_a_call_what_its_proof_says(policy: str, proof: Mapping[str, Any]) -> None:
    call = Call(proof["tool"], proof["arguments"], server=proof.get("server"))
    ruled = box(policy).rule(call, None, None, PROFILES["balanced"])
    assert (ruled.tier, [reason.rule for reason in ruled.reasons]) == (proof["tier"], proof["rules"])


@pytest.mark.parametrize("policy", tool_policy_names())
def test_each_policy_is_proved_by_what_it_allows_and_what_it_holds(policy: str) -> None:
    shown = starter.proofs(policy)
    assert any(proof["rules"] == [] for proof in shown)
    assert any(proof["rules"] for proof in shown)
    assert all(set(proof) <= PROVED for proof in shown)


def test_no_two_policies_have_a_table_of_one_name_and_none_that_of_a_tool() -> None:
    names = [name for policy in tool_policy_names() for name in starter.tables(policy)]
    assert len(names) == len(set(names))
    # So that `[tools.shell]` is an operator's own, for the tool of that name.
    assert all("-" in name for name in names)


def test_all_are_chosen_unless_some_are() -> None:
    assert Config().rules.tool_policies == tool_policy_names()
    assert "shell-run" in Config().tools
    assert set(parse("[rules]\ntool_policies = ['mail']", "gate.toml").tools) == set(starter.tables("mail"))
    assert parse("[rules]\ntool_policies = []", "gate.toml").tools == {}


def test_all_together_never_allow_more_than_one() -> None:
    together = Config().toolbox()
    for policy, proof in proofs():
        call = Call(proof["tool"], proof["arguments"], server=proof.get("server"))
        alone = {reason.rule for reason in box(policy).rule(call, None, None, PROFILES["balanced"]).reasons}
        found = {reason.rule for reason in together.rule(call, None, None, PROFILES["balanced"]).reasons}
        assert alone - {"tool-tier"} <= found, proof


def test_an_operator_s_keys_win_one_by_one() -> None:
    text = (
        "[tools.shell-run]\ntier = 'send'\n[tools.shell-run.arguments.command]\nprograms = ['ls']\n"
        "[tools.mail-send.arguments.to]\nallow = ['*@example.com']\n[tools.own]\nenabled = false\n"
    )
    tools = parse(text, "gate.toml").tools
    assert tools["shell-run"].tier is Tier.SEND
    assert "Bash" in tools["shell-run"].match
    assert tools["shell-run"].arguments["command"].sink is Sink.COMMAND
    assert tools["shell-run"].arguments["command"].programs == ("ls",)
    assert tools["mail-send"].arguments["to"].sink is Sink.RECIPIENT
    assert tools["own"] == ToolTable(enabled=False)


def test_an_operator_s_table_for_a_tool_is_asked_before_a_shipped_one() -> None:
    text = "[tools.Bash]\ntier = 'modify'\n[tools.WebFetch]\nrequires_approval = true\n"
    toolbox = parse(text + "[tools.all]\nmatch = ['*']\ntier = 0", "gate.toml").toolbox()
    found = toolbox.rule(Call("Bash", {"command": "ls"}), None, None, PROFILES["balanced"])
    assert (found.tier, [tool.name for tool in found.tools][:2]) == (Tier.MODIFY, ["Bash", "shell-run"])
    assert toolbox.rule(Call("terminal", {}), None, None, PROFILES["balanced"]).tier is Tier.SYSTEM
    found = toolbox.rule(Call("WebFetch", {}), None, None, PROFILES["balanced"])
    assert [reason.rule for reason in found.reasons] == ["tool-approval"]


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("", False),
        ("[rules]\ntool_policies = ['mail']", False),
        ("[agents.a]\nkey_env = 'K'", False),
        ("[agents.a]\nkey_env = 'K'\ntools = []", True),
        ("[tools.x]", True),
        ("[tools.shell-run]\ntier = 3", True),
    ],
)
def test_a_file_speaks_of_tools_or_does_not(text: str, speaks: bool) -> None:
    assert parse(text, "gate.toml").speaks_of_tools is speaks


def test_a_schema_is_replaced_as_a_whole() -> None:
    below, above = {"schema": {"type": "object"}}, {"schema": {"required": ["a"]}}
    assert starter._merged({"x": below}, {"x": above}) == {"x": above}
