"""Whom carriers ask about calls of tools that must be approved. What answers stands above them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.exchange.events import Ask
from gateway.policy.call import Answer


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom it is asked: the agent, where it calls, and the id of its request."""

    principal: str
    upstream: str
    request: str


type Approve = Callable[[Asker, Ask], Awaitable[tuple[Answer, ...]]]
"""Gives an answer to each question. It may wait for a person, for long only where there is a keepalive."""


async def nobody_approves(_: Asker, asked: Ask) -> tuple[Answer, ...]:
    """The answers where there is nobody to ask."""
    return tuple(Answer(is_approved=False, words="nobody can approve it here") for _ in asked.questions)
