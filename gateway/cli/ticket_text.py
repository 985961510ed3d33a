"""Tickets as text for a terminal: what somebody has to know who was woken up, and the commands to decide.

What came from a call stands behind a name of ours, in quotes where it is a value, and cannot leave its line.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.cli.terminal import broken, plain

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

_NAME: Final = re.compile(r"[\w.:/-]{1,64}", re.ASCII)
"""Names of tools that are shown without quotes."""

_HEAD: Final = 300
_TAIL: Final = 100
"""Characters of a long value that are shown, from its beginning and its end."""
MOST_ARGUMENTS: Final = 30
"""Values of a call that are shown."""
_MOST_NAME: Final = 100
"""Characters of a name that a model may have made up."""

_HOLDS: Final = {"once": "for this call", "session": "for the session", "target": "for this target, in the session"}
_SINKS: Final = {"url": "address", "path": "path", "recipient": "recipient"}
"""What values are called that a call is aimed at, where that is not the name of their sink."""


def line(ticket: Ticket, now: float, *, columns: int | None = None) -> str:
    """One ticket on one line, which the terminal may be too narrow for."""
    state = _left(ticket, now) if ticket["state"] == "pending" else ticket["state"]
    aims = ", ".join(_quoted(aim["value"], 60) for aim in ticket["aims"][:2])
    why = "; ".join(dict.fromkeys(plain(reason["words"]) for reason in ticket["reasons"][:2]))
    told = f"{_who(ticket)}{f' with {aims}' if aims else ''}{f': {why}' if why else ''}"
    return broken(f"{ticket['id']}  {state:<12} tier {ticket['tier']}  {told}", _INDENT, columns)


def full(
    ticket: Ticket, now: float, *, options: Sequence[str] = (), columns: int | None = None, cut: bool = True
) -> str:
    """What a person needs to decide. `options` are those of the commands that are named, `columns` those of the
    terminal; without `cut` every value is shown whole."""
    return "\n".join(broken(one, _INDENT, columns) for one in _lines(ticket, now, options, cut=cut))


def outcome(ticket: Ticket, *, columns: int | None = None) -> str:
    """What became of a ticket, for who decided it."""
    told = [f"{ticket['id']}  {ticket['state']}: {_who(ticket)}", *_became(ticket)]
    if ticket["state"] == "pending":
        told.append(_row("still needs", f"{ticket['needs'] - len(ticket['votes'])} more to approve"))
    return "\n".join(broken(one, _INDENT, columns) for one in told)


def _lines(ticket: Ticket, now: float, options: Sequence[str], *, cut: bool) -> Iterator[str]:
    is_open = ticket["state"] == "pending"
    left = f", {_left(ticket, now)} left" if is_open else ""
    yield f"{ticket['id']}  {ticket['state']}{left}: {_who(ticket)}"
    yield _row("tier", f"{ticket['tier']}: {TIERS.get(ticket['tier'], 'unknown')}")
    for aim in ticket["aims"]:
        yield from _aim(aim)
    yield from _reasons(ticket)
    yield from _arguments("arguments", ticket["arguments"], cut=cut)
    if ticket["edited"] is not None:
        yield from _arguments("edited to", ticket["edited"], cut=cut)
    yield from _became(ticket)
    if ticket["upstream"]:
        yield _row("by way of", plain(ticket["upstream"]))
    for step in ticket["steps"]:
        yield _row("history", _step(step))
    if is_open:
        yield _row("until", f"{ticket['deadline']}, then it is denied")
        yield _row("decides", _approver(ticket))
        yield from _ways(ticket, options)


def _who(ticket: Ticket) -> str:
    server = f" at the server {_name(ticket['server'])}" if ticket["server"] else ""
    return f"{plain(ticket['agent'])} calls {_name(ticket['tool'])}{server}"


def _name(text: str) -> str:
    return text if _NAME.fullmatch(text) else _quoted(text, _MOST_NAME)


def _aim(aim: Mapping[str, Any]) -> Iterator[str]:
    sink = _SINKS.get(aim["sink"], aim["sink"])
    argument = f" ({_name(aim['argument'])})" if aim["argument"] not in ("", aim["sink"]) else ""
    yield _row(sink + argument if len(sink + argument) <= 10 else sink, _quoted(aim["value"]))
    if aim["sources"] is None:
        yield f"{_INDENT}of a call by itself: where it came from is not known here"
    elif not aim["sources"]:
        yield f"{_INDENT}stands in no text before: the model wrote it"
    else:
        yield f"{_INDENT}from {', '.join(map(plain, aim['sources']))}"


def _reasons(ticket: Ticket) -> Iterator[str]:
    for reason in ticket["reasons"]:
        yield _row("because", f"{plain(reason['words'])} [{plain(reason['rule'])}]")
        for source in reason["sources"]:
            yield f"{_INDENT}from {plain(source)}"


def _arguments(name: str, value: Any, *, cut: bool) -> Iterator[str]:
    """The values one by one, each behind its name."""
    found = list(_leaves(value, ""))
    shown = found[:MOST_ARGUMENTS] if cut else found
    width = min(max((len(place) for place, _ in shown), default=0), 16)
    for number, (place, leaf) in enumerate(shown):
        yield _row(name if not number else "", f"{place:<{width}} {_value(leaf, cut=cut)}".lstrip())
    if not found:
        yield _row(name, "none")
    if len(found) > len(shown):
        yield _row("", f"and {len(found) - len(shown)} more, see --whole")


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _leaves(member, f"{place}.{_name(key)}" if place else _name(key))
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from _leaves(item, f"{place}[{at}]")
    elif (value != {} and value != []) or place:
        yield place, value


def _value(leaf: Any, *, cut: bool) -> str:
    if not isinstance(leaf, str):
        return plain(json.dumps(leaf))
    if not cut or len(leaf) <= _HEAD + _TAIL:
        return _quoted(leaf)
    hidden = len(leaf) - _HEAD - _TAIL
    return (
        f"{_quoted(leaf[:_HEAD])} … {hidden:,} of {len(leaf):,} characters are not shown, see --whole … "
        f"{_quoted(leaf[-_TAIL:])}"
    )


def _quoted(text: str, most: int | None = None) -> str:
    """In quotes, which it cannot close itself; of one with more than so many characters the beginning."""
    told = text if most is None or len(text) <= most else text[:most]
    more = "" if told is text else f"… ({len(text):,} characters)"
    return plain(json.dumps(told, ensure_ascii=False)) + more


def _became(ticket: Ticket) -> Iterator[str]:
    if ticket["state"] == "approved":
        used = ", used" if ticket["used"] else f", until {ticket['until']}"
        yield _row("holds", f"{_HOLDS[ticket['lasts']]}{used}")
    if ticket["by"]:
        yield _row("by", plain(ticket["by"]) + (f": {plain(ticket['why'])}" if ticket["why"] else ""))


def _step(step: Mapping[str, Any]) -> str:
    by = f" by {plain(step['by'])}" if step["by"] else ""
    return f"{step['at']} {step['what']}{by}" + (f": {plain(step['why'])}" if step["why"] else "")


def _approver(ticket: Ticket) -> str:
    who = "an approver" if ticket["approver"] == "approver" else "the agent's own user, or an approver"
    if ticket["needs"] == 1:
        return who
    votes = ", ".join(map(plain, ticket["votes"])) or "nobody"
    return f"{who}; {ticket['needs']} different ones, so far {votes}"


def _ways(ticket: Ticket, options: Sequence[str]) -> Iterator[str]:
    """What each way to decide would cover, and its command."""

    def way(name: str, covers: str, *given: str) -> Iterator[str]:
        yield _row(name, covers)
        yield f"{_INDENT}$ {shlex.join(('lockgate', 'approvals', *given, *options))}"

    def covering(lasts: str, covers: str) -> str:
        return covers + (" (default)" if ticket["usual"] == lasts else "")

    id_, grant = ticket["id"], _spell(ticket["grant"])
    once = covering("once", f"this very call, once, within {_spell(ticket['holds'])}")
    yield from way("once", once, "approve", id_, "--once")
    if ticket["is_once"]:
        yield _row("session", "not for this call: it is asked about each time")
    elif not ticket["session"]:
        yield _row("session", "not for this call: nothing tells which conversation it is part of")
    else:
        alike = f"{_name(ticket['tool'])} in this conversation, for {grant}, unless there is another reason to ask"
        yield from way("session", covering("session", f"each call of {alike}"), "approve", id_, "--session")
        if ticket["target"]:
            same = "the same, where all that it is aimed at is the same"
            yield from way("target", same, "approve", id_, "--target")
    yield from way("deny", "and the model is told why", "deny", id_, "--why", "…")


def _row(name: str, text: str) -> str:
    return f"  {name:<10} {text}"


def _left(ticket: Ticket, now: float) -> str:
    return _spell(max(datetime.fromisoformat(ticket["deadline"]).timestamp() - now, 0))


def _spell(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {seconds} s" if minutes and seconds else f"{minutes} min" if minutes else f"{seconds} s"
