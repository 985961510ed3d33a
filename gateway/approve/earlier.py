"""What earlier tickets say of a question: a pure function.

An approval holds for no more than what the person was told: a call that there are more reasons to ask about, that does
more, or that needs a higher approver, is asked anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from gateway.approve.ticket import State, Ticket, Why
from gateway.policy.call import Approver, Lasts, Tier


class Asked(Struct, frozen=True):
    """A question as tickets know it. `call`, `session`, `opening` and `aim` are the digests of a ticket; the last three
    are empty where there is no conversation or no target. `earlier` are those of the calls before in the same
    conversation.

    `at` is the server that the call is for, made there or named by the model, empty where the model names none.
    `passes` are the names under which a pass for it may be, the closest first. `is_execution`: the call is made, not
    proposed by a model. `needs` is how many have to approve.
    """

    call: str
    agent: str
    tool: str
    server: str | None
    at: str
    passes: tuple[str, ...]
    session: str
    aim: str
    tier: Tier
    approver: Approver
    is_once: bool
    is_execution: bool
    reasons: tuple[Why, ...]
    earlier: frozenset[str] = frozenset()
    opening: str = ""
    needs: int = 1


def standing(tickets: Iterable[Ticket], asked: Asked, now: float) -> Ticket | None:
    """The ticket that answers the question, or that is to; None where it has to be put anew.

    A denial of the very call comes first, then an approval of it, then one for the session or the target.
    """
    ranked = [
        (rank, ticket.created, len(ticket.reasons), ticket)
        for ticket in tickets
        if (rank := _rank(ticket, asked, now)) is not None
    ]
    # Of two that wait the later has what speaks against the call since.
    return max(ranked, key=lambda one: one[:3])[3] if ranked else None


_DENIED: Final = 3
_APPROVED: Final = 2
_GRANTED: Final = 1
_PENDING: Final = 0


def _rank(ticket: Ticket, asked: Asked, now: float) -> int | None:
    alike = ticket.call == asked.call and ticket.agent == asked.agent
    same = alike and _is_of_that_tool(ticket, asked)
    match ticket.state_at(now):
        case State.DENIED if alike and now < ticket.until:
            return _DENIED
        case State.APPROVED if now < ticket.until and covers(ticket, asked):
            if ticket.lasts is not Lasts.ONCE:
                return _GRANTED if grants(ticket, asked) or (same and _may_begin(ticket, asked)) else None
            return _APPROVED if same and not ticket.is_used else None
        case State.PENDING if same:
            return _PENDING
    return None


def _is_of_that_tool(ticket: Ticket, asked: Asked) -> bool:
    """Whether it was asked about that very tool: calls have one name at all servers. Between a model's answer and a
    server the names of tools differ, but not those of servers; where a model names none, it may be any."""
    if (ticket.server is None) is not (asked.server is None):
        proposed, made = (ticket, asked) if ticket.server is None else (asked, ticket)
        return proposed.at in {"", made.at}
    return (ticket.server, ticket.tool) == (asked.server, asked.tool)


def grants(ticket: Ticket, asked: Asked) -> bool:
    """Whether it was approved for all such calls of this session."""
    if asked.is_once or (ticket.agent, ticket.tool, ticket.server) != (asked.agent, asked.tool, asked.server):
        return False
    if (ticket.bound or ticket.session) not in asked.earlier:
        return False
    return ticket.lasts is Lasts.SESSION or bool(asked.aim and ticket.aim == asked.aim)


def _may_begin(ticket: Ticket, asked: Asked) -> bool:
    """Whether this is the call that was approved for its session, to be made for the first time: that binds the
    approval to it. Where the call was refused meanwhile the model proposes it anew, under another name; then it has to
    be in a conversation that began with the same words."""
    if ticket.bound or not asked.session or asked.is_once:
        return False
    return ticket.session == asked.session or bool(asked.opening and ticket.opening == asked.opening)


def is_mistaken(ticket: Ticket, asked: Asked) -> bool:
    """Whether the call has the very name to which an approval for a session is bound, and is not of that session: two
    conversations cannot be told apart, so that the approval may hold in neither."""
    is_bound = ticket.state is State.APPROVED and bool(ticket.bound) and ticket.bound == asked.session
    return is_bound and ticket.bound not in asked.earlier


def covers(ticket: Ticket, asked: Asked) -> bool:
    """Whether who approved was told all that speaks against the call, and may approve it."""
    return suffices(ticket.decided_as, len(ticket.votes), ticket.tier, asked) and knows(ticket, asked)


def suffices(role: Approver, votes: int, tier: Tier, asked: Asked) -> bool:
    """Whether an approval by so many, of whom the last decided as that, of a call of that tier is enough for the call:
    where it is made, more may be known of it than where a model proposed it."""
    if asked.approver is Approver.APPROVER and role is not Approver.APPROVER:
        return False
    return votes >= asked.needs and asked.tier <= tier


def knows(ticket: Ticket, asked: Asked) -> bool:
    """Whether the ticket has all that the call is asked for."""
    # Of other calls of a session the arguments have other names.
    is_same = ticket.call == asked.call
    told = {(one.rule, one.argument if is_same else "") for one in ticket.reasons if one.asks}
    return all((one.rule, one.argument if is_same else "") in told for one in asked.reasons if one.asks)
