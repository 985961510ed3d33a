"""How many pings and pongs one side of a WebSocket may send.

They cost an answer each and tell nothing, so a peer that sends little else would keep a session open and the gateway
busy for ever, below every limit that counts messages.
"""

from __future__ import annotations

from typing import Final

RATE: Final = 10.0
"""Pings and pongs a second, in the long run. Libraries send one in 20 s or so; one in a second measures a delay."""

BURST: Final = 100
"""Pings and pongs at once, as after a pause of the network."""

KEPT_OPEN: Final = 3600.0
"""Seconds after its last message in which pings keep a session open: as long as a Realtime session may last at all
(OpenAI's documentation, 60 minutes, 2026-11)."""


class Allowance:
    """What one peer has left, as a time: when its last ping would have come, had it kept to the rate (GCRA)."""

    def __init__(self) -> None:
        self._due = 0.0

    def take(self, now: float) -> bool:
        """Whether one more may come at `now`, in seconds of any clock."""
        self._due = max(self._due, now) + 1 / RATE
        return self._due - now <= BURST / RATE
