"""All that is configured of tools, and what follows from it for a call: its tier, and what is against it.

Every table that means a call holds it, however closely; only the tier is of the closest. So a table more never allows
more, and their order says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from gateway.policy.call import Approver, Argument, Call, CallReason, Sink, Tier, shown
from gateway.policy.isolation import Isolation
from gateway.policy.profile import Profile
from gateway.policy.tools.aims import raised
from gateway.policy.tools.match import Closeness, Match, spellings
from gateway.policy.tools.sinks import arguments_of
from gateway.policy.tools.tiers import Tiered, hinted, tier_of
from gateway.policy.tools.tool import TIMEOUT, Approval, Tool, blocked
from gateway.policy.transcript import Defined
from gateway.verdict import Effect

_SECOND_NATURE = Tier.CREATE
"""The highest tier for which nobody is asked."""

LIMITS: Final[Mapping[Sink, int]] = {Sink.PATH: 500, Sink.URL: 2000, Sink.COMMAND: 50, Sink.SQL: 20}
"""Most arguments of a sink that are judged, so that no call takes longer than about two seconds (measured with the
shipped policies and arguments of usual length); far more than calls have."""


class Allowed(Struct, frozen=True):
    """An agent's list of tools: patterns, and names of tables of `[tools]`."""

    matches: tuple[Match, ...]
    tables: frozenset[str] = frozenset()


class Ruled(Struct, frozen=True):
    """What the configuration says of a call.

    `approver` is who may approve, `is_once` whether an approval holds for that call alone, where somebody is asked.
    `tools` are the tables that mean it, the closest first; `why` says where the tier comes from.
    """

    tier: Tier
    reasons: tuple[CallReason, ...]
    arguments: tuple[Argument, ...]
    approver: Approver
    is_once: bool
    tools: tuple[Tool, ...] = ()
    why: str = ""

    @property
    def timeout(self) -> float:
        """Seconds that it may take."""
        return min((tool.timeout for tool in self.tools), default=TIMEOUT)


class Toolbox:
    """The tables of `[tools]`. Immutable: a reload makes another."""

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self.tools = tuple(tools)
        self._by_request = tuple(tool for tool in self.tools if tool.requests)

    def rule(
        self,
        call: Call,
        defined: Defined | None,
        allowed: Allowed | None,
        profile: Profile,
        isolation: Isolation = Isolation.NONE,
    ) -> Ruled:
        """What the configuration says of a call of an agent with that list of tools, None if it has none, in a process
        that is held so. What the profile `monitor` only reports is not lowered here."""
        meant = self.meaning(call)
        tools = tuple(tool for _, tool in meant)
        arguments = arguments_of(call, defined, _declared(tools))
        crowd = _crowd(call, arguments)
        judged = arguments if crowd is None else ()
        tiered = _tier(meant, call, defined, judged)
        reasons = [
            *self._listing(call, allowed, profile),
            *(() if crowd is None else (crowd,)),
            *(reason for tool in tools for reason in tool.reasons(call, judged, isolation)),
            *_unreadable(call, tools, tiered.tier),
            *_approvals(call, tools, tiered),
        ]
        is_for_approver = tiered.tier is Tier.SYSTEM or any(tool.approval is Approval.APPROVER for tool in tools)
        return Ruled(
            tiered.tier,
            tuple(reasons),
            arguments,
            Approver.APPROVER if is_for_approver else Approver.USER,
            tiered.tier is not Tier.MODIFY or any(_asks(tool) for tool in tools),
            tools,
            tiered.why,
        )

    def requested(self, methods: frozenset[str], places: frozenset[str], path: str) -> tuple[tuple[str, Any], ...]:
        """The tools that an HTTP request calls, each with the arguments in its path; see `RequestMatch.arguments`."""
        return tuple(
            (tool.name, found)
            for tool in self._by_request
            for one in tool.requests
            if (found := one.arguments(methods, places, path)) is not None
        )

    def is_listed(self, call: Call, allowed: Allowed) -> bool:
        """Whether an agent's list has a call's tool."""
        spelt = spellings(call)
        if any(one.closeness(spelt) is not None for one in allowed.matches):
            return True
        return any(tool.name in allowed.tables and tool.closeness(spelt) is not None for tool in self.tools)

    def meaning(self, call: Call) -> list[tuple[Closeness, Tool]]:
        """The tables that mean a call, the closest first; of equally close ones an operator's own, and then by name."""
        spelt = spellings(call)
        found = [(closeness, tool) for tool in self.tools if (closeness := tool.closeness(spelt)) is not None]
        return sorted(found, key=lambda one: (one[0], one[1].is_own, one[1].name), reverse=True)

    def _listing(self, call: Call, allowed: Allowed | None, profile: Profile) -> Iterator[CallReason]:
        if allowed is not None:
            if not self.is_listed(call, allowed):
                yield blocked("unlisted", f"{shown(call.name)} is not among the `tools` of this agent")
        elif profile.unlisted_tools > Effect.ALLOW:
            sentence = f"this agent has no `tools`, and {shown(call.name)} is none that is listed"
            yield CallReason(profile.unlisted_tools, "tool-unlisted", "tool.unlisted", sentence)


def _crowd(call: Call, arguments: Sequence[Argument]) -> CallReason | None:
    """Why a call with so many arguments is not judged at all."""
    counts = Counter(argument.sink for argument in arguments)
    for sink, most in LIMITS.items():
        if counts[sink] > most:
            return blocked("unreadable", f"{shown(call.name)} is given more than {most} arguments of the sink `{sink}`")
    return None


def _tier(
    meant: Sequence[tuple[Closeness, Tool]], call: Call, defined: Defined | None, arguments: Sequence[Argument]
) -> Tiered:
    """The tier of the closest table that has one, of equally close ones an operator's own, and then the strictest; else
    by the name, by what its server says and by what it is given.

    A shipped table knows a tool by its name alone: where it says that the tool adds at most, and the server that it
    destroys, that is another tool. From tier 2 on it has counted with that, as the reference servers' own hints show.
    """
    annotations = defined.annotations if defined is not None else ()
    declared = [(closeness, tool.is_own, tool.tier, tool.name) for closeness, tool in meant if tool.tier is not None]
    if not declared:
        return raised(hinted(tier_of(call.name), annotations), arguments)
    _, is_own, tier, name = max(declared)
    said = Tiered(tier, f"[tools.{name}] says so")
    return said if is_own or tier >= Tier.MODIFY else hinted(said, annotations)


def _declared(tools: tuple[Tool, ...]) -> Mapping[str, Sink]:
    """The sinks that the tables declare, the closest holding."""
    declared: dict[str, Sink] = {}
    for tool in reversed(tools):
        declared |= tool.declared
    return declared


def _unreadable(call: Call, tools: tuple[Tool, ...], tier: Tier) -> Iterator[CallReason]:
    if not call.is_readable and (tier >= Tier.MODIFY or any(tool.is_constrained for tool in tools)):
        yield blocked("unreadable", f"the arguments of {shown(call.name)} are no JSON that can be read")
    elif call.arguments and not isinstance(call.arguments, Mapping) and any(tool.takes_names for tool in tools):
        # Whoever decodes a text once more would find arguments in it.
        yield blocked(
            "unreadable", f"the arguments of {shown(call.name)} have no names, and it is held to some by name"
        )


def _approvals(call: Call, tools: tuple[Tool, ...], tiered: Tiered) -> Iterator[CallReason]:
    asking = [tool for tool in tools if _asks(tool)]
    for tool in asking:
        yield _ask("approval", f"[tools.{tool.name}] asks for an approval")
    closest = next((tool.approval for tool in tools if tool.approval is not None), None)
    if tiered.tier > _SECOND_NATURE and not asking and closest is not Approval.NONE:
        yield _ask("tier", f"{shown(call.name)} is of tier {tiered.tier.value}: {tiered.why}")


def _asks(tool: Tool) -> bool:
    return tool.approval in {Approval.ASKED, Approval.APPROVER}


def _ask(what: str, sentence: str) -> CallReason:
    return CallReason(Effect.ASK, f"tool-{what}", f"tool.{what}", sentence)
