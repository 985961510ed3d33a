"""The terms on which people are asked, as an operator sets them."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from gateway.policy.call import Approver


class Mode(StrEnum):
    """What becomes of a call while a person is asked."""

    WAIT = "wait"  # it is held, for as long as its client bears that
    TICKET = "ticket"  # it is refused with the number of a ticket, and passes when it is made again


class Terms(Struct, frozen=True):
    """Times in seconds. `deadline` is how long a call is held, `ticket_lifetime` how long a question stays open where
    none is held, and how long a decision on one call can be used; `grant_lifetime` how long one for a session can."""

    mode: Mode = Mode.WAIT
    deadline: float = 300.0
    ticket_lifetime: float = 3600.0
    grant_lifetime: float = 8 * 3600.0
    four_eyes: bool = False

    def needs(self, approver: Approver) -> int:
        """How many have to approve. Four eyes are for what needs an approver; a user confirms alone."""
        return 2 if self.four_eyes and approver is Approver.APPROVER else 1
