"""A gateway's side and people's side over the same registers, with a clock that stands until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from gateway.approve.asking import Approvals
from gateway.approve.decision import Decision, Person
from gateway.approve.desk import Desk
from gateway.approve.roster import Roster
from gateway.approve.terms import Mode, Terms
from gateway.approve.ticket import State, Step, Ticket
from gateway.policy import fingerprint as policy
from gateway.policy.call import Answer, Approver, Call, CallReason, Lasts, Question, Ruling, Session, Tier
from gateway.state.store import Registers
from gateway.verdict import Effect

KEY = b"a key that gateways share"
SECRET = "hunter2-secret"

ALICE = Person("alice", Approver.APPROVER)
BOB = Person("bob", Approver.APPROVER)
USER = Person("uma", Approver.USER, frozenset({"research"}))

APPROVE = Decision(is_approval=True)
DENY = Decision(is_approval=False)

TIERED = CallReason(Effect.ASK, "tier", "tool.tier", "it sends")
UNTRUSTED = CallReason(
    Effect.ASK, "untrusted-target", "tool.provenance", "`to` stems from what was read", "to", ("the result of `read`",)
)


def mask(text: str) -> str:
    return text.replace(SECRET, "[SECRET]")


def question(
    arguments: Any = None,
    *,
    name: str = "send_mail",
    server: str | None = None,
    session: str | Session = "conversation",
    tier: Tier = Tier.SEND,
    approver: Approver = Approver.USER,
    is_once: bool = True,
    target: str = "",
    reasons: tuple[CallReason, ...] = (TIERED,),
) -> Question:
    given = {"to": "a@example.com"} if arguments is None else arguments
    ruling = Ruling(Effect.ASK, Effect.ASK, tier, reasons, approver, is_once, target)
    call = Call(name, given, server=server)
    return Question(call, ruling, fingerprint(call), named(session) if isinstance(session, str) else session)


def named(session: str) -> Session:
    """One that the protocol names."""
    return Session(session, frozenset({session}), session) if session else Session()


def fingerprint(call: Call) -> str:
    return policy.fingerprint(call, KEY)


def modifying(arguments: Any = None, **more: Any) -> Question:
    """One that is asked the first time in a session."""
    return question(arguments, **{"name": "write", "tier": Tier.MODIFY, "is_once": False, **more})


class Clock:
    """Unix time in seconds."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


class Setting:
    """`told` is what the gateway told of, as (id, what happened)."""

    def __init__(self, registers: Registers, terms: Terms, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.told: list[tuple[str, Step]] = []
        self.approvals = Approvals(registers, KEY, terms, mask, fingerprint, self._tell, self.clock)
        self.roster = Roster({one.name: one for one in (ALICE, BOB, USER)})
        self.desk = Desk(registers, self.roster, self.clock)

    def _tell(self, ticket: Ticket, step: Step) -> None:
        self.told.append((ticket.id, step))

    @property
    def happened(self) -> list[str]:
        return [str(step.what) for _, step in self.told]

    async def ask(self, asked: Question | None = None, agent: str = "research", *, may_wait: bool = True) -> Answer:
        return await self.approvals.ask(asked or question(), agent, "openai", may_wait)

    async def waiting(self, count: int = 1) -> tuple[Ticket, ...]:
        """So many tickets that wait, once there are so many."""
        while True:
            found = tuple(one for one in await self.desk.tickets(ALICE) if one.state is State.PENDING)
            if len(found) == count:
                return found
            await asyncio.sleep(0.01)

    async def decide(
        self,
        decision: Decision = APPROVE,
        person: Person = ALICE,
        lasts: Lasts | None = None,
        edited: str | None = None,
    ) -> Ticket:
        """Decide the one ticket that waits."""
        (ticket,) = await self.waiting()
        if decision is APPROVE:
            decision = Decision(True, lasts, edited)
        return await self.desk.decide(ticket.id, decision, person)


TICKET = Terms(mode=Mode.TICKET)
WAIT = Terms(mode=Mode.WAIT)


@asynccontextmanager
async def followed(setting: Setting) -> AsyncIterator[Setting]:
    """With the gateway following what is decided elsewhere."""
    task = asyncio.create_task(setting.approvals.follow())
    try:
        yield setting
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
