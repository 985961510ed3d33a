"""Where Redis is, read from a URL.

redis://[user:password@]host[:port][/db]            one server; rediss:// with TLS, unix:///path
redis+sentinel://host[:port],host[:port]/MASTER[/db]    the master that Sentinels name; rediss+sentinel://
redis+cluster://host[:port],host[:port]             a cluster; rediss+cluster://
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn, Self
from urllib.parse import unquote, urlsplit

_FORM: Final = (
    'accepted: "memory://", "redis://host:port/db", "rediss://…" for TLS, "unix:///path", '
    '"redis+sentinel://host:port,host:port/MASTER", "redis+cluster://host:port,host:port"'
)
_PORTS: Final = {"redis": 6379, "redis+sentinel": 26379, "redis+cluster": 6379}


class Kind(StrEnum):
    """How the servers stand together."""

    SINGLE = "redis"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Place:
    """Servers, and how they are spoken to. `path` is that of a socket of this machine. The password is not shown."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    user: str | None = None
    password: str | None = None
    db: int = 0
    master: str = ""
    path: str | None = None

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """For an operator: without credentials."""
        where = self.path or ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{self.kind} at {where}"

    @classmethod
    def read(cls, url: str) -> Self:
        """The place that a URL names. Raises ValueError with the accepted forms; the URL, which may hold a password, is
        not repeated."""
        try:
            return cls._read(url)
        except (ValueError, IndexError):
            raise ValueError(f"no URL of a store; {_FORM}") from None

    @classmethod
    def _read(cls, url: str) -> Self:
        parts = urlsplit(url)
        if parts.query or parts.fragment:
            raise ValueError
        credentials, _, hosts = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        secured = (unquote(user) or None, unquote(password) or None)
        if parts.scheme == "unix":
            return cls(Kind.SINGLE, (), False, *secured, path=unquote(parts.path)) if parts.path else _wrong()
        scheme = "redis" + parts.scheme.removeprefix("rediss").removeprefix("redis")
        tls = parts.scheme.startswith("rediss")
        servers = tuple(_host(host, _PORTS[scheme]) for host in hosts.split(",")) if scheme in _PORTS else _wrong()
        names = [unquote(name) for name in parts.path.split("/")[1:] if name]
        if scheme == "redis+sentinel":
            db = int(names[1]) if len(names) == 2 else 0
            return cls(Kind.SENTINEL, servers, tls, *secured, db=db, master=names[0]) if len(names) <= 2 else _wrong()
        if scheme == "redis+cluster":
            return cls(Kind.CLUSTER, servers, tls, *secured) if not names else _wrong()
        db = int(names[0]) if names else 0
        return cls(Kind.SINGLE, servers, tls, *secured, db=db) if len(servers) == 1 and len(names) <= 1 else _wrong()


def _host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, port if parts.port is None else parts.port


def _wrong() -> NoReturn:
    raise ValueError
