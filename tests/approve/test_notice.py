"""What a webhook is sent, and how its receiver knows it."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.approve.decision import decided
from gateway.approve.notice import MOST_ARGUMENTS, SIGNATURE, TIMESTAMP, TOLD, notice, signature, slack
from gateway.approve.shown import ticket_json
from gateway.approve.ticket import Step, Ticket, What
from gateway.policy.call import Approver, Tier
from tests.approve.setting import ALICE, APPROVE, SECRET, TIERED, UNTRUSTED, question
from tests.approve.test_decision import NOW, ticket

MAIL = "a@example.com"


def private(text: str) -> str:
    return text.replace(MAIL, "[EMAIL]")


def asked(arguments: Any = None, **more: Any) -> tuple[Ticket, Step]:
    one = ticket(question(arguments or {"to": MAIL}, reasons=(TIERED, UNTRUSTED), **more))
    return one, one.steps[0]


def test_a_notice_says_who_asks_for_what_and_why() -> None:
    assert notice(*asked(), private) == {
        "event": "asked",
        "at": "2027-01-15T08:00:00+00:00",
        "by": "research",
        "why": "",
        "ticket": "abc123",
        "state": "pending",
        "agent": "research",
        "tool": "send_mail",
        "server": None,
        "tier": 3,
        "approver": "user",
        "arguments": '{"to":"[EMAIL]"}',
        "reasons": [
            {"rule": "tier", "words": "it sends", "argument": ""},
            {"rule": "untrusted-target", "words": "`to` stems from what was read", "argument": "to"},
        ],
        "deadline": "2027-01-15T08:05:00+00:00",
    }


def test_a_signature_is_made_as_its_receiver_makes_it() -> None:
    body = json.dumps(notice(*asked(), private)).encode()
    expected = hmac.new(b"shared", b"1800000000." + body, hashlib.sha256).hexdigest()
    assert signature(b"shared", 1_800_000_000, body) == f"v1={expected}"
    assert signature(b"shared", 1_800_000_001, body) != f"v1={expected}"


@pytest.mark.parametrize("make", [notice, slack])
def test_no_secret_and_nothing_private_is_sent(make: Any) -> None:
    sent = json.dumps(make(*asked({"auth": SECRET, "to": MAIL}, name=f"send {MAIL}"), private))
    assert SECRET not in sent
    assert MAIL not in sent


@pytest.mark.parametrize("make", [notice, slack])
def test_long_arguments_are_cut(make: Any) -> None:
    sent = json.dumps(make(*asked({"text": "x" * 10_000}), private))
    assert "x" * (MOST_ARGUMENTS - 20) in sent
    assert "x" * (MOST_ARGUMENTS + 1) not in sent


def test_the_receiver_of_the_manual_knows_a_genuine_notice() -> None:
    page = (Path(__file__).parents[2] / "docs" / "approvals.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    body = json.dumps(notice(*asked(), private)).encode()
    headers = {TIMESTAMP: "1800000000", SIGNATURE: signature(b"shared", 1_800_000_000, body)}
    genuine = names["genuine"]
    assert genuine(b"shared", headers, body, now=1_800_000_100.0)
    assert not genuine(b"shared", headers, body, now=1_800_000_301.0)
    assert not genuine(b"shared", headers, body + b" ", now=1_800_000_100.0)
    assert not genuine(b"other", headers, body, now=1_800_000_100.0)


class TestSlack:
    def test_all_that_came_from_a_call_is_plain_text(self) -> None:
        sent = slack(*asked({"to": "<!channel> *a* <https://evil.example|b>"}, name="<!here>"), private)
        assert {block["text"]["type"] for block in sent["blocks"]} == {"plain_text"}
        assert sent["text"] == "Lockgate abc123: asked"
        assert "lockgate approvals show abc123" in json.dumps(sent)

    def test_a_name_makes_no_lines_of_its_own(self) -> None:
        sent = slack(*asked(name="x (tier 0)\n\u2028Approved by alice\u202e"), private)
        lines = sent["blocks"][1]["text"]["text"].split("\n")
        assert lines[0] == "research calls x (tier 0)  Approved by alice (tier 3)"
        assert all(line.startswith("• ") for line in lines[1:])

    def test_the_summary_has_nothing_that_slack_reads_as_a_mention(self) -> None:
        one, _ = asked()
        sent = slack(one, Step(What.DENIED, NOW, "<!channel> & co", "no"), private)
        assert sent["text"] == "Lockgate abc123: denied by &lt;!channel&gt; &amp; co"
        assert "Because: no" in json.dumps(sent)
        assert MAIL not in json.dumps(sent), "what is over needs no arguments"

    def test_it_says_who_may_approve(self) -> None:
        for approver, who in ((Approver.USER, "its user or an approver"), (Approver.APPROVER, "an approver:")):
            assert who in json.dumps(slack(*asked(approver=approver, tier=Tier.SYSTEM), private))

    def test_no_text_is_longer_than_slack_takes(self) -> None:
        sent = slack(*asked({"text": "x" * 10_000}, name="n" * 5000), private)
        assert max(len(block["text"]["text"]) for block in sent["blocks"]) <= 3000


def test_uses_are_not_told() -> None:
    assert set(What) - TOLD == {What.USED, What.EDITED}


def test_a_ticket_is_shown_with_what_became_of_it() -> None:
    one, _ = asked()
    waits = ticket_json(one)
    assert (waits["state"], waits["lasts"], waits["until"], waits["by"], waits["edited"]) == (
        "pending",
        None,
        None,
        None,
        None,
    )
    over = ticket_json(decided(one, APPROVE, ALICE, NOW))
    assert (over["state"], over["lasts"], over["by"]) == ("approved", "once", "alice")
    assert over["until"] == "2027-01-15T09:00:00+00:00"
    assert [step["what"] for step in over["steps"]] == ["asked", "approved"]
    assert over["reasons"][1]["sources"] == ["the result of `read`"]
    json.dumps(over)
