"""What a conversation has its shell do. Another of these, `Finish`, it shares with the exchange."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.dialect.message import Instead
from gateway.exchange.demand import Demand
from gateway.exchange.events import Ask, Finish
from gateway.exchange.open_exchanges import OpenExchange
from gateway.policy.tools.wrapper import PATIENCE
from gateway.segment import Direction


@dataclass(frozen=True, slots=True)
class ToClient:
    data: bytes  # whole lines


@dataclass(frozen=True, slots=True)
class ToServer:
    data: bytes  # whole lines


@dataclass(frozen=True, slots=True)
class AskAbout:
    """Ask about the calls in a message, and tell the conversation by this id what was answered. Others go on."""

    id: str
    ask: Ask


@dataclass(frozen=True, slots=True)
class Clock:
    """Tell `overdue` of that id in so many seconds from now, unless it is finished by then. Another one begins anew,
    but `most` seconds after the first it is over all the same."""

    id: str
    seconds: float
    most: float


@dataclass(frozen=True, slots=True)
class Count:
    """Ask the limits for what is demanded, and tell `limited` by this id what they say."""

    id: str
    demand: Demand


type Step = ToClient | ToServer | AskAbout | Clock | Count | Finish


def onward(sender: Direction, data: bytes) -> Step:
    """Give lines to whom they were sent to."""
    return ToServer(data) if sender is Direction.REQUEST else ToClient(data)


def told(instead: Instead) -> Iterator[Step]:
    """Tell both sides what takes the place of a message of the client."""
    if instead.onward is not None:
        yield ToServer(instead.onward + b"\n")
    if instead.back is not None:
        yield ToClient(instead.back + b"\n")


def clock(exchange: OpenExchange) -> Iterator[Step]:
    """Begin the clock of the calls of an exchange, or begin it anew; none where they have no time."""
    seconds = exchange.calls.timeout if exchange.calls is not None else None
    if seconds is not None:
        yield Clock(exchange.facts.id, seconds, seconds * PATIENCE)
