"""`lockgate explain`: which calls of a saved conversation the gateway would let through, and why not the others.

The same engine as the gateway's, without a network: a call in the history is held against what came before the answer
that it was in, a call in the answer against all of the conversation. Launchers, pins and approvals given are not known
here: an agent counts as started without isolation, and nothing counts as approved.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from gateway import keys
from gateway.cli import offline
from gateway.cli.call_reasons import answer, named, of_call, of_texts, verdict_on
from gateway.cli.explain_text import show
from gateway.cli.remedy import remedies
from gateway.cli.saved import Saved, called, conversation, read
from gateway.cli.terminal import plain
from gateway.detect.memory import VerdictMemory
from gateway.errors import ConfigError, LockgateError, OperatorError
from gateway.exchange.gate import Gate
from gateway.exchange.masking import masked
from gateway.exchange.sight import instructs, parted
from gateway.policy.call import Call, CallReason
from gateway.policy.explained import Heard, Trace, Traced
from gateway.policy.firewall import Firewall, Look
from gateway.policy.profile import PROFILES
from gateway.policy.transcript import Made, Said, Transcript, Turn
from gateway.segment import Role
from gateway.serve.gates import firewall_of, gate_of, hierarchy_of
from gateway.settings import DEFAULT_PRINCIPAL, Config
from gateway.verdict import Effect

_SECRETS: Final = frozenset({"secret"})
"""What is masked: an explanation is made to be passed on."""

_ASKED: Final = 300
"""Characters of what the user asked that are shown."""

_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Engine:
    """What calls are judged by, and in whose name."""

    config: Config
    agent: str
    gate: Gate
    firewall: Firewall


@dataclass(frozen=True, slots=True)
class Step:
    """The calls of one answer, and the conversation before it. `messages` are None for an answer that is not in it."""

    before: Transcript
    calls: tuple[Call, ...]
    messages: tuple[int | None, ...]


def explain(
    config: Path | None,
    source: str,
    *,
    dialect: str | None = None,
    answered: str | None = None,
    profile: str | None = None,
    agent: str | None = None,
    as_json: bool = False,
) -> int:
    """Print what becomes of each call, and return 1 where one is asked about or blocked, else 0.

    Raises OperatorError where the configuration, the conversation or the answer cannot be read.
    """
    engine = engine_of(config, profile, agent or DEFAULT_PRINCIPAL)
    found = explained(engine, _saved(engine, source, dialect, answered), source)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        show(found)
    held = [one["outcome"] for one in (*found["calls"], found["hosted"])]
    return 1 if any(one != "allowed" for one in held) else 0


def _saved(engine: Engine, source: str, dialect: str | None, answered: str | None) -> Saved:
    limits = engine.gate.limits
    if source == answered == "-":
        raise OperatorError(("conversation and answer cannot both come from standard input",))
    saved = conversation(read(source, limits.request), source, dialect)
    if answered is None:
        return saved
    return replace(saved, called=called(saved, read(answered, limits.answer), answered, limits.answer))


def engine_of(path: Path | None, profile: str | None, agent: str) -> Engine:
    """What the gateway would judge this agent's calls by. Raises OperatorError with every problem."""
    loaded = offline.load(path)
    config = _under(loaded.config, profile, agent)
    key = keys.derive(offline.SECRET, "hierarchy")
    firewall = firewall_of(config, agent, config.toolbox(), config.egress_policy(), key)
    memory = VerdictMemory(_REMEMBERED)
    chosen = config.profile_for(agent)
    gate = gate_of(config, loaded.rules, chosen, hierarchy_of(config, key), memory, firewall=firewall)
    return Engine(config, agent, gate, firewall)


def _under(config: Config, profile: str | None, agent: str) -> Config:
    """The configuration with another profile, for this agent too. Raises ConfigError for what is not known."""
    if agent != DEFAULT_PRINCIPAL and agent not in config.agents:
        accepted = ", ".join((DEFAULT_PRINCIPAL, *config.agents))
        raise ConfigError((f"`{agent}` is no agent of the configuration; accepted: {accepted}",))
    if profile is None:
        return config
    if profile not in PROFILES:
        raise ConfigError((f"`{profile}` is no profile; accepted: {', '.join(PROFILES)}",))
    agents = {name: table.model_copy(update={"profile": None}) for name, table in config.agents.items()}
    rules = config.rules.model_copy(update={"profile": profile})
    return config.model_copy(update={"rules": rules, "agents": agents})


def explained(engine: Engine, saved: Saved, source: str) -> dict[str, Any]:
    """What becomes of each call, as JSON values. Raises OperatorError where the file holds no conversation."""
    transcript = saved.endpoint.dialect.transcript(saved.document)
    if not transcript.turns:
        raise OperatorError(
            (f"{plain(source)}: holds no messages in the dialect `{saved.dialect}`; accepted: --dialect",)
        )
    hosted = engine.firewall.judge_hosted(transcript.hosted)
    transcript = parted(engine.gate, transcript)
    instructing = instructs(engine.gate)
    calls: list[dict[str, Any]] = []
    for step in steps(transcript, tuple(one.call for one in saved.called)):
        look = engine.firewall.sight(step.before, instructing, None)
        for call, message in zip(step.calls, step.messages, strict=True):
            calls.append(_call(engine, look, call, message))
    return {
        "dialect": saved.dialect,
        "profile": engine.gate.profile.name,
        "agent": engine.agent,
        "is_whole": transcript.is_whole,
        "hosted": {
            "outcome": _outcome(hosted.effect),
            "effect": named(hosted.effect),
            "reasons": [of_call(reason) for reason in hosted.reasons],
        },
        "calls": calls,
    }


def steps(transcript: Transcript, answered: Sequence[Call]) -> Iterator[Step]:
    """The answers of a conversation that hold calls, each with what came before it: what the model wrote side by side
    is one answer, of which no part has seen what another came to."""
    turns = transcript.turns
    start: int | None = None  # of the answer under way
    made: list[Made] = []
    for index, turn in enumerate((*turns, None)):
        if turn is not None and _is_models(turn):
            start = index if start is None else start
            made += [turn] if isinstance(turn, Made) else []
            continue
        if made:
            before = Transcript(turns[:start], transcript.tools, transcript.hosted, transcript.is_whole)
            yield Step(before, tuple(one.call for one in made), tuple(one.message for one in made))
        start, made = None, []
    if answered:
        yield Step(transcript, tuple(answered), (None,) * len(answered))


def _is_models(turn: Turn) -> bool:
    return isinstance(turn, Made) or (isinstance(turn, Said) and turn.role is Role.ASSISTANT)


def _call(engine: Engine, look: Look, call: Call, message: int | None) -> dict[str, Any]:
    found = look.explain(call)
    ruling = found.ruling
    of_text, would_be, findings = _of_texts(engine.gate, call)
    effect = max(ruling.effect, of_text)
    held = [reason for reason in ruling.reasons if not reason.shadow]
    reasons = [*map(of_call, held), *findings]
    offered = remedies(call, found, engine.agent, engine.config)
    return {
        "message": message,
        "tool": call.name,
        "server": call.server,
        "outcome": _outcome(effect),
        "effect": named(effect),
        "would_be": named(max(ruling.would_be, would_be)),
        "tier": {"number": int(ruling.tier), "name": ruling.tier.name.lower(), "why": found.tier_why},
        "approver": str(ruling.approver),
        "tables": [{"name": tool.name, "shipped": not tool.is_own} for tool in found.tools],
        "reasons": reasons,
        "arguments": [_argument(engine, one) for one in found.arguments],
        **_heard(engine, look.heard),
        "remedies": [{"words": one.words, "toml": one.toml} for one in offered],
    }


def _of_texts(gate: Gate, call: Call) -> tuple[Effect, Effect, list[dict[str, Any]]]:
    """What is done about the texts of a call, what would be, and why; an answer that cannot be read is refused."""
    try:
        verdict = verdict_on(gate, answer(call.name, _written(call)))
    except LockgateError as error:
        unread = CallReason(Effect.BLOCK, "unreadable", "tool.unreadable", str(error))
        return Effect.BLOCK, Effect.BLOCK, [of_call(unread)]
    return verdict.effect, verdict.would_be, list(of_texts(gate, verdict))


def _written(call: Call) -> str:
    """The arguments as a model writes them."""
    return call.arguments if isinstance(call.arguments, str) else orjson.dumps(call.arguments).decode()


def _argument(engine: Engine, found: Traced) -> dict[str, Any]:
    return {
        "name": found.argument.name,
        "value": _masked(engine, found.argument.value),
        "sink": str(found.argument.sink),
        "why": found.why,
        "found": [_trace(engine, one) for one in found.traces],
    }


def _trace(engine: Engine, trace: Trace) -> dict[str, Any]:
    places = [{"where": one.whence, "trust": one.trust.name.lower()} for one in trace.places]
    return {"value": _masked(engine, trace.value), "is_part": trace.is_part, "places": places}


def _heard(engine: Engine, heard: Heard) -> Mapping[str, Any]:
    text = str(_masked(engine, heard.asked[: 2 * _ASKED]))
    shown = text if len(text) <= _ASKED and len(heard.asked) <= _ASKED else f"{text[:_ASKED]}…"
    asked = {"message": heard.message, "text": shown} if heard.asked else None
    return {"asked": asked, "instructed_by": list(heard.instructing)}


def _masked(engine: Engine, value: Any) -> Any:
    return masked(engine.gate.rules, value, _SECRETS)


def _outcome(effect: Effect) -> str:
    """Whether a call runs; what is done to its texts is told by the effect."""
    if effect < Effect.ASK:
        return "allowed"
    return "asked" if effect is Effect.ASK else "blocked"
