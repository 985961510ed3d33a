"""`[egress.NAME]`: where agents may go through the proxy."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, PlainValidator, model_validator

from gateway import units
from gateway.policy.egress import remedy
from gateway.policy.egress.entry import Action, Entry
from gateway.policy.egress.paths import Steps, prefix
from gateway.policy.egress.pattern import Below, HostPattern, host_pattern
from gateway.settings.fields import Addresses, Array, Choice, Table, read


def _host_pattern(value: object) -> HostPattern:
    return read(host_pattern, value)


def _prefix(value: object) -> Steps:
    return read(prefix, value)


def _method(value: object) -> str:
    return read(remedy.method, value)


def _some[V](values: tuple[V, ...]) -> tuple[V, ...]:
    if not values:
        raise ValueError("is empty; accepted: one or more")
    return values


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise ValueError(f"{units.shown(value)} is no port; accepted: a whole number from 1 to 65535")
    return value


type NamedHosts = Annotated[HostPattern, PlainValidator(_host_pattern)]
type Prefix = Annotated[Steps, PlainValidator(_prefix)]
type Method = Annotated[str, PlainValidator(_method)]
type Port = Annotated[int, PlainValidator(_port)]


class EgressTable(Table):
    """`[egress.NAME]`: hosts that agents may or may not reach through the proxy.

    Without ports it allows 443, or denies all; without methods, paths or agents it speaks of all of them.
    """

    hosts: Annotated[Array[NamedHosts], AfterValidator(_some)]
    action: Choice[Action]
    ports: Array[Port] = ()
    methods: Array[Method] = ()
    paths: Array[Prefix] = ()
    agents: Array[str] = ()
    addresses: Array[Addresses] = ()  # not public, and dialled all the same

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        if self.action is Action.TUNNEL and (self.methods or self.paths):
            raise ValueError("tunnels, where no method or path is seen; accepted: `inspect`, or none of these")
        if self.action is Action.DENY and self.addresses:
            raise ValueError("denies, and lists `addresses` to be dialled; accepted: addresses to deny in `hosts`")
        wide = [str(one) for one in self.hosts if isinstance(one, Below) and one.is_whole_top_level]
        if wide and self.action is not Action.DENY:
            raise ValueError(f"allows all of `{wide[0]}`; accepted: two labels or more, such as `*.example.com`")
        return self

    def entry(self, name: str) -> Entry:
        ports = self.ports or (() if self.action is Action.DENY else (remedy.DEFAULT_PORT,))
        return Entry(
            f"{remedy.TABLE}.{name}",
            self.hosts,
            self.action,
            frozenset(ports),
            frozenset(self.methods),
            self.paths,
            frozenset(self.agents),
            self.addresses,
        )
