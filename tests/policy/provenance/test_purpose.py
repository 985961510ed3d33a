"""What a tool is for, and whether a clause asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.call import Call, Tier
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.purpose import asks, fit, likeness, needles, purpose
from gateway.policy.provenance.words import read
from gateway.policy.transcript import Defined

TOOLS: list[tuple[str, Any, Tier, str, set[Act]]] = [
    ("send_email", {}, Tier.SEND, "", {Act.SEND}),
    ("send_money", {}, Tier.SEND, "", {Act.PAY}),
    ("FundWithdrawal", {}, Tier.SEND, "", {Act.PAY}),
    ("get_emails", {}, Tier.READ, "", {Act.READ}),
    ("add_collaborator", {}, Tier.CREATE, "", {Act.CREATE, Act.SHARE}),
    ("manage_notes", {}, Tier.SEND, "", {Act.CREATE, Act.CHANGE, Act.DELETE, Act.BOOK}),
    ("manage_notes", {"action": "delete"}, Tier.SEND, "", {Act.DELETE}),
    ("browser_click", {"element": "Delete"}, Tier.MODIFY, "", {Act.DELETE}),
    ("frobnicate", {}, Tier.SEND, "Transfers money to a payee.", {Act.PAY}),
    ("frobnicate", {}, Tier.SEND, "", set()),
    ("frobnicate", {}, Tier.SYSTEM, "", {Act.RUN}),
    ("run_shell_command", {}, Tier.SYSTEM, "", {Act.RUN, Act.CHANGE, Act.DELETE, Act.CREATE}),
]


@pytest.mark.parametrize(("name", "arguments", "tier", "description", "acts"), TOOLS)
def test_a_tool_has_the_kind_of_action_of_its_name(
    name: str, arguments: Any, tier: Tier, description: str, acts: set[Act]
) -> None:
    found = purpose(Call(name, arguments), tier, Defined(name, description) if description else None)
    assert set(found.acts) - {Act.BOOK} == acts - {Act.BOOK}


ASKED: list[tuple[str, str, Tier, bool]] = [
    ("pay the bill", "send_money", Tier.SEND, True),
    ("delete the file", "delete_file", Tier.SEND, True),
    ("delete it", "delete_file", Tier.SEND, True),
    ("delete the event", "delete_file", Tier.SEND, False),
    ("create a summary", "create_user", Tier.CREATE, False),
    ("summarise my emails", "send_email", Tier.SEND, False),
    ("I have some emails", "delete_email", Tier.SEND, False),
    ("I'd like a table for two", "table_reservation", Tier.SEND, True),
    ("she wants order 1 sent to her new address", "update_order_address", Tier.MODIFY, True),
]


@pytest.mark.parametrize(("clause", "name", "tier", "asked"), ASKED)
def test_a_clause_asks_for_a_kind_of_action_done_to_a_thing(clause: str, name: str, tier: Tier, asked: bool) -> None:
    assert asks(read(clause), purpose(Call(name, {}), tier, None)) is asked


def test_naming_the_thing_as_well_fits_better() -> None:
    wanted = purpose(Call("unlock_door", {}), Tier.MODIFY, None)
    assert fit(read("unlock the door"), wanted) > fit(read("unlock it"), wanted) >= 1


def test_likeness_counts_words_whatever_the_verb() -> None:
    wanted = purpose(Call("fund_audit", {}), Tier.SEND, Defined("fund_audit", "Reviews the liquidity of client funds"))
    words = read("execute a fund audit of liquidity")
    assert likeness(words, wanted) > likeness(read("send a postcard"), wanted) == 0


def test_needles_begin_the_words_that_a_tool_is_known_by() -> None:
    found = needles(purpose(Call("send_email", {}), Tier.SEND, None))
    assert {"send", "forward", "email", "邮件", "发送"} <= set(found)
