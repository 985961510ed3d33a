"""The log: one canonical line for each exchange, and the gateway's own messages. The only door to structlog.

A line is made from an `ExchangeRecord`, whose types hold no body, credential or matched text. What a client may choose
freely (path, model) is cut to a length, and JSON paths, whose keys come from bodies, are left out.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from gateway.exchange.events import ExchangeRecord, Inspected
from gateway.settings import Format
from gateway.verdict import Effect, Reason

EXCHANGE: Final = "exchange"
"""The event name of the canonical line."""

MAX_PATH: Final = 512
MAX_NAME: Final = 128
MAX_FINGERPRINTS: Final = 64
"""Enough to find a leak by its fingerprint; `reasons` counts them all."""


class Field(StrEnum):
    """The names in the canonical line, in their order."""

    TIME = "time"  # ISO 8601, when the request came
    ID = "id"
    UPSTREAM = "upstream"
    PRINCIPAL = "principal"
    CLIENT = "client"
    DIALECT = "dialect"
    METHOD = "method"
    PATH = "path"
    MODEL = "model"
    STREAMED = "streamed"
    STATUS = "status"
    OUTCOME = "outcome"
    EFFECT = "effect"
    WOULD_BE = "would_be"
    CODE = "code"
    REASONS = "reasons"  # by rule: category, effect, shadow, how often, index of the first text
    FINGERPRINTS = "fingerprints"
    REQUEST = "request"  # what was inspected, and what was not
    ANSWER = "answer"
    WRAPPED = "wrapped"
    HELD_MAX = "held_max"
    USAGE = "usage"
    FAULT = "fault"
    RULESET = "ruleset"
    DURATION_MS = "duration_ms"
    INSPECT_MS = "inspect_ms"


def canonical(
    record: ExchangeRecord, *, duration_ms: float, inspect_ms: float, client: str | None, time: datetime
) -> dict[str, Any]:
    """The canonical line of an exchange, as values that JSON can hold; also what the audit file keeps.

    `client` is the address of the caller, `time` when its request came.
    """
    values: dict[Field, Any] = {
        Field.TIME: time.isoformat(timespec="milliseconds"),
        Field.ID: record.id,
        Field.UPSTREAM: record.upstream,
        Field.PRINCIPAL: record.principal,
        Field.CLIENT: client,
        Field.DIALECT: record.dialect,
        Field.METHOD: record.method[:MAX_NAME],
        Field.PATH: record.path[:MAX_PATH],
        Field.MODEL: None if record.model is None else record.model[:MAX_NAME],
        Field.STREAMED: record.streamed,
        Field.STATUS: record.status,
        Field.OUTCOME: record.outcome,
        Field.EFFECT: _name(record.effect),
        Field.WOULD_BE: _name(record.would_be),
        Field.CODE: None if record.code is None else record.code.value,
        Field.REASONS: _reasons(record.reasons),
        Field.FINGERPRINTS: sorted(set(record.fingerprints))[:MAX_FINGERPRINTS],
        Field.REQUEST: _inspected(record.request),
        Field.ANSWER: _inspected(record.answer),
        Field.WRAPPED: record.wrapped,
        Field.HELD_MAX: record.held_max,
        Field.USAGE: dict(record.usage),
        Field.FAULT: record.fault,
        Field.RULESET: record.ruleset,
        Field.DURATION_MS: round(duration_ms, 3),
        Field.INSPECT_MS: round(inspect_ms, 3),
    }
    return {field.value: values[field] for field in Field}


def configure(format_: Format, level: str, stream: TextIO | None = None) -> None:
    """Set up the log. It goes to standard error unless `stream` says otherwise; the output belongs to commands."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.MaybeTimeStamper(fmt="iso", utc=True, key=Field.TIME),
            _renderer(format_),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def log() -> FilteringBoundLogger:
    """The logger: `log().info("event", name=value)`. Values are shown as they are, so none may hold body text."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def write(line: Mapping[str, Any]) -> None:
    """Log one canonical line."""
    log().info(EXCHANGE, **line)


def _renderer(format_: Format) -> Processor:
    if format_ is Format.JSON:
        return structlog.processors.JSONRenderer()
    # `repr_native_str` quotes what a client chose, so that no path can write control sequences to a terminal.
    return structlog.dev.ConsoleRenderer(colors=False, repr_native_str=True, pad_event_to=0, sort_keys=False)


def _name(effect: Effect) -> str:
    return effect.name.lower()


def _reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    """One entry for each rule and what came of it, in the order in which they first occur: bounded by the rules."""
    counts = Counter((reason.rule, reason.category, reason.effect, reason.shadow) for reason in reasons)
    firsts = {(reason.rule, reason.effect, reason.shadow): reason.segment for reason in reversed(reasons)}
    return [
        {
            "rule": rule,
            "category": category,
            "effect": _name(effect),
            "shadow": shadow,
            "count": count,
            "segment": firsts[rule, effect, shadow],
        }
        for (rule, category, effect, shadow), count in counts.items()
    ]


def _inspected(inspected: Inspected) -> dict[str, Any]:
    return {
        "coverage": inspected.coverage,
        "bytes": inspected.bytes,
        "segments": inspected.segments,
        "events": inspected.events,
        "uninspected": dict(sorted(Counter(part.what for part in inspected.uninspected).items())),
    }
