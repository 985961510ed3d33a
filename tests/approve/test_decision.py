"""What a person's word makes of a ticket, and when it makes nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.approve.decision import Decision, Fault, Person, Undecided, decided
from gateway.approve.making import asked_of, made
from gateway.approve.terms import Mode, Terms
from gateway.approve.ticket import State, Ticket
from gateway.policy.call import Approver, Lasts, Question, Tier
from tests.approve.setting import ALICE, APPROVE, BOB, DENY, KEY, SECRET, USER, mask, modifying, question

NOW = 1_800_000_000.0
EYES = Terms(four_eyes=True)


def ticket(asked: Question | None = None, terms: Terms | None = None, **changes: Any) -> Ticket:
    given = asked or question()
    terms = terms or Terms(Mode.TICKET)
    new = made("abc123", given, asked_of(KEY, given, "research"), "openai", terms, mask, NOW, 300.0)
    return replace(new, **changes)


def fault(one: Ticket, decision: Decision, person: Person = ALICE, now: float = NOW) -> tuple[Fault, str]:
    with pytest.raises(Undecided) as raised:
        decided(one, decision, person, now)
    return raised.value.fault, str(raised.value)


SYSTEM = question(approver=Approver.APPROVER, tier=Tier.SYSTEM)


@pytest.mark.parametrize(
    ("one", "decision", "person", "expected"),
    [
        (ticket(), APPROVE, Person("eve", Approver.USER, frozenset({"another"})), (Fault.UNKNOWN, "no `abc123`")),
        (ticket(SYSTEM), APPROVE, USER, (Fault.FORBIDDEN, "`abc123` needs an approver; uma decides as a user")),
        (ticket(SYSTEM), DENY, USER, (Fault.FORBIDDEN, "needs an approver")),
        (ticket(deadline=NOW), APPROVE, ALICE, (Fault.EXPIRED, "nobody decided `abc123` in time")),
        (ticket(state=State.EXPIRED), DENY, ALICE, (Fault.EXPIRED, "nobody decided")),
        (decided(ticket(), DENY, BOB, NOW), APPROVE, ALICE, (Fault.DECIDED, "`abc123` is denied by bob already")),
        (decided(ticket(), APPROVE, BOB, NOW), APPROVE, ALICE, (Fault.DECIDED, "is approved by bob already")),
        (
            replace(decided(ticket(), APPROVE, BOB, NOW), is_used=True),
            DENY,
            ALICE,
            (Fault.DECIDED, "is approved by bob already"),
        ),
        (ticket(state=State.WITHDRAWN), APPROVE, ALICE, (Fault.DECIDED, "`abc123` is withdrawn already")),
        (ticket(), Decision(True, Lasts.SESSION), ALICE, (Fault.UNFIT, "asked each time: it can be approved once")),
        (
            ticket(modifying(session="")),
            Decision(True, Lasts.SESSION),
            ALICE,
            (Fault.UNFIT, "belongs to no known session"),
        ),
        (ticket(modifying()), Decision(True, Lasts.TARGET), ALICE, (Fault.UNFIT, "has no target")),
        (
            ticket(modifying()),
            Decision(True, Lasts.SESSION, "{}"),
            ALICE,
            (Fault.UNFIT, "edited arguments are for one call"),
        ),
        (ticket(), Decision(True, None, "{"), ALICE, (Fault.UNFIT, "the arguments are no JSON")),
        (ticket(), Decision(True, None, "[" * 100_000), ALICE, (Fault.UNFIT, "")),
        (ticket(), Decision(True, None, '{"to": NaN}'), ALICE, (Fault.UNFIT, "")),
        (
            ticket(question({"to": SECRET})),
            Decision(True, None, '{"to": "x [SECRET]"}'),
            ALICE,
            (Fault.UNFIT, "`to` holds a masked text that was changed or moved"),
        ),
    ],
)
def test_what_cannot_be_decided(one: Ticket, decision: Decision, person: Person, expected: tuple[Fault, str]) -> None:
    found, words = fault(one, decision, person)
    assert found is expected[0]
    assert expected[1] in words


@pytest.mark.parametrize(
    ("asked", "decision", "lasts"),
    [
        (question(), APPROVE, Lasts.ONCE),
        (modifying(), APPROVE, Lasts.SESSION),
        (modifying(session=""), APPROVE, Lasts.ONCE),
        (modifying(tier=Tier.SEND), APPROVE, Lasts.ONCE),
        (modifying(), Decision(True, Lasts.ONCE), Lasts.ONCE),
        (modifying(), Decision(True, None, '{"to": "b"}'), Lasts.ONCE),
        (modifying(target="b"), Decision(True, Lasts.TARGET), Lasts.TARGET),
    ],
)
def test_how_long_an_approval_holds(asked: Question, decision: Decision, lasts: Lasts) -> None:
    terms = Terms(Mode.TICKET)
    after = decided(ticket(asked, terms), decision, ALICE, NOW)
    assert after.lasts is lasts
    assert after.until == NOW + (terms.ticket_lifetime if lasts is Lasts.ONCE else terms.grant_lifetime)


def test_arguments_that_were_not_changed_are_those_of_the_call() -> None:
    assert decided(ticket(), Decision(True, None, ' { "to":"a@example.com" } '), ALICE, NOW).edited is None
    one = ticket(question({"flag": True}))
    assert decided(one, Decision(True, None, '{"flag": 1}'), ALICE, NOW).edited == '{"flag":1}'


def test_an_approval_that_is_over_can_not_be_taken_back() -> None:
    approved = decided(ticket(), APPROVE, ALICE, NOW)
    assert decided(approved, DENY, BOB, NOW + 1).state is State.DENIED
    assert fault(approved, DENY, BOB, approved.until)[0] is Fault.DECIDED


class TestFourEyes:
    def voted(self, asked: Question = SYSTEM, decision: Decision = APPROVE) -> Ticket:
        return decided(ticket(asked, EYES), decision, ALICE, NOW)

    def test_the_same_person_does_not_count_twice(self) -> None:
        assert self.voted().state is State.PENDING
        assert fault(self.voted(), APPROVE, ALICE) == (
            Fault.DECIDED,
            "alice approved `abc123` already; another person has to",
        )

    def test_nor_does_a_user_of_a_machine_who_has_a_token_too(self) -> None:
        for name in ("alice@laptop", "Alice@server"):
            person = Person(name, Approver.APPROVER)
            assert fault(self.voted(), APPROVE, person)[0] is Fault.DECIDED
        assert decided(self.voted(), APPROVE, Person("bob@laptop", Approver.APPROVER), NOW).state is State.APPROVED

    def test_one_denial_is_enough(self) -> None:
        assert decided(self.voted(), DENY, BOB, NOW).state is State.DENIED

    def test_both_approve_the_same_arguments(self) -> None:
        edited = Decision(True, None, '{"to": "b"}')
        voted = self.voted(decision=edited)
        assert fault(voted, APPROVE, BOB) == (
            Fault.UNFIT,
            "alice approved `abc123` with other arguments; approve it with the same ones, or deny it",
        )
        after = decided(voted, Decision(True, None, '{ "to":"b" }'), BOB, NOW)
        assert (after.state, after.edited) == (State.APPROVED, '{"to":"b"}')

    @pytest.mark.parametrize(
        ("first", "second", "lasts"),
        [
            (Lasts.SESSION, Lasts.SESSION, Lasts.SESSION),
            (Lasts.SESSION, Lasts.TARGET, Lasts.TARGET),
            (Lasts.TARGET, Lasts.ONCE, Lasts.ONCE),
            (Lasts.ONCE, Lasts.SESSION, Lasts.ONCE),
        ],
    )
    def test_the_narrower_of_two_holds(self, first: Lasts, second: Lasts, lasts: Lasts) -> None:
        one = ticket(modifying(target="b"), needs=2)
        voted = decided(one, Decision(True, first), ALICE, NOW)
        assert decided(voted, Decision(True, second), BOB, NOW).lasts is lasts
