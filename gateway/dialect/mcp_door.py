"""Addresses of an MCP server as its clients see them through the gateway, and back.

A client reaches the server at `/mcp/NAME` of the gateway, with the rest of a path appended. A server also names
addresses of its own: where to send messages (HTTP+SSE), where its metadata is (OAuth), where it has moved. One outside
of the configured path gets a seal before it, so that a client reaches what the server named to it, and nothing else
there: the gateway may show the server a credential that is not the client's to use freely.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from gateway.dialect.address import TARGET, authority, origin
from gateway.dialect.mcp_answers import Answers
from gateway.errors import ClientError, Code, Malformed

PREFIX: Final = "mcp"
"""The first step of the path of every MCP server at the gateway."""

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
"""Where a server describes how it is protected; its own path follows (RFC 9728, section 3.1)."""

# One mark for addresses of any kind, another for those that messages are sent to, whose answers come on another stream.
_SEAL: Final = re.compile(r"/([~@])([0-9a-f]{32})(/.*)")
_ANY: Final = "~"
_MESSAGES: Final = "@"


@dataclass(frozen=True, slots=True)
class Inner:
    """Where a client's path leads: path and query at the server.

    `answers_apart` is whether it is an address for messages whose answers come on another stream.
    """

    target: str
    answers_apart: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """One server. `url` is its address as configured, `site` the gateway's as the client writes it (`http://host`)."""

    name: str
    url: str
    site: str = ""
    key: bytes = field(default=b"", repr=False)
    answers: Answers = field(default_factory=Answers, repr=False, compare=False)

    @property
    def path(self) -> str:
        """The server's path as clients write it."""
        return f"/{PREFIX}/{self.name}"

    @property
    def origin(self) -> str:
        return origin(self.url)

    def inward(self, rest: str) -> Inner:
        """What a client's path leads to, by what follows the name in it. Raises ClientError for a wrong seal."""
        sealed = _SEAL.fullmatch(rest)
        if sealed is not None and hmac.compare_digest(sealed[2], self._seal(sealed[1], sealed[3])):
            return Inner(sealed[3], answers_apart=sealed[1] == _MESSAGES)
        if rest.startswith(("/~", "/@")):
            raise ClientError(
                f"this is no address that `{self.name}` gave out; begin again at {self.path}",
                code=Code.NOT_FOUND,
                status=404,
            )
        own = urlsplit(self.url).path
        path, mark, query = rest.partition("?")
        joined = own.removesuffix("/") + path if path else own
        return Inner((joined or "/") + mark + query)

    def outward(self, reference: str, target: str = "") -> str | None:
        """The path and query by which a client reaches an address that the server named in its answer to `target`.

        None where it is on another origin. Raises Malformed for what is no address.
        """
        rest = self._reached(reference, target)
        if rest is None:
            return None
        own = urlsplit(self.url).path.removesuffix("/")
        below = rest.removeprefix(own) if rest.startswith(own) else None
        if below is not None and (not below or below[0] in "/?") and not below.startswith(("/~", "/@")):
            return self.path + below
        return self._sealed(_ANY, rest)

    def for_messages(self, reference: str, target: str) -> tuple[str, str] | None:
        """As `outward`, for the address that messages are sent to: the server's path and query, and the client's."""
        rest = self._reached(reference, target)
        return None if rest is None else (rest, self._sealed(_MESSAGES, rest))

    @property
    def resource(self) -> str:
        """The server's address as the client uses it, which OAuth calls the resource."""
        return self.site + self.path

    def _reached(self, reference: str, target: str) -> str | None:
        return _reached(self.origin, self.origin + target if target else self.url, reference)

    def _sealed(self, mark: str, rest: str) -> str:
        return f"{self.path}/{mark}{self._seal(mark, rest)}{rest}"

    def _seal(self, mark: str, target: str) -> str:
        text = f"{self.name}\0{mark}\0{target}".encode()
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Street:
    """One server as its clients reach it by proxy: at its own addresses, of which none is rewritten."""

    origin: str
    answers: Answers = field(repr=False, compare=False)

    def for_messages(self, reference: str, target: str) -> tuple[str, str] | None:
        """As `Door.for_messages`; what the server said is what the client uses."""
        rest = _reached(self.origin, self.origin + target, reference)
        return None if rest is None else (rest, reference)


def _reached(own: str, base: str, reference: str) -> str | None:
    """The path and query at the server with that origin that an address leads to; None where it leads to another."""
    try:
        address = urljoin(base, reference)
        other = origin(address)
    except ValueError:
        raise Malformed("the server named an address that cannot be read") from None
    if other != own:
        return None
    rest = address.partition("#")[0].removeprefix(authority(address)) or "/"
    if not TARGET.fullmatch(rest):
        raise Malformed("the server named an address that is not percent-encoded")
    return rest
