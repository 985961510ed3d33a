"""What agents have read by calls that come without a conversation, for as long as a task lasts.

Over MCP the gateway sees one call at a time. That credentials were read some calls ago is all that is known of a
conversation, and it is forgotten when an agent has been quiet for a while: another task begins with nothing read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

from gateway.policy.provenance.chains import Memory

QUIET: Final = 1800.0
"""Seconds after an agent's last call after which what it read is forgotten: longer than a person takes to answer."""

MOST: Final = 10_000
"""Agents that are remembered."""


class Reads:
    """The memory of one process. Threads may share it."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._turn = Lock()
        self._known: OrderedDict[str, tuple[float, Memory]] = OrderedDict()

    def recall(self, agent: str) -> Memory:
        with self._turn:
            at, memory = self._known.get(agent, (0.0, Memory()))
            return memory if self._now() - at < QUIET else Memory()

    def remember(self, agent: str, memory: Memory) -> None:
        with self._turn:
            self._known[agent] = self._now(), memory
            self._known.move_to_end(agent)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
