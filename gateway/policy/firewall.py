"""The policy for calls of tools, all of it in one ruling: what is configured, where values came from, what is pinned.

Each layer gives reasons, and the strictest of them is the effect. No layer can take back what another says, so one that
is fooled leaves the others standing. Pure: a conversation and a call in, a ruling out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

from gateway.policy.call import Aim, Argument, Call, CallReason, Ruling, Session, Sink
from gateway.policy.explained import Explained, Heard, heard, sources_of, traced
from gateway.policy.fingerprint import fingerprint
from gateway.policy.isolation import Isolation
from gateway.policy.profile import Profile
from gateway.policy.provenance.chains import Memory, judge_chains, remembered
from gateway.policy.provenance.judge import Sources, Strictness, judge_provenance
from gateway.policy.provenance.spelling import host_of, scalar
from gateway.policy.provenance.weighing import Weigher
from gateway.policy.session import Thread
from gateway.policy.tools.hosted import HostedRuling, MayReach, judge_hosted
from gateway.policy.tools.listing import hidden
from gateway.policy.tools.pinned import Pinning, annotated, pinned_reasons
from gateway.policy.tools.toolbox import Allowed, Ruled, Toolbox
from gateway.policy.tools.wrapper import Terms, terms_of
from gateway.policy.transcript import Defined, Hosted, Transcript
from gateway.verdict import Effect

type Instructs = Callable[[str], bool]
"""Whether a text that nobody trusts carries instructions."""

AIMED: Final = (Sink.RECIPIENT, Sink.ACCOUNT, Sink.URL, Sink.PATH)
"""Sinks that say at what a call is aimed. An approval for a target holds for other calls with the same values there."""

TOLD: Final = (*AIMED, Sink.COMMAND, Sink.AMOUNT)
"""Sinks whose values a person is told first."""

MOST_AIMS: Final = 10
"""Values that a person is told first: of more, all are among the arguments."""

_STRICTNESS: Final = {"strict": Strictness.STRICT}


NOTHING: Final = Memory()
"""What is remembered where nothing was read."""


class Reads(Protocol):
    """Remembers what agents have read."""

    def recall(self, agent: str) -> Memory: ...

    def remember(self, agent: str, memory: Memory) -> None: ...


def _nowhere(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Firewall:
    """What one agent's calls are held to.

    `allowed` is the agent's list of tools, None where it has none. `key` derives the names of calls and conversations.
    `hosted` are the kinds of tools that providers may run, `may_reach` is the egress policy's word on a host.
    `is_configured` is false where tools are judged without an operator's word on them: then neither tiers nor lists
    count, only where values came from. `pins` are those of tool definitions, None where nobody keeps any; `agent` is
    whose calls they are. `reads` remembers what calls without a conversation have read; None where nobody does.
    `weigher` weighs what is known of a call; without one the rules of provenance decide alone.
    """

    toolbox: Toolbox
    allowed: Allowed | None
    profile: Profile
    key: bytes
    hosted: tuple[str, ...] = ()
    may_reach: MayReach = _nowhere
    is_configured: bool = True
    pins: Pinning | None = None
    agent: str = ""
    reads: Reads | None = None
    weigher: Weigher | None = None

    def listed(
        self, server: str, definitions: Sequence[Mapping[str, Any]], *, goes_on: bool
    ) -> Mapping[int, CallReason]:
        """What is against showing tools that an MCP server lists, by their places."""
        if not self.is_configured:
            return {}
        return hidden(server, definitions, self.toolbox, self.allowed, self.profile, self.pins, goes_on=goes_on)

    def requested(self, methods: frozenset[str], places: frozenset[str], path: str) -> tuple[tuple[str, Any], ...]:
        """The tools that an HTTP request calls, each with the arguments in its path; see `RequestMatch.arguments`."""
        return self.toolbox.requested(methods, places, path)

    def judge_hosted(self, hosted: Iterable[Hosted]) -> HostedRuling:
        """What a request's tools come to that its provider runs itself."""
        return judge_hosted(hosted, self.hosted, self.profile, self.may_reach)

    def sight(self, transcript: Transcript, instructs: Instructs, isolation: int | None) -> Look:
        """What the calls of one conversation are judged by."""
        return Look(self, transcript, instructs, Isolation(isolation or 0))


class Look:
    """One conversation, and the policy that its calls are held to."""

    def __init__(self, policy: Firewall, transcript: Transcript, instructs: Instructs, isolation: Isolation) -> None:
        self._policy = policy
        self._transcript = transcript
        self._instructs = instructs
        self._isolation = isolation

    def session(self, call: Call, beside: Iterable[Call]) -> Session:
        """The conversation that a call is made in, with others `beside` it in the same answer."""
        return self._thread.session(call, beside)

    @cached_property
    def _thread(self) -> Thread:
        return Thread(self._transcript, self._policy.key)

    @cached_property
    def _sources(self) -> Sources | None:
        """The conversation as provenance reads it; None where nothing of it is known."""
        return Sources(self._transcript) if self._transcript.turns else None

    @cached_property
    def _memory(self) -> Memory:
        """What was read before: by the conversation, or, where there is none, as far as it was remembered."""
        if self._sources is not None:
            return remembered(self._sources)
        reads = self._policy.reads
        return reads.recall(self._policy.agent) if reads is not None else NOTHING

    def returned(self, call: Call, text: str) -> None:
        """Remember what a call has read, where no conversation will tell it."""
        reads = self._policy.reads
        if reads is not None and self._sources is None:
            before = reads.recall(self._policy.agent)
            reads.remember(self._policy.agent, before.after(call, self._ruled(call).arguments, text))

    @cached_property
    def _defined(self) -> dict[str, Defined]:
        return {tool.name: tool for tool in self._transcript.tools}

    @cached_property
    def heard(self) -> Heard:
        """What the user asked last, and which texts carry instructions."""
        return heard(self._transcript, self._sources, self._instructs)

    def judge(self, call: Call) -> Ruling:
        return self._ruling(call, self._ruled(call))

    def explain(self, call: Call) -> Explained:
        """The ruling on a call with all that it rests on, for a person."""
        ruled = self._ruled(call)
        arguments = traced(call, self._defined.get(call.name), ruled.arguments, ruled.tools, self._sources)
        return Explained(self._ruling(call, ruled), ruled.why, ruled.tools, arguments)

    def aims(self, call: Call) -> tuple[Aim, ...]:
        """What a call is aimed at, and where that came from, for a person."""
        ruled = self._ruled(call)
        aimed = [one for one in ruled.arguments if one.sink in TOLD and (scalar(one.value) or "").strip()][:MOST_AIMS]
        found = traced(call, self._defined.get(call.name), aimed, ruled.tools, self._sources)
        return tuple(
            Aim(
                one.argument.name,
                one.argument.sink,
                scalar(one.argument.value) or "",
                sources_of(one) if self._sources is not None else None,
            )
            for one in found
        )

    def _ruled(self, call: Call) -> Ruled:
        policy = self._policy
        defined = self._defined.get(call.name)
        if policy.pins is not None:
            defined = annotated(call, defined, policy.pins.known)
        return policy.toolbox.rule(call, defined, policy.allowed, policy.profile, self._isolation)

    def _ruling(self, call: Call, ruled: Ruled) -> Ruling:
        policy = self._policy
        reasons = sorted(self._reasons(call, ruled), key=lambda reason: -reason.effect)
        would_be = max((reason.effect for reason in reasons), default=Effect.ALLOW)
        live = max((reason.effect for reason in reasons if not reason.shadow), default=Effect.ALLOW)
        return Ruling(
            live if policy.profile.enforce else min(live, Effect.REPORT),
            would_be,
            ruled.tier,
            tuple(reasons),
            ruled.approver,
            ruled.is_once or any(_is_for_this_call(reason) for reason in reasons),
            target(ruled.arguments),
        )

    def fingerprint(self, call: Call) -> str:
        return fingerprint(call, self._policy.key)

    def terms(self, call: Call) -> Terms:
        """On what terms a call is carried out."""
        if not self._policy.is_configured:
            return Terms()
        return terms_of([tool for _, tool in self._policy.toolbox.meaning(call)])

    def _reasons(self, call: Call, ruled: Ruled) -> Iterator[CallReason]:
        if self._policy.is_configured:
            yield from ruled.reasons
            if self._policy.pins is not None:
                defined = self._defined.get(call.name)
                yield from pinned_reasons(call, defined, self._policy.pins, self._strictness, self._policy.agent)
        sources = self._sources
        if sources is not None:
            yield from judge_provenance(
                call,
                ruled.arguments,
                ruled.tier,
                sources,
                self._instructs,
                self._strictness,
                self._policy.weigher,
            )
        yield from judge_chains(call, ruled.arguments, ruled.tier, self._memory, sources, self._strictness)

    @property
    def _strictness(self) -> Strictness:
        return _STRICTNESS.get(self._policy.profile.name, Strictness.BALANCED)


def _is_for_this_call(reason: CallReason) -> bool:
    """Whether it is these arguments that must be approved, and not the use of the tool."""
    return reason.effect is Effect.ASK and reason.rule != "tool-tier"


def target(arguments: Iterable[Argument]) -> str:
    """What a call is aimed at, in one spelling; empty where nothing in it says so."""
    aims = {
        (argument.sink.value, host_of(value) or value if argument.sink is Sink.URL else value.strip())
        for argument in arguments
        if argument.sink in AIMED and (value := scalar(argument.value)) is not None and value.strip()
    }
    return json.dumps(sorted(aims), ensure_ascii=False) if aims else ""
