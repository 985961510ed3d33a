"""Pins as people and programs are shown them, by the command line and the admin listener."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.policy.integrity import Pin, Pins, Standing, difference, digest


def all_shown(known: Mapping[str, Pins], server: str | None = None, tool: str | None = None) -> list[dict[str, Any]]:
    """All pins, or those of a server or of one of its tools, by name. JSON values only."""
    return [
        shown(name, one, pin)
        for name, pins in sorted(known.items())
        if server in (None, name)
        for one, pin in sorted(pins.tools.items())
        if tool in (None, one)
    ]


def shown(server: str, tool: str, pin: Pin) -> dict[str, Any]:
    """One pin. `digest` names the definition that a decision would be on, `difference` is what changed in it."""
    definition = pin.waiting or pin.accepted
    return {
        "server": server,
        "tool": tool,
        "standing": str(_standing(pin)),
        "of": pin.of or None,
        "waits": bool(pin.waiting),
        "digest": digest(definition) if definition else None,
        "by": pin.by or None,
        "difference": difference(pin.accepted, pin.waiting) if pin.waiting else None,
    }


def _standing(pin: Pin) -> Standing:
    if pin.waiting:
        return pin.why or Standing.NEW
    return Standing.ACCEPTED if pin.accepted else Standing.DENIED
