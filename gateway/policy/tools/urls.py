"""Which hosts, ports, schemes and paths a URL may name that a tool is given: the egress list's own matchers.

A URL that two parsers read differently is refused: what is checked here is not what the tool will dial by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from gateway.errors import Malformed
from gateway.policy.egress.address import METADATA_NAMES, AddressClass, classify
from gateway.policy.egress.host import Host, authority, parse_host
from gateway.policy.egress.paths import Steps, within, written
from gateway.policy.egress.pattern import Exactly, HostPattern, Within

WEB: Final = frozenset({"http", "https"})
"""The schemes that are allowed where none are listed."""

BLANK: Final = "about:blank"
"""The page that browsers start with: it comes from nowhere, and holds nothing."""

MAX_URL: Final = 8192
"""Characters: more than servers take (RFC 9110, section 4.1, recommends that they take 8000)."""

_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443, "ftp": 21}
_URL: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/?#]*)([^?#]*)(?:\?[^#]*)?(?:#.*)?", re.DOTALL)
_OPAQUE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!//)(?!\d{1,5}(?:[/?#]|$))")
_IPV6: Final = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_CONTROL: Final = re.compile(r"[\0-\x20\x7f]")


class Reach(StrEnum):
    """Which addresses and names of the inside a URL may name, where no entry of `hosts` names them."""

    ANY = "any"
    NOT_METADATA = "not-metadata"  # no service that has credentials for whoever asks
    PUBLIC = "public"


class HostPolicy(Struct, frozen=True):
    """Hosts, and the ports and schemes by which they are reached. An empty tuple or set is all of them, but for
    `schemes`, where it is the web's.

    `deny` wins. A host of the inside is allowed if `reach` has it, or if `hosts` names it in full.
    """

    hosts: tuple[HostPattern, ...] = ()
    deny: tuple[HostPattern, ...] = ()
    ports: frozenset[int] = frozenset()
    schemes: frozenset[str] = frozenset()
    paths: tuple[Steps, ...] = ()
    reach: Reach = Reach.NOT_METADATA

    def fault(self, text: str) -> str | None:
        """Why a URL, or a host with or without a port, may not be given, or None. The words hold nothing of it."""
        if text == BLANK:
            return None
        try:
            scheme, host, port, path = _read(text)
        except Malformed as error:
            return str(error)
        if scheme not in (self.schemes or WEB):
            return f"has a scheme that is none of {listed(sorted(self.schemes or WEB))}"
        if self.paths and not within(path, self.paths):
            return f"leads to a path that is not below {listed(map(written, self.paths))}"
        return self.host_fault(host, port)

    def host_fault(self, host: Host, port: int | None) -> str | None:
        """Why a host may not be reached at that port, or None; a port that is not known is none that is listed."""
        denying = next((pattern for pattern in self.deny if _is_denied(pattern, host)), None)
        if denying is not None:
            return f"names a host that is denied by `{denying}`"
        named = [pattern for pattern in self.hosts if pattern.names(host)]
        if self.hosts and not named:
            return f"names a host that is not {listed(self.hosts)}"
        if self.ports and port not in self.ports:
            return f"names a port that is not {listed(sorted(self.ports))}"
        inside = _inside(host)
        is_opened = any(isinstance(one, Exactly) or (isinstance(one, Within) and _opens(one, host)) for one in named)
        if inside is not None and not is_opened and self._bars(inside):
            return f"names {_article(inside)} {inside} address"
        return None

    def _bars(self, inside: AddressClass) -> bool:
        return self.reach is Reach.PUBLIC or (self.reach is Reach.NOT_METADATA and inside is AddressClass.METADATA)


def _read(text: str) -> tuple[str, Host, int | None, str]:
    """Scheme, host, port and path of a URL; `https` where there is no scheme. Raises Malformed."""
    if len(text) > MAX_URL:
        raise Malformed(f"is longer than {MAX_URL} characters")
    if _CONTROL.search(text.strip(" ")):
        raise Malformed("holds a blank or a control character")
    plain = text.strip(" ")
    if "\\" in plain:
        raise Malformed("holds a backslash, which some take for a slash")
    if _IPV6.fullmatch(plain):
        return "https", parse_host(plain), _PORTS["https"], "/"
    if (opaque := _OPAQUE.match(plain)) is not None:
        is_web = opaque[1].lower() in _PORTS
        raise Malformed("has a scheme without `//`" if is_web else "has a scheme that names no host")
    found = _URL.fullmatch(plain)
    assert found is not None  # every text without a backslash fits
    scheme = (found[1] or "https").lower()
    if not found[2]:
        raise Malformed("names no host")
    named = authority(found[2])
    return scheme, named.host, named.port or _PORTS.get(scheme), found[3] or "/"


def _is_denied(pattern: HostPattern, host: Host) -> bool:
    """Whether a pattern that denies is about a host: also by an address that stands within its own."""
    if pattern.names(host):
        return True
    inner = classify(host.address).inner if host.address is not None else None
    return isinstance(pattern, Within) and inner is not None and inner in pattern.network


def _inside(host: Host) -> AddressClass | None:
    """What kind of place on the inside a host is by its spelling; None for what may be public."""
    if host.address is not None:
        kind = classify(host.address).kind
        return None if kind is AddressClass.PUBLIC else kind
    if host.name in METADATA_NAMES:
        return AddressClass.METADATA
    # RFC 6761, section 6.3; RFC 6762, appendix G; and names without a dot, which only a search domain resolves
    if f".{host.name}".endswith(".localhost"):
        return AddressClass.LOOPBACK
    if "." not in host.name or host.name.endswith((".local", ".internal", ".lan", ".intranet", ".home", ".corp")):
        return AddressClass.PRIVATE
    return None


def _opens(pattern: Within, host: Host) -> bool:
    return host.address is not None and pattern.opens(host.address)


def _article(kind: AddressClass) -> str:
    return "an" if kind is AddressClass.UNSPECIFIED else "a"


def listed(names: Iterable[object], word: str = "or") -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{name}`" for name in names]
    return f" {word} ".join(quoted) if len(quoted) < 3 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"
