"""A question, its ticket and its answer, over registers of every kind."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.approve import asking, making
from gateway.approve.decision import Decision
from gateway.approve.desk import Desk
from gateway.approve.terms import Terms
from gateway.approve.ticket import KEPT, State
from gateway.errors import StoreError
from gateway.policy.call import Answer, Approver, Lasts, Session, Tier
from gateway.state.memory import MemoryRegisters
from gateway.state.store import Registers
from tests.approve.setting import (
    ALICE,
    APPROVE,
    BOB,
    DENY,
    SECRET,
    TICKET,
    TIERED,
    UNTRUSTED,
    USER,
    WAIT,
    Clock,
    Setting,
    fingerprint,
    followed,
    modifying,
    question,
)
from tests.serve.loopback import until

EXECUTED = {"server": "files"}


class TestTickets:
    async def test_a_call_is_refused_with_a_ticket_and_passes_once_it_is_approved(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        refused = await setting.ask()
        assert not refused.is_approved
        assert refused.ticket is not None
        assert f"(ticket {refused.ticket})" in refused.words
        assert "make the very same call again once it is approved" in refused.words
        ticket = await setting.decide(person=USER)
        assert ticket.id == refused.ticket
        assert await setting.ask() == Answer(True, ticket=ticket.id, by="uma")
        assert setting.happened == ["asked", "approved", "used"]

    async def test_once_is_once(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        first = await setting.decide()
        assert (await setting.ask()).is_approved
        again = await setting.ask()
        assert not again.is_approved
        assert again.ticket not in {None, first.id}, "another question has another name"

    async def test_of_many_who_ask_at_once_one_passes(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide()
        answers = await asyncio.gather(*(setting.ask() for _ in range(8)))
        assert sum(answer.is_approved for answer in answers) == 1

    async def test_who_may_not_wait_gets_a_ticket_in_any_mode(self, registers: Registers) -> None:
        setting = Setting(registers, WAIT)
        assert (await setting.ask(may_wait=False)).ticket is not None

    async def test_the_same_question_twice_is_one_ticket_over_gateways_too(self, registers: Registers) -> None:
        one, other = Setting(registers, TICKET), Setting(registers, TICKET)
        answers = await asyncio.gather(*(setting.ask() for setting in (one, other) * 4))
        assert len({answer.ticket for answer in answers}) == 1
        assert (one.happened + other.happened).count("asked") == 1

    @pytest.mark.parametrize(
        ("agent", "other"),
        [
            ("another", question()),
            ("research", question({"to": "b@example.com"})),
            ("research", question(name="send")),
        ],
        ids=["agent", "arguments", "tool"],
    )
    async def test_an_approval_is_for_that_agent_tool_and_arguments(
        self, registers: Registers, agent: str, other: Any
    ) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide()
        assert not (await setting.ask(other, agent)).is_approved

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"server": "bank"}, {"server": "another"}),
            ({"name": "mcp__bank__pay"}, {"name": "mcp__another__pay"}),
        ],
    )
    async def test_an_approval_is_for_the_tool_of_that_server(
        self, registers: Registers, one: dict[str, Any], other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tests.approve.setting.fingerprint", lambda call: str(call.arguments))
        setting = Setting(registers, TICKET)
        first = await setting.ask(question(**one))
        assert (await setting.ask(question(**other))).ticket != first.ticket, "nor is the question"
        await setting.desk.decide(first.ticket or "", APPROVE, ALICE)
        assert not (await setting.ask(question(**other))).is_approved
        assert (await setting.ask(question(**one))).is_approved

    async def test_an_approval_ends(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide()
        setting.clock.at += TICKET.ticket_lifetime
        assert not (await setting.ask()).is_approved

    async def test_a_question_that_nobody_answered_is_put_anew(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        first = await setting.ask()
        setting.clock.at += TICKET.ticket_lifetime
        await setting.approvals.look()
        assert setting.happened == ["asked", "expired"]
        second = await setting.ask()
        assert second.ticket != first.ticket
        assert (await setting.desk.find(first.ticket or "", ALICE)).state is State.EXPIRED

    async def test_what_is_over_leaves_the_list(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        setting.clock.at += TICKET.ticket_lifetime + KEPT
        assert await setting.desk.tickets(ALICE) == ()


class TestDenials:
    async def test_a_denied_call_is_answered_without_asking_again(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide(Decision(False, why="not to\nthem\x1b[2J"))
        answer = await setting.ask()
        assert (answer.is_approved, answer.ticket, answer.by) == (False, None, "alice")
        assert answer.words == (
            "a person denied this call: not to them [2J; it was not made, and is not to be made again"
        )
        assert await setting.ask(question(server="mail")) == answer, "so is its execution"
        await setting.approvals.look()
        assert setting.happened == ["asked", "denied"]

    async def test_a_denial_ends_too(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide(DENY)
        setting.clock.at += TICKET.ticket_lifetime
        assert (await setting.ask()).ticket is not None

    async def test_an_approval_that_was_not_used_can_be_taken_back(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        ticket = await setting.decide()
        await setting.desk.decide(ticket.id, DENY, ALICE)
        assert "denied" in (await setting.ask()).words


class TestExecutions:
    """What was approved in a model's answer is not asked again when the agent makes the call."""

    async def test_one_proposal_and_one_execution(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        ticket = await setting.decide()
        assert (await setting.ask()).is_approved
        assert await setting.ask(question(server="mail")) == Answer(True, ticket=ticket.id)
        assert not (await setting.ask(question(server="mail"))).is_approved

    async def test_what_a_user_approved_is_asked_of_an_approver_where_only_the_server_tells_that_it_must(
        self, registers: Registers
    ) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide(person=USER)
        assert (await setting.ask()).is_approved
        higher = question(server="mail", approver=Approver.APPROVER)
        assert not (await setting.ask(higher)).is_approved
        assert (await setting.ask(question(server="mail"))).is_approved, "the pass is not used up by that"

    async def test_so_is_what_does_more_there(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide()
        assert (await setting.ask()).is_approved
        assert not (await setting.ask(question(server="mail", tier=Tier.SYSTEM))).is_approved

    async def test_of_two_passes_both_are_as_the_lesser(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        for person in (USER, ALICE):
            await setting.ask()
            await setting.decide(person=person)
            assert (await setting.ask()).is_approved
        higher = question(server="mail", approver=Approver.APPROVER)
        assert not (await setting.ask(higher)).is_approved

    async def test_one_of_four_eyes_is_not_enough_for_what_a_user_could_confirm_before(
        self, registers: Registers
    ) -> None:
        setting = Setting(registers, replace(TICKET, four_eyes=True))
        await setting.ask()
        await setting.decide()
        assert not (await setting.ask(question(approver=Approver.APPROVER))).is_approved

    async def test_what_was_not_proposed_here_is_asked_where_it_is_made(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(question(server="mail"))
        await setting.decide()
        assert (await setting.ask(question(server="mail"))).is_approved
        assert not (await setting.ask(question(server="mail"))).is_approved
        assert not (await setting.ask()).is_approved, "nor may a model propose it"

    async def test_a_grant_for_the_session_lets_each_proposed_call_be_made(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying())
        await setting.decide(lasts=Lasts.SESSION)
        other = {"path": "b"}
        assert (await setting.ask(modifying(other))).is_approved
        elsewhere = {"server": "files", "session": "that of the server"}
        assert (await setting.ask(modifying(other, **elsewhere))).is_approved
        assert not (await setting.ask(modifying(other, **elsewhere))).is_approved
        assert not (await setting.ask(modifying({"path": "c"}, **elsewhere))).is_approved

    @pytest.mark.parametrize(
        ("proposed", "at", "passes"),
        [
            ("mcp__mail__send", "mail", True),
            ("mcp__My_Mail__send", "My Mail", True),
            ("mcp__MAIL__send", "mail", True),
            ("mcp__mail__send", "other", False),
            ("mcp__mail__send", "", False),
            ("send", "mail", True),
        ],
    )
    @pytest.mark.parametrize("is_proposed_again", [True, False])
    async def test_a_pass_is_for_the_server_that_the_model_named(
        self, registers: Registers, proposed: str, at: str, passes: bool, is_proposed_again: bool
    ) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(question(name=proposed))
        await setting.decide()
        if is_proposed_again:
            assert (await setting.ask(question(name=proposed))).is_approved
        assert (await setting.ask(question(name="send", server=at))).is_approved is passes
        assert not (await setting.ask(question(name="send", server=at))).is_approved

    async def test_two_servers_with_a_tool_of_one_name_have_each_their_own(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        for server in ("a", "b"):
            assert not (await setting.ask(question(name=f"mcp__{server}__send"))).is_approved
            await setting.decide()
            assert (await setting.ask(question(name=f"mcp__{server}__send"))).is_approved
        answers = [await setting.ask(question(name="send", server=server)) for server in ("a", "a", "b", "b", "c")]
        assert [answer.is_approved for answer in answers] == [True, False, True, False, False]

    async def test_a_call_waits_for_each_server_by_itself(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        tickets = {(await setting.ask(question(name="send", server=server))).ticket for server in ("a", "b")}
        tickets |= {(await setting.ask(question(name=f"mcp__{server}__send"))).ticket for server in ("a", "c")}
        assert len(tickets) == 3

    async def test_of_many_executions_at_once_one_passes(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        for number in range(2):
            await setting.ask()
            await setting.decide()
            assert (await setting.ask()).is_approved, number
        answers = await asyncio.gather(*(setting.ask(question(server="mail")) for _ in range(6)))
        assert sum(answer.is_approved for answer in answers) == 2

    async def test_without_room_for_a_pass_the_execution_is_asked_about(
        self, registers: Registers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.approve.passes.MOST", 0)
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide()
        assert (await setting.ask()).is_approved
        assert not (await setting.ask(question(server="mail"))).is_approved


class TestGrants:
    async def test_for_the_session_the_tool_is_not_asked_again(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying())
        ticket = await setting.decide()
        assert ticket.lasts is Lasts.SESSION, "what only modifies is asked the first time"
        assert (await setting.ask(modifying({"path": "b"}))).is_approved
        assert not (await setting.ask(modifying(session="another"))).is_approved
        assert not (await setting.ask(modifying(name="append"))).is_approved
        assert not (await setting.ask(modifying(name="mcp__files__write"))).is_approved
        assert setting.happened == ["asked", "approved", "used", "asked", "asked", "asked"]

    async def test_for_the_target_only_the_same_target_passes(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying(target="a@example.com"))
        await setting.decide(lasts=Lasts.TARGET)
        assert (await setting.ask(modifying({"text": "more"}, target="a@example.com"))).is_approved
        assert not (await setting.ask(modifying({"text": "more"}, target="b@example.com"))).is_approved

    async def test_a_grant_ends(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying())
        await setting.decide(lasts=Lasts.SESSION)
        setting.clock.at += TICKET.grant_lifetime
        assert not (await setting.ask(modifying({"path": "b"}))).is_approved

    async def test_what_is_asked_each_time_no_grant_lets_pass(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying())
        await setting.decide(lasts=Lasts.SESSION)
        assert not (await setting.ask(modifying({"path": "b"}, is_once=True))).is_approved
        system = modifying({"path": "c"}, approver=Approver.APPROVER, tier=Tier.SYSTEM)
        assert not (await setting.ask(system)).is_approved

    async def test_what_the_person_was_not_told_no_grant_lets_pass(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying())
        await setting.decide(lasts=Lasts.SESSION)
        assert not (await setting.ask(modifying({"path": "b"}, reasons=(TIERED, UNTRUSTED)))).is_approved
        assert not (await setting.ask(modifying({"path": "b"}, tier=Tier.SEND))).is_approved

    async def test_what_was_approved_once_is_asked_again_for_a_new_reason(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide()
        assert not (await setting.ask(question(reasons=(TIERED, UNTRUSTED)))).is_approved

    async def test_what_a_user_approved_does_not_stand_for_an_approver(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide(person=USER)
        assert not (await setting.ask(question(approver=Approver.APPROVER))).is_approved

    async def test_a_question_that_waits_is_asked_anew_for_what_speaks_against_it_since(
        self, registers: Registers
    ) -> None:
        setting = Setting(registers, Terms(TICKET.mode, four_eyes=True))
        first = await setting.ask()
        second = await setting.ask(question(reasons=(UNTRUSTED,), approver=Approver.APPROVER, tier=Tier.SYSTEM))
        assert second.ticket not in {None, first.ticket}, "who looked at the first has not seen this"
        (ticket,) = await setting.waiting()
        assert ticket.id == second.ticket
        assert [why.rule for why in ticket.reasons] == ["tier", "untrusted-target"]
        assert (ticket.tier, ticket.approver, ticket.needs) == (Tier.SYSTEM, Approver.APPROVER, 2)
        over = await setting.desk.find(first.ticket or "", ALICE)
        assert (over.state, over.why) == (State.WITHDRAWN, f"asked anew as {ticket.id}, for more reasons")
        assert setting.happened == ["asked", "asked", "withdrawn"]

    async def test_what_was_approved_before_it_was_replaced_does_not_stand_for_more(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        first = await setting.ask()
        more = question(reasons=(TIERED, UNTRUSTED))
        approving = setting.approvals._withdraw

        async def too_late(id_: str, why: str) -> None:
            await setting.desk.decide(id_, Decision(True), ALICE)
            await approving(id_, why)

        setting.approvals._withdraw = too_late  # type: ignore[method-assign]
        second = await setting.ask(more)
        assert second.ticket not in {None, first.ticket}
        assert (await setting.ask(more)).ticket == second.ticket

    async def test_who_waits_goes_on_waiting_for_the_ticket_in_its_place(self, registers: Registers) -> None:
        async with followed(Setting(registers, WAIT)) as setting:
            asked = [asyncio.create_task(setting.ask())]
            (first,) = await setting.waiting()
            asked.append(asyncio.create_task(setting.ask(question(reasons=(TIERED, UNTRUSTED)))))
            async for second in setting.desk.watch(ALICE):
                if second.id != first.id:
                    break
            await setting.desk.decide(second.id, DENY, ALICE)
            assert all("a person denied" in one.words for one in await asyncio.gather(*asked))


class TestWaiting:
    async def test_a_decision_taken_elsewhere_ends_it(self, registers: Registers) -> None:
        async with followed(Setting(registers, WAIT)) as setting:
            asked = asyncio.create_task(setting.ask())
            ticket = await setting.decide()
            assert await asked == Answer(True, ticket=ticket.id, by="alice")
            assert setting.happened == ["asked", "approved", "used"]

    async def test_a_denial_ends_it(self, registers: Registers) -> None:
        async with followed(Setting(registers, WAIT)) as setting:
            asked = asyncio.create_task(setting.ask())
            await setting.decide(DENY)
            assert "a person denied this call" in (await asked).words

    async def test_at_the_deadline_it_is_denied(self, registers: Registers) -> None:
        async with followed(Setting(registers, WAIT)) as setting:
            asked = asyncio.create_task(setting.ask())
            (ticket,) = await setting.waiting()
            setting.clock.at += WAIT.deadline
            answer = await asked
            assert (answer.is_approved, answer.ticket) == (False, None)
            assert answer.words.startswith(f"nobody approved this call in time (ticket {ticket.id})")
            assert setting.happened == ["asked", "expired"]

    async def test_a_call_is_held_no_longer_where_its_question_stays_open(self, registers: Registers) -> None:
        earlier = Setting(registers, TICKET)
        first = await earlier.ask()
        async with followed(Setting(registers, WAIT, earlier.clock)) as setting:
            asked = asyncio.create_task(setting.ask())
            await until(lambda: len(setting.approvals._changed._waiters) > 0)
            setting.clock.at += WAIT.deadline
            setting.approvals._wake()
            assert await asked == first, "the ticket, and to come again"
            assert (await setting.desk.find(first.ticket or "", ALICE)).state is State.PENDING
            await setting.decide()
            assert (await setting.ask()).is_approved

    async def test_the_deadline_needs_no_follower(self, registers: Registers) -> None:
        setting = Setting(registers, Terms(deadline=0.05))

        def now() -> float:
            return setting.clock.at + asyncio.get_running_loop().time()

        setting.approvals = asking.Approvals(
            registers, b"key", Terms(deadline=0.05), str, fingerprint, lambda *_: None, now
        )
        assert "nobody approved this call in time" in (await setting.ask()).words

    async def test_of_two_who_wait_for_the_same_one_approval_lets_one_pass(self, registers: Registers) -> None:
        async with followed(Setting(registers, WAIT)) as setting:
            asked = [asyncio.create_task(setting.ask()) for _ in range(2)]
            await setting.decide()
            await setting.waiting()  # the other is asked anew
            await setting.decide(DENY)
            assert sorted(one.is_approved for one in await asyncio.gather(*asked)) == [False, True]

    async def test_a_grant_ends_the_waiting_of_all_that_it_covers(self, registers: Registers) -> None:
        async with followed(Setting(registers, WAIT)) as setting:
            calls = [modifying({"path": path}) for path in "abba"]
            asked = [asyncio.create_task(setting.ask(call)) for call in calls]
            first, _ = await setting.waiting(2)
            granted = await setting.desk.decide(first.id, Decision(True, Lasts.SESSION), ALICE)
            answers = await asyncio.gather(*asked)
            assert [answer.ticket for answer in answers] == [granted.id] * 4
            assert await setting.waiting(0) == ()

    async def test_a_gateway_that_is_started_anew_loses_no_question(self, registers: Registers) -> None:
        before = Setting(registers, WAIT)
        asked = asyncio.create_task(before.ask())
        (ticket,) = await before.waiting()
        asked.cancel()
        after = Setting(registers, WAIT, before.clock)
        assert await after.waiting() == (ticket,)
        asked = asyncio.create_task(after.ask())
        async with followed(after):
            await after.decide()
            assert (await asked).ticket == ticket.id

    async def test_of_several_gateways_one_tells_of_each_step(self, registers: Registers) -> None:
        clock = Clock()
        many = [Setting(registers, TICKET, clock) for _ in range(3)]
        await many[0].ask()
        await many[1].decide()
        await asyncio.gather(*(one.approvals.look() for one in many))
        assert sorted(what for one in many for what in one.happened) == ["approved", "asked"]


class TestEditing:
    async def test_the_call_is_made_with_a_persons_arguments(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(question({"to": "a@example.com", "text": "hello"}))
        ticket = await setting.decide(edited='{"to": "b@example.com", "text": "hello"}')
        answer = await setting.ask(question({"to": "a@example.com", "text": "hello"}))
        assert answer.is_approved
        edited = {"to": "b@example.com", "text": "hello"}
        assert answer.arguments == edited
        assert (await setting.ask(question(edited, server="mail"))).ticket == ticket.id
        assert not (await setting.ask(question(edited, server="mail"))).is_approved
        assert setting.happened == ["asked", "approved", "edited", "asked"]

    async def test_a_secret_is_not_stored_and_comes_back_where_its_place_was_left(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        arguments = {"to": ["a@example.com"], "auth": f"Bearer {SECRET}", "n": 1}
        await setting.ask(question(arguments, target=SECRET))
        stored = b"".join(entry.value for entry in (await registers.read("approvals")).values())
        assert SECRET.encode() not in stored
        (ticket,) = await setting.waiting()
        shown = json.loads(ticket.arguments)
        assert shown == {"to": ["a@example.com"], "auth": "Bearer [SECRET]", "n": 1}
        await setting.decide(edited=json.dumps({**shown, "to": ["b@example.com"]}))
        answer = await setting.ask(question(arguments, target=SECRET))
        assert answer.arguments == {"to": ["b@example.com"], "auth": f"Bearer {SECRET}", "n": 1}

    async def test_an_edited_call_that_is_refused_is_told_to_who_looks(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask()
        ticket = await setting.decide(edited='{"to": "c@example.com"}')
        await setting.ask()
        await setting.approvals.refused_edited(ticket.id, "that host is not allowed")
        seen = await setting.desk.find(ticket.id, ALICE)
        assert (seen.state, seen.why) == (State.WITHDRAWN, "that host is not allowed")
        assert setting.happened[-1] == "withdrawn"

    async def test_what_was_masked_and_is_gone_is_refused(self, registers: Registers) -> None:
        """The fingerprint names the arguments; should it ever name others, nothing is made up."""
        setting = Setting(registers, TICKET)
        first = question({"auth": SECRET, "to": "a"})
        await setting.ask(first)
        ticket = await setting.decide(edited='{"auth": "[SECRET]", "to": "b"}')
        other = question({"to": "a"})
        answer = await setting.ask(type(other)(other.call, other.ruling, first.fingerprint, other.session))
        assert not answer.is_approved
        assert "what was masked at `auth` is gone" in answer.words
        assert (await setting.desk.find(ticket.id, ALICE)).state is State.WITHDRAWN


class TestFourEyes:
    TERMS = Terms(TICKET.mode, four_eyes=True)

    async def test_two_different_approvers_have_to(self, registers: Registers) -> None:
        setting = Setting(registers, self.TERMS)
        asked = question(approver=Approver.APPROVER, tier=Tier.SYSTEM)
        await setting.ask(asked)
        voted = await setting.decide()
        assert voted.state is State.PENDING
        assert not (await setting.ask(asked)).is_approved
        approved = await setting.decide(person=BOB)
        assert (approved.state, approved.decided_by) == (State.APPROVED, "alice, bob")
        assert (await setting.ask(asked)).is_approved
        assert setting.happened == ["asked", "voted", "approved", "used"]

    async def test_a_user_confirms_alone(self, registers: Registers) -> None:
        setting = Setting(registers, self.TERMS)
        await setting.ask()
        assert (await setting.decide(person=USER)).state is State.APPROVED


class Failing(MemoryRegisters):
    """Fails for so many calls, or until told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = 0
        self.works = asyncio.Event()

    async def revisions(self, registers: Any) -> tuple[int, ...]:
        if self.failing:
            self.failing -= 1
            if not self.failing:
                self.works.set()
            raise StoreError("the store did not answer in time")
        return await super().revisions(registers)


class TestFailing:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(asking, "PAUSE", 0.001)

    async def test_without_the_store_nothing_is_approved(self) -> None:
        store = Failing()
        setting = Setting(store, TICKET)
        await setting.ask()
        await setting.decide()
        store.failing = 1000
        answer = await setting.ask()
        assert (answer.is_approved, answer.ticket) == (False, None)
        assert "the store of approvals cannot be used, so nobody can give one" in answer.words
        assert setting.approvals.fault == "the store did not answer in time"

    async def test_a_hiccup_is_waited_for(self) -> None:
        store = Failing()
        setting = Setting(store, TICKET)
        await setting.ask()
        await setting.decide()
        store.failing = asking.TRIES - 1
        assert (await setting.ask()).is_approved

    async def test_who_waits_goes_on_waiting_while_it_is_away(self) -> None:
        store = Failing()
        setting = Setting(store, WAIT)
        asked = asyncio.create_task(setting.ask())
        (ticket,) = await setting.waiting()
        store.failing = 20
        setting.approvals._wake()
        await store.works.wait()
        await setting.desk.decide(ticket.id, Decision(True), ALICE)
        setting.approvals._wake()
        assert (await asked).is_approved

    async def test_at_the_deadline_without_it_it_is_denied(self) -> None:
        store = Failing()
        setting = Setting(store, WAIT)
        asked = asyncio.create_task(setting.ask())
        await setting.waiting()
        store.failing = 1000
        setting.clock.at += WAIT.deadline
        setting.approvals._wake()
        assert "cannot be used" in (await asked).words

    async def test_what_is_told_afterwards_keeps_nobody_from_what_was_decided(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = Failing()
        setting = Setting(store, TICKET)
        await setting.ask()
        ticket = await setting.decide()

        async def failing(*_: object) -> None:
            raise StoreError("not now")

        monkeypatch.setattr(setting.approvals._passes, "give", failing)
        assert (await setting.ask()).is_approved
        assert setting.approvals.fault == "not now"
        store.failing = 2
        await setting.approvals.refused_edited(ticket.id, "why")

    async def test_following_goes_on_whatever_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        setting = Setting(MemoryRegisters(), WAIT)
        looked = asyncio.Event()
        look, calls = setting.approvals.look, 0

        async def failing() -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise RuntimeError("odd")
            assert setting.approvals.fault == "approvals cannot be followed: RuntimeError: odd"
            await look()
            looked.set()

        monkeypatch.setattr(setting.approvals, "look", failing)
        monkeypatch.setattr(asking, "LOOK", 0.001)
        async with followed(setting):
            await asyncio.wait_for(looked.wait(), 10)
        assert setting.approvals.fault is None

    async def test_a_ticket_that_changes_for_ever_is_a_refusal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        setting = Setting(MemoryRegisters(), TICKET)

        async def never(*_: object) -> bool:
            return False

        monkeypatch.setattr(setting.approvals._book, "put", never)
        assert "cannot be used" in (await setting.ask()).words
        assert setting.approvals.fault == "the approvals of this call change faster than they can be read"


class TestRoom:
    async def test_an_agent_does_not_bury_the_questions_of_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(asking, "MOST_PENDING", 2)
        setting = Setting(MemoryRegisters(), TICKET)
        answers = [await setting.ask(question({"to": to})) for to in "abc"]
        assert [answer.ticket is not None for answer in answers] == [True, True, False]
        assert "too many wait for one already" in answers[2].words
        assert (await setting.ask(agent="another")).ticket is not None

    async def test_all_tickets_together_have_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        setting = Setting(MemoryRegisters(), TICKET)
        assert (await setting.ask()).ticket is not None
        (kept,) = (await setting.approvals._book.look()).values()
        monkeypatch.setattr(asking, "MOST_BYTES", kept.size * 2 - 20)
        assert "too many wait" in (await setting.ask(question({"to": "b"}))).words, "one agent's are a quarter"
        assert (await setting.ask(agent="another")).ticket is not None
        assert "too many wait" in (await setting.ask(agent="a third")).words

    @pytest.mark.parametrize(
        "arguments",
        [{"text": "x" * making.MOST}, {"text": "x" * (making.MOST - 20)}, {"n": float("nan")}],
        ids=["long", "long with the rest", "no JSON"],
    )
    async def test_what_cannot_be_shown_cannot_be_approved(self, arguments: Any) -> None:
        setting = Setting(MemoryRegisters(), TICKET)
        answer = await setting.ask(question(arguments))
        assert (answer.is_approved, answer.ticket) == (False, None)
        assert "too long to be shown to a person, or no JSON" in answer.words

    async def test_what_another_version_wrote_is_left_alone(self) -> None:
        registers = MemoryRegisters()
        setting = Setting(registers, TICKET)
        first = (await setting.ask()).ticket or ""
        await registers.write("approvals", first, b'{"of": "another version"}')
        second = (await setting.ask()).ticket
        assert second not in {None, first}
        assert (await registers.read("approvals"))[first].value == b'{"of": "another version"}'

    async def test_a_pass_of_another_version_is_none(self) -> None:
        registers = MemoryRegisters()
        setting = Setting(registers, TICKET)
        await setting.ask()
        await setting.decide()
        await setting.ask()
        (key,) = await registers.read("approvals.passes")
        await registers.write("approvals.passes", key, b"[]")
        assert not (await setting.ask(question(server="mail"))).is_approved

    async def test_new_terms_hold_for_what_is_asked_then(self) -> None:
        setting = Setting(MemoryRegisters(), TICKET)
        setting.approvals.take(Terms(TICKET.mode, ticket_lifetime=10), lambda text: text.upper())
        await setting.ask()
        (ticket,) = await setting.waiting()
        assert ticket.deadline == setting.clock() + 10
        assert json.loads(ticket.arguments) == {"TO": "A@EXAMPLE.COM"}
        assert ticket.hidden is None


async def test_a_store_whose_clock_is_ahead_is_read_again() -> None:
    """It let go of a ticket that is not over here: no revision tells."""
    registers = MemoryRegisters()
    setting = Setting(registers, TICKET)
    first = await setting.ask()
    await setting.decide()
    registers._documents["approvals"].clear()
    again = await setting.ask()
    assert (again.is_approved, again.ticket) == (False, first.ticket)


async def test_desks_see_what_another_desk_decided(registers: Registers) -> None:
    setting = Setting(registers, TICKET)
    await setting.ask()
    ticket = await setting.decide()
    assert (await Desk(registers, setting.roster, setting.clock).find(ticket.id, ALICE)).state is State.APPROVED


def made(name: str, *earlier: str, opening: str = "hi") -> Session:
    """Of a call by that name, with those before it in the conversation."""
    return Session(name, frozenset(earlier), opening)


B, C = {"path": "b"}, {"path": "c"}


class TestConversations:
    async def test_an_approval_for_the_session_holds_where_the_call_was_made(self, registers: Registers) -> None:
        setting = Setting(registers, WAIT)
        async with followed(setting):
            held = asyncio.create_task(setting.ask(modifying(session=made("1"))))
            await setting.decide(lasts=Lasts.SESSION)
            assert (await held).is_approved
        setting = Setting(registers, TICKET)
        assert (await setting.ask(modifying(B, session=made("2", "1")))).is_approved
        assert (await setting.ask(modifying(B, session=made("3", "1", "2")))).is_approved
        assert not (await setting.ask(modifying(B, session=made("4")))).is_approved
        assert not (await setting.ask(modifying(session=made("5")))).is_approved, "nor the same call elsewhere"

    async def test_a_call_that_comes_again_once_it_is_approved_begins_it(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying(session=made("1")))
        await setting.decide(lasts=Lasts.SESSION)
        assert not (await setting.ask(modifying(session=made("2", opening="hello")))).is_approved
        assert not (await setting.ask(modifying(session=Session()))).is_approved
        assert not (await setting.ask(modifying(session=made("2"), is_once=True))).is_approved
        assert (await setting.ask(modifying(session=made("3")))).is_approved
        assert (await setting.ask(modifying(B, session=made("4", "3")))).is_approved
        assert not (await setting.ask(modifying(C, session=made("5", "1")))).is_approved
        assert not (await setting.ask(modifying(session=made("6")))).is_approved, "it has begun"

    async def test_without_a_word_of_a_user_only_the_call_itself_begins_it(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying(session=made("1", opening="")))
        await setting.decide(lasts=Lasts.SESSION)
        assert not (await setting.ask(modifying(session=made("2", opening="")))).is_approved
        assert (await setting.ask(modifying(session=made("1", opening="")))).is_approved

    async def test_of_two_that_would_begin_it_one_does(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying(session=made("1")))
        await setting.decide(lasts=Lasts.SESSION)
        answers = await asyncio.gather(*(setting.ask(modifying(session=made(str(n)))) for n in range(2, 6)))
        assert sum(answer.is_approved for answer in answers) == 1

    async def test_calls_of_one_answer_are_let_through_by_one_word(self, registers: Registers) -> None:
        setting = Setting(registers, WAIT)
        async with followed(setting):
            held = [
                asyncio.create_task(setting.ask(modifying(session=made("1", "2")))),
                asyncio.create_task(setting.ask(modifying(B, session=made("2", "1")))),
            ]
            first, _ = await setting.waiting(2)
            await setting.desk.decide(first.id, Decision(True, Lasts.SESSION), ALICE)
            assert [answer.is_approved for answer in await asyncio.gather(*held)] == [True, True]

    async def test_where_another_cannot_be_told_from_it_the_approval_ends_in_both(self, registers: Registers) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying(session=made("counted")))
        ticket = await setting.decide(lasts=Lasts.SESSION)
        assert (await setting.ask(modifying(session=made("counted")))).is_approved
        assert (await setting.ask(modifying(B, session=made("2", "counted")))).is_approved
        assert not (await setting.ask(modifying(session=made("counted")))).is_approved
        assert not (await setting.ask(modifying(B, session=made("2", "counted")))).is_approved
        ended = await setting.desk.find(ticket.id, ALICE)
        assert (ended.state, ended.why) == (
            State.WITHDRAWN,
            "another conversation cannot be told from the one that it was approved for",
        )

    async def test_what_was_taken_back_meanwhile_stays_so(
        self, registers: Registers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        setting = Setting(registers, TICKET)
        await setting.ask(modifying(session=made("counted")))
        ticket = await setting.decide(lasts=Lasts.SESSION)
        await setting.ask(modifying(session=made("counted")))
        amend = setting.approvals._amend

        async def late(id_: str, change: Any) -> None:
            await setting.desk.decide(ticket.id, DENY, ALICE)
            await amend(id_, change)

        monkeypatch.setattr(setting.approvals, "_amend", late)
        assert not (await setting.ask(modifying(session=made("counted")))).is_approved
        assert (await setting.desk.find(ticket.id, ALICE)).state is State.DENIED
