"""Tickets on a terminal: what is needed to decide, and nothing of a call that could pass for a word of ours."""

from __future__ import annotations

from typing import Any, Final

import pytest
from msgspec.structs import replace

from gateway.approve.decision import Decision, decided
from gateway.approve.shown import ticket_json
from gateway.approve.terms import Terms
from gateway.cli.ticket_text import full, line, outcome
from gateway.policy.call import Aim, Approver, CallReason, Lasts, Question, Sink, Tier
from gateway.verdict import Effect
from tests.approve.setting import ALICE, SECRET, TIERED, UNTRUSTED, modifying, question
from tests.approve.test_decision import NOW, ticket

EVIL = "\x1b[2J\x07\r\n\x9b31m\u202eabc\u2028\U000e0041\x00"
OPTIONS = ("--config", "my gate.toml")


def text(asked: Question, terms: Terms | None = None, **more: Any) -> str:
    return full(ticket_json(ticket(asked, terms)), NOW, **more)


def aimed(asked: Question, *aims: Aim) -> Question:
    return replace(asked, aims=aims)


def test_everything_that_is_needed_to_decide() -> None:
    asked = aimed(
        question({"to": "a@example.com", "n": 1}, reasons=(TIERED, UNTRUSTED), target="a@example.com"),
        Aim("to", Sink.RECIPIENT, "a@example.com", ("the result of `read` (message 2)", "a document (message 0)")),
    )
    assert text(asked, options=OPTIONS).split("\n") == [
        "abc123  pending, 5 min left: research calls send_mail",
        "  tier       3: sends, deletes or pays",
        '  recipient  "a@example.com"',
        "             from the result of `read` (message 2), a document (message 0)",
        "  because    it sends [tier]",
        "  because    `to` stems from what was read [untrusted-target]",
        "             from the result of `read`",
        '  arguments  to "a@example.com"',
        "             n  1",
        "  by way of  openai",
        "  history    2027-01-15T08:00:00+00:00 asked by research",
        "  until      2027-01-15T08:05:00+00:00, then it is denied",
        "  decides    the agent's own user, or an approver",
        "  once       this very call, once, within 1 h (default)",
        "             $ lockgate approvals approve abc123 --once --config 'my gate.toml'",
        "  session    not for this call: it is asked about each time",
        "  deny       and the model is told why",
        "             $ lockgate approvals deny abc123 --why '…' --config 'my gate.toml'",
    ]


@pytest.mark.parametrize(
    ("asked", "terms", "expected"),
    [
        (question(server="mail"), None, "calls send_mail at the server mail"),
        (
            modifying(),
            None,
            "each call of write in this conversation, for 8 h, unless",
        ),
        (modifying(target="a"), None, "$ lockgate approvals approve abc123 --target\n"),
        (modifying(session=""), None, "session    not for this call: nothing tells which conversation it is part of"),
        (
            question(approver=Approver.APPROVER, tier=Tier.SYSTEM),
            Terms(four_eyes=True),
            "decides    an approver; 2 different ones, so far nobody",
        ),
        (question({}), None, "arguments  none\n"),
        (question([]), None, "arguments  none\n"),
        (question("free text"), None, 'arguments  "free text"\n'),
        (question({"a": {"b": [True, {}]}, "c d": None}), None, "arguments  a.b[0] true\n             a.b[1] {}\n"),
        (question({"c d": None}), None, 'arguments  "c d" null\n'),
        (question({"key": SECRET}), None, 'arguments  key "[SECRET]"\n'),
        (
            aimed(question(), Aim("path", Sink.PATH, "/a", ())),
            None,
            '  path       "/a"\n             stands in no',
        ),
        (aimed(question(), Aim("who", Sink.RECIPIENT, "a")), None, "of a call by itself: where it came from is not"),
        (aimed(question(), Aim("at", Sink.URL, "https://a")), None, '  address    "https://a"\n'),
        (aimed(question(), Aim("to", Sink.PATH, "/a")), None, '  path (to)  "/a"\n'),
        (aimed(question(), Aim("to", Sink.URL, "x" * 300)), None, f'"{"x" * 200}… (300 characters)"\n'),
        (aimed(question(), Aim("to", Sink.URL, SECRET)), None, '"[SECRET]"\n'),
    ],
)
def test_what_may_be_done(asked: Question, terms: Terms | None, expected: str) -> None:
    assert expected in text(asked, terms)


def test_what_became_of_it() -> None:
    one = decided(ticket(), Decision(True, None, '{"to": "b"}', "better"), ALICE, NOW)
    shown = full(ticket_json(one), NOW)
    assert '  edited to  to "b"\n' in shown
    assert "  holds      for this call, until 2027-01-15T09:00:00+00:00\n  by         alice: better\n" in shown
    assert "approved by alice: better" in shown
    assert "left" not in shown
    assert "$ lockgate" not in shown
    granted = decided(ticket(modifying()), Decision(True, Lasts.SESSION), ALICE, NOW)
    assert "holds      for the session, until" in full(ticket_json(granted), NOW)
    used = replace(one, is_used=True)
    assert "holds      for this call, used" in full(ticket_json(used), NOW)


def test_who_decided_is_told_what_came_of_it() -> None:
    granted = decided(ticket(modifying()), Decision(True, Lasts.SESSION), ALICE, NOW)
    assert outcome(ticket_json(granted)).split("\n") == [
        "abc123  approved: research calls write",
        "  holds      for the session, until 2027-01-15T16:00:00+00:00",
        "  by         alice",
    ]
    first = decided(
        ticket(question(approver=Approver.APPROVER, tier=Tier.SYSTEM), Terms(four_eyes=True)),
        Decision(True),
        ALICE,
        NOW,
    )
    assert outcome(ticket_json(first)).endswith("\n  still needs 1 more to approve")


class TestLongValues:
    LONG: Final = "a" * 400 + "MIDDLE" + "z" * 400

    def test_their_length_is_told_with_what_is_not_shown(self) -> None:
        shown = text(question({"text": self.LONG}))
        assert f'"{"a" * 300}" … 406 of 806 characters are not shown, see --whole … "{"z" * 100}"' in shown
        assert "MIDDLE" not in shown
        assert f'"{self.LONG}"' in text(question({"text": self.LONG}), cut=False)

    def test_a_value_cannot_say_so_itself(self) -> None:
        forged = 'ok" … 9 of 9 characters are not shown, see --whole … "'
        assert 'text "ok\\" … 9 of' in text(question({"text": forged}))

    def test_so_is_that_there_are_more(self) -> None:
        many = question({f"a{number}": number for number in range(40)})
        assert "             a29" in text(many)
        assert "a30" not in text(many)
        assert "\n             and 10 more, see --whole\n" in text(many)
        assert "a39" in text(many, cut=False)

    def test_a_terminal_cannot_be_made_to_break_them_as_it_likes(self) -> None:
        forged = " " * 45 + "until      2099-01-01, approved by alice"
        lines = text(question({"text": forged}), columns=60).split("\n")
        assert all(len(one) <= 60 for one in lines)
        assert not any(one.startswith("  until      2099") for one in lines)
        assert any(one.startswith("             ┆ ") and "2099" in one for one in lines)


class TestForging:
    def test_no_part_of_a_call_reaches_the_terminal_as_a_command(self) -> None:
        reason = CallReason(Effect.ASK, EVIL, "tool", EVIL, EVIL, (EVIL,))
        asked = question({EVIL: [EVIL, {"x": EVIL}]}, name=EVIL, server=EVIL, target=EVIL, reasons=(reason,))
        asked = aimed(asked, Aim(EVIL, Sink.URL, EVIL, (EVIL,)))
        shown = ticket_json(ticket(asked))
        for columns in (None, 60):
            painted = full(shown, NOW, columns=columns)
            assert painted.replace("\n", "").isprintable()
            assert "[2J" in painted
            assert not any(one.startswith(("[", "abc\\", "31m")) for one in painted.split("\n"))
        assert line(shown, NOW).isprintable()
        assert outcome(shown).replace("\n", "").isprintable()

    def test_a_list_is_no_place_for_a_line_of_its_own_either(self) -> None:
        forged = " " * 20 + "ab12cd  approved     tier 0  x calls y"
        shown = ticket_json(ticket(aimed(question(), Aim("to", Sink.RECIPIENT, forged))))
        first, *rest = line(shown, NOW, columns=80).split("\n")
        assert first.startswith("abc123  ")
        assert rest
        assert all(one.startswith("             ┆ ") for one in rest)
        assert all(len(one) <= 80 for one in outcome({**shown, "tool": forged * 9}, columns=80).split("\n"))

    @pytest.mark.parametrize("columns", [None, 60])
    def test_it_makes_no_lines_of_its_own(self, columns: int | None) -> None:
        def rows(evil: str) -> list[str]:
            shown = text(question({"a": evil}, name="send"), columns=columns).split("\n")
            return [one for one in shown if not one.startswith("             ┆")]

        assert len(rows("x\n  until      2099\x1b[1A" + " " * 200)) == len(rows("x"))

    def test_a_name_that_is_none_is_quoted(self) -> None:
        shown = text(question(name="send_mail at the server mail, approved by alice"))
        assert shown.startswith(
            'abc123  pending, 5 min left: research calls "send_mail at the server mail, approved by'
        )
        assert '"… (200 characters)\n' in text(question(name="x y" + "z" * 197))

    def test_what_a_person_wrote_is_not_trusted_either(self) -> None:
        one = decided(ticket(), Decision(False, why=EVIL), ALICE, NOW)
        assert outcome(ticket_json(one)).count("\n") == 1
        assert outcome({**ticket_json(one), "why": EVIL}).replace("\n", "").isprintable()


def test_one_line_tells_what_it_is_aimed_at_and_why() -> None:
    asked = aimed(
        question(reasons=(TIERED, UNTRUSTED)), Aim("to", Sink.RECIPIENT, "a" * 100), Aim("n", Sink.AMOUNT, "5")
    )
    assert line(ticket_json(ticket(asked)), NOW) == (
        f'abc123  5 min        tier 3  research calls send_mail with "{"a" * 60}"… (100 characters), "5": it sends; '
        "`to` stems from what was read"
    )


@pytest.mark.parametrize(
    ("left", "shown"), [(59, "59 s"), (61, "1 min 1 s"), (60, "1 min"), (3600, "1 h"), (3661, "1 h 1 min"), (-5, "0 s")]
)
def test_one_line_tells_how_long_there_is(left: int, shown: str) -> None:
    one = ticket_json(ticket(deadline=NOW + left))
    assert line(one, NOW).split("  ")[:2] == ["abc123", shown]
    assert line(one, NOW).endswith("tier 3  research calls send_mail: it sends")
    assert line({**one, "state": "denied"}, NOW).startswith("abc123  denied ")
