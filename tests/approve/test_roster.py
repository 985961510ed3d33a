"""Who may decide: as the configuration has it when it matters."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.approve.decision import Person, Undecided
from gateway.approve.roster import Roster
from gateway.approve.ticket import State, Ticket, Vote
from gateway.policy.call import Approver, Lasts, Tier
from gateway.state.memory import MemoryRegisters
from tests.approve.setting import ALICE, BOB, TICKET, Setting, question
from tests.approve.test_decision import ticket

SYSTEM = question(tier=Tier.SYSTEM, approver=Approver.APPROVER)


def roster(*people: Person) -> Roster:
    made = Roster()
    made.take({one.name: one for one in people}, lambda token: token.removesuffix("-token"))
    return made


def test_a_token_is_its_holders_as_long_as_they_are_there() -> None:
    one = roster(ALICE)
    assert one.holder("alice-token") == one.still("alice-token") == ALICE
    assert one.holder("bob-token") is None
    one.take({}, lambda _: None)
    assert one.is_empty
    assert one.holder("alice-token") is None
    with pytest.raises(Undecided, match="nobody's any more"):
        one.still("alice-token")


def test_without_people_no_token_is_anybodys() -> None:
    assert Roster().is_empty
    assert not Roster({"alice": ALICE}).is_empty
    assert Roster({"alice": ALICE}).holder("alice") is None


@pytest.mark.parametrize(
    ("people", "by", "counts"),
    [
        ((ALICE,), "alice", True),
        ((BOB,), "alice", False),
        ((Person("alice", Approver.USER),), "alice", False),
        ((Person("alice", Approver.APPROVER, frozenset({"another"})),), "alice", False),
        ((), "ann@host", True),
        ((), "admin", False),
    ],
)
def test_whose_approval_counts(people: tuple[Person, ...], by: str, counts: bool) -> None:
    assert roster(*people).counts(Vote(by, Lasts.ONCE), ticket(SYSTEM)) is counts


class TestFourEyes:
    async def asked(self) -> tuple[Setting, Ticket]:
        """A call that alice has approved, of whom two must."""
        setting = Setting(MemoryRegisters(), replace(TICKET, four_eyes=True))
        await setting.ask(SYSTEM)
        return setting, await setting.decide(person=ALICE)

    async def test_two_are_two_of_those_who_still_may(self) -> None:
        setting, waiting = await self.asked()
        setting.roster.take({"bob": BOB}, lambda _: None)
        (shown,) = await setting.desk.tickets(BOB)
        assert shown.votes == ()
        after = await setting.decide(person=BOB)
        assert (after.state, [vote.by for vote in after.votes]) == (State.PENDING, ["bob"])
        assert [step.by for step in after.steps] == ["research", "alice", "bob"], "what happened stays told"
        assert after.id == waiting.id

    async def test_an_approval_that_was_given_stands(self) -> None:
        setting, _ = await self.asked()
        given = await setting.decide(person=BOB)
        setting.roster.take({}, lambda _: None)
        assert await setting.desk.find(given.id, ALICE) == given
        assert (await setting.ask(SYSTEM)).is_approved
