"""Tickets as text for a terminal. What came from a call can neither paint it nor end a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

type Ticket = Mapping[str, Any]
"""As `gateway.approve.shown.ticket_json` gives it."""

TIERS: Final = {
    0: "reads",
    1: "creates",
    2: "modifies",
    3: "sends, deletes or pays",
    4: "acts on the system",
}
"""What a tool of each tier does."""

_INDENT: Final = " " * 13


def plain(text: object) -> str:
    """A text with everything escaped that a terminal would not simply show: controls, line ends, marks of direction."""
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in str(text))


def _escape(letter: str) -> str:
    number = ord(letter)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def line(ticket: Ticket, now: float) -> str:
    """One ticket on one line."""
    why = next((reason["words"] for reason in ticket["reasons"]), "")
    state = _left(ticket, now) if ticket["state"] == "pending" else ticket["state"]
    who = f"{plain(ticket['agent'])} calls {plain(ticket['tool'])}"
    return f"{ticket['id']}  {state:<12} tier {ticket['tier']}  {who}" + (f": {plain(why)}" if why else "")


def full(ticket: Ticket, now: float) -> str:
    """All that a person needs to decide."""
    return "\n".join(_lines(ticket, now))


def _lines(ticket: Ticket, now: float) -> Iterator[str]:
    server = f" at the server {plain(ticket['server'])}" if ticket["server"] else ""
    yield f"{ticket['id']}  {ticket['state']}: {plain(ticket['agent'])} calls {plain(ticket['tool'])}{server}"
    if ticket["state"] == "pending":
        yield _row("until", f"{ticket['deadline']} ({_left(ticket, now)} left)")
    yield _row("tier", f"{ticket['tier']} ({TIERS.get(ticket['tier'], 'unknown')})")
    yield _row("approver", _approver(ticket))
    yield _row("can hold", _can_hold(ticket))
    for name in ("upstream", "target", "session"):
        if ticket[name]:
            yield _row(name, plain(ticket[name]))
    yield from _reasons(ticket)
    yield _row("arguments", _json(ticket["arguments"]))
    if ticket["edited"] is not None:
        yield _row("edited to", _json(ticket["edited"]))
    if ticket["state"] == "approved":
        used = ", used" if ticket["used"] else f", until {ticket['until']}"
        yield _row("holds", f"{_HOLDS[ticket['lasts']]}{used}")
    for step in ticket["steps"]:
        by = f" by {plain(step['by'])}" if step["by"] else ""
        why = f": {plain(step['why'])}" if step["why"] else ""
        yield _row("history", f"{step['at']} {step['what']}{by}{why}")


_HOLDS: Final = {"once": "for this call", "session": "for the session", "target": "for this target, in the session"}


def _approver(ticket: Ticket) -> str:
    who = "an approver" if ticket["approver"] == "approver" else "the agent's own user, or an approver"
    if ticket["needs"] == 1:
        return who
    votes = ", ".join(map(plain, ticket["votes"])) or "nobody"
    return f"{who}; {ticket['needs']} different ones, so far {votes}"


def _can_hold(ticket: Ticket) -> str:
    if ticket["is_once"] or not ticket["session"]:
        return "once alone"
    return "once, or for the session" + (", or for this target in it" if ticket["target"] else "")


def _reasons(ticket: Ticket) -> Iterator[str]:
    for reason in ticket["reasons"]:
        yield _row("because", f"{plain(reason['words'])} [{plain(reason['rule'])}]")
        for source in reason["sources"]:
            yield f"{_INDENT}from {plain(source)}"


def _row(name: str, text: str) -> str:
    return f"  {name:<10} {text}"


def _json(value: object) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return f"\n{_INDENT}".join(plain(one) for one in text.split("\n"))


def _left(ticket: Ticket, now: float) -> str:
    seconds = max(round(datetime.fromisoformat(ticket["deadline"]).timestamp() - now), 0)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
