"""Tickets on a terminal: complete, and unable to paint it."""

from __future__ import annotations

import pytest

from gateway.approve.decision import Decision, decided
from gateway.approve.shown import ticket_json
from gateway.approve.terms import Terms
from gateway.cli.ticket_text import full, line, plain
from gateway.policy.call import Approver, CallReason, Lasts, Question, Tier
from gateway.verdict import Effect
from tests.approve.setting import ALICE, TIERED, UNTRUSTED, modifying, question
from tests.approve.test_decision import NOW, ticket

EVIL = "\x1b[2J\x07\r\n\x9b31m\u202eabc\u2028\U000e0041\x00"


def text(asked: Question, terms: Terms | None = None) -> str:
    return full(ticket_json(ticket(asked, terms)), NOW)


def test_everything_that_is_needed_to_decide() -> None:
    asked = question({"to": "a@example.com", "n": 1}, reasons=(TIERED, UNTRUSTED), target="a@example.com")
    lines = text(asked).split("\n")
    assert lines[0] == "abc123  pending: research calls send_mail"
    assert lines[1:10] == [
        "  until      2027-01-15T08:05:00+00:00 (5 min 0 s left)",
        "  tier       3 (sends, deletes or pays)",
        "  approver   the agent's own user, or an approver",
        "  can hold   once alone",
        "  upstream   openai",
        "  target     a@example.com",
        lines[7],
        "  because    it sends [tier]",
        "  because    `to` stems from what was read [untrusted-target]",
    ]
    assert lines[7].startswith("  session    ")
    assert lines[10:] == [
        "             from the result of `read`",
        "  arguments  {",
        '               "to": "a@example.com",',
        '               "n": 1',
        "             }",
        "  history    2027-01-15T08:00:00+00:00 asked by research",
    ]


@pytest.mark.parametrize(
    ("asked", "terms", "expected"),
    [
        (question(server="mail"), None, "calls send_mail at the server mail"),
        (modifying(), None, "can hold   once, or for the session\n"),
        (modifying(target="a"), None, "can hold   once, or for the session, or for this target in it"),
        (modifying(session=""), None, "can hold   once alone"),
        (
            question(approver=Approver.APPROVER, tier=Tier.SYSTEM),
            Terms(four_eyes=True),
            "approver   an approver; 2 different ones, so far nobody",
        ),
    ],
)
def test_what_may_be_done(asked: Question, terms: Terms | None, expected: str) -> None:
    assert expected in text(asked, terms)


def test_what_became_of_it() -> None:
    one = decided(ticket(), Decision(True, None, '{"to": "b"}', "better"), ALICE, NOW)
    shown = full(ticket_json(one), NOW)
    assert 'edited to  {\n               "to": "b"\n             }' in shown
    assert "holds      for this call, until 2027-01-15T09:00:00+00:00" in shown
    assert "approved by alice: better" in shown
    granted = decided(ticket(modifying()), Decision(True, Lasts.SESSION), ALICE, NOW)
    assert "holds      for the session, until" in full(ticket_json(granted), NOW)
    assert "left" not in shown


def test_no_part_of_a_call_reaches_the_terminal_as_a_command() -> None:
    reason = CallReason(Effect.ASK, EVIL, "tool", EVIL, EVIL, (EVIL,))
    asked = question({EVIL: [EVIL, {"x": EVIL}]}, name=EVIL, server=EVIL, target=EVIL, reasons=(reason,))
    shown = ticket_json(ticket(asked))
    for painted in (full(shown, NOW).replace("\n", ""), line(shown, NOW)):
        assert painted.isprintable()
        assert "\\x1b[2J" in painted or "\\u001b[2J" in painted
    assert full(shown, NOW).count("\n") == text(question({"a": [1, {"x": 2}]}, server="s", target="t")).count("\n") + 1


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain, mit Umlaut: ä 漢字", "plain, mit Umlaut: ä 漢字"),
        ("\x1b\x7f\x9b", "\\x1b\\x7f\\x9b"),
        ("\u202e\U000e0041\n", "\\u202e\\U000e0041\\x0a"),
        (5, "5"),
    ],
)
def test_what_is_not_simply_shown_is_escaped(given: object, shown: str) -> None:
    assert plain(given) == shown


@pytest.mark.parametrize(("left", "shown"), [(59, "59 s"), (61, "1 min 1 s"), (3661, "1 h 1 min"), (-5, "0 s")])
def test_one_line_tells_how_long_there_is(left: int, shown: str) -> None:
    one = ticket_json(ticket(deadline=NOW + left))
    assert line(one, NOW).split("  ")[:2] == ["abc123", shown]
    assert line(one, NOW).endswith("tier 3  research calls send_mail: it sends")
