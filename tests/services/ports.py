"""Ports for servers that must be told theirs, such as a mitmproxy or a Redis."""

from __future__ import annotations

import secrets
import socket
from typing import Final

HOST: Final = "127.0.0.1"
_PLACES: Final = range(20_000, 32_768)
"""Below those that Linux gives to outgoing connections (`ip_local_port_range`, from 32768), so that none takes a port
between its choice and its use."""


def free_port() -> int:
    """A port that nobody uses now, for TCP and for UDP: a DNS server listens on both."""
    while True:
        port = _PLACES[secrets.randbelow(len(_PLACES))]
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
