"""What a person's word makes of a ticket: a pure function, and why it may make nothing of it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.approve.masked import checked, written
from gateway.approve.ticket import State, Step, Ticket, Vote, What, one_line
from gateway.errors import LockgateError
from gateway.policy.call import Approver, Lasts


class Person(Struct, frozen=True):
    """Who decides, and as what. A user decides for these agents alone; `agents` None are all.

    `name` is what is proven, by a token or by the machine; `says` who they say they are, which proves nothing.
    """

    name: str
    role: Approver
    agents: frozenset[str] | None = None
    says: str = ""

    @property
    def shown(self) -> str:
        return f"{self.name} ({one_line(self.says)[:MOST_SAID]})" if self.says else self.name

    def may_see(self, ticket: Ticket) -> bool:
        return self.agents is None or ticket.agent in self.agents


MOST_SAID: Final = 100
"""Characters of who somebody says to be."""


class Decision(Struct, frozen=True):
    """A person's word. `lasts` None is what is usual for the call; `edited` are other arguments, as JSON text."""

    is_approval: bool
    lasts: Lasts | None = None
    edited: str | None = None
    why: str = ""


class Fault(StrEnum):
    """Why a decision cannot be taken."""

    UNKNOWN = "unknown"
    DECIDED = "decided"
    EXPIRED = "expired"
    FORBIDDEN = "forbidden"
    UNFIT = "unfit"


class Undecided(LockgateError):
    """The decision was not taken."""

    def __init__(self, fault: Fault, words: str) -> None:
        super().__init__(words)
        self.fault = fault


def decided(ticket: Ticket, decision: Decision, person: Person, now: float) -> Ticket:
    """The ticket after the decision. Raises Undecided."""
    _check(ticket, person)
    state = ticket.state_at(now)
    if state is State.APPROVED and not decision.is_approval and not ticket.is_used and now < ticket.until:
        return _denied(ticket, decision, person, now)  # taken back, before it was used up
    if state is State.EXPIRED:
        raise Undecided(Fault.EXPIRED, f"nobody decided `{ticket.id}` in time; the agent has to ask again")
    if state is not State.PENDING:
        by = f" by {ticket.decided_by}" if ticket.decided_by else ""
        raise Undecided(Fault.DECIDED, f"`{ticket.id}` is {state}{by} already")
    return _approved(ticket, decision, person, now) if decision.is_approval else _denied(ticket, decision, person, now)


def may(ticket: Ticket, person: Person) -> bool:
    """Whether the person may approve it."""
    return person.may_see(ticket) and (ticket.approver is not Approver.APPROVER or person.role is Approver.APPROVER)


def _check(ticket: Ticket, person: Person) -> None:
    if not person.may_see(ticket):
        # Of a ticket that is none of theirs they are not even told that it is there.
        raise Undecided(Fault.UNKNOWN, f"there is no `{ticket.id}`")
    if not may(ticket, person):
        raise Undecided(Fault.FORBIDDEN, f"`{ticket.id}` needs an approver; {person.name} decides as a user")


def _denied(ticket: Ticket, decision: Decision, person: Person, now: float) -> Ticket:
    why = one_line(decision.why)
    return replace(
        ticket,
        state=State.DENIED,
        steps=(*ticket.steps, Step(What.DENIED, now, person.shown, why)),
        decided_by=person.shown,
        decided_as=person.role,
        why=why,
        until=now + ticket.holds,
    )


def _approved(ticket: Ticket, decision: Decision, person: Person, now: float) -> Ticket:
    vote = Vote(person.name, _lasts(ticket, decision), _edited(ticket, decision))
    if any(_user(one.by) == _user(vote.by) for one in ticket.votes):
        raise Undecided(Fault.DECIDED, f"{person.name} approved `{ticket.id}` already; another person has to")
    if any(one.edited != vote.edited for one in ticket.votes):
        others = ", ".join(one.by for one in ticket.votes)
        raise Undecided(
            Fault.UNFIT,
            f"{others} approved `{ticket.id}` with other arguments; approve it with the same ones, or deny it",
        )
    why, votes = one_line(decision.why), (*ticket.votes, vote)
    if len(votes) < ticket.needs:
        return replace(ticket, votes=votes, steps=(*ticket.steps, Step(What.VOTED, now, person.shown, why)))
    # Of two who mean different things the narrower holds.
    lasts = vote.lasts if all(one.lasts is vote.lasts for one in votes) else _narrower({one.lasts for one in votes})
    return replace(
        ticket,
        state=State.APPROVED,
        votes=votes,
        steps=(*ticket.steps, Step(What.APPROVED, now, person.shown, why)),
        lasts=lasts,
        edited=vote.edited,
        decided_by=", ".join((*(one.by for one in ticket.votes), person.shown)),
        decided_as=person.role,
        why=why,
        until=now + (ticket.holds if lasts is Lasts.ONCE else ticket.grant),
    )


def _user(name: str) -> str:
    """Who has that name: a user of a machine (`ann@host`) and the owner of a token of that name are one person."""
    return name.partition("@")[0].casefold()


def _narrower(many: set[Lasts]) -> Lasts:
    return Lasts.ONCE if Lasts.ONCE in many else Lasts.TARGET


def _lasts(ticket: Ticket, decision: Decision) -> Lasts:
    if decision.lasts is None:
        return ticket.usual if decision.edited is None else Lasts.ONCE
    if decision.lasts is Lasts.ONCE:
        return Lasts.ONCE
    if ticket.is_once:
        raise Undecided(Fault.UNFIT, f"`{ticket.id}` is asked each time: it can be approved once alone")
    if not ticket.session:
        raise Undecided(Fault.UNFIT, f"`{ticket.id}` belongs to no known session: it can be approved once alone")
    if decision.lasts is Lasts.TARGET and not ticket.aim:
        raise Undecided(Fault.UNFIT, f"the call of `{ticket.id}` has no target; approve it once, or for the session")
    if decision.edited is not None:
        raise Undecided(Fault.UNFIT, "edited arguments are for one call: they cannot be approved for a session")
    return decision.lasts


def _edited(ticket: Ticket, decision: Decision) -> str | None:
    """The arguments in their one spelling; None where they are those of the call."""
    if decision.edited is None:
        return None
    try:
        edited = json.loads(decision.edited)
        text = written(edited)
        if text != ticket.arguments:
            checked(edited, json.loads(ticket.arguments), ticket.hidden)
    except (ValueError, RecursionError) as error:
        words = "the arguments are no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        raise Undecided(Fault.UNFIT, words) from None
    return text if text != ticket.arguments else None
