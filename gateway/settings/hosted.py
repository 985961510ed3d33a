"""`[hosted]`: which tools a request may ask the provider to run itself."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import PlainValidator

from gateway import units
from gateway.settings.fields import Array, Table

_KIND: Final = re.compile(r"[A-Za-z0-9_.-]+\*?|\*")


def _kind(value: object) -> str:
    if not isinstance(value, str) or not _KIND.fullmatch(value):
        accepted = 'accepted: a word such as "web_search", with a `*` at its end for all that begin so, or "*"'
        raise ValueError(f"{units.shown(value)} is no kind of tool; {accepted}")
    return value


type Kinds = Array[Annotated[str, PlainValidator(_kind)]]
"""Kinds of tools that providers run, in the words of `gateway.policy.transcript.Hosted` or as a request spells them."""


class HostedTable(Table):
    """`[hosted]`: for all agents that have no list of their own (`hosted` under `[agents.NAME]`)."""

    allow: Kinds = ()
