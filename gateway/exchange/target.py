"""What a request says before its body, judged: host, path, query and header fields.

It all leaves with the request, and the host even before it, as a DNS query; so it is judged before anything else is
done. Nothing in it can be edited, so what would be redacted is refused. The fields of a client are mostly the same from
request to request, so each is remembered as a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from gateway.dialect.families import FAMILIES
from gateway.dialect.route import Family
from gateway.exchange import part
from gateway.exchange.events import Headers
from gateway.exchange.gate import Gate
from gateway.exchange.judge import judge
from gateway.exchange.total import Total
from gateway.policy.decide import decide
from gateway.policy.egress.encoded import encoded_data
from gateway.policy.egress.target import Target, read
from gateway.segment import Direction, Segment
from gateway.verdict import Finding, Verdict

_READER: Final = "target"

WITHHELD: Final = "[withheld]"
"""What a record has in place of a host or a path in which something was found: that text may be a secret."""


class Head(Struct, frozen=True):
    """The verdict on a request's head; host and path as a record may hold them."""

    total: Total
    host: str
    path: str


def judge_target(gate: Gate, family: Family, host: str, target: str, headers: Headers) -> Head:
    """Judge a request's head. `host` is empty where the operator chose it; `target` is path and query."""
    namer = part.Namer(gate.hierarchy.key, _READER)
    path, _, query = target.partition("?")
    total = Total()

    def add(text: str, read: Target) -> bool:
        """Add a part, which that text names; whether nothing was found in it."""
        outcome = _remembered(gate, namer.name(text.encode("utf-8", "surrogateescape")), read)
        total.add(outcome, 0)
        return not outcome.findings

    is_host_clean = add(f"host\n{host}", Target(host, ""))
    is_path_clean = add(f"path\n{target}", Target("", path, query, query_credentials=family.query_keys))
    for name, value in headers:
        if family.mirrors is None or not name.lower().startswith(family.mirrors):
            add(f"field\n{name}\n{value}", Target("", "", fields=((name, value),)))
    return Head(total, host if is_host_clean else WITHHELD, path if is_path_clean else WITHHELD)


def _remembered(gate: Gate, name: bytes, target: Target) -> part.Outcome:
    outcome = gate.parts.recall(name)
    if outcome is None:
        outcome = _judged(gate, target)
        if outcome.is_lasting:
            gate.parts.remember(name, outcome)
    return outcome


def _judged(gate: Gate, target: Target) -> part.Outcome:
    segments = [found for found in read(target) if isinstance(found, Segment)]
    judgement = judge(gate, Direction.REQUEST, segments)
    encoded = encoded_data(target, gate.rules.fingerprint)
    if not encoded:
        return _outcome(judgement.verdict, judgement.segments, judgement.findings)
    judged = [*zip(judgement.segments, judgement.findings, strict=True), *encoded]
    return _outcome(decide(gate.profile, judged), judgement.segments, [findings for _, findings in judged])


def _outcome(verdict: Verdict, segments: Sequence[Segment], findings: Iterable[Sequence[Finding]]) -> part.Outcome:
    return part.Outcome(verdict, tuple(finding for some in findings for finding in some), len(segments))


def recordable(gate: Gate, host: str, path: str) -> tuple[str, str]:
    """Host and path of a request that gets no exchange, as a record may hold them."""
    head = judge_target(gate, FAMILIES["http"], host, path, ())
    return head.host, head.path
