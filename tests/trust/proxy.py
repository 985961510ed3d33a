"""A proxy that does what the gateway's does with trust, and no more: CONNECT, then TLS with a leaf for that host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from gateway.trust.leaf import Leaves
from tests.trust.tls import ANSWER


@dataclass
class Seen:
    """Where the proxy listens, and the hosts that clients asked it for."""

    port: int
    hosts: list[str] = field(default_factory=list)


@contextmanager
def proxy(leaves: Leaves) -> Iterator[Seen]:
    listener = socket.create_server(("127.0.0.1", 0))
    seen = Seen(listener.getsockname()[1])
    thread = threading.Thread(target=_serve, args=(listener, leaves, seen))
    thread.start()
    try:
        yield seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _serve(listener: socket.socket, leaves: Leaves, seen: Seen) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # shut down
            return
        with connection, suppress(OSError):  # a client that only knocks, or does not trust us, hangs up
            connection.settimeout(10)
            _tunnel(connection, leaves, seen)


def _tunnel(connection: socket.socket, leaves: Leaves, seen: Seen) -> None:
    head = _head(connection)
    if not head:
        return
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    assert method == "CONNECT", head
    host = target.rpartition(":")[0]
    seen.hosts.append(host)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with leaves.context(host).wrap_socket(connection, server_side=True) as stream:
        _head(stream)
        stream.sendall(ANSWER)
        stream.unwrap()


def _head(connection: socket.socket) -> bytes:
    """A request up to its blank line; nothing where the client sent nothing."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = connection.recv(65536)
        if not more:
            break
        head += more
    return head
