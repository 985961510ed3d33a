"""What the tables are made of: values that several of them hold, and what is accepted for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, Strict, ValidationInfo

from gateway import units
from gateway.policy.egress.address import Network
from gateway.policy.egress.pattern import network
from gateway.units import Address


class Table(BaseModel):
    """A table of the file: frozen, and without a key that is not its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


NO_TABLES: Final[Any] = Field(default_factory=dict, validate_default=True)
"""The default of a key that holds tables by name: the built-in ones, where there are some."""

_NAME: Final = re.compile(r"[a-z0-9-]+")


def plain_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("is no name; accepted: lower-case letters, digits and hyphens")
    return name


def web_address(value: object) -> str:
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


def _sha256(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("no SHA-256 digest of a key; accepted: 64 lower-case hex digits")
    return value


def read[V](reader: Callable[[str], V], value: object) -> V:
    """What a text stands for; the message begins with the value, which one of many in an array needs."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{units.shown(value)} is no text; accepted: text in quotes")
    try:
        return reader(value)
    except ValueError as error:
        raise ValueError(f"{units.shown(value)} {error}") from None


def _network(value: object) -> Network:
    return read(network, value)


def over(built_in: Mapping[str, Mapping[str, object]]) -> Callable[[object], object]:
    """Puts the operator's tables over ours, key by key, so that one key can be added to a table that is built in."""

    def merge(given: object) -> object:
        if not isinstance(given, dict):
            return given
        merged: dict[str, object] = {name: dict(table) for name, table in built_in.items()}
        for name, table in given.items():
            merged[name] = {**built_in.get(name, {}), **table} if isinstance(table, dict) else table
        return merged

    return merge


# TOML has arrays and strings where these are tuples and enums, so that much is converted; nothing else is.
type Array[V] = Annotated[tuple[V, ...], Strict(False)]
type Choice[E] = Annotated[E, Strict(False)]
type Named[K, V] = Annotated[Mapping[K, V], AfterValidator(MappingProxyType)]

type Name = Annotated[str, AfterValidator(plain_name)]
type Size = Annotated[int, PlainValidator(units.size)]
type Duration = Annotated[float, PlainValidator(units.seconds)]
type Pause = Annotated[float | None, PlainValidator(units.seconds_or_none)]
type Listen = Annotated[Address, PlainValidator(units.address)]
type FilePath = Annotated[Path, PlainValidator(_path)]
type Sha256 = Annotated[str, PlainValidator(_sha256)]
type Variable = Annotated[str, PlainValidator(_variable)]
type Addresses = Annotated[Network, PlainValidator(_network)]
type Count = Annotated[int, Field(ge=1)]
type ProfileName = Literal["monitor", "balanced", "strict"]
