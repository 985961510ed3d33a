"""`[agents.NAME]`: who asks."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AfterValidator, model_validator

from gateway.policy.egress.pattern import written
from gateway.settings.fields import Addresses, Array, ProfileName, Sha256, Table, Variable, plain_name
from gateway.settings.hosted import Kinds
from gateway.settings.tools import ToolPattern

DEFAULT_PRINCIPAL: Final = "default"
"""Who a caller is that shows no gateway key."""


def _agent_name(name: str) -> str:
    if name == DEFAULT_PRINCIPAL:
        raise ValueError("is what a caller without a gateway key is called; accepted: another name")
    return plain_name(name)


type AgentName = Annotated[str, AfterValidator(_agent_name)]


class Agent(Table):
    """`[agents.NAME]`: one caller, known by its gateway key."""

    key_env: Variable | None = None
    key_sha256: Sha256 | None = None
    addresses: Array[Addresses] = ()  # whence it comes to the proxy
    profile: ProfileName | None = None
    limits: Array[str] = ()
    tools: Array[ToolPattern] | None = None  # the only ones that it may use
    hosted: Kinds | None = None  # in place of `allow` under `[hosted]`

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
