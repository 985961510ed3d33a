"""A policy for tools that a test writes down itself: what a call is ruled to be follows from the name of its tool."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.exchange.gate import Gate, Instructs
from gateway.policy.call import Aim, Call, CallReason, Ruling, Session, Sink, Tier
from gateway.policy.profile import PROFILES
from gateway.policy.tools.hosted import HostedRuling, judge_hosted
from gateway.policy.tools.match import match
from gateway.policy.tools.requests import request_match
from gateway.policy.tools.tool import Tool
from gateway.policy.tools.toolbox import Toolbox
from gateway.policy.tools.wrapper import Terms
from gateway.policy.transcript import Hosted, Transcript
from gateway.verdict import Effect
from tests.exchange.gates import gate

EFFECTS = {"read": Effect.ALLOW, "watch": Effect.REPORT, "pay": Effect.ASK, "wipe": Effect.BLOCK}


@dataclass
class Look:
    """What a call is judged by here: its name, and whether an argument is `forbidden`."""

    transcript: Transcript
    instructs: Instructs
    beside: list[tuple[Call, ...]] = field(default_factory=list)
    judged: list[Call] = field(default_factory=list)
    heard: list[tuple[Call, str]] = field(default_factory=list)
    held_to: Terms = field(default_factory=Terms)

    def judge(self, call: Call) -> Ruling:
        self.judged.append(call)
        effect = EFFECTS[call.name]
        if call.arguments == {"what": "forbidden"}:
            effect = Effect.BLOCK
        words = f"`{call.name}` is not for agents"
        reasons = (CallReason(effect, "tool-name", "tool.name", words),) if effect else ()
        return Ruling(effect, effect, Tier.MODIFY, reasons)

    def returned(self, call: Call, text: str) -> None:
        self.heard.append((call, text))

    def session(self, call: Call, beside: Iterable[Call]) -> Session:
        """Its name is the call's id."""
        self.beside.append(tuple(beside))
        return Session(call.id)

    def aims(self, call: Call) -> tuple[Aim, ...]:
        return (Aim("what", Sink.ACCOUNT, str(call.arguments), ("the user's words (message 0)",)),)

    def fingerprint(self, call: Call) -> str:
        return json.dumps([call.name, call.arguments], sort_keys=True)

    def terms(self, call: Call) -> Terms:
        return self.held_to


@dataclass
class Policy:
    """The firewall of a test, which keeps what it was shown."""

    looks: list[Look] = field(default_factory=list)
    isolations: list[int | None] = field(default_factory=list)
    terms: Terms = field(default_factory=Terms)
    hosted: tuple[str, ...] = ()
    listings: list[tuple[str, list[str], bool]] = field(default_factory=list)  # server, names, whether more follow

    def listed(
        self, server: str, definitions: Sequence[Mapping[str, Any]], *, goes_on: bool
    ) -> Mapping[int, CallReason]:
        """What would be blocked is not shown, and what is watched is reported."""
        names = [definition["name"] for definition in definitions]
        self.listings.append((server, names, goes_on))
        return {
            number: CallReason(effect, "tool-name", "tool.name", "it is not for agents")
            for number, name in enumerate(names)
            if (effect := EFFECTS[name]) is not Effect.ALLOW
        }

    def sight(self, transcript: Transcript, instructs: Instructs, isolation: int | None) -> Look:
        self.looks.append(Look(transcript, instructs, held_to=self.terms))
        self.isolations.append(isolation)
        return self.looks[-1]

    def requested(self, methods: frozenset[str], places: frozenset[str], path: str) -> tuple[tuple[str, Any], ...]:
        return Toolbox([Tool("pay", (match("pay"),), requests=(request_match("POST up/pay/{what}"),))]).requested(
            methods, places, path
        )

    def judge_hosted(self, hosted: Iterable[Hosted]) -> HostedRuling:
        return judge_hosted(hosted, self.hosted, PROFILES["balanced"], lambda host: host == "ours.example")


def policed(policy: Policy | None = None, by: Gate | None = None) -> Gate:
    """A gate with that policy."""
    return replace(by or gate(), firewall=policy or Policy())


def function(name: str, arguments: Any, id: str = "call-0") -> dict[str, Any]:
    """A call as a chat completion writes it."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
