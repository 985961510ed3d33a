"""Keeps secrets out of tickets, and puts them back into edited arguments.

A mask turns a text into one that can be shown. Where a person edits the arguments that it left, a masked text that
stays as it is stands for the original; one that was changed or moved stands for nothing, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from gateway.approve.ticket import Hidden
from gateway.segment import Path

type Mask = Callable[[str], str]
"""Puts markers in the place of secrets and personal data; a text without any comes back as it is."""


class Masked(Struct, frozen=True):
    """Arguments to be shown, as JSON text, and where they are masked; None where names of members are."""

    text: str
    hidden: tuple[Hidden, ...] | None


def masked(value: Any, mask: Mask) -> Masked:
    """Raises ValueError for what JSON has no form for."""
    hidden: list[Hidden] = []
    names: list[str] = []
    shown = _shown(value, (), mask, hidden, names)
    return Masked(written(shown), None if names else tuple(hidden))


def written(value: Any) -> str:
    """As JSON text in ASCII, which any store and terminal can hold. Raises ValueError."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _shown(value: Any, path: Path, mask: Mask, hidden: list[Hidden], names: list[str]) -> Any:
    if isinstance(value, dict):
        shown: dict[str, Any] = {}
        for name, member in value.items():
            told = mask(name)
            if told != name:
                names.append(name)
                while told in shown or told in value:
                    told += "+"  # two names that are masked alike are two members all the same
            shown[told] = _shown(member, (*path, name), mask, hidden, names)
        return shown
    if isinstance(value, list | tuple):
        return [_shown(item, (*path, at), mask, hidden, names) for at, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else json.dumps(value)  # a card's number may be a number
    told = mask(text)
    if told == text:
        return value
    hidden.append(Hidden(path, told, _marker(text, told)))
    return told


def _marker(text: str, told: str) -> str:
    """What is new in a masked text: from where the two first differ to where they last do."""
    start = next((at for at, (a, b) in enumerate(zip(text, told, strict=False)) if a != b), min(len(text), len(told)))
    end = 0
    while end < min(len(text), len(told)) - start and text[-1 - end] == told[-1 - end]:
        end += 1
    return told[start : len(told) - end]


def checked(edited: Any, arguments: Any, hidden: tuple[Hidden, ...] | None) -> None:
    """Hold a person's arguments to what can be made of them. `arguments` are the masked ones. Raises ValueError."""
    if isinstance(arguments, dict) != isinstance(edited, dict):
        raise ValueError("the arguments of this call are an object, and have to stay one")
    if hidden is None:
        raise ValueError(
            "names of its arguments are masked, so that they cannot be edited; approve or deny it as it is"
        )
    places = {one.path: one.text for one in hidden}
    markers = {one.marker for one in hidden if one.marker}
    for path, text in _texts(edited, ()):
        if places.get(path) != text and any(marker in text for marker in markers):
            raise ValueError(
                f"`{_spelt(path)}` holds a masked text that was changed or moved; leave it alone, or replace all of it"
            )


def restored(edited: Any, hidden: tuple[Hidden, ...] | None, original: Any) -> Any:
    """The edited arguments with the original in each masked place that was left as it is. Raises ValueError."""
    places = {one.path: one.text for one in hidden or ()}
    return _restored(edited, (), places, original)


def _restored(value: Any, path: Path, places: dict[Path, str], original: Any) -> Any:
    if isinstance(value, dict):
        return {name: _restored(member, (*path, name), places, original) for name, member in value.items()}
    if isinstance(value, list):
        return [_restored(item, (*path, at), places, original) for at, item in enumerate(value)]
    if isinstance(value, str) and places.get(path) == value:
        return _at(original, path)
    return value


def _at(original: Any, path: Path) -> Any:
    for step in path:
        if isinstance(original, dict) and step in original:
            original = original[step]
        elif isinstance(original, list | tuple) and isinstance(step, int) and step < len(original):
            original = original[step]
        else:
            raise ValueError(f"what was masked at `{_spelt(path)}` is gone")
    return original


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text, names of members included."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*path, name, _NAME), name
            yield from _texts(member, (*path, name))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _texts(item, (*path, at))
    elif isinstance(value, str):
        yield path, value


_NAME: Final = -1
"""Behind the path of a member: its name, and not what it holds."""


def _spelt(path: Path) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path if step != _NAME)
    return "".join(steps).lstrip(".") or "the arguments"
