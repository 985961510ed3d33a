"""What pins say against a tool: at its server, in a call, and in what an agent tells its model of it.

A call may reach a server by another way than the gateway's, so a model's call is held to the pins too. Which server it
is for is told by its name (`mcp__SERVER__TOOL`), else by what the agent told the model: where that is what a server
says of its tool, it is that tool.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from msgspec.structs import replace

from gateway.policy.call import Call, CallReason, shown
from gateway.policy.integrity import AGENT, Listed, Pin, Pins, Standing
from gateway.policy.provenance.judge import Strictness
from gateway.policy.tools.match import divided, plain
from gateway.policy.tools.retold import says_no_more
from gateway.policy.transcript import Defined
from gateway.verdict import Effect

CATEGORY: Final = "tool.integrity"

_UNSAID: Final = re.compile(r"[^\w-]", re.ASCII)

_WAYS: Final[Mapping[Standing, tuple[str, str]]] = {
    Standing.NEW: ("tool-new", "{tool} is new at its server"),
    Standing.CHANGED: ("tool-changed", "what its server says of {tool} has changed"),
    Standing.RENAMED: ("tool-renamed", "{tool} is one that was called {of} before"),
    Standing.IMITATES: ("tool-imitates", "{tool} is called as {of} is, or so that it looks alike"),
    Standing.MEDDLES: ("tool-meddles", "what its server says of {tool} speaks of {of}, which is another server's"),
    Standing.DENIED: ("tool-denied", "an operator has refused what its server says of {tool}"),
}
_UNSEEN: Final = "and nobody has accepted that yet; an operator can, with `lockgate pins`"


UNREAD: Final = CallReason(
    Effect.BLOCK, "tool-unread", CATEGORY, "it cannot be read now what was accepted of the tools of MCP servers"
)


class Pinning(Protocol):
    """What keeps the pins."""

    @property
    def known(self) -> Mapping[str, Pins]:
        """By server; under `agent:NAME` what an agent tells its model."""
        ...

    @property
    def is_read(self) -> bool:
        """Whether it is known what was accepted before."""
        ...

    def listed(
        self, server: str, definitions: Sequence[Mapping[str, Any]], *, goes_on: bool, trusting: bool
    ) -> tuple[Listed, ...]:
        """Take a listing, and tell how each tool stands, in order."""
        ...


def standing_reason(listed: Listed) -> CallReason | None:
    """What is against a tool that stands so; None for one that is accepted."""
    if not listed.is_held:
        return None
    rule, words = _WAYS[listed.standing]
    sentence = words.format(tool=shown(listed.name), of=shown(listed.of))
    if listed.standing is not Standing.DENIED:
        sentence = f"{sentence}, {_UNSEEN}"
    return CallReason(Effect.BLOCK, rule, CATEGORY, sentence)


def pinned_reasons(
    call: Call, defined: Defined | None, pins: Pinning, strictness: Strictness, agent: str
) -> tuple[CallReason, ...]:
    """What pins say against a call by that agent. `defined` is what its request told the model of the tool."""
    if call.server is not None and not pins.is_read:
        return (UNREAD,)
    if call.server is not None:
        return tuple(_at_server(call.server, call.name, pins.known))
    found = _named(call.name, pins.known)
    if found is not None:
        server, tool = found
        held = tuple(_at_server(server, tool, pins.known))
        return held or tuple(_altered(call, defined, server, pins.known[server].tools.get(tool), strictness))
    if defined is None:
        return ()
    told = _told(defined, pins.known)
    if told is not None:
        return tuple(filter(None, (standing_reason(told),)))
    return tuple(_as_before(defined, pins, strictness, agent))


def annotated(call: Call, defined: Defined | None, known: Mapping[str, Pins]) -> Defined | None:
    """What was told of a call's tool, with what its server says of it (`annotations` of MCP), in the definition that
    was accepted and in one that waits. `defined` is what its request told the model of it, None where it told nothing.
    """
    definitions = (text for pin in _meant(call, defined, known) for text in (pin.accepted, pin.waiting) if text)
    found = tuple(one for text in definitions if (one := _annotations(text)) is not None)
    return replace(defined or Defined(call.name), annotations=found) if found else defined


def _meant(call: Call, defined: Defined | None, known: Mapping[str, Pins]) -> Iterator[Pin]:
    """The pins of the tool that a call means; of several where what the model was told of it is said by several."""
    place = (call.server, call.name) if call.server is not None else _named(call.name, known)
    if place is not None:
        server, tool = place
        if server in known and tool in known[server].tools:
            yield known[server].tools[tool]
    elif defined is not None:
        for server, pin in _of_name(defined.name, known):
            if says_no_more(defined, pin.accepted, server) or says_no_more(defined, pin.waiting, server):
                yield pin


def _of_name(tool: str, known: Mapping[str, Pins]) -> Iterator[tuple[str, Pin]]:
    """The servers with a tool of that name, each with its pin."""
    for server, pins in known.items():
        if tool in pins.tools and not server.startswith(AGENT):
            yield server, pins.tools[tool]


@lru_cache(maxsize=512)
def _annotations(definition: str) -> Any:
    """Those in a canonical definition; None where there are none."""
    return json.loads(definition).get("annotations")


def _at_server(server: str, tool: str, known: Mapping[str, Pins]) -> Iterator[CallReason]:
    pins = known.get(server)
    if pins is None:
        return  # it has listed nothing here yet, or is no MCP server
    pin = pins.tools.get(tool, Pin())
    reason = standing_reason(Listed(tool, _standing(pin), pin.of))
    if reason is not None:
        yield reason


def _standing(pin: Pin) -> Standing:
    if pin.waiting:
        return pin.why or Standing.NEW
    if pin.accepted:
        return Standing.ACCEPTED
    return Standing.DENIED if pin.denied else Standing.NEW


def _named(name: str, known: Mapping[str, Pins]) -> tuple[str, str] | None:
    """The server and the tool that a call names, of those that are known; clients replace signs that no name may have
    at a provider."""
    for of, called in divided(plain(name)):
        for server, pins in known.items():
            if not server.startswith(AGENT) and _as_sent(server) == _as_sent(of):
                return server, next((tool for tool in pins.tools if _as_sent(tool) == _as_sent(called)), called)
    return None


def _as_sent(name: str) -> str:
    return _UNSAID.sub("_", plain(name))


def _altered(
    call: Call, defined: Defined | None, server: str, pin: Pin | None, strictness: Strictness
) -> Iterator[CallReason]:
    """Whether the model was told something of the tool that was never accepted."""
    if defined is None or pin is None or says_no_more(defined, pin.accepted, server):
        return
    effect = Effect.BLOCK if strictness is Strictness.STRICT else Effect.ASK
    words = f"the model was told something of {shown(call.name)} that its server did not say when it was accepted"
    yield CallReason(effect, "tool-altered", CATEGORY, words)


def _told(defined: Defined, known: Mapping[str, Pins]) -> Listed | None:
    """How the tool stands at the server that says of it what the model was told; None where none says that."""
    held: Listed | None = None
    for server, pin in _of_name(defined.name, known):
        if pin.accepted and says_no_more(defined, pin.accepted, server):
            return Listed(defined.name, Standing.ACCEPTED)
        if pin.waiting and says_no_more(defined, pin.waiting, server):
            held = Listed(defined.name, pin.why or Standing.NEW, pin.of)
    return held


def _as_before(defined: Defined, pins: Pinning, strictness: Strictness, agent: str) -> Iterator[CallReason]:
    """Whether the agent tells its model of the tool what it told before."""
    definition = {"name": defined.name, "description": defined.description, "inputSchema": defined.schema}
    (found,) = pins.listed(f"{AGENT}{agent}", [definition], goes_on=False, trusting=True)
    if found.standing is Standing.DENIED:
        words = f"an operator has refused what the model is told of {shown(defined.name)}"
        yield CallReason(Effect.BLOCK, "tool-denied", CATEGORY, words)
    elif found.is_held:
        effect = Effect.ASK if strictness is Strictness.STRICT else Effect.REPORT
        words = f"the model is told something else of {shown(defined.name)} than when this agent first used it"
        yield CallReason(effect, "tool-redefined", CATEGORY, words)
