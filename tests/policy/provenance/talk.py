"""Conversations for the tests, in a few words: who said what, what was read, and how a call is judged after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.policy.call import Call, CallReason, Tier
from gateway.policy.provenance.judge import Sources, Strictness, judge_provenance
from gateway.policy.provenance.weighing import Weigher
from gateway.policy.tools.sinks import arguments_of
from gateway.policy.tools.tiers import tier_of
from gateway.policy.transcript import Defined, Made, Returned, Said, Transcript, Turn
from gateway.segment import Kind, Role, Trust


def user(text: str) -> Said:
    return Said(text, Role.USER, Trust.PRINCIPAL)


def system(text: str) -> Said:
    return Said(text, Role.SYSTEM, Trust.OPERATOR)


def model(text: str) -> Said:
    return Said(text, Role.ASSISTANT, Trust.MODEL)


def document(text: str) -> Said:
    return Said(text, Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT)


def read(name: str, arguments: Any, result: Any) -> tuple[Made, Returned]:
    """A call that was made, and what it returned: a text, or what is written as JSON."""
    call = Call(name, arguments)
    return Made(call), Returned(result if isinstance(result, str) else json.dumps(result, ensure_ascii=False), call)


def talk(*turns: Turn | tuple[Turn, ...], tools: tuple[Defined, ...] = (), is_whole: bool = True) -> Transcript:
    flat = [part for turn in turns for part in (turn if isinstance(turn, tuple) else (turn,))]
    return Transcript(tuple(flat), tools, is_whole=is_whole)


def judged(
    transcript: Transcript,
    name: str,
    arguments: Any,
    *,
    tier: Tier | None = None,
    instructs: Callable[[str], bool] = lambda _: False,
    strictness: Strictness = Strictness.BALANCED,
    weigher: Weigher | None = None,
) -> tuple[CallReason, ...]:
    call = Call(name, arguments)
    kind = tier_of(name).tier if tier is None else tier
    return judge_provenance(call, arguments_of(call), kind, Sources(transcript), instructs, strictness, weigher)


def rules(reasons: tuple[CallReason, ...]) -> set[str]:
    return {reason.rule for reason in reasons}
