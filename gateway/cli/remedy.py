"""What would allow a call that is held: in words, and as lines of the configuration where there are such lines.

Lines are given where a key says just that. How wide a list of paths, hosts or values should be only an operator knows,
and what a user did not ask for no configuration makes the user's wish.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.policy.call import Call, CallReason, Sink, Tier
from gateway.policy.explained import Explained
from gateway.policy.tools.match import spellings
from gateway.policy.tools.tool import Approval, Tool
from gateway.settings import Config
from gateway.verdict import Effect

_TOOL: Final = re.compile(r"[\w./:@-]{1,128}", re.ASCII)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about a reason. `toml` is empty where no line of the configuration says it."""

    words: str
    toml: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A call that is held, for what, and whose call it is."""

    call: Call
    explained: Explained
    reason: CallReason
    agent: str
    config: Config


def remedies(call: Call, explained: Explained, agent: str, config: Config) -> tuple[Remedy, ...]:
    """What would allow it, for each of the reasons for which it is held, each once."""
    found: dict[Remedy, None] = {}
    for reason in explained.ruling.reasons:
        make = _REMEDIES.get(reason.rule)
        if make is not None and reason.effect >= Effect.ASK and not reason.shadow:
            found[make(Held(call, explained, reason, agent, config))] = None
    return tuple(found)


def _tier(held: Held) -> Remedy:
    if held.explained.ruling.tier is Tier.SYSTEM:
        words = (
            "approve it when it comes (lockgate approvals); `requires_approval = false` would let every such call run"
        )
    else:
        words = "approve it when it comes (lockgate approvals), or have nobody asked for this tool"
    return Remedy(words, _own_table(held, "requires_approval = false"))


def _approval(held: Held) -> Remedy:
    tables = [tool for tool in held.explained.tools if tool.approval in (Approval.ASKED, Approval.APPROVER)]
    return Remedy(
        "approve it when it comes (lockgate approvals), or have nobody asked for this tool",
        "\n".join(_table(tool, "requires_approval = false") for tool in tables),
    )


def _unlisted(held: Held) -> Remedy:
    agent = held.config.agents.get(held.agent)
    if agent is None:
        return Remedy("list it in the `tools` of an agent that shows who it is ([agents.NAME] in docs/tools.md)")
    if not _TOOL.fullmatch(held.call.name):
        return Remedy("its name cannot be listed; a pattern such as `send_*` may mean it")
    listed = ", ".join(json.dumps(str(one)) for one in (*(agent.tools or ()), held.call.name))
    return Remedy("list it", f"[agents.{_key(held.agent)}]\ntools = [{listed}]")


def _disabled(held: Held) -> Remedy:
    tables = [tool for tool in held.explained.tools if not tool.enabled]
    return Remedy("enable it", "\n".join(_table(tool, "enabled = true") for tool in tables))


def _sandbox(held: Held) -> Remedy:
    del held
    return Remedy("start the agent with the isolation that is demanded; this command knows of none")


def _constraint(held: Held) -> Remedy:
    """Where the keys stand that hold the argument."""
    places = dict.fromkeys(place for tool in held.explained.tools for place in _places(tool, held))
    if not places:
        return Remedy("the call itself must change, or the table that is named")
    return Remedy(f"widen the keys of {' or of '.join(places)}, if the call is right; or the call must change")


def _places(tool: Tool, held: Held) -> list[str]:
    first = re.split(r"[.\[]", held.reason.argument, maxsplit=1)[0]
    named = [one for one in tool.arguments if one.split(".", 1)[0] == first or one == "."]
    sinks = [one for one in tool.sinks if one in _sinks(held)]
    table = f"[tools.{_key(tool.name)}"
    return [*(f"{table}.arguments.{_key(one)}]" for one in named), *(f"{table}.sinks.{one}]" for one in sinks)]


def _sinks(held: Held) -> set[Sink]:
    return {one.argument.sink for one in held.explained.arguments if one.argument.name == held.reason.argument}


def _call_itself(held: Held) -> Remedy:
    del held
    return Remedy("the call itself must change")


def _target(held: Held) -> Remedy:
    return _or_approve("have the user name the target or point to the text that has it", held)


def _action(held: Held) -> Remedy:
    return _or_approve("have the user ask for it", held)


def _chain(held: Held) -> Remedy:
    return _or_approve("do it in a conversation that has not read that", held)


def _or_approve(words: str, held: Held) -> Remedy:
    return Remedy(f"{words}, or approve it when it comes" if held.reason.effect is Effect.ASK else words)


_REMEDIES: Final[Mapping[str, Callable[[Held], Remedy]]] = {
    "tool-tier": _tier,
    "tool-approval": _approval,
    "tool-unlisted": _unlisted,
    "tool-disabled": _disabled,
    "tool-sandbox": _sandbox,
    **dict.fromkeys(("tool-path", "tool-url", "tool-command", "tool-sql", "tool-value", "tool-language"), _constraint),
    **dict.fromkeys(("tool-missing", "tool-schema", "tool-unreadable"), _call_itself),
    **dict.fromkeys(("untrusted-target", "untraced-target"), _target),
    **dict.fromkeys(("untrusted-action", "untrusted-call", "unasked-action"), _action),
    **dict.fromkeys(("chain-read-send", "chain-many-reads", "chain-write-run", "chain-download-run"), _chain),
}


def _own_table(held: Held, line: str) -> str:
    """The line in a table that means this tool and no other: a table of many tools would let all of them pass."""
    call, tools = held.call, held.explained.tools
    if tools and tools[0].is_own and len(tools[0].matches) == 1 and _is_exact(tools[0], call):
        return _table(tools[0], line)
    if call.name in held.config.tools or not _TOOL.fullmatch(call.name):
        return ""
    return f"[tools.{_key(call.name)}]\n{line}"


def _is_exact(tool: Tool, call: Call) -> bool:
    closeness = tool.closeness(spellings(call))
    return closeness is not None and closeness[0] == 1


def _table(tool: Tool, line: str) -> str:
    return f"[tools.{_key(tool.name)}]\n{line}"


def _key(name: str) -> str:
    """A name as a key of TOML (v1.0.0, Keys)."""
    return name if _BARE.fullmatch(name) else json.dumps(name)
