"""What a request says before its body, judged: host, path, query and header fields.

It all leaves with the request, and the host even before it, as a DNS query; so it is judged before anything else is
done. Nothing in it can be edited, so what would be redacted is refused. The fields of a client are mostly the same from
request to request, so each is remembered as a part of its own, and a head in which nothing was found as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
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

_HOST: Final = "target/host"
_PATH: Final = "target/path/"
_FIELD: Final = "target/field"
_ALL: Final = "target/all/"
"""What the names of parts begin with, so that no field is taken for a host that it spells."""

WITHHELD: Final = "[withheld]"
"""What a record has in place of a host or a path in which something was found: that text may be a secret."""


class Head(Struct, frozen=True):
    """The verdict on a request's head; host and path as a record may hold them."""

    total: Total
    host: str
    path: str


def judge_target(gate: Gate, family: Family, host: str, target: str, headers: Headers) -> Head:
    """Judge a request's head. `host` is empty where the operator chose it; `target` is path and query.

    `headers` are without those that are read with the body.
    """
    path, _, query = target.partition("?")
    total = Total()
    key = gate.hierarchy.key
    name = _name_of_all(part.namer(key, _ALL + family.name), host, target, headers)
    clean = gate.parts.recall(name) if name is not None else None
    if clean is not None:
        total.add(clean)
        return Head(total, host, path)

    def add(namer: part.Namer, text: str, read: Callable[[], Target]) -> bool:
        """Add a part, which that text names; whether nothing was found in it."""
        name = namer.name(_bytes(text))
        outcome = gate.parts.recall(name) or _judged(gate, name, read())
        total.add(outcome, 0)
        return not outcome.findings

    is_host_clean = not host or add(part.namer(key, _HOST), host, partial(Target, host, ""))
    # Family by family, as what is a key to one API is a secret on its way to another.
    in_path = part.namer(key, _PATH + family.name)
    is_path_clean = add(in_path, target, partial(Target, "", path, query, query_credentials=family.query_keys))
    in_field = part.namer(key, _FIELD)
    for field in headers:
        add(in_field, "\n".join(field), partial(Target, "", "", fields=(field,)))
    if name is not None and not total.findings:
        gate.parts.remember(name, total.outcome)
    return Head(total, host if is_host_clean else WITHHELD, path if is_path_clean else WITHHELD)


def _name_of_all(namer: part.Namer, host: str, target: str, headers: Headers) -> bytes | None:
    """The name of a head as a whole; None for one that could be spelt as another: no line ends in what is joined."""
    text = "\n".join((host, target, *chain.from_iterable(headers)))
    return namer.name(_bytes(text)) if text.count("\n") == 1 + 2 * len(headers) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _judged(gate: Gate, name: bytes, target: Target) -> part.Outcome:
    """Judge what was not seen before, and remember it by that name."""
    segments = [found for found in read(target) if isinstance(found, Segment)]
    judgement = judge(gate, Direction.REQUEST, segments)
    encoded = encoded_data(target, gate.rules.fingerprint)
    judged = [*zip(judgement.segments, judgement.findings, strict=True), *encoded]
    verdict = decide(gate.profile, judged) if encoded else judgement.verdict
    found = tuple(finding for _, findings in judged for finding in findings)
    outcome = part.Outcome(verdict, found, len(segments))
    if outcome.lasts():
        gate.parts.remember(name, outcome)
    return outcome


def recordable(gate: Gate, host: str, path: str) -> tuple[str, str]:
    """Host and path of a request that gets no exchange, as a record may hold them."""
    head = judge_target(gate, FAMILIES["http"], host, path, ())
    return head.host, head.path
