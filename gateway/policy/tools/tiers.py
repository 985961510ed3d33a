"""What a tool can do to the world, by its name where nobody has said it.

The strictest verb of a name counts, and a name without a verb that is known is taken for one that sends. What a server
says of its own tools (the annotations of MCP) may make a tier stricter, never milder: who lies in a result lies there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.policy.call import Tier
from gateway.policy.tools.naming import is_plain, parts
from gateway.policy.tools.verbs import POWERS, RESETS, THINGS, UNSENT, VERBS

UNKNOWN: Final = Tier.SEND
"""The tier of a tool of which nothing is known: a person is asked each time."""

_POWERFUL: Final = re.compile(r"exec|shell|sudo|bash|subprocess")
"""What gives a name away even where its words are not told apart: `execcmd`, `runshell`."""

_REQUEST: Final = re.compile(r"([A-Z]{3,16}) (?:/|https?://)\S*")

_METHODS: Final[Mapping[str, Tier]] = {
    "GET": Tier.READ,  # safe by definition (RFC 9110, section 9.2.1), as are the next three
    "HEAD": Tier.READ,
    "OPTIONS": Tier.READ,
    "TRACE": Tier.READ,
    "QUERY": Tier.READ,
    "PUT": Tier.MODIFY,
    "PATCH": Tier.MODIFY,
    "POST": Tier.SEND,
    "DELETE": Tier.SEND,
}


class Tiered(Struct, frozen=True):
    """A tier, and why, in words that hold nothing of the tool's own but verbs of our table."""

    tier: Tier
    why: str


def tier_of(name: str) -> Tiered:
    """The tier of a tool by its name; of one that is named as a request of HTTP (`DELETE /users/3`), by its method."""
    if (request := _REQUEST.fullmatch(name)) is not None:
        return tier_of_method(request[1])
    found = max(_verbs(name), key=lambda one: one[1], default=None)
    if found is None:
        return _unknown(name)
    word, tier = found
    if tier < UNKNOWN and not is_plain(name):
        return Tiered(UNKNOWN, "its name has letters that look like others, or that nobody sees")
    return Tiered(tier, f"its name says `{word}`")


def tier_of_method(method: str) -> Tiered:
    """The tier of an HTTP request by its method, in any case of letters."""
    plain = method.upper()
    if plain not in _METHODS:
        return Tiered(UNKNOWN, "its method is not known")
    return Tiered(_METHODS[plain], f"its method is {plain}")


def hinted(tiered: Tiered, annotations: Iterable[Any]) -> Tiered:
    """The tier with what servers say of the tool (each the `annotations` of a definition of MCP), where that is
    stricter. A hint that is neither true nor false may be read as either, so it counts as the stricter."""
    found = [one for one in annotations if isinstance(one, Mapping)]
    if tiered.tier < Tier.SEND and any(one.get("destructiveHint") not in (None, False) for one in found):
        return Tiered(Tier.SEND, "its server says that it destroys")
    if tiered.tier < Tier.CREATE and any(one.get("readOnlyHint") not in (None, True) for one in found):
        return Tiered(Tier.CREATE, "its server says that it does not only read")
    return tiered


def _unknown(name: str) -> Tiered:
    power = next((found[0] for part in parts(name) for word in part if (found := _POWERFUL.search(word))), None)
    if power is not None:
        return Tiered(Tier.SYSTEM, f"its name holds `{power}`")
    return Tiered(UNKNOWN, "its name holds no verb that is known")


def _verbs(name: str) -> Iterator[tuple[str, Tier]]:
    """The verbs of a name, each with its tier. The parts before the last are servers and kinds of things, and of these
    only what is a verb and nothing else counts (`mcp__email__list`)."""
    *before, last = parts(name) or ((),)
    yield from ((word, VERBS[word]) for part in before for word in part if VERBS.get(word, Tier.READ) > Tier.READ)
    yield from _verbs_of(last)


def _verbs_of(part: tuple[str, ...]) -> Iterator[tuple[str, Tier]]:
    governing: Tier | None = None  # the strictest verb so far: what follows is its object
    is_unsent = not UNSENT.isdisjoint(part)
    for place, word in enumerate(part):
        thing = word.removesuffix("s")
        if word in RESETS:
            governing = None
        elif word in VERBS:
            yield word, VERBS[word]
            governing = max(governing or Tier.READ, VERBS[word])
        elif thing in THINGS and not is_unsent and governing in {None, Tier.CREATE}:
            # After a word that nobody knows it is most likely what that is done to: `frobnicate_records`.
            yield thing, THINGS[thing] if governing is not None or not place else max(THINGS[thing], UNKNOWN)
            governing = THINGS[thing]
        elif thing in POWERS and governing is not Tier.READ:
            yield thing, POWERS[thing]
