"""On what terms a call is carried out: how long it may take, and what its result is held to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from gateway.policy.tools.tool import TIMEOUT, Checked, ResultPolicy, Tool

PATIENCE: Final = 20.0
"""How many times its time a call may take that reports progress (the specification of 2025-11-25, under lifecycle, has
a clock begin anew with each report, and an end all the same)."""


class Became(StrEnum):
    """What became of the result of a call."""

    RETURNED = "returned"
    FAILED = "failed"  # the tool itself said so
    TOO_LARGE = "too_large"
    UNFIT = "unfit"  # not of its schema
    OVERDUE = "overdue"


class Result(Struct, frozen=True):
    """What a tool returned: bytes of it all, its texts, and its structured content where it `has_structure`. What is
    not readable has what it says elsewhere, if it is the result at all."""

    size: int
    texts: tuple[str, ...] = ()
    structure: Any = None
    has_structure: bool = False
    is_error: bool = False
    is_readable: bool = True


class Terms(Struct, frozen=True):
    """`timeout` is in seconds; `results` is what each table that means the tool holds its result to, by its name;
    `is_counted` is whether one of them says how often it may be called."""

    timeout: float = TIMEOUT
    results: tuple[tuple[str, ResultPolicy], ...] = ()
    is_counted: bool = False

    def fault(self, result: Result) -> tuple[Became, str] | None:
        """Why a result may not go to the agent, in words; None where it may. What a tool says of its own failure has no
        schema."""
        for table, policy in self.results:
            if not result.is_readable:
                return Became.UNFIT, f"what was returned has no content that could be held to [tools.{table}.result]"
            if policy.max_size is not None and result.size > policy.max_size:
                words = f"the result has {result.size} bytes, and [tools.{table}.result] allows {policy.max_size}"
                return Became.TOO_LARGE, words
            if policy.schema is not None and not result.is_error and (fault := _misfit(policy.schema, result)):
                return Became.UNFIT, f"the result {fault} of [tools.{table}.result]"
        return None


def terms_of(tools: Sequence[Tool]) -> Terms:
    """The terms of a call that these tables mean."""
    results = ((tool.name, tool.result) for tool in tools if tool.result != ResultPolicy())
    return Terms(
        min((tool.timeout for tool in tools), default=TIMEOUT),
        tuple(results),
        any(tool.requests_per_minute is not None for tool in tools),
    )


def _misfit(schema: Checked, result: Result) -> str | None:
    """The first fault in the values of a result: its structure, else its texts, as JSON where they are some."""
    values = iter([result.structure]) if result.has_structure else _values(result.texts)
    return next((fault for value in values if (fault := schema.fault(value)) is not None), None)


def _values(texts: Sequence[str]) -> Iterator[Any]:
    for text in texts or ("",):
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            yield text
