"""What the shell adds to the record of an exchange or a session: whose it was, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns

from aiohttp import web

from gateway.serve.allowance import Bill
from gateway.serve.identity import NOBODY, Known, known_of
from gateway.serve.ticket import client_of


@dataclass(frozen=True, slots=True)
class Course:
    """What the shell adds to a record: the client's address, nanoseconds in all and spent inspecting, by what the
    caller is known, and the bill."""

    client: str | None
    took_ns: int
    spent_ns: int
    known: Known = NOBODY
    bill: Bill | None = None


def course_of(request: web.BaseRequest, began: int, spent: int = 0) -> Course:
    """The course of a request that ends now. `began` is of `perf_counter_ns`, `spent` the nanoseconds inspecting."""
    return Course(client_of(request), perf_counter_ns() - began, spent, known_of(request))
