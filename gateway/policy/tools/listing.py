"""Which of the tools that an MCP server lists an agent is not shown: those it may not call, or that nobody accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.policy.call import Call, CallReason, shown
from gateway.policy.integrity import Listed
from gateway.policy.profile import Profile
from gateway.policy.tools.pinned import UNREAD, Pinning, standing_reason
from gateway.policy.tools.tool import blocked
from gateway.policy.tools.toolbox import Allowed, Toolbox
from gateway.verdict import Effect


def hidden(
    server: str,
    definitions: Sequence[Mapping[str, Any]],
    toolbox: Toolbox,
    allowed: Allowed | None,
    profile: Profile,
    pins: Pinning | None,
    *,
    goes_on: bool,
) -> Mapping[int, CallReason]:
    """What is against showing tools, by their places in the list; each has a `name`. What the profile `monitor` only
    reports is not lowered here. `allowed` is None for an agent without a list of tools; `goes_on` is whether more pages
    follow."""
    names = [str(definition["name"]) for definition in definitions]
    stand: tuple[Listed, ...] = ()
    if pins is not None and not pins.is_read:
        return dict.fromkeys(range(len(names)), UNREAD)
    if pins is not None:
        stand = pins.listed(server, definitions, goes_on=goes_on, trusting=profile.name != "strict")
    found: dict[int, CallReason] = {}
    for number, name in enumerate(names):
        reason = _forbidden(Call(name, {}, server=server), toolbox, allowed, profile)
        if reason is None and stand:
            reason = standing_reason(stand[number])
        if reason is not None:
            found[number] = reason
    return found


def _forbidden(call: Call, toolbox: Toolbox, allowed: Allowed | None, profile: Profile) -> CallReason | None:
    off = next((tool for _, tool in toolbox.meaning(call) if not tool.enabled), None)
    if off is not None:
        return blocked("disabled", f"{shown(call.name)} is switched off by [tools.{off.name}]")
    if allowed is not None:
        is_listed = toolbox.is_listed(call, allowed)
        return None if is_listed else blocked("unlisted", f"{shown(call.name)} is not among the `tools` of this agent")
    if profile.unlisted_tools >= Effect.BLOCK:
        return blocked("unlisted", f"this agent has no `tools`, and {shown(call.name)} is none that is listed")
    return None
