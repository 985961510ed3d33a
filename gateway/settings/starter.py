"""The shipped policies of tools: tables of `[tools]` with the proof of each, and how an operator's own go over them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from gateway import resources


@cache
def tables(policy: str) -> Mapping[str, Any]:
    """The tables of `[tools]` in that shipped policy."""
    return MappingProxyType(_read(policy).get("tools", {}))


@cache
def proofs(policy: str) -> Sequence[Mapping[str, Any]]:
    """The calls that prove it: `tool`, `arguments`, perhaps `server`; their `tier`, and the `rules` against each."""
    return tuple(_read(policy).get("proof", ()))


def over(chosen: Any, given: Any) -> Any:
    """An operator's tables over those of the chosen policies, key by key, down to the keys of single arguments.

    What is no list of shipped names, or no table, is left for validation to refuse.
    """
    names = chosen if isinstance(chosen, list | tuple) else ()
    merged: dict[str, Any] = {}
    for name in resources.tool_policy_names():
        merged |= tables(name) if name in names else {}
    return _merged(merged, given) if isinstance(given, Mapping) else given


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        own = below.get(key)
        if isinstance(own, Mapping) and isinstance(value, Mapping) and key != "schema":
            merged[key] = _merged(own, value)
        else:
            merged[key] = value
    return merged


def _read(policy: str) -> dict[str, Any]:
    return tomllib.loads(resources.tool_policy_text(policy))
