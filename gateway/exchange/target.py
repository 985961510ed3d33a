"""What a request says before its body, judged: host, path, query and header fields.

It all leaves with the request, and the host even before it, as a DNS query; so it is judged before anything else is
done. Nothing in it can be edited, so what would be redacted is refused. The fields of a client are mostly the same from
request to request, so each is remembered as a part of its own.
"""

from __future__ import annotations

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

_PLACE: Final = "target/place"
_FIELD: Final = "target/field"


def judge_target(gate: Gate, family: Family, host: str, target: str, headers: Headers) -> Total:
    """The verdict on a request's head. `host` is empty where the operator chose it; `target` is path and query."""
    total = Total()
    # The names of places and of fields are kept apart, so that no field is taken for a host that it spells.
    name = part.Namer(gate.hierarchy.key, _PLACE).name(f"{host}\n{target}".encode("utf-8", "surrogateescape"))
    total.add(gate.parts.recall(name) or _judged(gate, name, _place(family, host, target)), 0)
    namer = part.Namer(gate.hierarchy.key, _FIELD)
    for field in headers:
        if family.mirrors is not None and field[0].lower().startswith(family.mirrors):
            continue
        name = namer.name("\n".join(field).encode("utf-8", "surrogateescape"))
        total.add(gate.parts.recall(name) or _judged(gate, name, Target("", "", fields=(field,))), 0)
    return total


def _place(family: Family, host: str, target: str) -> Target:
    path, _, query = target.partition("?")
    return Target(host, path, query, query_credentials=family.query_keys)


def _judged(gate: Gate, name: bytes, target: Target) -> part.Outcome:
    """Judge what was not seen before, and remember it by that name."""
    segments = [found for found in read(target) if isinstance(found, Segment)]
    judgement = judge(gate, Direction.REQUEST, segments)
    encoded = encoded_data(target, gate.rules.fingerprint)
    judged = [*zip(judgement.segments, judgement.findings, strict=True), *encoded]
    verdict = decide(gate.profile, judged) if encoded else judgement.verdict
    found = tuple(finding for _, findings in judged for finding in findings)
    outcome = part.Outcome(verdict, found, len(segments))
    if outcome.is_lasting:
        gate.parts.remember(name, outcome)
    return outcome
