"""What the gateway serves at a moment, as one frozen value: made anew on each reload, and kept by who began with it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from secrets import token_bytes
from time import time
from typing import Final

from gateway import keys
from gateway.config import Secrets
from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import RuleSet
from gateway.dialect.families import FAMILIES
from gateway.dialect.mcp_door import PREFIX, Door
from gateway.dialect.mcp_family import MCP
from gateway.errors import ClientError, Code, ConfigError
from gateway.exchange.gate import Gate
from gateway.launch import launch_of, refused
from gateway.limits.claims import Terms
from gateway.policy.egress.host import unmapped
from gateway.policy.egress.policy import EgressPolicy
from gateway.policy.firewall import Reads
from gateway.policy.tools.pinned import Pinning
from gateway.serve.asking import Approve, nobody_approves
from gateway.serve.denied import Denied
from gateway.serve.gates import firewall_of, gate_of, hierarchy_of
from gateway.serve.identity import Known, Proof, Site
from gateway.serve.mcp import Server
from gateway.serve.places import Places
from gateway.serve.upstream import Patience, Upstream
from gateway.settings import DEFAULT_PRINCIPAL, Config, McpServer
from gateway.settings import Upstream as UpstreamTable
from gateway.stops.decision import Stops
from gateway.units import Address

type Tls = ssl.SSLContext | bool
"""How a server's certificate is verified: by a context, by the roots of this machine (True), or not."""

SEAL_KEY: Final = "mcp addresses"
"""Purpose of the key that seals the addresses which MCP servers give out."""


@dataclass(frozen=True, slots=True)
class Posture:
    """Upstreams, principals and what they are judged by.

    `owner` tells whose gateway key a credential is. `gates` are by agent.
    `launch_key` is that of launchers' tokens; one that nobody has believes no token. `now` in seconds since the epoch.
    `approve` answers where calls of tools must be approved, `denied` remembers what providers wait for after refusals.
    """

    config: Config
    site: Site
    upstreams: Mapping[str, Upstream]
    owner: Callable[[str], str | None]
    default_gate: Gate
    gates: Mapping[str, Gate]
    patience: Patience
    places: Places
    egress: EgressPolicy
    tls: Tls = True
    mcp: Mapping[str, Server] = field(default_factory=dict)
    stops: Stops = field(default_factory=Stops)
    launch_key: bytes = field(default_factory=partial(token_bytes, keys.KEY_BYTES), repr=False)
    now: Callable[[], float] = time
    approve: Approve = nobody_approves
    denied: Denied = field(default_factory=partial(Denied, None, b""))
    _terms: dict[tuple[str, str], Terms] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The rule set's."""
        return self.default_gate.rules.digest

    def check_stops(self, principal: str, upstream: str) -> None:
        """Raise ClientError where an operator has stopped this caller, that upstream, or everything."""
        why = self.stops.against(principal, upstream)
        if why is not None:
            raise ClientError(why, code=Code.STOPPED, status=HTTPStatus.SERVICE_UNAVAILABLE)

    def whose(self, shown: str) -> Known | None:
        """Of whom a credential is; None where it is none of ours. Raises ClientError for a token not to be believed."""
        agent = self.owner(shown)
        if agent is not None:
            return Known(agent, Proof.KEY)
        launch = launch_of(self.launch_key, shown, self.now())
        if launch is None:
            return None
        if launch.agent == DEFAULT_PRINCIPAL:
            return Known(None, Proof.LAUNCHER, launch.isolation)
        if launch.agent not in self.config.agents:
            raise refused(f"is for the agent `{launch.agent}`, which is not configured")
        return Known(launch.agent, Proof.LAUNCHER, launch.isolation)

    def gate_for(self, principal: str) -> Gate:
        return self.gates.get(principal, self.default_gate)

    def agent_at(self, address: str | None) -> str | None:
        """The agent that comes from an address, by the narrowest network that one is configured with."""
        if address is None:
            return None
        try:
            found = unmapped(ip_address(address))
        except ValueError:
            return None  # a path, of a socket that is no network's
        networks = (
            (network.prefixlen, name)
            for name, agent in self.config.agents.items()
            for network in agent.addresses
            if found in network
        )
        return max(networks, default=(0, None))[1]

    def terms_for(self, principal: str, upstream: str) -> Terms:
        """What requests are held to. Remembered, as it is asked for with each request."""
        found = self._terms.get((principal, upstream))
        if found is None:
            found = self._terms[principal, upstream] = self.config.terms_for(principal, upstream)
        return found


def posture(
    config: Config,
    secrets: Secrets,
    rules: RuleSet,
    hierarchy_key: bytes,
    memory: VerdictMemory,
    launch_key: bytes,
    stopped_tools: Callable[[], Container[str]] = tuple,
    pins: Pinning | None = None,
    reads: Reads | None = None,
) -> Posture:
    """All that follows from configuration, credentials, rules, pins and what agents have read. Raises ConfigError where
    a CA file cannot be used."""
    hierarchy = hierarchy_of(config, hierarchy_key)

    toolbox, egress = config.toolbox(), config.egress_policy()

    def gate(principal: str) -> Gate:
        firewall = firewall_of(config, principal, toolbox, egress, hierarchy_key, pins=pins, reads=reads)
        return gate_of(config, rules, config.profile_for(principal), hierarchy, memory, stopped_tools, firewall)

    default = gate(DEFAULT_PRINCIPAL)
    patience = Patience(config.gateway.connect_timeout, config.gateway.first_byte_timeout, config.gateway.idle_timeout)
    seal = keys.derive(hierarchy_key, SEAL_KEY)
    roots = _roots("gateway", config.gateway.ca_file, beside_own=True)
    upstreams = {
        name: upstream(name, table, secrets.upstream_keys.get(name), roots) for name, table in config.upstreams.items()
    }
    servers = {
        name: server(name, table, secrets.upstream_keys.get(f"{PREFIX}/{name}"), seal, patience, roots)
        for name, table in config.mcp.items()
    }
    return Posture(
        config=config,
        site=site(config.gateway.listen, config.gateway.hosts, config.gateway.origins),
        upstreams=upstreams,
        owner=secrets.agent if secrets.agents else _nobody,
        default_gate=default,
        gates={name: _sharing(default, gate(name)) for name in config.agents},
        patience=patience,
        places=_places(upstreams, servers),
        egress=egress,
        tls=roots,
        mcp=servers,
        launch_key=launch_key,
    )


def _sharing(default: Gate, own: Gate) -> Gate:
    """An agent's gate. What became of parts of a body depends on the profile alone, and is shared by all of one."""
    return own if own.profile != default.profile else replace(default, firewall=own.firewall)


def _places(upstreams: Mapping[str, Upstream], servers: Mapping[str, Server]) -> Places:
    """Where what is configured stands, by its address."""
    by_url = [(upstream, upstream.base_url) for upstream in upstreams.values()]
    by_url += [(one.upstream, one.door.url) for one in servers.values()]
    return Places(by_url)


def site(listen: Address, hosts: tuple[str, ...] = (), origins: tuple[str, ...] = ()) -> Site:
    """The names of a listener: what it is configured with, and the host it listens on."""
    return Site(frozenset(name.lower() for name in (*hosts, listen.host)), frozenset(origins))


def server(name: str, table: McpServer, key: str | None, seal: bytes, patience: Patience, roots: Tls = True) -> Server:
    """An MCP server as configured. `seal` is the key of the addresses that it gives out."""
    door = Door(name, table.url, key=seal)
    tls = _tls(f"mcp.{name}", table, roots)
    patience = replace(patience, idle=table.idle_timeout)
    return Server(Upstream(f"{PREFIX}/{name}", MCP, door.origin, key, tls, patience), door)


def upstream(name: str, table: UpstreamTable, key: str | None, roots: Tls = True) -> Upstream:
    """An upstream as configured, with its TLS settings read. `roots` are what holds for all."""
    return Upstream(name, FAMILIES[table.dialect], table.base_url, key, _tls(f"upstreams.{name}", table, roots))


def _tls(table_name: str, table: UpstreamTable | McpServer, roots: Tls) -> Tls:
    if not table.verify:
        return False
    return roots if table.ca_file is None else _roots(table_name, table.ca_file)


def _roots(table_name: str, file: Path | None, *, beside_own: bool = False) -> Tls:
    """What certificates are verified by: the file alone, or beside the roots of this machine."""
    if file is None:
        return True
    try:
        context = ssl.create_default_context(cafile=None if beside_own else file)
        context.load_verify_locations(file)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or type(error).__name__
        raise ConfigError((f"{table_name}.ca_file: `{file}` cannot be used: {reason.lower()}",)) from error
    return context


def _nobody(_: str) -> str | None:
    return None
