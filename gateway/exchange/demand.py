"""What an exchange asks of the limits before it goes on, and what it has used of them when it is over."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from gateway.dialect.meter import Asked
from gateway.dialect.usage import Usage


class Consults(StrEnum):
    """When an exchange asks: before its body is read, or, where a limit needs what the body says, once it is judged."""

    EARLY = "early"
    LATE = "late"


class Part(StrEnum):
    """What of an exchange a demand is for."""

    WHOLE = "whole"  # a request and its answer
    OPENING = "opening"  # the upgrade of a session
    MESSAGE = "message"  # a message of a session that a model answers


class Demand(Struct, frozen=True):
    """What is asked of the limits.

    `asked` is None where nothing is counted in tokens, or was not looked at. `tools` are the names of the tools that
    the request calls, one for each call. `switched` is whether the model was switched already. `used` is what a
    session has used so far, and `is_over` whether that is all of what it asked for before.
    """

    part: Part = Part.WHOLE
    asked: Asked | None = None
    tools: tuple[str, ...] = ()
    switched: bool = False
    used: Usage = field(default_factory=dict)
    is_over: bool = False


class Counted(StrEnum):
    """Who counted the tokens of an exchange."""

    NOBODY = "nobody"  # none were used, or none are counted there
    PROVIDER = "provider"
    ESTIMATE = "estimate"  # from the texts that came
    RESERVATION = "reservation"  # nothing could be read of the answer: what was asked for


class Quota(Struct, frozen=True):
    """Where a limit stands, for a client. `unit` is as in the configuration; `reset_s` are seconds, and `reset_at` the
    same as a time (RFC 3339), until all of it is back."""

    unit: str
    limit: int
    remaining: int
    reset_s: int
    reset_at: str
