"""Options and operands of a command line (POSIX XBD 12.2, and long options of GNU)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.policy.commands.evaluate.value import Arg, arg

type Options = list[tuple[str, Arg | None]]
"""Each option by its name, dashes and all, with its value."""


def split(args: Sequence[Arg], values: frozenset[str], *, stops: bool = False) -> tuple[Options, list[Arg]]:
    """Options and operands. `values` are the options that take one; with `stops` the first operand ends the options."""
    options: Options = []
    operands: list[Arg] = []
    rest = list(args)
    while rest:
        first = rest.pop(0)
        text = first.text
        if text == "--":
            return options, [*operands, *rest]
        if len(text) < 2 or text[0] != "-":
            operands.append(first)
            if stops:
                return options, [*operands, *rest]
        elif text.startswith("--") or text in values:
            name, equals, value = text.partition("=")
            given = _part(first, value) if equals else rest.pop(0) if name in values and rest else None
            options.append((name, given))
        else:
            options.extend(_cluster(first, values, rest))
    return options, operands


def _cluster(first: Arg, values: frozenset[str], rest: list[Arg]) -> Options:
    """Letters after one dash; the first that takes a value has what is left of them, or the next argument."""
    options: Options = []
    for place, letter in enumerate(first.text[1:], start=2):
        name = f"-{letter}"
        if name in values:
            inline = first.text[place:]
            value = _part(first, inline) if inline else rest.pop(0) if rest else None
            return [*options, (name, value)]
        options.append((name, None))
    return options


def _part(whole: Arg, text: str) -> Arg:
    return Arg(text, whole.is_known, whole.is_pattern, text) if not whole.is_known else arg(text)


def values_of(options: Options, *names: str) -> list[Arg]:
    """What is given with any of these options."""
    return [value for name, value in options if name in names and value is not None]


def has(options: Options, *names: str) -> bool:
    """Whether any of these options is there."""
    return any(name in names for name, _ in options)
