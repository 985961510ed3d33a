"""What the supervisor says to a worker and hears from it: the words, and the one order that a worker begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from gateway import __version__
from gateway import config as configuration
from gateway.app.doors import Doors
from gateway.app.service import Seat
from gateway.config import Config
from gateway.errors import OperatorError

ASK: Final = "ask"
SAY: Final = "say"
ID: Final = "id"
ANSWER: Final = "answer"
PROBLEMS: Final = "problems"
COUNTS: Final = "counts"
UNREADY: Final = "unready"
IN_FLIGHT: Final = "in_flight"
DIGEST: Final = "digest"
HOP: Final = "hop"

GRACE: Final = 15.0
"""Seconds beyond the drain period in which a worker has to be gone; then it is killed."""


class Ask(StrEnum):
    """What is asked of a worker. The first two are answered under the `id` of the question."""

    COUNTS = "counts"  # what it counted, and why it is not ready
    SERVING = "serving"  # what it serves by
    RELOAD = "reload"  # load the files again
    DRAIN = "drain"  # take no new work, and end when it is done
    END = "end"  # end at once


class Say(StrEnum):
    """What a worker says by itself."""

    SERVES = "serves"  # it takes connections
    FAILED = "failed"  # it cannot start; with `problems`
    ENDED = "ended"  # its last word, with its last `counts`


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker begins with, but for its number.

    `text` is that of the configuration at `path` when the gateway began; both are None where there is no file.
    """

    path: Path | None
    text: str | None
    workers: int
    hop_key: bytes = field(repr=False)
    doors: Mapping[str, list[int]]

    def for_worker(self, number: int) -> dict[str, Any]:
        """As it is sent."""
        return {
            "version": __version__,
            "number": number,
            "path": str(self.path) if self.path is not None else None,
            "text": self.text,
            "workers": self.workers,
            "hop_key": self.hop_key.hex(),
            "doors": self._doors(number),
        }

    def descriptors(self, number: int) -> tuple[int, ...]:
        """The sockets that the worker with that number has to inherit."""
        return tuple(one for found in self._doors(number).values() for one in found)

    def _doors(self, number: int) -> dict[str, list[int]]:
        """The first worker alone serves the hop: a ticket is good for once, and who has seen it is a process's own
        knowledge. mitmproxy is one process too, with six times the work for a request."""
        return {way: found if way != HOP or number == 1 else [] for way, found in self.doors.items()}


@dataclass(frozen=True, slots=True)
class Received:
    """The order as a worker takes it."""

    path: Path | None
    seat: Seat
    doors: Doors

    @classmethod
    def of(cls, sent: Mapping[str, Any]) -> Self:
        """Raises OperatorError where the supervisor is another version."""
        if sent["version"] != __version__:  # it was installed over the one that runs
            said = f"the gateway that runs is {sent['version']}, and {__version__} is installed; start it again"
            raise OperatorError((said,))
        path = Path(sent["path"]) if sent["path"] is not None else None
        text = sent["text"]
        origin = configuration.parse(text, str(path)) if text is not None else Config()
        seat = Seat(sent["number"], sent["workers"], origin, bytes.fromhex(sent["hop_key"]))
        return cls(path, seat, Doors.inherited(sent["doors"]))
