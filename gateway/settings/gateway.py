"""`[gateway]` and `[admin]`: the base-URL listener with its limits, and the admin listener."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import PlainValidator, model_validator

from gateway import units
from gateway.settings.fields import Array, Duration, FilePath, Listen, Pause, Size, Table, Variable
from gateway.units import Address

MAX_WORKERS: Final = 256
"""Processes of one gateway. More than the cores of a large machine are a slip of the pen."""


def _workers(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_WORKERS:
        shown = units.shown(value)
        raise ValueError(f"{shown} is no number of workers; accepted: a whole number from 1 to {MAX_WORKERS}")
    return value


class Gateway(Table):
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


class Admin(Table):
    """`[admin]`: health, metrics and status."""

    listen: Listen = Address("127.0.0.1", 8082)
    token_env: Variable | None = None
