"""Calls whose answers come on another stream than the one that they came on (MCP over HTTP+SSE, 2024-11-05).

The exchange that sends such a call is over before its answer comes. What holds for the call is left here, at the
address that messages are sent to, and the exchange with the stream of that address takes it up. The two may be judged
in threads, so whatever one of them changes the other one may be reading: each step is one that no thread interrupts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.dialect.jsonrpc import Id, correlated
from gateway.errors import Malformed
from gateway.policy.tools.wrapper import Result

LATE: Final = 1000
"""Answers of one stream that are known to come too late: what a server never says must not grow for ever."""


class Awaited(Protocol):
    """The calls that one request makes."""

    @property
    def timeout(self) -> float | None:
        """Seconds that they may take."""
        ...

    def returned(self, id_: str, result: Result) -> str | None:
        """Take the result of one. Why it may not go on, in words; None where it may."""
        ...

    def overdue(self) -> str:
        """The time is over. Why, in words."""
        ...


@dataclass(slots=True, eq=False)
class Expected:
    """The calls of one request, at the stream of their answers. `of` is the id of the exchange that sends them; `owed`
    are the answers that did not come yet, each with the token by which its progress is reported, None where it is not.
    """

    ear: Ear
    calls: Awaited
    of: str
    owed: dict[Id, Hashable | None]

    def announce(self) -> None:
        """Tell the stream of it."""
        self.ear.hear(self)

    def withdraw(self) -> tuple[Id, ...]:
        """Wait no more: the answers that did not come."""
        left = tuple(self.owed)
        for id_ in left:
            self.ear.answered(id_)
        return left


def _unheard(_: Expected) -> None:
    """Nobody listens yet, or any more."""


@dataclass(slots=True, eq=False)
class Ear:
    """What one stream waits for. `hear` is told of each request, from when it is open."""

    address: str
    hear: Callable[[Expected], None] = _unheard
    is_open: bool = False
    _expected: dict[Id, Expected] = field(default_factory=dict)
    _late: dict[Id, None] = field(default_factory=dict)

    def open(self, hear: Callable[[Expected], None]) -> None:
        """Begin to hear, before a client can know of the address."""
        self.hear, self.is_open = hear, True

    def expects(self, id_: Id) -> bool:
        """Whether a call waits whose id clients may take for this."""
        return correlated(id_) in self._expected

    def expect(self, calls: Awaited, of: str, owed: Mapping[Id, Hashable | None]) -> Expected:
        """Wait for the answers of calls, by their ids."""
        expected = Expected(self, calls, of, dict(owed))
        for id_ in map(correlated, owed):
            self._expected[id_] = expected
            self._late.pop(id_, None)
        return expected

    def answered(self, id_: Id) -> Expected | None:
        """Whose answer came, which is waited for no more if the id is just its own; None where none was waited for."""
        expected = self._expected.get(correlated(id_))
        if expected is not None and id_ in expected.owed:
            expected.owed.pop(id_, None)
            self._expected.pop(correlated(id_), None)
        return expected

    def reported(self, token: Hashable) -> Expected | None:
        """Whose progress is reported by that token."""
        return next((one for one in tuple(self._expected.values()) if token in tuple(one.owed.values())), None)

    def give_up(self, expected: Expected) -> tuple[Id, ...]:
        """Wait no more, and let nothing pass that still comes: the answers that did not come."""
        left = expected.withdraw()
        self._late.update(dict.fromkeys(map(correlated, left)))
        while len(self._late) > LATE:
            del self._late[next(iter(self._late))]
        return left

    def is_late(self, id_: Id) -> bool:
        """Whether an answer comes that was given up."""
        return correlated(id_) in self._late


class Ears:
    """The streams that are served here, by the addresses that messages for them are sent to: origin, path and query."""

    def __init__(self) -> None:
        self._ears: dict[str, Ear] = {}

    def begin(self, address: str) -> Ear:
        """A stream has named its address. Raises Malformed for that of another: nobody could tell whose answers come
        on which."""
        ear = Ear(address)
        if self._ears.setdefault(address, ear) is not ear:
            raise Malformed("the server wants messages to be sent to an address that it gave to another client")
        return ear

    def at(self, address: str) -> Ear | None:
        """The stream on which messages that are sent there are answered; None where it is not served here."""
        ear = self._ears.get(address)
        return ear if ear is not None and ear.is_open else None

    def end(self, ear: Ear) -> None:
        """The stream is over."""
        ear.hear, ear.is_open = _unheard, False
        if self._ears.get(ear.address) is ear:
            del self._ears[ear.address]
