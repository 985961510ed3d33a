"""What a model is told of a call that a person did not approve. No text in it comes from the call."""

from __future__ import annotations

from typing import Final

from gateway.approve.ticket import Ticket
from gateway.policy.call import Approver

UNREACHABLE: Final = (
    "this call needs an approval, and the store of approvals cannot be used, so nobody can give one; it was not made"
)
UNSHOWABLE: Final = (
    "this call needs an approval, and its arguments are too long to be shown to a person, or no JSON; it was not made"
)
TOO_MANY: Final = "this call needs an approval, and too many wait for one already; it was not made"

MISTAKEN: Final = "another conversation cannot be told from the one that it was approved for"
"""Why an approval for a session ends: for who looks at the ticket."""


def denied(ticket: Ticket) -> str:
    return f"a person denied this call{_why(ticket)}; it was not made, and is not to be made again"


def waits(ticket: Ticket) -> str:
    who = "an approver" if ticket.approver is Approver.APPROVER else "the user or an approver"
    return (
        f"{who} has to approve this call first (ticket {ticket.id}); it was not made. Say so, and make the very same "
        "call again once it is approved, not before"
    )


def expired(ticket: Ticket) -> str:
    return f"nobody approved this call in time (ticket {ticket.id}); it was not made, and is not to be repeated unasked"


def withdrawn(ticket: Ticket) -> str:
    return f"a person approved this call with other arguments (ticket {ticket.id}), which cannot be used{_why(ticket)}"


def _why(ticket: Ticket) -> str:
    return f": {ticket.why}" if ticket.why else ""
