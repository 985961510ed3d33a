"""What of a call's arguments is aimed at something: whole values by their sinks, and addresses inside longer ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from gateway.policy.call import Argument, Sink
from gateway.policy.provenance.spelling import EMAIL, IBAN, decoded, host_of, identifiers, scalar

_AIMED: Final = frozenset((Sink.PATH, Sink.URL, Sink.RECIPIENT, Sink.ACCOUNT, Sink.AMOUNT))
PROGRAMS: Final = frozenset((Sink.COMMAND, Sink.CODE, Sink.SQL))

_PATH: Final = re.compile(r"(?<![\w:/])(?:~|\.{1,2})?/[\w.~+-]+(?:/[\w.~+-]*)*")
"""A path in a program; not the one in a URL."""

MAX_TARGETS: Final = 200
"""Targets of one call that are traced. A call with more is held for that: what is behind them would go by unseen."""


class Target(Struct, frozen=True):
    """A value that decides where harm would be done. `is_content` marks an address in what is only carried along."""

    argument: Argument
    value: str
    sink: Sink
    is_content: bool = False


def targets(arguments: Sequence[Argument]) -> tuple[Target, ...]:
    """The targets of a call, those in contents last, and no more than one beyond those that are traced."""
    found = dict.fromkeys(
        (target.argument.path, target.value, target.sink, target.is_content)
        for argument in arguments
        for target in _of(argument)
    )
    by_path = {argument.path: argument for argument in arguments}
    # A text may hold any number of links, before or behind whom it is sent to.
    kept = sorted(found, key=lambda one: one[3])[: MAX_TARGETS + 1]
    return tuple(Target(by_path[path], value, sink, content) for path, value, sink, content in kept)


def _of(argument: Argument) -> Iterator[Target]:
    value = scalar(argument.value)
    if value is None:
        return
    sink = argument.sink
    if sink is Sink.RECIPIENT:
        yield from _recipients(argument, value)
    elif sink in _AIMED or sink in PROGRAMS:
        yield Target(argument, value, sink)
    if sink not in _AIMED:
        yield from _inside(argument, value, is_content=sink is Sink.TEXT)
    if sink in PROGRAMS:
        for path in _PATH.findall(value):
            yield Target(argument, path, Sink.PATH)
    if sink is Sink.URL or sink in PROGRAMS:
        for plain in decoded(value):
            yield from _inside(argument, plain, is_content=False)


def _recipients(argument: Argument, value: str) -> Iterator[Target]:
    """Each address of a list; a postal address has commas as well, and is one."""
    parts = [part.strip() for part in value.replace(";", ",").split(",") if part.strip()]
    if any(" " in part for part in parts):
        parts = [value]
    for part in EMAIL.findall(value) or parts:
        yield Target(argument, part, Sink.RECIPIENT)


def _inside(argument: Argument, value: str, *, is_content: bool) -> Iterator[Target]:
    """The addresses in a value: all of them where it is a program or one address, links where it is a text."""
    found = identifiers(value)
    for url in found.urls:
        yield Target(argument, url, Sink.URL, is_content)
    if is_content:
        return
    for email in found.emails:
        yield Target(argument, email, Sink.RECIPIENT)
    for address in found.ips:
        yield Target(argument, address, Sink.URL)
    for iban in found.ibans:
        yield Target(argument, iban, Sink.ACCOUNT)


def larger(target: Target) -> Iterator[str]:
    """What a value is a part of or made from, the closest first, for a value that stands nowhere as it is."""
    if target.sink is Sink.URL or "://" in target.value:
        if host := host_of(target.value):
            yield host
    elif "@" in target.value and EMAIL.fullmatch(target.value):
        yield target.value.partition("@")[2]
    elif target.sink is Sink.PATH:
        base = target.value.replace("\\", "/").rstrip("/").rpartition("/")[2]
        if len(base) > 4 and base != target.value:
            yield base


def is_address(target: Target) -> bool:
    """Whether the value says by its form alone that it is where something goes."""
    value = target.value
    return bool(EMAIL.fullmatch(value) or IBAN.fullmatch(value) or "://" in value)


LEAST_CARRIED: Final = 4
"""Characters from which a part of a URL can tell somebody something that was read."""


def asked_in(url: str) -> list[str]:
    """The values of a URL's query."""
    try:
        return [value for _, value in parse_qsl(urlsplit(url).query)]
    except ValueError:
        return []


def carried(url: str) -> Iterator[str]:
    """The parts of a URL in which data can leave: values of the query, segments of the path, labels of the host."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        labels = (parts.hostname or "").split(".")[:-2]
    except ValueError:
        return
    values = [value for _, value in parse_qsl(parts.query, keep_blank_values=True)]
    for piece in (*values, *parts.path.split("/"), *labels, parts.fragment, parts.username or ""):
        for plain in dict.fromkeys((piece, *decoded(piece))):
            if len(plain) >= LEAST_CARRIED:
                yield plain
