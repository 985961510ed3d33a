"""The proxy way in: requests in absolute form, and those inside a tunnel whose TLS ended here.

Where a request may go is the egress policy's to say, before anything is resolved. What it leads to is then an upstream
like any other: one that is configured, or plain HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Final, override

from aiohttp import hdrs, web

from gateway.dialect.families import FAMILIES
from gateway.errors import ClientError, Code, Malformed
from gateway.policy.egress.agreement import disagreement
from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.host import Authority, authority
from gateway.policy.egress.override import overrides
from gateway.policy.egress.policy import EgressDecision, EgressPolicy
from gateway.serve.base_url import admitted, check_dots
from gateway.serve.dial import Way, bracketed
from gateway.serve.entrance import PLACE, Entrance
from gateway.serve.headers import end_to_end
from gateway.serve.identity import KNOWN, Caller, Known, Proof, identify, joined, known_to_proxy
from gateway.serve.listener import Handle
from gateway.serve.posture import Posture
from gateway.serve.ticket import client_of, refuse_ticket
from gateway.serve.upstream import Upstream
from gateway.settings import Anonymous

_ABSOLUTE: Final = re.compile(r"(?:http|ws)(s?)://([^/?#]+)([/?][!-\"$-~]*)?", re.IGNORECASE)
"""A target in absolute form (RFC 9112, section 3.2.2), printable ASCII without a fragment. A WebSocket begins with a
request of HTTP, and some clients leave its own scheme in the target (aiohttp)."""
_ORIGIN: Final = re.compile(r"/[!-\"$-~]*")

_PORTS: Final[Mapping[str, int]] = {Scheme.HTTP: 80, Scheme.HTTPS: 443}


@dataclass(frozen=True, slots=True)
class Tunnel:
    """What a CONNECT led to: the authority that the client named, how it speaks inside, and what it showed.

    `spelt` is the authority's host as the client wrote it. `shown` are the fields with the credentials for the proxy;
    whose they are is asked with each request inside, since a key may be withdrawn while the tunnel is open.
    """

    authority: Authority
    spelt: str
    scheme: Scheme
    shown: Mapping[str, str]


TUNNEL: Final = web.RequestKey("tunnel", Tunnel)
"""Where a request keeps the tunnel that it came through."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where a request wants to go. `target` is path and query."""

    scheme: Scheme
    authority: Authority
    spelt: str
    target: str

    @property
    def port(self) -> int:
        return self.authority.port or _PORTS[self.scheme]

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{bracketed(self.authority.host.name)}:{self.port}"


class Proxy(Entrance):
    """The handler of the proxy listener, and of each tunnel that leads through it (see `inside`)."""

    def inside(self, tunnel: Tunnel) -> Handle:
        """The handler of what comes through a tunnel."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            request[TUNNEL] = tunnel
            return await self(request)

        return handle

    @override
    def check(self, posture: Posture, request: web.BaseRequest) -> None:
        """Who may go where is known only with the host."""
        refuse_ticket(request.headers)

    @override
    def find(self, posture: Posture, request: web.BaseRequest) -> tuple[Upstream, str]:
        asked = self._asked(request)
        path = asked.target.partition("?")[0]
        request[PLACE] = asked.spelt, path
        check_dots(path)
        found = posture.places.find(asked.scheme, asked.authority.host, asked.port, asked.target)
        if found is not None:
            return found
        return Upstream("", FAMILIES["http"], asked.origin, tls=posture.tls), asked.target

    @override
    def admit(
        self, posture: Posture, upstream: Upstream, request: web.BaseRequest, target: str
    ) -> tuple[Upstream, Caller]:
        caller = identify(posture.whose, target, end_to_end(request.raw_headers))
        known = known_at(posture, joined(caller.known, self._shown_by(posture, request)), client_of(request))
        asked = self._asked(request)
        request[KNOWN] = known
        principal = known.principal
        decision = posture.egress.decide(principal, asked.scheme, asked.spelt, asked.port, request.method, asked.target)
        if decision.action is Action.DENY:
            raise denied(decision)
        for where, method in overrides(request.headers.items(), asked.target.partition("?")[2]):
            other = posture.egress.decide(principal, asked.scheme, asked.spelt, asked.port, method, asked.target)
            if other.action is Action.DENY:
                raise denied(replace(other, reason=f"`{where}` asks for another method: {other.reason}"))
        assert decision.host is not None  # only what cannot be read has none, and that is denied
        may_dial = partial(fault_of_address, posture.egress, decision)
        way = Way(asked.spelt, asked.scheme, decision.host.name, asked.port, may_dial)
        name = upstream.name or (decision.entry.name if decision.entry is not None else "")
        reached = replace(upstream, name=name, way=way)
        return reached, admitted(reached, replace(caller, known=known))

    def _shown_by(self, posture: Posture, request: web.BaseRequest) -> Known:
        """Who showed credentials for the proxy: with the CONNECT, or with the request itself."""
        tunnel = request.get(TUNNEL)
        return known_to_proxy(posture.whose, request.headers if tunnel is None else tunnel.shown)

    def _asked(self, request: web.BaseRequest) -> _Asked:
        """Raises ClientError for a target that does not say where it goes, or says it in two ways."""
        if request.method == hdrs.METH_CONNECT:
            raise _unreadable("a CONNECT stands at the beginning of a connection to the proxy, and nowhere else")
        tunnel = request.get(TUNNEL)
        asked = _in_the_clear(request.raw_path) if tunnel is None else _inside(tunnel, request.raw_path)
        fields = request.headers.getall(hdrs.HOST, ())
        if tunnel is not None and not fields:
            raise _unreadable("a request inside a tunnel needs a Host field")
        for field in fields:
            fault = disagreement(Authority(asked.authority.host, asked.port), asked.scheme, host_field=field)
            if fault is not None:
                raise ClientError(fault, code=Code.EGRESS, status=HTTPStatus.FORBIDDEN)
        return asked


def known_at(posture: Posture, shown: Known, remote: str | None) -> Known:
    """Whose request it is: by what it showed, or where that names no agent by the address that it comes from. Raises
    ClientError where nobody may be unknown."""
    at = None if shown.agent is not None else posture.agent_at(remote)
    known = shown if at is None else Known(at, Proof.ADDRESS)
    if known.agent is None and posture.config.proxy.anonymous is Anonymous.REFUSE:
        raise ClientError(
            "the proxy wants a gateway key; its URL is then http://AGENT:KEY@HOST:PORT, with the key of "
            "[agents.AGENT]; `lockgate exec --agent AGENT` sets one like it",
            code=Code.IDENTITY,
            status=HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        )
    return known


def denied(decision: EgressDecision) -> ClientError:
    """The refusal of a request that may not go where it wants to: why on its first line, then what would allow it."""
    return ClientError(decision.reason + _way_out(decision), code=Code.EGRESS, status=HTTPStatus.FORBIDDEN)


def _way_out(decision: EgressDecision) -> str:
    if decision.remedy is None:
        return ""
    # A table that is there already must not be pasted a second time, which is no TOML.
    is_there = decision.entry is not None and decision.remedy.startswith(f"[{decision.entry.name}]\n")
    change = "set these keys in" if is_there else "add to"
    return f"\nto allow it, {change} the gateway's configuration:\n{decision.remedy}"


def fault_of_address(policy: EgressPolicy, decision: EgressDecision, address: str) -> str | None:
    """Why that address may not be dialled for that decision."""
    refused = policy.may_dial(decision, address)
    return None if refused is None else str(denied(refused))


def _in_the_clear(raw: str) -> _Asked:
    found = _ABSOLUTE.fullmatch(raw)
    if found is None:
        raise _unreadable(
            "this is a proxy: the request target must be a URL, percent-encoded, without a fragment; base URLs have "
            "another listener"
        )
    scheme, place, target = Scheme.HTTPS if found[1] else Scheme.HTTP, found[2], found[3] or "/"
    return _Asked(scheme, read_authority(place), host_of(place), target if target[0] == "/" else f"/{target}")


def _inside(tunnel: Tunnel, raw: str) -> _Asked:
    if not _ORIGIN.fullmatch(raw):
        raise _unreadable("the request target must be a path, percent-encoded, without a fragment")
    return _Asked(tunnel.scheme, tunnel.authority, tunnel.spelt, raw)


def read_authority(text: str) -> Authority:
    """Raises ClientError for what names no host."""
    try:
        return authority(text)
    except Malformed as error:
        raise ClientError(str(error), code=Code.EGRESS, status=HTTPStatus.FORBIDDEN) from None


def host_of(place: str) -> str:
    """The host of an authority, as it is spelt."""
    return place if place.endswith("]") else place.rpartition(":")[0] or place


def _unreadable(message: str) -> ClientError:
    return ClientError(message, code=Code.UNREADABLE, status=HTTPStatus.BAD_REQUEST)
