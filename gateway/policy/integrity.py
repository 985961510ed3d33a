"""Whether a server's tools are those that were accepted: definitions are pinned, and what is new or changed waits.

A definition is what a model is told of a tool, and what it is told steers it. What a server says of itself is believed
once, when it is met (trust on first use), but for what imitates another server's tool; from then on a person decides.
Pure: pins and definitions in, pins and rulings out; `gateway/pins/` keeps them.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from gateway.confusables import CONFUSABLES

MOST_TOOLS: Final = 2000
"""Tools of one server that are kept: the largest servers have a few hundred."""

LISTING: Final = 300.0
"""Seconds within which a first listing that comes in pages is one: more than a client takes to ask for the next."""

AGENT: Final = "agent:"
"""Begins the key of what an agent itself tells its model of its tools."""

_ALIKE: Final = str.maketrans("10|!5", "lolis")
"""Digits and signs that are read as letters in names, for texts that are case-folded: `paypa1`."""

_SEVERAL_WORDS: Final = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)+|[a-z]+(?:[A-Z][a-z]+)+")
"""Names of tools that no sentence holds by chance."""


class Standing(StrEnum):
    """How a listed tool stands to what was accepted."""

    ACCEPTED = "accepted"
    NEW = "new"
    CHANGED = "changed"
    RENAMED = "renamed"
    IMITATES = "imitates"  # a name that is, or looks like, that of another server's tool
    MEDDLES = "meddles"  # its description speaks of another server's tool
    DENIED = "denied"


class Pin(Struct, frozen=True, omit_defaults=True):
    """What is known of one tool. `accepted` is the canonical definition in force, `waiting` one that a person has to
    look at, `why` its standing; both are empty where there is none. `denied` are digests of definitions that a person
    has refused."""

    accepted: str = ""
    waiting: str = ""
    why: Standing | None = None
    of: str = ""  # the tool, as SERVER/TOOL, that it imitates, meddles with or was renamed from
    denied: tuple[str, ...] = ()
    by: str = ""


class Pins(Struct, frozen=True, omit_defaults=True):
    """What is known of one server's tools, by their names. `first` is when a first listing began that goes on (seconds
    since the epoch), 0 where it is over."""

    tools: Mapping[str, Pin] = field(default_factory=dict)
    first: float = 0.0


class Listed(Struct, frozen=True):
    """A tool that a server lists, and how it stands."""

    name: str
    standing: Standing
    of: str = ""

    @property
    def is_held(self) -> bool:
        return self.standing is not Standing.ACCEPTED


def canonical(definition: Mapping[str, Any]) -> str:
    """All of a definition, in one spelling: members in order, nothing left out that a model or a client may read."""
    return json.dumps(definition, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(definition: str) -> str:
    """The name of a canonical definition."""
    return hashlib.sha256(definition.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def skeleton(name: str) -> str:
    """What a reader sees in a name: without case, separators, and which of several look-alike letters it has."""
    seen = "".join(CONFUSABLES.get(letter, letter) for letter in unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in seen.translate(_ALIKE) if letter.isalnum())


def difference(before: str, after: str) -> str:
    """What changed between two canonical definitions, line by line, for a person; empty for the same."""
    lines = difflib.unified_diff(_shown(before), _shown(after), "accepted", "now", lineterm="", n=2)
    return "\n".join(lines)


def _shown(definition: str) -> list[str]:
    if not definition:
        return []
    return json.dumps(json.loads(definition), indent=2, sort_keys=True, ensure_ascii=True).splitlines()


def observe(
    known: Mapping[str, Pins],
    server: str,
    definitions: Sequence[Mapping[str, Any]],
    *,
    now: float,
    goes_on: bool = False,
    trusting: bool = True,
) -> tuple[Pins, tuple[Listed, ...]]:
    """Take a listing: the pins of the server as they are then, and how each tool stands, in order.

    `known` are the pins of all servers. `goes_on` is whether more pages follow. `trusting` is whether a server that is
    met for the first time is believed; where it is not, all its tools wait. An agent names others' tools as well as its
    own, so each of them is believed when it is first seen; and what waits of one stays, since agents write the time and
    the like into what they say.
    """
    pins = known.get(server)
    is_agent = server.startswith(AGENT)
    is_first = is_agent or pins is None or (pins.first > 0 and now - pins.first < LISTING)
    began = pins.first if pins is not None and pins.first else now
    pins = pins or Pins()
    others = _others(known, server)
    tools = dict(pins.tools)
    listed: list[Listed] = []
    present = {str(one.get("name")) for one in definitions}
    for definition in definitions:
        name = str(definition.get("name"))
        text = canonical(definition)
        pin = tools.get(name, Pin())
        found = _standing(pin, name, text, others, tools, present)
        if found.standing in (Standing.NEW, Standing.RENAMED) and is_first and trusting:
            found = Listed(name, Standing.ACCEPTED)
            pin = replace(pin, accepted=text, waiting="", why=None, of="")
        elif found.is_held and found.standing is not Standing.DENIED and not (is_agent and pin.waiting):
            pin = replace(pin, waiting=text, why=found.standing, of=found.of)
        listed.append(found)
        if len(tools) < MOST_TOOLS or name in tools:
            tools[name] = pin
    return Pins(tools, began if is_first and goes_on and not is_agent else 0.0), tuple(listed)


def _standing(
    pin: Pin, name: str, text: str, others: Mapping[str, str], tools: Mapping[str, Pin], present: Iterable[str]
) -> Listed:
    if text == pin.accepted:
        return Listed(name, Standing.ACCEPTED)
    if digest(text) in pin.denied:
        return Listed(name, Standing.DENIED)
    if pin.accepted:
        return Listed(name, Standing.CHANGED)
    if (other := _imitated(name, others)) is not None:
        return Listed(name, Standing.IMITATES, other)
    if (other := _spoken_of(text, others)) is not None:
        return Listed(name, Standing.MEDDLES, other)
    renamed = _renamed(name, text, tools, set(present))
    return Listed(name, Standing.RENAMED, renamed) if renamed is not None else Listed(name, Standing.NEW)


def _others(known: Mapping[str, Pins], server: str) -> Mapping[str, str]:
    """The accepted tools of other servers, by their names: where they are, as SERVER/TOOL."""
    if server.startswith(AGENT):
        return {}
    return {
        name: f"{other}/{name}"
        for other, pins in known.items()
        if other != server and not other.startswith(AGENT)
        for name, pin in pins.tools.items()
        if pin.accepted
    }


def _imitated(name: str, others: Mapping[str, str]) -> str | None:
    own = skeleton(name)
    return next((place for other, place in others.items() if skeleton(other) == own), None)


def _spoken_of(text: str, others: Mapping[str, str]) -> str | None:
    words = set(_SEVERAL_WORDS.findall(text))
    return next((place for other, place in others.items() if other in words), None)


def _renamed(name: str, text: str, tools: Mapping[str, Pin], present: set[str]) -> str | None:
    """The tool that this one was, but for its name: one that was accepted and is not listed any more."""
    own = _nameless(text)
    return next(
        (
            other
            for other, pin in tools.items()
            if other != name and other not in present and pin.accepted and _nameless(pin.accepted) == own
        ),
        None,
    )


def _nameless(text: str) -> str:
    definition = json.loads(text)
    return canonical({key: value for key, value in definition.items() if key not in ("name", "title")})


def accept(pin: Pin, by: str) -> Pin:
    """A person has looked at the definition that waits, and accepts it."""
    return Pin(pin.waiting or pin.accepted, denied=pin.denied, by=by)


def deny(pin: Pin, by: str) -> Pin:
    """A person refuses what waits, or what was accepted where nothing waits. The same definition is not shown again."""
    refused = pin.waiting or pin.accepted
    accepted = pin.accepted if pin.waiting else ""
    return Pin(accepted, denied=(*pin.denied, digest(refused)), by=by)
