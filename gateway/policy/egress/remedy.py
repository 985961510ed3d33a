"""The TOML that would allow what was refused: a table to add, or the keys of a table as they would have to be."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from gateway.policy.egress.address import Network
from gateway.policy.egress.entry import Entry
from gateway.policy.egress.host import Address, Host
from gateway.policy.egress.paths import only_reading
from gateway.policy.egress.paths import written as written_path
from gateway.policy.egress.pattern import exactly, single, written

TABLE: Final = "egress"
DEFAULT_PORT: Final = 443
"""The port of an entry that names none."""

_METHOD: Final = re.compile(r"[A-Z]+(?:-[A-Z]+)*")
_OTHERS: Final = re.compile(r"[^a-z0-9]+")


def is_own(entry: Entry) -> bool:
    """Whether the entry is a table of `[egress]`, which an operator can change."""
    return entry.name.startswith(f"{TABLE}.")


def table(
    host: Host,
    port: int,
    taken: Collection[str],
    *,
    methods: Sequence[str] = (),
    paths: Sequence[str] = (),
    addresses: Sequence[Address] = (),
) -> str:
    """A new table for that host and port, under a name that no entry has. `taken` are the names of all entries."""
    lines = [f"[{_free(host, taken)}]", _array("hosts", [str(exactly(host))]), 'action = "inspect"']
    if port != DEFAULT_PORT:
        lines.append(f"ports = [{port}]")
    lines += [_array(key, values) for key, values in (("methods", methods), ("paths", paths)) if values]
    if addresses:
        lines.append(_array("addresses", [written(single(address)) for address in addresses]))
    return "\n".join(lines)


def with_request(entry: Entry, method: str | None, path: str | None) -> str | None:
    """The entry's methods and paths with those of a request; None where no configuration could name them."""
    lines = [f"[{entry.name}]"]
    if not entry.takes_method(method):
        if method is None or not is_method(method):
            return None
        lines.append(_array("methods", [*sorted(entry.methods), method]))
    if not entry.takes_path(path):
        steps = only_reading(path or "")
        if steps is None:
            return None
        lines.append(_array("paths", [*map(written_path, entry.paths), written_path(steps)]))
    return "\n".join(lines)


def with_address(entry: Entry, address: Address) -> str:
    """The entry's addresses with one more."""
    networks: tuple[Network, ...] = (*entry.addresses, single(address))
    return f"[{entry.name}]\n{_array('addresses', [written(one) for one in networks])}"


def inspected(entry: Entry) -> str:
    """The entry as one that inspects."""
    return f'[{entry.name}]\naction = "inspect"'


def is_method(text: str) -> bool:
    """Whether an entry can name the method: upper-case letters, as all registered ones are (IANA, RFC 9110)."""
    return _METHOD.fullmatch(text) is not None


def method(text: str) -> str:
    """The method, as an entry names it. Raises ValueError with the right spelling, where there is one."""
    if is_method(text):
        return text
    if is_method(text.upper()):
        raise ValueError(f'is not in normal form; write "{text.upper()}"')
    raise ValueError('is no method; accepted: upper-case letters, such as "GET"')


def _free(host: Host, taken: Collection[str]) -> str:
    name = f"{TABLE}.{_OTHERS.sub('-', host.name).strip('-') or 'host'}"
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _array(key: str, values: Iterable[str]) -> str:
    # A JSON string of these characters is a TOML string: normal forms hold nothing that the two escape differently.
    return f"{key} = {json.dumps(list(values))}"
