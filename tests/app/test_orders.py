"""The order that a worker begins with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.app.orders import Order, Received
from gateway.config import Config
from gateway.errors import OperatorError


def sent(order: Order) -> dict[str, object]:
    found: dict[str, object] = json.loads(json.dumps(order.for_worker(3)))
    return found


def test_it_is_received_as_it_was_given() -> None:
    order = Order(Path("/etc/gate.toml"), '[gateway]\nsecret_file = "s"\n', 4, b"\0key", {"base_url": []})
    received = Received.of(sent(order))
    assert (received.path, received.seat.number, received.seat.workers) == (Path("/etc/gate.toml"), 3, 4)
    assert received.seat.origin.gateway.secret_file == Path("/etc/s")
    assert received.seat.hop_key == b"\0key"
    assert repr(b"\0key")[2:] not in repr((order, received.seat))
    assert received.doors.base_url == ()


def test_without_a_file_it_is_the_defaults() -> None:
    received = Received.of(sent(Order(None, None, 4, b"", {"base_url": []})))
    assert (received.path, received.seat.origin) == (None, Config())


def test_the_first_worker_alone_serves_the_hop() -> None:
    order = Order(None, None, 2, b"", {"base_url": [3, 4], "proxy": [5], "hop": [6]})
    assert (order.descriptors(1), order.descriptors(2)) == ((3, 4, 5, 6), (3, 4, 5))
    assert order.for_worker(1)["doors"] == {"base_url": [3, 4], "proxy": [5], "hop": [6]}
    assert order.for_worker(2)["doors"] == {"base_url": [3, 4], "proxy": [5], "hop": []}


def test_a_worker_of_another_version_does_not_serve_beside_this_one() -> None:
    order = {**sent(Order(None, None, 2, b"", {})), "version": "0.0.1"}
    with pytest.raises(OperatorError, match=r"the gateway that runs is 0\.0\.1, and .* is installed; start it again"):
        Received.of(order)
