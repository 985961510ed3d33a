"""Reads the configuration: a file or a text becomes one frozen `Config`, or a ConfigError with every problem in it.

A problem is one line: `file:line: key: what is wrong; accepted form`. What the environment holds is asked for
separately, by the names that the file gives.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway import keys
from gateway.errors import ConfigError
from gateway.settings import (
    ADMIN_NAME,
    BUILT_IN,
    DEFAULT_PRINCIPAL,
    Agent,
    ApproverTable,
    Config,
    EgressTable,
    LimitTable,
    McpServer,
    PriceTable,
    ToolTable,
    Upstream,
    webhook_url,
)
from gateway.settings.arguments import ArgumentTable
from gateway.state.redis.place import Place
from gateway.toml_lines import line_of
from gateway.units import shown

__all__ = [
    "Config",
    "Secrets",
    "audit_folder",
    "ca_folder",
    "known_secret",
    "load",
    "parse",
    "read",
    "secret",
    "secrets",
    "state_folder",
    "store",
    "variables",
]

type _Path = tuple[str, ...]

_NAMED: Final[Mapping[str, type[BaseModel]]] = {
    "upstreams": Upstream,
    "mcp": McpServer,
    "agents": Agent,
    "approvers": ApproverTable,
    "limits": LimitTable,
    "prices": PriceTable,
    "egress": EgressTable,
    "tools": ToolTable,
}
"""The tables that hold one table for each name."""

_NAMED_WITHIN: Final[Mapping[tuple[type[BaseModel], str], type[BaseModel]]] = {
    **{(Config, key): table for key, table in _NAMED.items()},
    (ToolTable, "arguments"): ArgumentTable,
    (ToolTable, "sinks"): ArgumentTable,
}

_FORMS: Final[Mapping[str, str]] = {
    "string_type": "is no string; accepted: text in quotes",
    "bool_type": "is no switch; accepted: true or false",
    "int_type": "is no number; accepted: a whole number",
    "tuple_type": 'is no array; accepted: an array such as ["a", "b"]',
    "missing": "is missing",
}
_NO_TABLE: Final = "is no table; accepted: a table"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the environment holds, by the names in the configuration. Never shown by `repr`.

    `upstream_keys` are API keys by upstream (`mcp/NAME` for an MCP server); `agents` are agents by the SHA-256 digest
    (hex) of their gateway key, and so are `approvers` by that of their token. `webhook` is where approvals are told.
    """

    upstream_keys: Mapping[str, str] = field(repr=False)
    agents: Mapping[str, str] = field(repr=False)
    admin_token: str | None = field(repr=False)
    parent_proxy: str | None = field(default=None, repr=False)
    approvers: Mapping[str, str] = field(default=MappingProxyType({}), repr=False)
    webhook: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)

    def agent(self, key: str) -> str | None:
        """Whose gateway key this is. By digest, so that the time a look-up takes says nothing about a key."""
        return self.agents.get(_digest(key))

    def approver(self, token: str) -> str | None:
        """Whose token this is, likewise; `ADMIN_NAME` for that of `[admin]`."""
        return self.approvers.get(_digest(token))


def load(path: Path) -> Config:
    """The configuration in that file."""
    return parse(read(path), str(path))


def read(path: Path) -> str:
    """The text of that file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not UTF-8 text"
        raise ConfigError((f"{path}: cannot be read: {reason.lower()}",)) from error


def parse(text: str, source: str) -> Config:
    """The configuration in that TOML text. Relative paths in it start at the folder of `source`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((_syntax(source, str(error)),)) from error
    problems = list(_dangling(data))
    try:
        config = Config.model_validate(data, context={"folder": Path(source).absolute().parent})
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors(include_url=False)]
    else:
        if not problems:
            return config
    raise ConfigError(tuple(_located(problems, text, source)))


def state_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where the gateway keeps its own files: as configured, else by the XDG Base Directory Specification 0.8."""
    if config.gateway.state_dir is not None:
        return config.gateway.state_dir
    base = environ.get("XDG_STATE_HOME", "")
    if Path(base).is_absolute():  # the specification has a relative one ignored
        return Path(base) / "lockgate"
    if not environ.get("HOME"):
        raise ConfigError(("gateway.state_dir: is needed where neither XDG_STATE_HOME nor HOME is set",))
    return Path(environ["HOME"]) / ".local" / "state" / "lockgate"


def audit_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where the audit files are."""
    return config.audit.folder or state_folder(config, environ) / "audit"


def ca_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where the certificate authority is."""
    return config.proxy.ca_dir or state_folder(config, environ) / "ca"


def secret(config: Config, environ: Mapping[str, str]) -> bytes:
    """The gateway's secret, from which all keys are derived (`keys.derive`); made on the first run if none is named."""
    return _secret(config, environ, keys.secret_from_file)


def known_secret(config: Config, environ: Mapping[str, str]) -> bytes:
    """The secret of a gateway that runs: it is not made. Raises ConfigError where it cannot be read here."""
    return _secret(config, environ, keys.secret_in_file)


def _secret(config: Config, environ: Mapping[str, str], from_file: Callable[[Path], bytes]) -> bytes:
    variable = config.gateway.secret_env
    if variable is None:
        return from_file(config.gateway.secret_file or state_folder(config, environ) / "secret")
    if not environ.get(variable):
        raise ConfigError((_unset("gateway.secret_env", variable),))
    return keys.secret_from_text(environ[variable], f"gateway.secret_env: environment variable {variable}")


def secrets(config: Config, environ: Mapping[str, str]) -> Secrets:
    """All credentials that the configuration names. Raises ConfigError with every variable that is missing."""
    wanted = _wanted(config)
    problems = [_unset(key, name) for key, name in wanted.items() if not environ.get(name)]
    if problems:
        raise ConfigError(tuple(problems))
    values = {key: environ[name] for key, name in wanted.items()}
    upstream_keys = {name: values.get(f"upstreams.{name}.api_key_env") for name in config.upstreams}
    upstream_keys |= {f"mcp/{name}": values.get(f"mcp.{name}.api_key_env") for name in config.mcp}
    agents = _agents(config, values)
    return Secrets(
        upstream_keys=MappingProxyType({name: key for name, key in upstream_keys.items() if key is not None}),
        agents=MappingProxyType(agents),
        admin_token=values.get("admin.token_env"),
        parent_proxy=_parent(values.get("gateway.parent_proxy_env")),
        approvers=MappingProxyType(_approvers(config, values, agents)),
        webhook=_webhook(config, values.get("approvals.webhook_env")),
        webhook_secret=values.get("approvals.webhook_secret_env"),
    )


def variables(config: Config) -> frozenset[str]:
    """The environment variables that hold the gateway's credentials, its secret included."""
    own = {config.gateway.secret_env} if config.gateway.secret_env is not None else set()
    return frozenset(own.union(_wanted(config).values()))


def _wanted(config: Config) -> dict[str, str]:
    """The variables that hold credentials, by the key that names them."""
    wanted = {f"upstreams.{name}.api_key_env": table.api_key_env for name, table in config.upstreams.items()}
    wanted |= {f"mcp.{name}.api_key_env": table.api_key_env for name, table in config.mcp.items()}
    wanted |= {f"agents.{name}.key_env": table.key_env for name, table in config.agents.items()}
    wanted |= {f"approvers.{name}.token_env": table.token_env for name, table in config.approvers.items()}
    wanted["approvals.webhook_env"] = config.approvals.webhook_env
    wanted["approvals.webhook_secret_env"] = config.approvals.webhook_secret_env
    wanted["admin.token_env"] = config.admin.token_env
    wanted["store.url_env"] = config.store.url_env
    wanted["gateway.parent_proxy_env"] = config.gateway.parent_proxy_env
    return {key: name for key, name in wanted.items() if name is not None}


def _agents(config: Config, values: Mapping[str, str]) -> dict[str, str]:
    agents: dict[str, str] = {}
    for name, table in config.agents.items():
        key = values.get(f"agents.{name}.key_env")
        digest = table.key_sha256 or (_digest(key) if key is not None else None)
        if digest is None:
            continue  # known by its addresses alone
        if digest in agents:
            raise ConfigError((f"agents.{name}: has the same key as `{agents[digest]}`; accepted: a key of its own",))
        agents[digest] = name
    return agents


def _approvers(config: Config, values: Mapping[str, str], agents: Mapping[str, str]) -> dict[str, str]:
    """By the digests of their tokens. An agent that had one of these could approve its own calls."""
    admin = values.get("admin.token_env")
    found = {_digest(admin): ADMIN_NAME} if admin is not None else {}
    for name, table in config.approvers.items():
        token = values.get(f"approvers.{name}.token_env")
        digest = table.token_sha256 or _digest(token or "")
        if (other := found.get(digest) or agents.get(digest)) is not None:
            raise ConfigError((f"approvers.{name}: has the same token as `{other}`; accepted: a token of its own",))
        found[digest] = name
    return found


def _webhook(config: Config, url: str | None) -> str | None:
    if url is None:
        return config.approvals.webhook
    try:
        return webhook_url(url)
    except ValueError as error:
        raise ConfigError((f"approvals.webhook_env: holds {error}",)) from None


def _parent(url: str | None) -> str | None:
    """The URL of the parent proxy. It is not quoted where it is wrong: it may hold a password."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            ('gateway.parent_proxy_env: holds no URL of a proxy; accepted: "http://user:password@host:port"',)
        )
    return url


def store(config: Config, environ: Mapping[str, str]) -> Place | None:
    """Where the shared store is; None where there is none. Raises ConfigError."""
    variable = config.store.url_env
    if variable is None:
        return config.store.url
    url = environ.get(variable)
    if not url:
        raise ConfigError((_unset("store.url_env", variable),))
    try:
        return Place.read(url)
    except ValueError as error:
        raise ConfigError((f"store.url_env: holds {error}",)) from None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _unset(key: str, variable: str) -> str:
    return f"{key}: environment variable {variable} is not set; set it, or take the key out"


def _syntax(source: str, message: str) -> str:
    """tomllib says the place in its message only: `Expected '=' after a key (at line 3, column 5)`."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", message)
    what, line = (found[1], f":{found[2]}") if found else (message, "")
    return f"{source}{line}: not TOML: {what[:1].lower()}{what[1:]}"


def _located(problems: list[tuple[_Path, str]], text: str, source: str) -> Iterator[str]:
    placed = [(line_of(text, path), ".".join(path), what) for path, what in problems]
    for line, key, what in sorted(placed, key=lambda problem: problem[0] or 0):
        yield f"{source}{f':{line}' if line else ''}: {key}: {what}"


def _problem(detail: ErrorDetails) -> tuple[_Path, str]:
    path = tuple(str(part) for part in detail["loc"] if part != "[key]" and not isinstance(part, int))
    return path, _what(detail, path)


def _what(detail: ErrorDetails, path: _Path) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind in {"literal_error", "enum"}:
        return f"{shown(detail['input'])} is unknown; accepted: {context['expected'].replace(chr(39), '')}"
    if kind == "greater_than_equal":
        return f"{shown(detail['input'])} is too small; accepted: {context['ge']} or more"
    what = _FORMS.get(kind, _NO_TABLE)
    is_plain = kind != "missing" and not isinstance(detail["input"], dict | list)
    return f"{shown(detail['input'])} {what}" if is_plain else what


def _unknown(path: _Path) -> str:
    accepted = _keys_at(path[:-1])
    near = difflib.get_close_matches(path[-1], accepted, n=1)
    return f"unknown key; {f'did you mean `{near[0]}`? ' if near else ''}accepted: {', '.join(accepted)}"


def _keys_at(path: _Path) -> tuple[str, ...]:
    """The keys of the table at that path, as they are written."""
    table: type[BaseModel] = Config
    steps = iter(path)
    for part in steps:
        if (named := _NAMED_WITHIN.get((table, part))) is not None:
            next(steps, None)  # the name
            table = named
        else:
            table = table.model_fields[part].annotation  # type: ignore[assignment]  # tables hold keys and tables only
    return tuple(field.alias or name for name, field in table.model_fields.items())


def _dangling(data: Mapping[str, Any]) -> Iterator[tuple[_Path, str]]:
    """Names of one table that another does not have. Works on what was read, so that no other problem hides these."""
    limits = _table(data, "limits")
    agents = [*_table(data, "agents"), DEFAULT_PRINCIPAL]
    servers = [f"mcp/{name}" for name in _table(data, "mcp")]
    upstreams = list(dict.fromkeys([*BUILT_IN, *_table(data, "upstreams"), *servers]))
    yield from _missing(data, ("agents", "limits"), list(limits))
    yield from _missing(data, ("limits", "agents"), agents)
    yield from _missing(data, ("limits", "upstreams"), upstreams)
    yield from _missing(data, ("egress", "agents"), agents)
    yield from _missing(data, ("approvers", "agents"), agents)


def _missing(data: Mapping[str, Any], place: tuple[str, str], known: list[str]) -> Iterator[tuple[_Path, str]]:
    table, key = place
    for name in _table(data, table):
        given = _table(_table(data, table), name).get(key, [])
        for wanted in given if isinstance(given, list) else []:
            if isinstance(wanted, str) and wanted not in known:
                accepted = ", ".join(known) or f"none, as there is no [{key}.NAME]"
                yield (table, name, key), f"{shown(wanted)} is not configured; accepted: {accepted}"


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
