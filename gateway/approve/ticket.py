"""A ticket: a question that was put to people, and what became of it, as it is kept in a register.

    pending ──▶ approved ──▶ (used)          pending ──▶ denied | expired
                    └──▶ denied (taken back) | withdrawn (what it was edited to is refused)

It holds no secret: arguments and target are masked, session, target and call are named by keyed digests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from gateway.policy.call import Aim, Approver, Lasts, Tier
from gateway.segment import Path

KEPT: Final = 3600.0
"""Seconds for which a ticket stays to be looked at when nothing can come of it any more."""

ID_LENGTH: Final = 6
_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Base 32 as by D. Crockford (crockford.com/base32.html): no letters that are taken for one another."""
_TAKEN_FOR: Final = str.maketrans({"o": "0", "i": "1", "l": "1"})

_MOST_WORDS: Final = 500
"""Characters of what a person gave as a reason."""


class State(StrEnum):
    """Where a ticket stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class What(StrEnum):
    """What happened to a ticket."""

    ASKED = "asked"
    VOTED = "voted"  # one of several who have to approve did
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    USED = "used"
    EDITED = "edited"  # used, with a person's arguments


class Step(Struct, frozen=True, omit_defaults=True):
    """What happened, at which Unix time (seconds), by whom, and why."""

    what: What
    at: float
    by: str = ""
    why: str = ""


class Why(Struct, frozen=True, omit_defaults=True):
    """A reason for the question, as `CallReason` has it. `asks` is false for what is only worth knowing."""

    rule: str
    words: str
    argument: str = ""
    sources: tuple[str, ...] = ()
    asks: bool = True


class Hidden(Struct, frozen=True):
    """A masked place of the arguments: where it is, how the whole text there reads, and what stands for the secret."""

    path: Path
    text: str
    marker: str


class Vote(Struct, frozen=True, omit_defaults=True):
    """One person's approval. `edited` are arguments as JSON text, None for those of the call."""

    by: str
    lasts: Lasts
    edited: str | None = None


class Ticket(Struct, frozen=True, omit_defaults=True):
    """A question and what became of it. Times are Unix times in seconds.

    `at` is the server that the call is for, where it is made there or the model named it. `call`, `session` and `aim`
    are keyed digests: of agent, tool and arguments, of the conversation, of the target. `opening` is that of how the
    conversation began, and `bound` that of the conversation in which the call was made that was approved for its
    session.

    `arguments` and `aims` are masked, the first as JSON text; `hidden` tells where, and is None where names are masked
    too, which cannot be edited.

    `needs` is how many have to approve, `holds` and `grant` for how many seconds an approval of this call, and of all
    such calls of a session, can be used. `until` is when the decision ends. `recorded` counts the steps that are in an
    audit.
    """

    id: str
    call: str
    agent: str
    tool: str
    arguments: str
    tier: Tier
    approver: Approver
    is_once: bool
    created: float
    deadline: float
    needs: int
    holds: float
    grant: float
    server: str | None = None
    at: str = ""
    upstream: str | None = None
    hidden: tuple[Hidden, ...] | None = ()
    reasons: tuple[Why, ...] = ()
    session: str = ""
    opening: str = ""
    bound: str = ""
    aim: str = ""
    target: str = ""
    aims: tuple[Aim, ...] = ()
    state: State = State.PENDING
    steps: tuple[Step, ...] = ()
    votes: tuple[Vote, ...] = ()
    lasts: Lasts = Lasts.ONCE
    edited: str | None = None
    decided_by: str = ""
    decided_as: Approver = Approver.USER
    why: str = ""
    until: float = 0.0
    is_used: bool = False
    recorded: int = 0

    def state_at(self, now: float) -> State:
        """A question that nobody answered is over at its deadline, whether or not somebody wrote that down."""
        return State.EXPIRED if self.state is State.PENDING and self.deadline <= now else self.state

    @property
    def over_at(self) -> float:
        """Until when the register keeps it."""
        if self.state in {State.PENDING, State.EXPIRED}:
            return self.deadline + KEPT
        return max(self.until, self.steps[-1].at + KEPT)

    @property
    def usual(self) -> Lasts:
        """How long an approval holds if nobody says: what only modifies is asked for the first time in a session."""
        return Lasts.SESSION if not self.is_once and self.tier <= Tier.MODIFY and self.session else Lasts.ONCE


def encode(ticket: Ticket) -> bytes:
    return _ENCODER.encode(ticket)


def decode(value: bytes) -> Ticket | None:
    """None for what another version may have written: it is left alone."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError:
        return None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Ticket)


def digest(key: bytes, *parts: str) -> str:
    """A name for texts that tells nothing about them: HMAC-SHA-256, 32 hex digits; no two divisions are alike."""
    message = b"".join(len(data).to_bytes(8) + data for data in (part.encode() for part in parts))
    return hmac.digest(key, message, hashlib.sha256).hex()[:32]


def name(key: bytes, call: str, number: int) -> str:
    """The id of the ticket with that number for a call, short enough to be typed.

    Derived, so that gateways that ask the same at the same time make one ticket and not two.
    """
    bits = int(digest(key, "ticket", call, str(number)), 16)
    return "".join(_LETTERS[bits >> 5 * at & 31] for at in range(ID_LENGTH))


def read_id(text: str) -> str:
    """An id as somebody typed it: in any case, with the letters that are taken for others."""
    return re.sub(r"[\s-]", "", text).lower().translate(_TAKEN_FOR)


def one_line(text: str) -> str:
    """What a person wrote, cut, and without what could paint a terminal or end a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_MOST_WORDS]).strip()
