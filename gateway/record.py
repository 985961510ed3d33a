"""The log: one canonical line for each exchange, and the gateway's own messages. The only door to structlog.

A line is made from an `ExchangeRecord`, whose types hold no body, credential or matched text. What a client may choose
freely (path, model) is cut to a length, and JSON paths, whose keys come from bodies, are left out.

There is a line for each exchange, so it does not go through structlog, which takes as long for it as an inspection
does. Lines wait a moment for others, to leave in one write; messages keep their place among them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from gateway.exchange.events import Settle
from gateway.exchange.recorded import WITHHELD, ExchangeRecord, Inspected
from gateway.json_line import json_line
from gateway.line_out import Out
from gateway.settings import DEFAULT_PRINCIPAL, Format
from gateway.verdict import Effect, Reason

EXCHANGE: Final = "exchange"
"""The event name of the canonical line."""

CALL: Final = "call"
"""The event name of the line of one call of a tool, which follows that of its exchange."""

CALL_RESULT: Final = "call_result"
"""The event name of the line of its result, where that comes after the record of the exchange."""

MAX_PATH: Final = 512
MAX_NAME: Final = 128
MAX_TOLD: Final = 2048
MAX_FINGERPRINTS: Final = 64
"""Enough to find a leak by its fingerprint; `reasons` counts them all."""

MAX_REASONS: Final = 20
MAX_SOURCES: Final = 10
"""Of one call, and of one reason: the strongest come first, and more tell nobody anything."""


class Field:
    """The names in the canonical line, in their order."""

    TIME: Final = "time"  # ISO 8601, when the request came
    ID: Final = "id"
    UPSTREAM: Final = "upstream"
    PRINCIPAL: Final = "principal"
    CLIENT: Final = "client"
    IDENTITY: Final = "identity"  # by what the principal is known: address, key, launcher; null where nothing tells
    ISOLATION: Final = "isolation"  # what holds the caller, by its launcher's word
    DIALECT: Final = "dialect"
    HOST: Final = "host"  # null where the operator chose it
    METHOD: Final = "method"
    PATH: Final = "path"
    MODEL: Final = "model"
    OPERATION: Final = "operation"
    STREAMED: Final = "streamed"
    STATUS: Final = "status"
    OUTCOME: Final = "outcome"
    EFFECT: Final = "effect"
    WOULD_BE: Final = "would_be"
    CODE: Final = "code"
    REASONS: Final = "reasons"  # by rule: category, effect, shadow, how often, index of the first text
    FINGERPRINTS: Final = "fingerprints"
    REQUEST: Final = "request"  # what was inspected, and what was not
    ANSWER: Final = "answer"
    WRAPPED: Final = "wrapped"
    HELD_MAX: Final = "held_max"
    USAGE: Final = "usage"  # tokens
    COUNTED: Final = "counted"  # by whom: provider, estimate, reservation, nobody
    RESERVED: Final = "reserved"  # tokens that were taken from limits before the answer
    COST: Final = "cost"  # in the currency of [prices]; null where the model has no price
    SWITCHED_FROM: Final = "switched_from"  # the model that was asked for, where a limit had another one asked
    LIMIT: Final = "limit"  # the one that refused
    LIMITS: Final = "limits"  # who counted: shared, local (by this worker's share), unchecked
    FAULT: Final = "fault"
    TOLD: Final = "told"  # what a refused client was told; for a host that is not allowed, with the lines to add
    RULESET: Final = "ruleset"
    DURATION_MS: Final = "duration_ms"
    INSPECT_MS: Final = "inspect_ms"


def canonical(
    record: ExchangeRecord,
    *,
    duration_ms: float,
    inspect_ms: float,
    client: str | None,
    time: datetime,
    identity: str | None = None,
    isolation: str | None = None,
    reserved: Mapping[str, int] = MappingProxyType({}),
    cost: float | None = None,
) -> dict[str, Any]:
    """The canonical line of an exchange, as values that JSON can hold; also what the audit file keeps.

    `client` is the address of the caller, `time` when its request came; `identity` and `isolation` are as their fields,
    `reserved` are tokens that it had to have left.
    """
    return {
        Field.TIME: time.isoformat(timespec="milliseconds"),
        Field.ID: record.id,
        Field.UPSTREAM: record.upstream,
        Field.PRINCIPAL: record.principal,
        Field.CLIENT: client,
        Field.IDENTITY: identity,
        Field.ISOLATION: isolation,
        Field.DIALECT: record.dialect,
        Field.HOST: record.host[:MAX_NAME] or None,
        Field.METHOD: record.method[:MAX_NAME],
        Field.PATH: record.path[:MAX_PATH],
        Field.MODEL: None if record.model is None else record.model[:MAX_NAME],
        Field.OPERATION: record.operation,
        Field.STREAMED: record.streamed,
        Field.STATUS: record.status,
        Field.OUTCOME: record.outcome,
        Field.EFFECT: _EFFECTS[record.effect],
        Field.WOULD_BE: _EFFECTS[record.would_be],
        Field.CODE: None if record.code is None else record.code.value,
        Field.REASONS: _reasons(record.reasons),
        Field.FINGERPRINTS: sorted(set(record.fingerprints))[:MAX_FINGERPRINTS],
        Field.REQUEST: _inspected(record.request),
        Field.ANSWER: _inspected(record.answer),
        Field.WRAPPED: record.wrapped,
        Field.HELD_MAX: record.held_max,
        Field.USAGE: dict(record.usage),
        Field.COUNTED: record.counted.value,
        Field.RESERVED: dict(reserved),
        Field.COST: cost,
        Field.SWITCHED_FROM: None if record.switched_from is None else record.switched_from[:MAX_NAME],
        Field.LIMIT: record.limit,
        Field.LIMITS: record.limits,
        Field.FAULT: record.fault,
        Field.TOLD: _told(record),
        Field.RULESET: record.ruleset,
        Field.DURATION_MS: round(duration_ms, 3),
        Field.INSPECT_MS: round(inspect_ms, 3),
    }


def call_lines(record: ExchangeRecord, time: datetime, duration_ms: float = 0.0) -> list[dict[str, Any]]:
    """A line for each call of a tool in an exchange: who called what, what was decided, why, and by whom.

    `duration_ms` is that of the exchange, which is a call's own where the exchange made it. Arguments are masked, and
    cut to a length; what they were is told by the fingerprint.
    """
    return [
        {
            Field.TIME: time.isoformat(timespec="milliseconds"),
            "event": CALL,
            Field.ID: record.id,
            Field.PRINCIPAL: record.principal,
            Field.UPSTREAM: record.upstream,
            "server": call.server,
            "tool": call.tool[:MAX_NAME],
            "tier": call.tier.value,
            Field.EFFECT: _EFFECTS[call.effect],
            Field.WOULD_BE: _EFFECTS[call.would_be],
            "asked": call.asked,
            "by": call.by,
            "ticket": call.ticket,
            Field.REASONS: [
                {
                    "rule": reason.rule,
                    "category": reason.category,
                    "effect": _EFFECTS[reason.effect],
                    "shadow": reason.shadow,
                    "argument": reason.argument[:MAX_NAME],
                    "sources": list(reason.sources[:MAX_SOURCES]),
                    "words": reason.words[:MAX_TOLD],
                }
                for reason in call.reasons[:MAX_REASONS]
            ],
            "arguments": call.arguments,
            "fingerprint": call.fingerprint,
            **({"result": str(call.became), "duration_ms": round(duration_ms, 1)} if call.became is not None else {}),
        }
        for call in record.calls
    ]


def result_lines(settled: Settle, time: datetime) -> list[dict[str, Any]]:
    """A line for each call whose result came after the record of its exchange, which has the same id."""
    return [
        {
            Field.TIME: time.isoformat(timespec="milliseconds"),
            "event": CALL_RESULT,
            Field.ID: settled.of,
            "server": call.server,
            "tool": call.tool[:MAX_NAME],
            "fingerprint": call.fingerprint,
            "result": str(call.became),
        }
        for call in settled.calls
    ]


def _as_json(line: Mapping[str, Any]) -> str:
    return json_line({"event": EXCHANGE, **line, "level": "info"}).decode("ascii")


def _for_people(line: Mapping[str, Any]) -> str:
    """One line for an exchange, and one for each call in it."""
    return _call_for_people(line) if line.get("event") == CALL else _exchange_for_people(line)


def _call_for_people(line: Mapping[str, Any]) -> str:
    """TIME call EFFECT [SERVER/]TOOL tier=TIER [RULE[:ARGUMENT] …] [by=WHO] [ticket=ID] ID [AGENT]"""
    time = line[Field.TIME].removesuffix("+00:00")
    tool = _shown(f"{line['server']}/{line['tool']}" if line["server"] else line["tool"])
    reasons = "".join(
        f" {reason['rule']}" + (f":{_shown(reason['argument'])}" if reason["argument"] else "")
        for reason in line[Field.REASONS]
    )
    by = "".join(f" {name}={_shown(line[name])}" for name in ("by", "ticket") if line[name])
    agent = "" if line[Field.PRINCIPAL] == DEFAULT_PRINCIPAL else f" agent={_shown(line[Field.PRINCIPAL])}"
    return f"{time}Z call {line[Field.EFFECT]} {tool} tier={line['tier']}{reasons}{by} {line[Field.ID]}{agent}"


def _exchange_for_people(line: Mapping[str, Any]) -> str:
    """TIME OUTCOME/EFFECT[/CODE] UPSTREAM METHOD [HOST]PATH STATUS [RULE=COUNT …] TOOK (INSPECTING) ID [AGENT] [FAULT]

    Where neither rules nor a fault say why it was refused, what the client was told follows, on lines of its own: what
    an operator may add to the configuration can be copied as it stands.
    """
    time, code, fault = line[Field.TIME].removesuffix("+00:00"), line[Field.CODE], line[Field.FAULT]
    fate = f"{line[Field.OUTCOME]}/{line[Field.EFFECT]}" + (f"/{code}" if code else "")
    place = _shown((line[Field.HOST] or "") + line[Field.PATH])
    target = f"{line[Field.UPSTREAM] or '-'} {_shown(line[Field.METHOD])} {place}"
    rules = "".join(f" {_rule(reason)}" for reason in line[Field.REASONS])
    took = f"{line[Field.DURATION_MS]:.1f}ms ({line[Field.INSPECT_MS]:.1f})"
    agent = "" if line[Field.PRINCIPAL] == DEFAULT_PRINCIPAL else f" agent={_shown(line[Field.PRINCIPAL])}"
    end = f" fault={fault!a}" if fault else ""
    told = "" if rules or fault or line[Field.TOLD] is None else _indented(line[Field.TOLD])
    return f"{time}Z {fate} {target} {line[Field.STATUS]}{rules} {took} {line[Field.ID]}{agent}{end}{told}"


def _rule(reason: Mapping[str, Any]) -> str:
    return f"{reason['rule']}={reason['count']}{'(shadow)' if reason['shadow'] else ''}"


def _indented(told: str) -> str:
    """Each line on one of its own, which no client can make look like one of ours: it begins with blanks."""
    return "".join(
        f"\n    {line if line.isascii() and line.isprintable() else ascii(line)}" for line in told.split("\n")
    )


def _shown(chosen: str) -> str:
    """What a client chose, quoted where it could pass for something else, or write control sequences to a terminal."""
    return chosen if chosen.isascii() and chosen.isprintable() and " " not in chosen else ascii(chosen)


_FORMS: Final[Mapping[Format, Callable[[Mapping[str, Any]], str]]] = {
    Format.JSON: _as_json,
    Format.CONSOLE: _for_people,
}


class _Lines:
    """Where canonical lines go, and in which form; None where the level leaves them out."""

    def __init__(self) -> None:
        self.out = Out()
        self.form: Callable[[Mapping[str, Any]], str] | None = _for_people


_lines: Final = _Lines()


def configure(format_: Format, level: str, stream: TextIO | None = None) -> None:
    """Set up the log. It goes to standard error unless `stream` says otherwise; the output belongs to commands."""
    least = logging.getLevelNamesMapping()[level.upper()]
    flush()
    _lines.out = Out(stream)
    _lines.form = _FORMS[format_] if least <= logging.INFO else None
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.MaybeTimeStamper(fmt="iso", utc=True, key=Field.TIME),
            _renderer(format_),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: _lines.out,
        cache_logger_on_first_use=False,
    )


def log() -> FilteringBoundLogger:
    """The logger: `log().info("event", name=value)`. Values are shown as they are, so none may hold body text."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def write(line: Mapping[str, Any]) -> None:
    """Log one canonical line: within `line_out.WAIT` seconds in a running event loop, at once elsewhere."""
    if _lines.form is not None:
        _lines.out.line(_lines.form(line))


def pass_on(lines: bytes) -> None:
    """Log what another process of this gateway wrote to its own log: whole lines, which are left as they are."""
    if lines:
        _lines.out.message(lines.decode(errors="replace").removesuffix("\n"))


def flush() -> None:
    """Let the lines that wait leave now: before an event loop ends, they would else wait for the next message."""
    _lines.out.flush()


def _renderer(format_: Format) -> Processor:
    if format_ is Format.JSON:
        return structlog.processors.JSONRenderer()
    # `repr_native_str` quotes what others chose, so that nothing can write control sequences to a terminal.
    return structlog.dev.ConsoleRenderer(colors=False, repr_native_str=True, pad_event_to=0, sort_keys=False)


_EFFECTS: Final[Mapping[Effect, str]] = {effect: effect.name.lower() for effect in Effect}


def _reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    """One entry for each rule and what came of it, in the order in which they first occur: bounded by the rules."""
    if not reasons:
        return []
    counts = Counter((reason.rule, reason.category, reason.effect, reason.shadow) for reason in reasons)
    firsts = {(reason.rule, reason.effect, reason.shadow): reason.segment for reason in reversed(reasons)}
    return [
        {
            "rule": rule,
            "category": category,
            "effect": _EFFECTS[effect],
            "shadow": shadow,
            "count": count,
            "segment": firsts[rule, effect, shadow],
        }
        for (rule, category, effect, shadow), count in counts.items()
    ]


def _told(record: ExchangeRecord) -> str | None:
    """A message may name the host and the path, so it is left out where they are."""
    if record.told is None or WITHHELD in (record.host, record.path):
        return None
    return record.told[:MAX_TOLD]


def _inspected(inspected: Inspected) -> dict[str, Any]:
    parts = inspected.uninspected
    return {
        "coverage": inspected.coverage,
        "bytes": inspected.bytes,
        "segments": inspected.segments,
        "events": inspected.events,
        "uninspected": dict(sorted(Counter(part.what for part in parts).items())) if parts else {},
    }
