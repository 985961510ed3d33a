"""The egress decision: may this caller send this request there, and may that address be dialled for it.

Nothing is allowed that no entry names. An entry that denies wins over every other. Among those that allow, the closest
one speaks alone: one host before many, a longer suffix or prefix before a shorter one, and then an entry that names the
caller before one for everybody. Entries that are equally close add up, and of their actions the stricter holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address

from gateway.errors import Malformed
from gateway.policy.egress import remedy
from gateway.policy.egress.address import METADATA_NAMES, NEVER, AddressClass, classify, opens
from gateway.policy.egress.entry import Action, Entry, Scheme
from gateway.policy.egress.host import Address, Host, of_address, parse_host, port_number, unmapped
from gateway.policy.egress.paths import only_reading, written
from gateway.policy.egress.pattern import Exactly, HostPattern, Within


@dataclass(frozen=True, slots=True)
class EgressDecision:
    """What is done with a request, and why.

    `entry` is the entry that decided, `pattern` the one of its patterns that names the host; both are None where no
    entry does. `host` is in normal form, and what is to be resolved; None if it cannot be read. `remedy` is the TOML
    that would allow what was denied, where there is any: an operator's to apply.
    """

    action: Action
    reason: str
    principal: str
    entry: Entry | None = None
    pattern: HostPattern | None = None
    host: Host | None = None
    port: int = 0
    remedy: str | None = None

    @property
    def is_inside(self) -> bool:
        """Whether the host is of the operator's own network, by the entry that decided."""
        return self.entry is not None and self.entry.is_inside


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, with its host in normal form."""

    principal: str
    scheme: Scheme
    host: Host
    port: int
    method: str | None
    path: str | None

    @property
    def place(self) -> str:
        return f"`{self.host}:{self.port}`"

    def decided(
        self, action: Action, reason: str, named: _Named | None = None, way: str | None = None
    ) -> EgressDecision:
        entry, pattern = (named.entry, named.pattern) if named else (None, None)
        return EgressDecision(action, reason, self.principal, entry, pattern, self.host, self.port, way)


@dataclass(frozen=True, slots=True)
class _Named:
    """An entry that speaks of a request's host, port and caller, and its pattern that names the host."""

    entry: Entry
    pattern: HostPattern

    @property
    def closeness(self) -> tuple[tuple[int, int], bool]:
        return self.pattern.rank, bool(self.entry.agents)

    def opens(self, address: Address) -> bool:
        """Whether the operator has named that address, which is no public one, for that host.

        A metadata service is opened for one host that is named in full: who could answer for a wildcard could answer
        with that address.
        """
        if classify(address).kind is AddressClass.METADATA and not self.pattern.rank[0]:
            return False
        own = isinstance(self.pattern, Within) and self.pattern.opens(address)
        return own or any(opens(network, address) for network in self.entry.addresses)


class EgressPolicy:
    """The list of entries. Immutable: a reload makes another."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._names = frozenset(entry.name for entry in self.entries)

    def decide(
        self,
        principal: str,
        scheme: Scheme,
        host: str,
        port: int,
        method: str | None = None,
        path: str | None = None,
    ) -> EgressDecision:
        """The decision on a request as it came: `host` in any spelling, `path` with or without its query.

        Without method and path, as at a CONNECT, it is that on the connection; each request inside is to be asked
        about again.
        """
        try:
            asked = _Asked(principal, scheme, parse_host(host), port_number(port), method, path)
        except Malformed as error:
            return EgressDecision(Action.DENY, str(error), principal)
        named = list(self._named(asked))
        return _denied(asked, named) or self._allowed(asked, named)

    def may_dial(self, decision: EgressDecision, address: str) -> EgressDecision | None:
        """A denial with its reason and remedy if the address may not be dialled for that decision, else None.

        `address` is one that the host resolved to, as text; this and no other is then to be dialled, whatever the name
        resolves to by then.
        """
        if (
            decision.action is Action.DENY
            or decision.entry is None
            or decision.pattern is None
            or decision.host is None
        ):
            return decision
        named = _Named(decision.entry, decision.pattern)
        asked = _Asked(decision.principal, Scheme.HTTPS, decision.host, decision.port, None, None)
        try:
            found = ip_address(address)
        except ValueError:
            return asked.decided(Action.DENY, f"{asked.place} resolves to what is no address", named)
        if isinstance(found, IPv6Address) and found.scope_id is not None:
            return asked.decided(Action.DENY, f"{asked.place} resolves to an address with a zone", named)
        return self._undialled(asked, named, unmapped(found))

    def _denying(self, asked: _Asked, found: Address) -> _Named | None:
        """The entry that denies an address, whatever name led there. Its methods and paths do not count: what a
        connection will carry is not known."""
        named = self._named(replace(asked, host=of_address(found)))
        return next((one for one in named if one.entry.action is Action.DENY), None)

    def _named(self, asked: _Asked) -> Iterator[_Named]:
        for entry in self.entries:
            pattern = entry.pattern_for(asked.host)
            if pattern is not None and entry.speaks_of(asked.principal, asked.port):
                yield _Named(entry, pattern)

    def _allowed(self, asked: _Asked, named: Sequence[_Named]) -> EgressDecision:
        if (fault := _unfit(asked)) is not None:
            return asked.decided(Action.DENY, fault)
        allowing = [one for one in named if one.entry.action is not Action.DENY]
        usable = [one for one in allowing if _opens_host(asked.host, one)]
        if not usable:
            return self._unnamed(asked, allowing)
        closest = max(one.closeness for one in usable)
        speaking = [one for one in usable if one.closeness == closest]
        fitting = [one for one in speaking if one.entry.takes_method(asked.method) and one.entry.takes_path(asked.path)]
        if not fitting:
            return self._not_taken(asked, speaking[0])
        inspecting = (one for one in fitting if one.entry.action is Action.INSPECT)
        return _settled(asked, named, next(inspecting, fitting[0]))

    def _unnamed(self, asked: _Asked, shut: Sequence[_Named]) -> EgressDecision:
        """The denial of a host that no entry names, or none that may open what it is."""
        what = f"no entry of [egress] names {asked.place} for `{asked.principal}`"
        if shut:
            kind = classify(asked.host.address) if asked.host.address else "a metadata service"
            what = f"{asked.place} is {kind}, and no entry of [egress] names it in full"
        return asked.decided(
            Action.DENY, what, shut[0] if shut else None, remedy.table(asked.host, asked.port, self._names)
        )

    def _not_taken(self, asked: _Asked, named: _Named) -> EgressDecision:
        """The denial of a request whose method or path the entry that speaks does not have."""
        entry = named.entry
        if not entry.takes_method(asked.method):
            what = f"[{entry.name}] allows {', '.join(sorted(entry.methods))} to {asked.place} and no other method"
        else:
            what = f"[{entry.name}] allows {', '.join(map(written, entry.paths))} at {asked.place} and no other path"
            if only_reading(asked.path or "") is None:
                what += "; this one can be read in more ways than one"
        if remedy.is_own(entry):
            return asked.decided(Action.DENY, what, named, remedy.with_request(entry, asked.method, asked.path))
        return asked.decided(Action.DENY, what, named, self._beside(asked))

    def _beside(self, asked: _Asked) -> str | None:
        """A table that allows just this request, beside an entry that is not written under [egress]."""
        methods = [] if asked.method is None else [asked.method]
        steps = only_reading(asked.path or "/")
        if steps is None or not all(map(remedy.is_method, methods)):
            return None
        paths = [] if asked.path is None else [written(steps)]
        return remedy.table(asked.host, asked.port, self._names, methods=methods, paths=paths)

    def _undialled(self, asked: _Asked, named: _Named, found: Address) -> EgressDecision | None:
        literal = asked.host.address
        if literal is not None and found != literal:
            return asked.decided(Action.DENY, f"`{found}` is not the address {asked.place} that was asked for", named)
        if literal is None and (denying := self._denying(asked, found)) is not None:
            what = f"{asked.place} resolves to `{found}`, which [{denying.entry.name}] denies"
            return asked.decided(Action.DENY, what, denying)
        classed = classify(found)
        if classed.kind is AddressClass.PUBLIC or named.opens(found):
            return None
        what = f"{asked.place} resolves to `{found}`, which is {classed}"
        if classed.kind in NEVER:
            return asked.decided(Action.DENY, f"{what}; no entry can allow it", named)
        needs_full_name = classed.kind is AddressClass.METADATA and not named.pattern.rank[0]
        if remedy.is_own(named.entry) and not needs_full_name:
            way = remedy.with_address(named.entry, found)
        else:
            way = remedy.table(asked.host, asked.port, self._names, addresses=[found])
        return asked.decided(Action.DENY, f"{what}; [{named.entry.name}] does not list it in `addresses`", named, way)


def _denied(asked: _Asked, named: Iterable[_Named]) -> EgressDecision | None:
    for one in named:
        if one.entry.action is Action.DENY and one.entry.denies(asked.method, asked.path):
            about = "requests of that method and path to " if one.entry.is_conditional else ""
            return asked.decided(Action.DENY, f"[{one.entry.name}] denies {about}{asked.place}", one)
    return None


def _unfit(asked: _Asked) -> str | None:
    """What no entry can make good."""
    if asked.scheme is Scheme.HTTP and asked.port == remedy.DEFAULT_PORT:
        return f"{asked.place} speaks TLS; ask for it by https"
    if asked.host.address is not None and (classed := classify(asked.host.address)).kind in NEVER:
        return f"{asked.place} is {classed}; no entry can allow it"
    return None


def _opens_host(host: Host, named: _Named) -> bool:
    """Whether the entry may speak of that host: one that is no public address, or a metadata service by its name, has
    to be named as such."""
    if host.address is not None:
        return classify(host.address).kind is AddressClass.PUBLIC or named.opens(host.address)
    return host.name not in METADATA_NAMES or isinstance(named.pattern, Exactly)


def _settled(asked: _Asked, named: Iterable[_Named], chosen: _Named) -> EgressDecision:
    """The decision of the entry that allows a request; a tunnel only where nothing has to be seen."""
    entry = chosen.entry
    if entry.action is not Action.TUNNEL:
        return asked.decided(Action.INSPECT, f"[{entry.name}] allows {asked.place}", chosen)
    if asked.scheme is Scheme.HTTP:
        return asked.decided(Action.INSPECT, f"[{entry.name}] allows {asked.place}; it comes in the clear", chosen)
    blind = next((one.entry.name for one in named if one.entry.action is Action.DENY), None)
    if blind is None:
        return asked.decided(Action.TUNNEL, f"[{entry.name}] allows {asked.place} uninspected", chosen)
    what = f"[{blind}] denies some requests to {asked.place}, and nothing is seen in the tunnel of [{entry.name}]"
    return asked.decided(Action.DENY, what, chosen, remedy.inspected(entry))
