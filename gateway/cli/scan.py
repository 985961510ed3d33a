"""`lockgate scan`: the same judgement as the gateway's, on JSON Lines, without a network.

A text: `{"id", "text", "role"}` gives its effect, its score (the sum that thresholds are held against), its findings in
code points of the text, and the text after their edits. A conversation, `{"id", "messages", "tools", "calls"}`, gives
the messages as they would be forwarded (none where the request is refused), and the effect on each of the calls, held
against the messages as they came.

A configuration that says nothing of tools itself leaves the calls to provenance and detection: tiers of a starting
policy that nobody chose would say little of one's own data. What the gateway would do is for `lockgate explain`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from gateway import keys
from gateway.cli import offline
from gateway.cli.call_reasons import CHAT, JSON, named, of_call, of_texts, verdict_on
from gateway.cli.call_reasons import answer as answer_with
from gateway.detect.memory import VerdictMemory
from gateway.errors import ConfigError, LockgateError
from gateway.exchange.calls import Sight
from gateway.exchange.gate import Gate
from gateway.exchange.hosted import ruling as hosted_ruling
from gateway.exchange.judge import Judgement, judge
from gateway.exchange.sight import sight, told
from gateway.exchange.whole import inspect
from gateway.policy.profile import PROFILES, SCORED
from gateway.segment import Direction, Place, Role, Segment, Trust
from gateway.serve.gates import firewall_of, gate_of, hierarchy_of
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.verdict import Edit, Effect, Finding
from gateway.wire.document import parse

type Line = Mapping[str, Any]

TRUST: Final = {
    Role.SYSTEM: Trust.OPERATOR,
    Role.USER: Trust.PRINCIPAL,
    Role.ASSISTANT: Trust.MODEL,
    Role.TOOL: Trust.UNTRUSTED,
}
"""How far a text is trusted that comes alone, with no conversation to tell more of it."""

REMEMBERED: Final = 4096
"""Texts whose findings are remembered: conversations repeat their earlier turns."""

FEW: Final = 100
"""Lines that are judged sooner without a pre-filter, which takes seconds to compile, than with one."""


class _BadLine(Exception):
    """A line that is not in either form; the message says what is wrong with it."""


def scan(config: Path | None, profile: str | None, lines: BinaryIO, out: BinaryIO) -> int:
    """One line out for each line in, in order; 1 where a line could not be judged."""
    scanner = Scanner(_gate(config, profile))
    failed = False
    for line in lines:
        if line.strip():
            answer = scanner.answer(line)
            failed = failed or "error" in answer
            out.write(orjson.dumps(answer) + b"\n")
            out.flush()
    return 1 if failed else 0


def _gate(config: Path | None, profile: str | None) -> Gate:
    loaded = offline.load(config)
    if profile is not None and profile not in PROFILES:
        raise ConfigError((f"`{profile}` is no profile; accepted: {', '.join(PROFILES)}",))
    settings = loaded.config
    if profile is not None:
        settings = settings.model_copy(update={"rules": settings.rules.model_copy(update={"profile": profile})})
    key = keys.derive(offline.SECRET, "hierarchy")
    firewall = firewall_of(
        settings,
        DEFAULT_PRINCIPAL,
        settings.toolbox(),
        settings.egress_policy(),
        key,
        is_configured=settings.speaks_of_tools,
    )
    chosen, memory = settings.profile_for(DEFAULT_PRINCIPAL), VerdictMemory(REMEMBERED)
    return gate_of(settings, loaded.rules, chosen, hierarchy_of(settings, key), memory, firewall=firewall)


class Scanner:
    """Judges lines. After some, the rules' pre-filter is compiled aside, and joins in once it is ready."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._count = 0

    def _accelerate(self) -> None:
        self._gate = replace(self._gate, rules=self._gate.rules.accelerated())

    def answer(self, line: bytes) -> dict[str, Any]:
        """The answer to a line; one with `error` where it cannot be judged."""
        self._count += 1
        if self._count == FEW:
            threading.Thread(target=self._accelerate, daemon=True).start()
        try:
            asked = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return {"id": None, "error": f"not JSON: {error}"}
        if not isinstance(asked, dict):
            return {"id": None, "error": "a line is a JSON object"}
        try:
            judged = self._text(asked) if "text" in asked else self._conversation(asked)
        except (_BadLine, LockgateError) as error:
            return {"id": asked.get("id"), "error": str(error)}
        except Exception as error:  # noqa: BLE001 -- the outer boundary: one line must not end the others
            return {"id": asked.get("id"), "error": f"cannot be judged: {type(error).__name__}: {error}"}
        return {"id": asked.get("id"), **judged}

    def _text(self, line: Line) -> dict[str, Any]:
        text, role = line["text"], _role(line)
        if not isinstance(text, str):
            raise _BadLine("`text` is a string")
        direction = Direction.ANSWER if role is Role.ASSISTANT else Direction.REQUEST
        judgement = judge(self._gate, direction, (Segment(Place(()), text, role, TRUST[role]),))
        return {
            "effect": named(judgement.verdict.effect),
            "score": score(judgement),
            "findings": list(_findings(judgement)),
            "text": edited(text, judgement.verdict.edits),
        }

    def _conversation(self, line: Line) -> dict[str, Any]:
        messages, calls = line.get("messages"), line.get("calls", [])
        if not isinstance(messages, list) or not isinstance(calls, list):
            raise _BadLine("a line has `text`, or `messages` and perhaps `tools` and `calls`, which are lists")
        body = {"model": "scan", "messages": messages}
        if line.get("tools"):
            body["tools"] = line["tools"]
        raw = orjson.dumps(body)
        outcome = inspect(self._gate, CHAT, Direction.REQUEST, raw, JSON)
        hosted = hosted_ruling(self._gate, CHAT, outcome, raw)
        effect = max(outcome.verdict.effect, hosted.effect if hosted is not None else Effect.ALLOW)
        look = cache(lambda: sight(self._gate, told(CHAT.dialect, raw), None))
        judged = {
            "effect": named(effect),
            "messages": [] if effect >= Effect.ASK else orjson.loads(outcome.body)["messages"],
            "calls": [self._call(call, look) for call in calls],
        }
        if hosted is not None and hosted.reasons:
            judged["hosted"] = {"effect": named(hosted.effect), "reasons": list(map(of_call, hosted.reasons))}
        return judged

    def _call(self, call: object, look: Callable[[], Sight]) -> dict[str, Any]:
        """What a call comes to, as it was written: by what is found in its texts, and by the policy for tools."""
        answer = _answer(call)
        verdict = verdict_on(self._gate, answer)
        (called,) = CHAT.dialect.calls(parse(answer))
        ruling = look().judge(called.call)
        held = map(of_call, (reason for reason in ruling.reasons if not reason.shadow))
        return {
            "effect": named(max(verdict.effect, ruling.effect)),
            "reasons": [*held, *of_texts(self._gate, verdict)],
        }


def _answer(call: object) -> bytes:
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise _BadLine('each of `calls` is {"name", "arguments"}')
    arguments = call.get("arguments", {})
    return answer_with(call["name"], arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())


def _role(line: Line) -> Role:
    try:
        return Role(line.get("role", Role.USER))
    except ValueError:
        raise _BadLine(f"`role` is one of: {', '.join(Role)}") from None


def score(judgement: Judgement) -> int:
    """The largest sum that a threshold is held against, each rule counted once: of one part of the text that is data,
    or of all that is the user's own."""
    parts = tuple(zip(judgement.segments, judgement.findings, strict=True))
    own = (finding for segment, findings in parts if segment.trust is Trust.PRINCIPAL for finding in findings)
    return max(_sum(own), *(_sum(findings) for _, findings in parts), 0)


def _sum(findings: Iterable[Finding]) -> int:
    scored = (one for one in findings if one.category.partition(".")[0] == SCORED and not one.shadow)
    return sum({finding.rule: finding.score for finding in scored}.values())


def _findings(judgement: Judgement) -> Iterable[dict[str, Any]]:
    for segment, findings in zip(judgement.segments, judgement.findings, strict=True):
        for finding in findings:
            if not finding.shadow:
                span = finding.span.shifted(segment.place.offset)
                yield {
                    "rule": finding.rule,
                    "category": finding.category,
                    "severity": finding.severity.name.lower(),
                    "start": span.start,
                    "end": span.end,
                }


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made."""
    pieces: list[str] = []
    position = 0
    for span, replacement in sorted((edit.span.shifted(edit.place.offset), edit.replacement) for edit in edits):
        pieces += (text[position : span.start], replacement)
        position = span.end
    return "".join((*pieces, text[position:]))
