"""The values that a decision is made of: findings, effects, edits and the verdict."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from gateway.errors import Code
from gateway.segment import Place, Span


class Effect(IntEnum):
    """What is done about a text, from mild to strict; several effects combine by `max`."""

    ALLOW = 0
    REPORT = 1
    REDACT = 2
    REWRITE = 3
    ASK = 4
    BLOCK = 5

    @classmethod
    def named(cls, name: str) -> Effect:
        """The effect of that name. An effect that is not known is a block (fail closed)."""
        return cls.__members__.get(name.upper(), cls.BLOCK)


class Severity(IntEnum):
    """How bad a hit is, with the scores of the OWASP Core Rule Set (crs-setup.conf, `tx.*_anomaly_score`)."""

    NOTICE = 2
    WARNING = 3
    ERROR = 4
    CRITICAL = 5


class Finding(Struct, frozen=True, gc=False):
    """One hit of one rule in one text. It never holds the matched text, so it can be logged.

    `category` is dotted, most general first: `injection.override`, `pii.email`, `secret.key`.
    `effect` is set where the rule itself demands one; otherwise the profile decides by category and trust.
    `replacement` is what a redaction leaves, e.g. `[EMAIL]`. `fingerprint` is a keyed hash of the matched text.
    """

    rule: str
    category: str
    severity: Severity
    span: Span
    score: int
    replacement: str
    fingerprint: str
    effect: Effect | None = None
    shadow: bool = False


class Edit(Struct, frozen=True, gc=False):
    """Replace `span` (relative to `place.offset`) of the text at `place`."""

    place: Place
    span: Span
    replacement: str


class Reason(Struct, frozen=True, gc=False):
    """Why a verdict is what it is: the effect, the rule behind it, and which text it fell in."""

    effect: Effect
    rule: str
    category: str
    segment: int  # index into the judged segments
    shadow: bool = False


class Verdict(Struct, frozen=True):
    """The decision on a set of segments.

    `effect` is what is done; `would_be` is what would be done if shadowed rules and a monitoring profile were
    enforced; `edits` are empty unless `effect` is REDACT or REWRITE; `code` is set where `effect` is ASK or BLOCK.
    """

    effect: Effect
    would_be: Effect
    reasons: tuple[Reason, ...] = ()
    edits: tuple[Edit, ...] = ()
    code: Code | None = None


class Refusal(Struct, frozen=True):
    """What a refused client is told, before a dialect gives it its shape.

    `message` names the rule and the way out, never the matched text. `retry_after` is in whole seconds.
    `request_id` is the id under which the record can be found.
    """

    code: Code
    status: int
    message: str
    request_id: str
    rules: tuple[str, ...] = ()
    retry_after: int | None = None
