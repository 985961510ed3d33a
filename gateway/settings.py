"""The tables of the configuration file, as frozen values. A value that does not fit raises with the accepted form.

Names in one table that refer to another (an agent's limits) are checked in `gateway.config`, which reads the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    model_validator,
)

from gateway import units
from gateway.exchange.hidden import CATEGORIES as HIDDEN
from gateway.policy.egress import remedy
from gateway.policy.egress.address import Network
from gateway.policy.egress.encoded import CATEGORIES
from gateway.policy.egress.entry import Action, Entry
from gateway.policy.egress.paths import Steps, prefix
from gateway.policy.egress.pattern import Below, HostPattern, host_pattern, network, written
from gateway.policy.egress.policy import EgressPolicy
from gateway.policy.egress.providers import PROVIDERS
from gateway.policy.egress.upstream import upstream_entry
from gateway.policy.hierarchy import Mode
from gateway.policy.profile import PROFILES, Profile, UnknownJson
from gateway.state.limit import Limit, OnError, Rate, Unit
from gateway.state.redis.place import Place
from gateway.trust import name as names
from gateway.trust.name import Subtree
from gateway.units import Address
from gateway.verdict import Effect

DEFAULT_PRINCIPAL: Final = "default"
"""Who a caller is that shows no gateway key."""

_NAME: Final = re.compile(r"[a-z0-9-]+")
_MIN_LEAF: Final = 3600.0
MAX_LEAF: Final = 396 * 86400.0
"""Seconds. With the day that leaves are backdated 397 days: Apple's platforms refuse more than 398 (support article
102028), and go by the rules for all roots that come later. Those of the CA/Browser Forum (ballot SC-081v3) are down to
200 days, and will be 47 in 2029."""

MEMORY: Final = "memory://"
"""The URL of the store that is in this process."""
_MIN_STORE_TIMEOUT: Final = 0.005
_MAX_STORE_TIMEOUT: Final = 5.0
"""Seconds: each request may wait that long when the store hangs."""
MAX_WORKERS: Final = 256
"""Processes of one gateway. More than the cores of a large machine are a slip of the pen."""

_RESERVED: Final = frozenset({"mcp", "healthz"})  # paths of the gateway itself, now or soon

BUILT_IN: Final[Mapping[str, Mapping[str, object]]] = {
    "openai": {"dialect": "openai", "base_url": "https://api.openai.com"},
    "anthropic": {"dialect": "anthropic", "base_url": "https://api.anthropic.com"},
    "gemini": {"dialect": "gemini", "base_url": "https://generativelanguage.googleapis.com"},
    "ollama": {"dialect": "ollama", "base_url": "http://127.0.0.1:11434"},
}
"""The providers' own base addresses (API references of OpenAI, Anthropic, Gemini and Ollama, November 2026)."""


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("is no name; accepted: lower-case letters, digits and hyphens")
    return name


def _upstream_name(name: str) -> str:
    if name in _RESERVED:
        raise ValueError("is reserved for the gateway itself; accepted: another name")
    return _name(name)


def _agent_name(name: str) -> str:
    if name == DEFAULT_PRINCIPAL:
        raise ValueError("is what a caller without a gateway key is called; accepted: another name")
    return _name(name)


def _base_url(value: object) -> str:
    return _address(value).rstrip("/")


def _address(value: object) -> str:
    form = 'accepted: "https://host" or "https://host/path", http too, without query, fragment and credentials'
    if not isinstance(value, str) or not value.isascii() or any(letter <= " " or letter == "\\" for letter in value):
        raise ValueError(f"no plain URL; {form}")
    try:
        url = urlsplit(value)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    # The value is not quoted: what is wrong with it may be the password in it.
    if not usable or "@" in url.netloc or "?" in value or "#" in value:
        raise ValueError(f"not usable as a base URL; {form}")
    return value


def _path(value: object, info: ValidationInfo) -> Path:
    """A path; a relative one starts at the folder of the configuration file, whatever the working directory is."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{units.shown(value)} is no path; accepted: text, relative to this file's folder or absolute")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / Path(value).expanduser()


def _variable(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        # The value is not quoted: it may be the secret itself, pasted here by mistake.
        raise ValueError("no name of an environment variable; accepted: letters, digits and underscores")
    return value


def _workers(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_WORKERS:
        shown = units.shown(value)
        raise ValueError(f"{shown} is no number of workers; accepted: a whole number from 1 to {MAX_WORKERS}")
    return value


def _sha256(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("no SHA-256 digest of a key; accepted: 64 lower-case hex digits")
    return value


def _pair(value: object) -> tuple[str, str]:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) and part.strip() for part in value):
        return value[0], value[1]
    raise ValueError('no pair of delimiters; accepted: an opening and a closing text, such as ["<doc>", "</doc>"]')


def _effect(value: object) -> Effect:
    names = [effect.name.lower() for effect in Effect]
    if value not in names:
        raise ValueError(f"{units.shown(value)} is no effect; accepted: {', '.join(names)}")
    return Effect.named(str(value))


def _subtree(value: object) -> Subtree:
    return names.subtree(value if isinstance(value, str) else "")


def _leaf_lifetime(value: object) -> float:
    seconds = units.seconds(value)
    if not _MIN_LEAF <= seconds <= MAX_LEAF:
        raise ValueError(f"{units.shown(value)} is no lifetime of a certificate; accepted: from 1h to 396d")
    return seconds


def _unproxied(value: object) -> str:
    """An entry of NO_PROXY. No `*`, which sends everything past the gateway, no port, which some take for part of the
    name, and no `[::1]`, at which httpx 0.28 fails."""
    text = value if isinstance(value, str) else ""
    try:
        found = names.subtree(text.removeprefix("."))
    except ValueError:
        found = None
    if found is None or (text.startswith(".") and not isinstance(found, str)):
        raise ValueError(
            f"{units.shown(value)} is no host that all clients read alike; accepted: a name, a domain such as "
            '".example.com", an IP address without brackets, or a block of them'
        )
    return text


def _store_url(value: object) -> Place | None:
    if value == MEMORY:
        return None
    place = Place.read(value if isinstance(value, str) else "")
    if place.password is not None:
        # Not quoted, as it holds the password.
        raise ValueError("holds a password; accepted: `url_env`, the name of an environment variable with the URL")
    return place


def _prefix_of_keys(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
        raise ValueError(f"{units.shown(value)} is no beginning of keys; accepted: letters, digits, `.`, `_` and `-`")
    return value


def _store_timeout(value: object) -> float:
    seconds = units.seconds(value)
    if not _MIN_STORE_TIMEOUT <= seconds <= _MAX_STORE_TIMEOUT:
        raise ValueError(f"{units.shown(value)} is no time to wait for a store; accepted: from 5ms to 5s")
    return seconds


def _loopback(value: object) -> Address:
    """What is said here is believed by signature alone, so no other machine is to see it."""
    at = units.address(value)
    try:
        is_loopback = ip_address(at.host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback or at.port == 0:
        raise ValueError(f'{units.shown(value)} is no address of this machine alone; accepted: "127.0.0.1:8083"')
    return at


def _over(built_in: Mapping[str, Mapping[str, object]]) -> Callable[[object], object]:
    """Puts the operator's tables over ours, key by key, so that one key can be added to a table that is built in."""

    def merge(given: object) -> object:
        if not isinstance(given, dict):
            return given
        merged: dict[str, object] = {name: dict(table) for name, table in built_in.items()}
        for name, table in given.items():
            merged[name] = {**built_in.get(name, {}), **table} if isinstance(table, dict) else table
        return merged

    return merge


def _host_pattern(value: object) -> HostPattern:
    return _read(host_pattern, value)


def _network(value: object) -> Network:
    return _read(network, value)


def _prefix(value: object) -> Steps:
    return _read(prefix, value)


def _method(value: object) -> str:
    return _read(remedy.method, value)


def _read[V](read: Callable[[str], V], value: object) -> V:
    """What a text stands for; the message begins with the value, which one of many in an array needs."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{units.shown(value)} is no text; accepted: text in quotes")
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{units.shown(value)} {error}") from None


def _some[V](values: tuple[V, ...]) -> tuple[V, ...]:
    if not values:
        raise ValueError("is empty; accepted: one or more")
    return values


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise ValueError(f"{units.shown(value)} is no port; accepted: a whole number from 1 to 65535")
    return value


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# TOML has arrays and strings where these are tuples and enums, so that much is converted; nothing else is.
type Array[V] = Annotated[tuple[V, ...], Strict(False)]
type Choice[E] = Annotated[E, Strict(False)]
type Named[K, V] = Annotated[Mapping[K, V], AfterValidator(MappingProxyType)]

type Size = Annotated[int, PlainValidator(units.size)]
type Duration = Annotated[float, PlainValidator(units.seconds)]
type Pause = Annotated[float | None, PlainValidator(units.seconds_or_none)]
type Listen = Annotated[Address, PlainValidator(units.address)]
type FilePath = Annotated[Path, PlainValidator(_path)]
type Variable = Annotated[str, PlainValidator(_variable)]
type NamedHosts = Annotated[HostPattern, PlainValidator(_host_pattern)]
type Addresses = Annotated[Network, PlainValidator(_network)]
type Prefix = Annotated[Steps, PlainValidator(_prefix)]
type Method = Annotated[str, PlainValidator(_method)]
type Port = Annotated[int, PlainValidator(_port)]
type Count = Annotated[int, Field(ge=1)]
type ProfileName = Literal["monitor", "balanced", "strict"]


_NONE: Final[Any] = Field(default_factory=dict, validate_default=True)


class Format(StrEnum):
    """What a log line looks like."""

    CONSOLE = "console"
    JSON = "json"


class Gateway(_Table):
    """`[gateway]`: the base-URL listener and its limits. Sizes in bytes, times in seconds."""

    listen: Listen = Address("127.0.0.1", 8080)
    hosts: Array[str] = ()  # further names that a Host header may carry
    workers: Annotated[int, PlainValidator(_workers)] = 1
    origins: Array[str] = ()  # origins that a browser's request may come from
    max_request: Size = 32 * 2**20
    max_answer: Size = 64 * 2**20
    max_event: Size = 8 * 2**20
    connect_timeout: Duration = 10.0
    first_byte_timeout: Duration = 600.0  # what the vendors' SDKs wait by default
    idle_timeout: Pause = 300.0
    drain: Duration = 30.0
    secret_env: Variable | None = None
    secret_file: FilePath | None = None
    state_dir: FilePath | None = None
    ca_file: FilePath | None = None  # private roots, beside those of this machine
    parent_proxy_env: Variable | None = None

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret_env is not None and self.secret_file is not None:
            raise ValueError("has two secrets; accepted: `secret_env` or `secret_file`, not both")
        return self


class Anonymous(StrEnum):
    """What becomes of a caller of the proxy that no agent's key or address is known for."""

    DEFAULT = "default"  # it is the agent `default`
    REFUSE = "refuse"


class Proxy(_Table):
    """`[proxy]`: the proxy listener, and the certificate authority by which agents trust it. Times in seconds."""

    enabled: bool = True
    listen: Listen = Address("127.0.0.1", 8081)
    anonymous: Choice[Anonymous] = Anonymous.DEFAULT
    hop: Annotated[Address | None, PlainValidator(_loopback)] = None
    no_proxy: Array[Annotated[str, PlainValidator(_unproxied)]] = ("localhost", "127.0.0.1", "::1")
    ca_dir: FilePath | None = None
    name_constraints: Array[Annotated[Subtree, PlainValidator(_subtree)]] = ()
    leaf_lifetime: Annotated[float, PlainValidator(_leaf_lifetime)] = 7 * 86400.0


class Admin(_Table):
    """`[admin]`: health, metrics and status."""

    listen: Listen = Address("127.0.0.1", 8082)
    token_env: Variable | None = None


class StoreTable(_Table):
    """`[store]`: what gateways and their workers share, by default nothing. `timeout` in seconds."""

    url: Annotated[Place | None, PlainValidator(_store_url)] = None
    url_env: Variable | None = None
    ca_file: FilePath | None = None
    prefix: Annotated[str, PlainValidator(_prefix_of_keys)] = "lockgate"
    timeout: Annotated[float, PlainValidator(_store_timeout)] = 0.05
    on_error: Choice[OnError] = OnError.LOCAL

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.url is not None and self.url_env is not None:
            raise ValueError("has two places; accepted: `url` or `url_env`, not both")
        return self

    @property
    def is_shared(self) -> bool:
        """Whether there is a store that several workers can share."""
        return self.url is not None or self.url_env is not None


class Thresholds(_Table):
    """`thresholds` of `[rules]`: the sums of scores that act, in place of the profile's."""

    data: Count | None = None
    user: Count | None = None


class Rules(_Table):
    """`[rules]`: which rules are loaded, and what follows from a hit."""

    profile: ProfileName = "balanced"
    packs: Array[str] = ("injection", "pii", "secrets")
    folders: Array[FilePath] = ()
    disabled: Array[str] = ()  # rule ids
    shadow: Array[str] = ()  # rule ids
    effects: Named[str, Annotated[Effect, PlainValidator(_effect)]] = _NONE  # by rule id or category
    reload: bool = True
    thresholds: Thresholds = Thresholds()
    unknown_json: Choice[UnknownJson] | None = None

    @property
    def unruled_effects(self) -> Mapping[str, Effect]:
        """The `effects` of the categories that no rule has.

        Those of hidden text are the profile's rows and replace one each. Of the others, a category stands for those
        below it; the longer wins.
        """
        found = {name: effect for name, effect in self.effects.items() if name in HIDDEN}
        for name in sorted(self.effects, key=len):
            found |= {one: self.effects[name] for one in CATEGORIES if f"{one}.".startswith(f"{name}.")}
        return found


class Upstream(_Table):
    """`[upstreams.NAME]`: one API. The rest of a request's path is appended to `base_url` (no `/` at its end)."""

    dialect: Literal["openai", "anthropic", "gemini", "ollama", "azure", "bedrock", "vertex", "a2a", "http"]
    base_url: Annotated[str, PlainValidator(_base_url)]
    api_key_env: Variable | None = None
    verify: bool = True
    ca_file: FilePath | None = None


class McpServer(_Table):
    """`[mcp.NAME]`: one MCP server, reached at `/mcp/NAME`; the rest of a request's path is appended to `url`."""

    url: Annotated[str, PlainValidator(_address)]
    api_key_env: Variable | None = None
    idle_timeout: Pause = None  # streams of a server are quiet until it has something to say
    verify: bool = True
    ca_file: FilePath | None = None


class Agent(_Table):
    """`[agents.NAME]`: one caller, known by its gateway key."""

    key_env: Variable | None = None
    key_sha256: Annotated[str, PlainValidator(_sha256)] | None = None
    addresses: Array[Addresses] = ()  # whence it comes to the proxy
    profile: ProfileName | None = None
    limits: Array[str] = ()

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key_env is not None and self.key_sha256 is not None:
            raise ValueError("has two keys; accepted: `key_env` or `key_sha256`, not both")
        if self.key_env is None and self.key_sha256 is None and not self.addresses:
            raise ValueError("cannot be recognised; accepted: one of `key_env`, `key_sha256` and `addresses`")
        return self

    @property
    def known_by(self) -> tuple[str, ...]:
        """By what it is recognised: its key, and the addresses that do without one."""
        key = () if self.key_env is None and self.key_sha256 is None else ("key",)
        return (*key, *map(written, self.addresses))


class LimitTable(_Table):
    """`[limits.NAME]`: so many requests in a time, counted for each agent at each upstream."""

    requests: Count
    per: Duration = 60.0
    burst: Count | None = None
    agents: Array[str] = ()
    upstreams: Array[str] = ()
    on_error: Choice[OnError] | None = None


class EgressTable(_Table):
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


class HierarchyTable(_Table):
    """`[hierarchy]`: how untrusted text is marked, and what the model is told about it."""

    mode: Choice[Mode] = Mode.DELIMIT
    rules: str | None = None
    delimiters: Array[Annotated[tuple[str, str], PlainValidator(_pair)]] = ()


class AuditTable(_Table):
    """`[audit]`: the folder of the audit files. `keep` in seconds."""

    enabled: bool = True
    folder: FilePath | None = None
    keep: Duration = 90 * 86400.0
    fsync: bool = True


class Log(_Table):
    """`[log]`: the log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Choice[Format] = Format.CONSOLE


METADATA: Final = "/.well-known"
"""Where a server says beside its own paths how it is protected (RFC 8615; RFC 9728, section 3, and RFC 8414)."""


class Config(_Table):
    """The whole configuration."""

    gateway: Gateway = Gateway()
    proxy: Proxy = Proxy()
    admin: Admin = Admin()
    store: StoreTable = StoreTable()
    rules: Rules = Field(default_factory=Rules)  # a default is copied, and its mapping cannot be
    upstreams: Annotated[
        Named[Annotated[str, AfterValidator(_upstream_name)], Upstream], BeforeValidator(_over(BUILT_IN))
    ] = _NONE
    mcp: Named[Annotated[str, AfterValidator(_name)], McpServer] = Field(default_factory=dict, validate_default=True)
    agents: Named[Annotated[str, AfterValidator(_agent_name)], Agent] = Field(
        default_factory=dict, validate_default=True
    )
    limits: Named[Annotated[str, AfterValidator(_name)], LimitTable] = Field(
        default_factory=dict, validate_default=True
    )
    egress: Annotated[Named[Annotated[str, AfterValidator(_name)], EgressTable], BeforeValidator(_over(PROVIDERS))] = (
        _NONE
    )
    hierarchy: HierarchyTable = HierarchyTable()
    audit: AuditTable = AuditTable()
    log: Log = Log()

    def profile_for(self, principal: str) -> Profile:
        """The profile that judges this caller: its own or that of `[rules]`, with the thresholds of `[rules]`.

        So with its effects for hidden text; those for rules and their categories are for the rule set.
        """
        agent = self.agents.get(principal)
        profile = PROFILES[(agent.profile if agent else None) or self.rules.profile]
        return replace(
            profile,
            data_threshold=self.rules.thresholds.data or profile.data_threshold,
            user_threshold=self.rules.thresholds.user or profile.user_threshold,
            unknown_json=self.rules.unknown_json or profile.unknown_json,
            effects=MappingProxyType({**profile.effects, **self.rules.unruled_effects}),
        )

    def limits_for(self, principal: str, upstream: str) -> tuple[Limit, ...]:
        """The limits that one request of this caller to that upstream takes from, in the order of the file.

        A limit that names no agent, and that no agent names, is everybody's.
        """
        return tuple(
            _limit(name, table, f"{name}/{principal}/{upstream}", table.on_error or self.store.on_error)
            for name, table in self.limits.items()
            if (not table.upstreams or upstream in table.upstreams) and principal in self._holders(name, principal)
        )

    def egress_policy(self) -> EgressPolicy:
        """Where agents may go: the entries of `[egress]`, and each upstream and MCP server that none of them names."""
        entries = [table.entry(name) for name, table in self.egress.items()]
        return EgressPolicy([*entries, *self._upstream_entries(entries)])

    def _upstream_entries(self, entries: list[Entry]) -> Iterator[Entry]:
        found = [upstream_entry(f"upstreams.{name}", table.base_url) for name, table in self.upstreams.items()]
        found += [upstream_entry(f"mcp.{name}", table.url, METADATA) for name, table in self.mcp.items()]
        for entry in found:
            if entry is not None and not any(one.covers(entry) for one in entries):
                yield entry

    def _holders(self, limit: str, principal: str) -> set[str]:
        named = {name for name, agent in self.agents.items() if limit in agent.limits}
        return named.union(self.limits[limit].agents) or {principal}


def _limit(name: str, table: LimitTable, key: str, on_error: OnError) -> Limit:
    period = round(table.per * 1e9)
    return Limit(name, key, Unit.REQUESTS, Rate(table.requests, period, table.burst or table.requests), on_error)
