"""People's side: what they see, and what they are told as it changes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.approve import desk
from gateway.approve.decision import Fault, Person, Undecided
from gateway.approve.ticket import State
from gateway.policy.call import Approver
from gateway.state.store import Registers
from tests.approve.setting import ALICE, APPROVE, DENY, TICKET, USER, Setting, question

STRANGER = Person("eve", Approver.USER, frozenset({"another"}))


async def test_tickets_come_in_the_order_in_which_they_were_asked(registers: Registers) -> None:
    setting = Setting(registers, TICKET)
    for to in "ba":
        await setting.ask(question({"to": to}))
        setting.clock.at += 1
    assert [one.arguments for one in await setting.desk.tickets(ALICE)] == ['{"to":"b"}', '{"to":"a"}']


async def test_a_user_sees_the_own_agents_alone(registers: Registers) -> None:
    setting = Setting(registers, TICKET)
    id_ = (await setting.ask()).ticket or ""
    assert [one.id for one in await setting.desk.tickets(USER)] == [id_]
    assert await setting.desk.tickets(STRANGER) == ()
    for attempt in (setting.desk.find(id_, STRANGER), setting.desk.decide(id_, APPROVE, STRANGER)):
        with pytest.raises(Undecided, match=f"there is no `{id_}`") as raised:
            await attempt
        assert raised.value.fault is Fault.UNKNOWN


async def test_an_id_that_is_none(registers: Registers) -> None:
    setting = Setting(registers, TICKET)
    for attempt in (setting.desk.find("zzzzzz", ALICE), setting.desk.decide("zzzzzz", DENY, ALICE)):
        with pytest.raises(Undecided, match="there is no `zzzzzz`"):
            await attempt


async def test_of_two_who_decide_at_once_one_does(registers: Registers) -> None:
    setting = Setting(registers, TICKET)
    id_ = (await setting.ask()).ticket or ""
    found = await asyncio.gather(
        *(setting.desk.decide(id_, decision, ALICE) for decision in (DENY, APPROVE)), return_exceptions=True
    )
    taken = [one for one in found if not isinstance(one, BaseException)]
    if len(taken) == 2:  # the approval came first, and was taken back
        assert [one.state for one in taken] == [State.DENIED, State.APPROVED]
    else:
        (refused,) = [one for one in found if isinstance(one, Undecided)]
        assert refused.fault is Fault.DECIDED
    assert (await setting.desk.find(id_, ALICE)).state is State.DENIED


async def test_who_watches_is_told_what_waits_and_what_becomes_of_it(
    registers: Registers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "LOOK", 0.001)
    setting = Setting(registers, TICKET)
    await setting.ask(question({"to": "old"}))
    await setting.decide(DENY)
    first = (await setting.ask()).ticket or ""
    watching = setting.desk.watch(USER)
    seen = [await anext(watching)]
    await setting.desk.decide(first, APPROVE, ALICE)
    seen.append(await anext(watching))
    second = (await setting.ask(question({"to": "b"}))).ticket
    seen.append(await anext(watching))
    await setting.ask(question({"to": "c"}), "another")  # not this user's
    setting.clock.at += TICKET.ticket_lifetime
    seen.append(await anext(watching))
    assert [(one.id, one.state) for one in seen] == [
        (first, State.PENDING),
        (first, State.APPROVED),
        (second, State.PENDING),
        (second, State.EXPIRED),
    ]
    await watching.aclose()
