"""From a question to its ticket: pure functions."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from msgspec.structs import replace

from gateway.approve.earlier import Asked, knows
from gateway.approve.masked import Mask, masked, written
from gateway.approve.terms import Terms
from gateway.approve.ticket import Step, Ticket, What, Why, digest, encode, name
from gateway.policy.call import Aim, Approver, Question
from gateway.policy.fingerprint import server_of
from gateway.verdict import Effect

MOST: Final = 64 * 1024
"""Bytes of a ticket. What nobody would read to its end, nobody can approve."""


MOST_AIM: Final = 200
"""Characters of a value that is told first; the arguments have it whole."""


class Unshowable(Exception):
    """The call cannot be shown to a person."""


def asked_of(key: bytes, question: Question, principal: str) -> Asked:
    """The question as tickets know it."""
    call, ruling, session = question.call, question.ruling, question.session
    at = server_of(call)
    # Where a call is made it is known at which server; the model that proposed it may have named none.
    places = (at, "") if at and call.server is not None else (at,)

    def named(name: str) -> str:
        return digest(key, "session", principal, name) if name else ""

    return Asked(
        call=digest(key, "call", principal, question.fingerprint),
        agent=principal,
        tool=call.name,
        server=call.server,
        at=at,
        passes=tuple(digest(key, "pass", principal, question.fingerprint, one) for one in places),
        session=named(session.name),
        earlier=frozenset(map(named, session.earlier)),
        opening=named(session.opening),
        aim=digest(key, "target", call.server or "", call.name, ruling.target) if ruling.target else "",
        tier=ruling.tier,
        approver=ruling.approver,
        is_once=ruling.is_once or ruling.approver is Approver.APPROVER,
        is_execution=call.server is not None,
        reasons=tuple(
            Why(one.rule, one.words, one.argument, one.sources, one.effect >= Effect.ASK and not one.shadow)
            for one in ruling.reasons
        ),
    )


def free_id(key: bytes, call: str, taken: Container[str]) -> str:
    """The first id of a call that no ticket has, so that whoever asks the same at the same time takes the same."""
    number = 0
    while (id_ := name(key, call, number)) in taken:
        number += 1
    return id_


def made(
    id_: str, question: Question, asked: Asked, upstream: str | None, terms: Terms, mask: Mask, now: float, lasts: float
) -> Ticket:
    """A ticket that waits for `lasts` seconds. Raises Unshowable."""
    arguments = question.call.arguments
    try:
        if len(written(arguments)) > MOST:
            raise Unshowable
        shown = masked(arguments, mask)
    except ValueError as error:
        raise Unshowable from error
    ticket = Ticket(
        id=id_,
        call=asked.call,
        agent=asked.agent,
        tool=asked.tool,
        arguments=shown.text,
        tier=asked.tier,
        approver=asked.approver,
        is_once=asked.is_once,
        created=now,
        deadline=now + lasts,
        needs=terms.needs(asked.approver),
        holds=terms.ticket_lifetime,
        grant=terms.grant_lifetime,
        server=asked.server,
        at=asked.at,
        upstream=upstream,
        hidden=shown.hidden,
        reasons=asked.reasons,
        session=asked.session,
        opening=asked.opening,
        aim=asked.aim,
        target=mask(question.ruling.target),
        aims=_aims(question, mask),
        steps=(Step(What.ASKED, now, asked.agent),),
    )
    if len(encode(ticket)) > MOST:
        raise Unshowable
    return ticket


def _aims(question: Question, mask: Mask) -> tuple[Aim, ...]:
    return tuple(replace(one, argument=mask(one.argument), value=_short(mask(one.value))) for one in question.aims)


def _short(text: str) -> str:
    return text if len(text) <= MOST_AIM else f"{text[:MOST_AIM]}… ({len(text):,} characters)"


def is_stricter(ticket: Ticket, asked: Asked) -> bool:
    """Whether there is more to be said against a call that waits already than its ticket says."""
    is_higher = asked.approver is Approver.APPROVER and ticket.approver is not Approver.APPROVER
    return is_higher or asked.tier > ticket.tier or (asked.is_once and not ticket.is_once) or not knows(ticket, asked)


def again(
    id_: str, ticket: Ticket, question: Question, asked: Asked, terms: Terms, mask: Mask, now: float, lasts: float
) -> Ticket:
    """A ticket in the place of one that waits, with all that there is to be said against the call since. It has another
    id: whoever looked at the first has not seen this."""
    approver = Approver.APPROVER if Approver.APPROVER in {ticket.approver, asked.approver} else Approver.USER
    return replace(
        ticket,
        id=id_,
        reasons=tuple(dict.fromkeys((*ticket.reasons, *asked.reasons))),
        aims=_aims(question, mask),
        tier=max(ticket.tier, asked.tier),
        approver=approver,
        is_once=ticket.is_once or asked.is_once,
        needs=max(ticket.needs, terms.needs(approver)),
        created=now,
        deadline=now + lasts,
        votes=(),
        steps=(Step(What.ASKED, now, asked.agent),),
        recorded=0,
    )
