"""The tables of the configuration file, as frozen values. A value that does not fit raises with the accepted form.

Names in one table that refer to another (an agent's limits) are checked in `gateway.config`, which reads the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
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
from gateway.policy.hierarchy import Mode
from gateway.policy.profile import PROFILES, Profile, UnknownJson
from gateway.state.store import Limit
from gateway.units import Address
from gateway.verdict import Effect

DEFAULT_PRINCIPAL: Final = "default"
"""Who a caller is that shows no gateway key."""

_NAME: Final = re.compile(r"[a-z0-9-]+")
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
    return value.rstrip("/")


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


def _with_built_in(given: object) -> object:
    """The operator's tables over ours, key by key, so that one key can be added to a built-in upstream."""
    if not isinstance(given, dict):
        return given
    merged: dict[str, object] = {name: dict(table) for name, table in BUILT_IN.items()}
    for name, table in given.items():
        merged[name] = {**BUILT_IN.get(name, {}), **table} if isinstance(table, dict) else table
    return merged


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

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret_env is not None and self.secret_file is not None:
            raise ValueError("has two secrets; accepted: `secret_env` or `secret_file`, not both")
        return self


class Admin(_Table):
    """`[admin]`: health, metrics and status."""

    listen: Listen = Address("127.0.0.1", 8082)
    token_env: Variable | None = None


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


class Upstream(_Table):
    """`[upstreams.NAME]`: one API. The rest of a request's path is appended to `base_url` (no `/` at its end)."""

    dialect: Literal["openai", "anthropic", "gemini", "ollama", "azure", "bedrock", "vertex", "http"]
    base_url: Annotated[str, PlainValidator(_base_url)]
    api_key_env: Variable | None = None
    verify: bool = True
    ca_file: FilePath | None = None


class Agent(_Table):
    """`[agents.NAME]`: one caller, known by its gateway key."""

    key_env: Variable | None = None
    key_sha256: Annotated[str, PlainValidator(_sha256)] | None = None
    profile: ProfileName | None = None
    limits: Array[str] = ()

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.key_env is None) == (self.key_sha256 is None):
            raise ValueError("needs one key; accepted: `key_env` or `key_sha256`, not both")
        return self


class LimitTable(_Table):
    """`[limits.NAME]`: so many requests in a time, counted for each agent at each upstream."""

    requests: Count
    per: Duration = 60.0
    burst: Count | None = None
    agents: Array[str] = ()
    upstreams: Array[str] = ()


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


class Config(_Table):
    """The whole configuration."""

    gateway: Gateway = Gateway()
    admin: Admin = Admin()
    rules: Rules = Field(default_factory=Rules)  # a default is copied, and its mapping cannot be
    upstreams: Annotated[
        Named[Annotated[str, AfterValidator(_upstream_name)], Upstream], BeforeValidator(_with_built_in)
    ] = _NONE
    agents: Named[Annotated[str, AfterValidator(_agent_name)], Agent] = Field(
        default_factory=dict, validate_default=True
    )
    limits: Named[Annotated[str, AfterValidator(_name)], LimitTable] = Field(
        default_factory=dict, validate_default=True
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
            effects=MappingProxyType(
                {**profile.effects, **{name: one for name, one in self.rules.effects.items() if name in HIDDEN}}
            ),
        )

    def limits_for(self, principal: str, upstream: str) -> tuple[Limit, ...]:
        """The limits that one request of this caller to that upstream takes from, in the order of the file.

        A limit that names no agent, and that no agent names, is everybody's.
        """
        return tuple(
            _limit(name, table, f"{name}/{principal}/{upstream}")
            for name, table in self.limits.items()
            if (not table.upstreams or upstream in table.upstreams) and principal in self._holders(name, principal)
        )

    def _holders(self, limit: str, principal: str) -> set[str]:
        named = {name for name, agent in self.agents.items() if limit in agent.limits}
        return named.union(self.limits[limit].agents) or {principal}


def _limit(name: str, table: LimitTable, key: str) -> Limit:
    period = round(table.per * 1e9)
    return Limit(name, key, quantity=table.requests, period_ns=period, burst=table.burst or table.requests)
