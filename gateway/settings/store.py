"""`[store]`: what gateways and their workers share."""

from __future__ import annotations

import re
from typing import Annotated, Final, Self

from pydantic import PlainValidator, model_validator

from gateway import units
from gateway.settings.fields import Choice, FilePath, Table, Variable
from gateway.state.limit import OnError
from gateway.state.redis.place import Place

MEMORY: Final = "memory://"
"""The URL of the store that is in this process."""
_MIN_STORE_TIMEOUT: Final = 0.005
_MAX_STORE_TIMEOUT: Final = 5.0
"""Seconds: each request may wait that long when the store hangs."""


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


class StoreTable(Table):
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
