"""Ports for servers that must be told theirs, such as a mitmproxy or a Redis."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Final

HOST: Final = "127.0.0.1"
_PLACES: Final = range(20_000, 32_768)
"""Below those that Linux gives to outgoing connections (`ip_local_port_range`, from 32768), so that none takes a port
between its choice and its use."""


def _own() -> range:
    """The places of this process: those that run parts of a suite beside each other (pytest-xdist) choose apart."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return _PLACES[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


def free_port() -> int:
    """A port that nobody uses now, for TCP and for UDP: a DNS server listens on both."""
    places = _own()
    while True:
        port = places[secrets.randbelow(len(places))]
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            try:
                stream.bind((HOST, port))
                datagrams.bind((HOST, port))
            except OSError:
                continue
            return port


def free_ports(count: int) -> list[int]:
    """As many, all different."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)
