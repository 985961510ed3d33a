"""The exchanges of a conversation that wait for an answer, found by what the messages on a line tell of them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.dialect.jsonrpc import Id, correlated
from gateway.dialect.mcp import Mcp
from gateway.exchange.calls import Calls
from gateway.exchange.facts import Facts
from gateway.segment import Direction

MAX_OPEN: Final = 1000
"""Requests that may wait for an answer. Clients have a few at a time; what nobody answers must not grow for ever."""

type Key = tuple[Direction, Id]
"""Who sent a request, and its id: each side counts its own."""


@dataclass(slots=True)
class OpenExchange:
    """A request, or several in a batch, and what became of it. `dialect` is bound to it."""

    facts: Facts
    dialect: Mcp
    sender: Direction
    waiting: set[Id] = field(default_factory=set)
    is_refused: bool = False
    calls: Calls | None = None
    tokens: frozenset[Hashable] = frozenset()  # by which progress is reported


class OpenExchanges:
    """Knows who waits, and whose answers nobody waits for any more."""

    def __init__(self) -> None:
        self._open: dict[Key, OpenExchange] = {}
        # Requests of the client whose answers nobody waits for any more, by ids as they are `correlated`
        self._late: dict[Id, None] = {}

    def add(self, key: Key, exchange: OpenExchange) -> None:
        """Wait for the answer to a request of an exchange."""
        self._open[key] = exchange
        exchange.waiting.add(key[1])
        if key[0] is Direction.REQUEST:
            self._late.pop(correlated(key[1]), None)

    def get(self, key: Key) -> OpenExchange | None:
        return self._open.get(key)

    def take(self, key: Key) -> OpenExchange | None:
        """Wait no more for the answer to a request. It gives the exchange, which may wait for others; None for none."""
        exchange = self._open.pop(key, None)
        if exchange is not None:
            exchange.waiting.discard(key[1])
        return exchange

    def take_all(self) -> list[OpenExchange]:
        """Wait for nothing more; each exchange is given once."""
        exchanges = list({id(exchange): exchange for exchange in self._open.values()}.values())
        self._open.clear()
        return exchanges

    def drop(self, exchange: OpenExchange) -> None:
        """Wait for nothing of an exchange; what it waited for stays with it."""
        for key in [key for key, other in self._open.items() if other is exchange]:
            del self._open[key]

    def surplus(self) -> Key | None:
        """The oldest request where more than `MAX_OPEN` wait."""
        return next(iter(self._open)) if len(self._open) > MAX_OPEN else None

    def by_id(self, id_: str) -> OpenExchange | None:
        """The exchange with that id of its record."""
        return next((one for one in self._open.values() if one.facts.id == id_), None)

    def by_token(self, token: Hashable) -> OpenExchange | None:
        """The exchange whose progress is reported by that token."""
        return next((one for one in self._open.values() if token in one.tokens), None)

    def answered(self, sender: Direction, ids: Collection[Id]) -> list[OpenExchange]:
        """The exchanges of the other side that a body of answers with these ids, as they are `correlated`, may mean."""
        return [one for (who, id_), one in self._open.items() if who is not sender and correlated(id_) in ids]

    def only_one(self, sender: Direction) -> list[OpenExchange]:
        """The exchange of the only request of that side; none where several wait, or none does."""
        asked = [exchange for (who, _), exchange in self._open.items() if who is sender]
        return asked if len(asked) == 1 else []

    def give_up(self, ids: Iterable[Id]) -> None:
        """Take the answers to these calls of the client for late: what they say could not be held to anything."""
        self._late |= dict.fromkeys(map(correlated, ids))
        while len(self._late) > MAX_OPEN:
            del self._late[next(iter(self._late))]

    def is_late(self, id_: Id) -> bool:
        """Whether nobody waits any more for the answer to that request of the client."""
        return correlated(id_) in self._late
