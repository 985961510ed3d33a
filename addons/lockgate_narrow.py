"""Leaves a process one address that it can dial: the gateway's. To import this module is to be narrowed to nothing, and
`allow` opens the one address. Nothing of mitmproxy has to work for that.

mitmproxy logs an exception in a hook and goes on without it, so a hook that steers is no hook that stops. What stops
stands beneath: an audit hook of the interpreter (PEP 578), which sees every connect, send and look-up of a name that
Python makes, whoever makes it, and which nothing can take away again. A look-up alone would do as a leak (the name is
the message), so names are not looked up at all. What mitmproxy does without Python, by its library in Rust, is
replaced.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final, NoReturn

import mitmproxy_rs

_allowed: tuple[str, int] | None = None


def allow(hop: tuple[str, int]) -> None:
    """Let this process dial that IP address and port. For good: another one is refused with ValueError."""
    global _allowed
    if _allowed not in (None, hop):
        raise ValueError(f"this process may dial {_allowed} and nothing else")
    _allowed = hop


def _watch(event: str, args: tuple[Any, ...]) -> None:
    """Whatever this raises is raised in the caller's place, before anything has left."""
    judge = _JUDGES.get(event)
    if judge is not None:
        judge(args)


def _dialled(args: tuple[Any, ...]) -> None:
    _, address = args
    if _allowed is None or tuple(address[:2]) != _allowed:
        _refused()


def _sent(args: tuple[Any, ...]) -> None:
    """Without an address, it goes where the socket is connected to."""
    if args[1] is not None:
        _dialled(args)


def _looked_up(args: tuple[Any, ...]) -> None:
    """An address, or none (to listen everywhere), is not asked of anybody."""
    host = args[0]
    if host is not None:
        try:
            ip_address(host.decode() if isinstance(host, bytes) else host)
        except ValueError:
            _refused()


def _refused(*_: object, **__: object) -> NoReturn:
    """An OSError, so that mitmproxy takes it for a connection that failed, and tells its client."""
    raise PermissionError(errno.EACCES, "only the gateway may be dialled from here")


_JUDGES: Final[Mapping[str, Callable[[tuple[Any, ...]], None]]] = {
    "socket.connect": _dialled,  # of a socket's `connect_ex` too
    "socket.sendto": _dialled,
    "socket.sendmsg": _sent,
    "socket.getaddrinfo": _looked_up,
    "socket.gethostbyname": _refused,  # of `gethostbyname_ex` too
    "socket.gethostbyaddr": _refused,
    "socket.getnameinfo": _refused,
}
"""What is asked before each event of Python's table of audit events that reaches another machine."""

sys.addaudithook(_watch)
mitmproxy_rs.udp.open_udp_connection = _refused
mitmproxy_rs.dns.DnsResolver = _refused  # type: ignore[misc,assignment]  # there is to be none
