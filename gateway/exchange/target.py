"""What a request says before its body, judged: host, path, query and header fields.

It all leaves with the request, and the host even before it, as a DNS query; so it is judged before anything else is
done. Nothing in it can be edited, so what would be redacted is refused. The fields of a client are mostly the same from
request to request, so each is remembered as a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

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


def judge_target(gate: Gate, family: Family, host: str, target: str, headers: Headers) -> Total:
    """The verdict on a request's head. `host` is empty where the operator chose it; `target` is path and query."""
    namer = part.Namer(gate.hierarchy.key, _READER)
    path, _, query = target.partition("?")
    total = Total()
    place = Target(host, path, query, query_credentials=family.query_keys)
    total.add(_remembered(gate, namer.name(f"{host}\n{target}".encode("utf-8", "surrogateescape")), place), 0)
    for name, value in headers:
        if family.mirrors is not None and name.lower().startswith(family.mirrors):
            continue
        field = Target("", "", fields=((name, value),))
        total.add(_remembered(gate, namer.name(f"{name}\n{value}".encode("utf-8", "surrogateescape")), field), 0)
    return total


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
