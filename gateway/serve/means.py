"""What the carriers of exchanges and of sessions work with, whichever of the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.exchange.events import Ask, Settle
from gateway.exchange.recorded import ExchangeRecord
from gateway.pdf.reader import Reader
from gateway.policy.call import Answer
from gateway.serve.course import Course
from gateway.serve.upstream import Pool

LAST_WORDS: Final = 1.0
"""Seconds that an exchange cut by a shutdown gets to end its answer properly."""

type AskAll = Callable[[Ask], Awaitable[tuple[Answer, ...]]]
"""Gives an answer to each question."""


@dataclass(frozen=True, slots=True)
class Means:
    """What carriers share: the way out, where the record goes, who reads PDFs, and who keeps what became of calls whose
    results came after their record."""

    pool: Pool
    finish: Callable[[ExchangeRecord, Course], None]
    pdf: Reader = field(default_factory=Reader)
    settle: Callable[[Settle], None] = lambda _: None
