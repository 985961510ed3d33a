"""What a webhook is sent: that somebody is asked, and what became of it.

A receiver knows a genuine one by its signature: the header `X-Lockgate-Signature` is `v1=` and the HMAC-SHA-256, in hex
digits, over the value of `X-Lockgate-Timestamp` (Unix time in seconds), a full stop, and the body. It refuses times
that are too far from its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.approve.masked import Mask, masked
from gateway.approve.shown import shown_time
from gateway.approve.ticket import Step, Ticket, What, one_line
from gateway.policy.call import Approver

TIMESTAMP: Final = "X-Lockgate-Timestamp"
SIGNATURE: Final = "X-Lockgate-Signature"

TOLD: Final = frozenset({What.ASKED, What.APPROVED, What.DENIED, What.EXPIRED, What.WITHDRAWN, What.VOTED})
"""Steps that people are told of."""

MOST_ARGUMENTS: Final = 2000
"""Characters of arguments: what is longer is looked at with `lockgate approvals show`. Slack has texts of 3000."""

_CUT: Final = " […]"


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """The value of `SIGNATURE`."""
    return f"v1={hmac.digest(secret, b'%d.%b' % (timestamp, body), hashlib.sha256).hex()}"


def notice(ticket: Ticket, step: Step, mask: Mask) -> dict[str, Any]:
    """What a receiver of its own is sent. `mask` takes out what may not leave the machine."""
    return {
        "event": str(step.what),
        "at": shown_time(step.at),
        "by": step.by,
        "why": step.why,
        "ticket": ticket.id,
        "state": str(ticket.state),
        "agent": ticket.agent,
        "tool": mask(ticket.tool),
        "server": ticket.server,
        "tier": int(ticket.tier),
        "approver": str(ticket.approver),
        "arguments": _arguments(ticket, mask),
        "reasons": [{"rule": why.rule, "words": why.words, "argument": why.argument} for why in ticket.reasons],
        "deadline": shown_time(ticket.deadline),
    }


def slack(ticket: Ticket, step: Step, mask: Mask) -> dict[str, Any]:
    """What an incoming webhook of Slack is sent (docs.slack.dev, "Sending messages using incoming webhooks").

    What came from a call is `plain_text` alone: in `mrkdwn` it could link, and call people.
    """
    head = f"Lockgate {ticket.id}: {step.what}" + (f" by {step.by}" if step.by and step.what is not What.ASKED else "")
    lines = [f"{ticket.agent} calls {one_line(mask(ticket.tool))[:100]} (tier {int(ticket.tier)})"]
    lines += [f"• {why.words}" for why in ticket.reasons if why.asks]
    if step.why:
        lines.append(f"Because: {step.why}")
    blocks = [_section("\n".join(lines))]
    if step.what in {What.ASKED, What.VOTED}:
        who = "an approver" if ticket.approver is Approver.APPROVER else "its user or an approver"
        blocks.append(_section(_arguments(ticket, mask)))
        blocks.append(_section(f"Until {shown_time(ticket.deadline)}, by {who}: lockgate approvals show {ticket.id}"))
    return {"text": _unmarked(head), "blocks": [_section(head), *blocks]}


def _arguments(ticket: Ticket, mask: Mask) -> str:
    text = masked(json.loads(ticket.arguments), mask).text
    return text if len(text) <= MOST_ARGUMENTS else text[:MOST_ARGUMENTS] + _CUT


def _section(text: str) -> Mapping[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text[:3000], "emoji": False}}


def _unmarked(text: str) -> str:
    """Slack's three control characters, escaped ("Formatting text for app surfaces")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
