"""A push of rule packs, as a value, and the decision on how it goes on. Pure.

    CANARY ──▶ ALL ──▶ DONE          by time, where the gateways that have it do as they did before
       └────────┴────▶ ROLLED_BACK   where one cannot load it, or block rate, error rate or latency jump

What gateways counted before is part of the push, so that whichever of them looks comes to the same judgement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

MIN_EXCHANGES: Final = 50
"""Exchanges of the gateways that have it, below which nothing can be said of a push, and it waits."""

RATE_FACTOR: Final = 2.0
RATE_MARGIN: Final = 0.05
"""A rate jumps when it is over twice what it was, and five points higher: a quiet fleet blocks next to nothing, and
twice of that is no news."""

LATENCY_FACTOR: Final = 2.0
LATENCY_MARGIN_MS: Final = 2.0
"""Likewise for the time spent inspecting, for each exchange."""


class Stage(StrEnum):
    """How far a push has come."""

    CANARY = "canary"
    ALL = "all"  # everywhere, and still watched
    DONE = "done"
    ROLLED_BACK = "rolled_back"


UNDER_WAY: Final = frozenset({Stage.CANARY, Stage.ALL})


class Tally(Struct, frozen=True):
    """What a worker counted since it started. `spent_ms` is what inspecting took."""

    exchanges: int = 0
    blocked: int = 0
    failed: int = 0
    spent_ms: float = 0.0

    def since(self, before: Tally) -> Tally:
        """What came since; a worker that was started anew counts from nothing."""
        if self.exchanges < before.exchanges:
            return self
        return Tally(
            self.exchanges - before.exchanges,
            self.blocked - before.blocked,
            self.failed - before.failed,
            self.spent_ms - before.spent_ms,
        )

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.exchanges + other.exchanges,
            self.blocked + other.blocked,
            self.failed + other.failed,
            self.spent_ms + other.spent_ms,
        )


class Member(Struct, frozen=True):
    """What a worker says of itself: which gateway it is of, the digests of the pushed packs that it serves by, of its
    whole rule set and of its configuration, why it could not load what it should, and what it counted."""

    gateway: str
    pushed: str
    rules: str
    config: str
    problem: str | None
    tally: Tally

    @classmethod
    def of(cls, about: Mapping[str, object]) -> Self | None:
        """Read it; None for a worker of another version, which says something else."""
        try:
            return msgspec.convert(about, cls)
        except msgspec.ValidationError:
            return None


class Push(Struct, frozen=True):
    """`packs` are texts by file name, and `previous` those that were in force before; `canaries` are gateways.

    `watch_s` is how long each stage is watched, `since_ns` when this one began (Unix time), `before` what each worker
    had counted then, and `usual` how the fleet had done until the push.
    """

    id: str
    by: str
    why: str
    packs: dict[str, str]
    previous: dict[str, str]
    canaries: tuple[str, ...]
    watch_s: float
    since_ns: int
    usual: Tally
    before: dict[str, Tally]
    stage: Stage = Stage.CANARY
    reason: str = ""

    def wanted(self, gateway: str) -> Mapping[str, str]:
        """The packs that a gateway is to serve by."""
        if self.stage is Stage.ROLLED_BACK or (self.stage is Stage.CANARY and gateway not in self.canaries):
            return self.previous
        return self.packs

    def has(self, member: Member) -> bool:
        """Whether a worker is one of those by which the push is judged now."""
        return self.stage is not Stage.CANARY or member.gateway in self.canaries

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `encode` wrote. Raises ValueError for anything else."""
        return msgspec.json.decode(data, type=cls)  # its errors are ValueErrors


def digest(packs: Mapping[str, str]) -> str:
    """The digest of packs by file name, 16 hex digits; empty for none."""
    if not packs:
        return ""
    named = "".join(f"{name}\0{hashlib.sha256(text.encode()).hexdigest()}\n" for name, text in sorted(packs.items()))
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def begun(
    id: str,
    packs: Mapping[str, str],
    members: Mapping[str, Member],
    before: Push | None,
    *,
    share: float,
    watch_s: float,
    by: str,
    why: str,
    now_ns: int,
) -> Push:
    """A push that begins now, at that share of the gateways (at least one of them).

    Which they are follows from its id, so that it is not the same ones each time.
    """
    gateways = sorted({member.gateway for member in members.values()}, key=lambda name: _mixed(id, name))
    count = max(round(share * len(gateways)), 1)
    tallies = {name: member.tally for name, member in members.items()}
    return Push(
        id,
        by,
        why,
        dict(packs),
        dict(before.wanted("") if before is not None else {}),
        tuple(sorted(gateways[:count])),
        watch_s,
        now_ns,
        sum(tallies.values(), Tally()),
        tallies,
        Stage.ALL if count >= len(gateways) else Stage.CANARY,
    )


def moved(push: Push, members: Mapping[str, Member], now_ns: int) -> Push:
    """The push as it is after a look at the members: the same value where nothing follows."""
    if push.stage not in UNDER_WAY:
        return push
    judged = {name: member for name, member in members.items() if push.has(member)}
    if reason := fault(push, judged.values(), _came(push, judged)):
        return replace(push, stage=Stage.ROLLED_BACK, reason=reason, since_ns=now_ns)
    if waits_for(push, members, now_ns):
        return push
    if push.stage is Stage.ALL:
        return replace(push, stage=Stage.DONE, since_ns=now_ns)
    tallies = {name: member.tally for name, member in members.items()}
    return replace(push, stage=Stage.ALL, since_ns=now_ns, before=tallies)


def waits_for(push: Push, members: Mapping[str, Member], now_ns: int) -> str:
    """What keeps a push in its stage; empty where nothing does."""
    judged = {name: member for name, member in members.items() if push.has(member)}
    wanted = digest(push.packs)
    late = sorted({member.gateway for member in judged.values() if member.pushed != wanted})
    if late:
        return f"gateways to take it up: {', '.join(late)}"
    left = push.watch_s - (now_ns - push.since_ns) / 1e9
    if left > 0:
        return f"{left:.0f} s to pass"
    came = _came(push, judged)
    if came.exchanges < MIN_EXCHANGES:
        return f"traffic: {came.exchanges} exchanges of the {MIN_EXCHANGES} that tell anything"
    return ""


def shown(push: Push, members: Mapping[str, Member], now_ns: int) -> dict[str, object]:
    """How a push stands, for an operator; JSON values only."""
    return {
        "id": push.id,
        "by": push.by,
        "why": push.why,
        "packs": sorted(push.packs),
        "digest": digest(push.packs),
        "stage": str(push.stage),
        "canaries": list(push.canaries),
        "waits_for": waits_for(push, members, now_ns) if push.stage in UNDER_WAY else "",
        "reason": push.reason,
    }


def fault(push: Push, judged: Iterable[Member], came: Tally) -> str:
    """Why a push has to go back; empty where it has not."""
    for member in judged:
        if member.problem is not None:
            return f"the gateway {member.gateway} cannot load it: {member.problem}"
    if came.exchanges < MIN_EXCHANGES:
        return ""
    usual = push.usual if push.usual.exchanges >= MIN_EXCHANGES else Tally(1)
    for what, now, before in (
        ("block rate", came.blocked / came.exchanges, usual.blocked / usual.exchanges),
        ("error rate", came.failed / came.exchanges, usual.failed / usual.exchanges),
    ):
        if now > max(before * RATE_FACTOR, before + RATE_MARGIN):
            return f"the {what} went from {before:.1%} to {now:.1%} of {came.exchanges} exchanges"
    now, before = came.spent_ms / came.exchanges, usual.spent_ms / usual.exchanges
    if usual.exchanges >= MIN_EXCHANGES and now > max(before * LATENCY_FACTOR, before + LATENCY_MARGIN_MS):
        return f"inspecting went from {before:.1f} ms to {now:.1f} ms for each exchange"
    return ""


def _came(push: Push, judged: Mapping[str, Member]) -> Tally:
    """What the judged workers counted in this stage."""
    return sum((member.tally.since(push.before.get(name, Tally())) for name, member in judged.items()), Tally())


def _mixed(id: str, name: str) -> str:
    return hashlib.sha256(f"{id}\0{name}".encode()).hexdigest()
