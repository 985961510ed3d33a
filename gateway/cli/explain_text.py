"""An explanation as text for a terminal. What came from a conversation can neither paint it nor end a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from gateway.cli.terminal import plain
from gateway.cli.ticket_text import TIERS

type Found = Mapping[str, Any]
"""As `gateway.cli.explain.explained` gives it."""

_STYLES: Final = {"allowed": "green", "asked": "yellow", "blocked": "red"}

_EFFECTS: Final = {
    "report": "and reported",
    "redact": "what is found in its text is masked",
    "rewrite": "what is found in its text is cut out",
}
_HELD: Final = {"ask": "asked about", "block": "blocked"}
_INDENT: Final = " " * 14
_PLAIN: Final = frozenset({"text", "value"})
"""Sinks of which it is no news that the model wrote the value."""

_LONGEST: Final = 160
"""Characters of a value that are shown."""


def show(found: Found) -> None:
    """Print an explanation to standard output, in colour where that is a terminal."""
    console = Console(highlight=False)
    for line in lines(found):
        console.print(line, soft_wrap=True)


def lines(found: Found) -> Iterator[Text]:
    """The lines of an explanation."""
    yield Text(_head(found))
    if not found["is_whole"]:
        yield Text("the provider keeps earlier turns, which the file does not repeat")
    hosted = found["hosted"]
    if hosted["reasons"]:
        yield Text()
        yield Text.assemble("tools that the provider runs: the request is ", _outcome(hosted["outcome"]))
        yield from map(Text, _reasons(hosted["reasons"]))
    for number, call in enumerate(found["calls"], 1):
        yield Text()
        yield Text.assemble(
            f"{number}. {plain(call['tool'])} ({_where(call)}): ", _outcome(call["outcome"]), _more(call)
        )
        yield from map(Text, _call(call))
    yield Text()
    yield Text(_sum(found["calls"]))


def _head(found: Found) -> str:
    return (
        f"a conversation of the dialect {found['dialect']}, profile {found['profile']}, agent {plain(found['agent'])}"
    )


def _where(call: Found) -> str:
    return "in the answer" if call["message"] is None else f"message {call['message']}"


def _outcome(outcome: str) -> tuple[str, str]:
    return outcome, f"bold {_STYLES[outcome]}"


def _more(call: Found) -> str:
    if call["outcome"] != "allowed":
        return ", a person must approve it" if call["outcome"] == "asked" else ""
    if call["would_be"] in _HELD:
        return f", and reported; it would be {_HELD[call['would_be']]} if this were enforced"
    told = _EFFECTS.get(call["effect"])
    return f", {told}" if told else ""


def _call(call: Found) -> Iterator[str]:
    tier = call["tier"]
    yield _row("tier", f"{tier['number']} ({TIERS[tier['number']]}): {plain(tier['why'])}")
    if call["tables"]:
        yield _row("tables", ", ".join(map(_table, call["tables"])))
    if call["outcome"] == "asked":
        yield _row(
            "approver", "an approver" if call["approver"] == "approver" else "the agent's own user, or an approver"
        )
    yield from _reasons(call["reasons"])
    for argument in call["arguments"]:
        yield from _argument(argument)
    if call["outcome"] != "allowed" or call["would_be"] in _HELD:
        yield from _said(call)
    for remedy in call["remedies"]:
        yield _row("to allow", remedy["words"])
        yield from (f"{_INDENT}    {plain(line)}" for line in remedy["toml"].splitlines())


def _said(call: Found) -> Iterator[str]:
    """What the user wanted, and whether somebody else spoke to the model."""
    asked = call["asked"]
    yield _row("user asked", f'"{plain(asked["text"])}" (message {asked["message"]})' if asked else "nothing")
    read = plain(", ".join(call["instructed_by"]))
    yield _row("injection", f"instructions were read in {read}" if read else "none was found in what was read")


def _table(table: Found) -> str:
    return f"[tools.{plain(table['name'])}]{' (shipped)' if table['shipped'] else ''}"


def _reasons(reasons: list[Found]) -> Iterator[str]:
    for reason in reasons:
        about = f"`{plain(reason['argument'])}`: " if reason["argument"] else ""
        yield _row("because", f"{about}{plain(reason['words'])} [{plain(reason['rule'])}, {reason['effect']}]")
        for source in reason["sources"]:
            yield f"{_INDENT}from {plain(source)}"


def _argument(argument: Found) -> Iterator[str]:
    why = f" ({plain(argument['why'])})" if argument["why"] else ""
    name = plain(argument["name"]) or "its input"
    yield _row("argument", f"{name} = {_value(argument['value'])}: taken for {argument['sink']}{why}")
    for trace in argument["found"]:
        if trace["places"] or trace["value"] != str(argument["value"]) or argument["sink"] not in _PLAIN:
            yield f"{_INDENT}{_trace(trace, argument['value'])}"


def _trace(trace: Found, value: object) -> str:
    what = "it" if trace["value"] == str(value) else _value(trace["value"])
    if trace["is_part"]:
        what = f"its part {what}"
    if not trace["places"]:
        return f"{what} stands in no text before: the model wrote it"
    places = (f"{plain(place['where'])} [{_TRUST[place['trust']]}]" for place in trace["places"])
    return f"{what} stands in {', '.join(places)}"


_TRUST: Final = {"untrusted": "untrusted", "model": "the model's", "principal": "trusted", "operator": "trusted"}


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _sum(calls: list[Found]) -> str:
    if not calls:
        return "there is no call of a tool in it"
    counts = (f"{sum(call['outcome'] == outcome for call in calls)} {outcome}" for outcome in _STYLES)
    return f"{len(calls)} {'call' if len(calls) == 1 else 'calls'}: {', '.join(counts)}"


def _row(name: str, text: str) -> str:
    return f"   {name:<10} {text}"
