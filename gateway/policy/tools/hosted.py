"""Tools that the provider runs itself: whether a request may ask for them.

Their calls never come to the agent, so the request is the one place where they can be judged, by their kind and by
where they lead (`Hosted.hosts`). What an operator lists by kind is allowed; what is not listed is

- denied under `strict`;
- under `balanced` allowed where all that it reaches is within egress, as what reaches nothing but the provider is.
  A web search is reported and passes: it sends a query to the provider, which has the conversation anyway, and
  providers open only pages that their index or the conversation holds. What it finds is untrusted data, as any result.
  Everything else that may go anywhere is denied: fetching and code with a network can carry any text to any host,
  which is what [egress] is there to prevent;
- reported under `monitor`, as everything is that would be denied.

A server that the request names, and a file or an image that it gives by address, must be within egress even where its
kind is listed: the list says what sort of thing may be used, the address is the agent's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from gateway.policy.call import CallReason
from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.policy import EgressPolicy
from gateway.policy.egress.remedy import DEFAULT_PORT
from gateway.policy.profile import Profile
from gateway.policy.transcript import Hosted
from gateway.verdict import Effect

type MayReach = Callable[[str], bool]
"""Whether agents may go to a host, given in normal form, by the egress policy."""

ADDRESSED: Final = frozenset({"mcp", "remote_file", "remote_image"})
"""Kinds that go to just the address which the request gives."""

_SEARCHES: Final = frozenset({"web_search"})

_SPREADING: Final = frozenset({"web_search", "web_fetch"})
"""Kinds whose hosts stand for all names below them too ("Web search tool" of Anthropic, "Domain filtering" of OpenAI,
2026-11)."""
_BELOW: Final = "any-name-below"
"""A label that stands for any: an entry of [egress] that allows it below a host allows every name there."""

_KNOWN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

UNLISTED: Final = "hosted-tool"
OUTSIDE: Final = "hosted-host"
ANYWHERE: Final = "hosted-anywhere"
"""The rules by which operators know the reasons: a kind that is not listed, a host outside egress, no host at all."""


class HostedRuling(Struct, frozen=True):
    """What a request's hosted tools come to: `effect` is ALLOW, REPORT or BLOCK; `would_be` as in `Ruling`."""

    effect: Effect
    would_be: Effect
    reasons: tuple[CallReason, ...] = ()


def judge_hosted(
    hosted: Iterable[Hosted], listed: Sequence[str], profile: Profile, may_reach: MayReach
) -> HostedRuling:
    """The ruling on all of a request. `listed` are kinds, each in full or up to a `*` at its end."""
    found = (_judged(tool, is_listed(tool.kind, listed), profile.name == "strict", may_reach) for tool in hosted)
    reasons = tuple(dict.fromkeys(reason for reason in found if reason is not None))
    would_be = max((reason.effect for reason in reasons), default=Effect.ALLOW)
    return HostedRuling(would_be if profile.enforce else min(would_be, Effect.REPORT), would_be, reasons)


def within(egress: EgressPolicy, principal: str) -> MayReach:
    """Whether that agent may go to a host itself, by https at its usual port: of an address only the host is told."""

    def may_reach(host: str) -> bool:
        return egress.decide(principal, Scheme.HTTPS, host, DEFAULT_PORT).action is not Action.DENY

    return may_reach


def is_listed(kind: str, listed: Iterable[str]) -> bool:
    return any(kind == one or (one.endswith("*") and kind.startswith(one[:-1])) for one in listed)


def _judged(tool: Hosted, listed: bool, strict: bool, may_reach: MayReach) -> CallReason | None:
    """Why a tool does not simply pass; None where it does."""
    outside = _outside(tool, may_reach)
    if tool.kind in ADDRESSED and outside is not None:
        return outside
    if listed:
        return None
    if strict:
        return _unlisted(tool)
    if outside is not None and tool.kind in _SEARCHES:
        return _reason(Effect.REPORT, outside.rule, outside.words)
    return outside


def _outside(tool: Hosted, may_reach: MayReach) -> CallReason | None:
    """Why what a tool reaches is not within egress; None where it is."""
    what = _named(tool)
    if tool.hosts is None and tool.kind in ADDRESSED:
        return _reason(Effect.BLOCK, ANYWHERE, f"the request gives {what} no address that can be read")
    if tool.hosts is None:
        way = f"hold it to hosts that [egress] allows, or list its kind under [hosted] ({_remedy(tool)})"
        return _reason(Effect.BLOCK, ANYWHERE, f"{what}, which the provider runs, may go to any host; {way}")
    for host in tool.hosts:
        if not _may_reach(tool.kind, host, may_reach):
            below = " with all names below it" if tool.kind in _SPREADING else ""
            words = f"{what}, which the provider runs, goes to `{host}`; no entry of [egress] allows that{below}"
            return _reason(Effect.BLOCK, OUTSIDE, words)
    return None


def _may_reach(kind: str, host: str, may_reach: MayReach) -> bool:
    return may_reach(host) and (kind not in _SPREADING or may_reach(f"{_BELOW}.{host}"))


def _unlisted(tool: Hosted) -> CallReason:
    words = f"{_named(tool)}, which the provider runs, is not listed; list its kind under [hosted] ({_remedy(tool)})"
    return _reason(Effect.BLOCK, UNLISTED, words)


def _reason(effect: Effect, rule: str, words: str) -> CallReason:
    return CallReason(effect, rule, f"tool.{rule.replace('-', '.', 1)}", words)


def _named(tool: Hosted) -> str:
    """A kind that is a word; what a request may spell otherwise is not repeated."""
    return f"`{tool.kind}`" if _KNOWN.fullmatch(tool.kind) else "a tool of an unknown kind"


def _remedy(tool: Hosted) -> str:
    return f'allow = ["{tool.kind}"]' if _KNOWN.fullmatch(tool.kind) else 'allow = ["*"]'
