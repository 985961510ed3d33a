"""A ticket as people and programs see it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from gateway.approve.ticket import State, Ticket


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """A ticket as JSON values, as the admin listener and the command line show it."""
    return {
        "id": ticket.id,
        "state": str(ticket.state),
        "agent": ticket.agent,
        "tool": ticket.tool,
        "server": ticket.server,
        "upstream": ticket.upstream,
        "arguments": json.loads(ticket.arguments),
        "target": ticket.target,
        "aims": [
            {
                "argument": aim.argument,
                "sink": str(aim.sink),
                "value": aim.value,
                "sources": list(aim.sources) if aim.sources is not None else None,
            }
            for aim in ticket.aims
        ],
        "tier": int(ticket.tier),
        "approver": str(ticket.approver),
        "needs": ticket.needs,
        "is_once": ticket.is_once,
        "session": ticket.session[:8],
        "usual": str(ticket.usual),
        "holds": ticket.holds,
        "grant": ticket.grant,
        "reasons": [
            {"rule": why.rule, "words": why.words, "argument": why.argument, "sources": list(why.sources)}
            for why in ticket.reasons
        ],
        "created": shown_time(ticket.created),
        "deadline": shown_time(ticket.deadline),
        "votes": [vote.by for vote in ticket.votes],
        "lasts": str(ticket.lasts) if ticket.state is State.APPROVED else None,
        "until": shown_time(ticket.until) if ticket.until else None,
        "edited": json.loads(ticket.edited) if ticket.edited is not None else None,
        "by": ticket.decided_by or None,
        "why": ticket.why,
        "used": ticket.is_used,
        "steps": [
            {"what": str(step.what), "at": shown_time(step.at), "by": step.by, "why": step.why} for step in ticket.steps
        ],
    }


def shown_time(at: float) -> str:
    """A Unix time in seconds, for people and programs: ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
