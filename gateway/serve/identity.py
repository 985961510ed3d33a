"""Who asks: which Host and Origin are accepted, and which agent a gateway key or a launcher's token belongs to.

A listener on loopback can be reached by every page in a browser (DNS rebinding, cross-site requests) and by every local
process. Names and origins are therefore held against lists, and an upstream whose key is injected wants a gateway key.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_plus

from aiohttp import web

from gateway.errors import ClientError, Code
from gateway.exchange.events import Headers
from gateway.launch import Isolation
from gateway.settings import DEFAULT_PRINCIPAL

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine that no other machine's page can bear."""


# Where the SDKs of the four families and Azure put a key; Gemini's may also stand in the query, as `key`.
_CREDENTIALS: Final = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key", "x-amz-security-token"})
_QUERY_KEY: Final = "key"

# Browsers can set no other field of a WebSocket's handshake, so OpenAI takes a key there: `openai-insecure-api-key.KEY`
# (guide "Realtime API with WebSocket", 2026-11).
_PROTOCOLS: Final = "sec-websocket-protocol"
_PROTOCOL_KEY: Final = "openai-insecure-api-key."
_BEARER: Final = "bearer "

# Amazon's clients sign, and show a key to nobody without TLS (`BearerAuth` of botocore 1.44); whose key they sign with
# stands in the field (AWS Signature Version 4).
_SIGNED: Final = re.compile(r"\s*AWS4-[A-Z0-9-]+ (?:.*[ ,])?Credential=([^/, ]+)/")


@dataclass(frozen=True, slots=True)
class Site:
    """The names that a listener answers to (in lower case, without port), and the web origins that may call it."""

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def knows(self, host: str | None, local: str | None = None) -> bool:
        """Whether `Host` is one of ours, on any port. `local` is the address the connection came in on."""
        if not host:
            return False
        name = _name(host.lower())
        return name in LOOPBACK or name in self.hosts or name == local

    def accepts(self, origin: str | None, fetch_site: str | None) -> bool:
        """Whether a request may come from there: not from a web page, or from one of the accepted origins.

        Browsers leave `Origin` out of some requests, but name the relation in `Sec-Fetch-Site` (W3C Fetch Metadata).
        """
        if origin is not None:
            return origin in self.origins
        return fetch_site is None or fetch_site in ("none", "same-origin")


def _name(authority: str) -> str:
    """The host of `host[:port]`, without the brackets of an IPv6 address."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


class Proof(StrEnum):
    """By what a caller is known."""

    ADDRESS = "address"
    KEY = "key"
    LAUNCHER = "launcher"


@dataclass(frozen=True, slots=True)
class Known:
    """Who a caller is known to be (None: the agent `default`), and by what. `isolation` is a launcher's word."""

    agent: str | None = None
    proof: Proof | None = None
    isolation: Isolation | None = None

    @property
    def principal(self) -> str:
        return self.agent or DEFAULT_PRINCIPAL


NOBODY: Final = Known()

KNOWN: Final = web.RequestKey("known", Known)
"""Where a request keeps who asks, once that is known: one that is turned away is recorded under it."""

type Whose = Callable[[str], Known | None]
"""Tells of whom a credential is; None where it is none of ours. Raises ClientError for a token not to be believed."""


def known_of(request: web.BaseRequest) -> Known:
    """Who asks, as far as that is known."""
    return request[KNOWN] if KNOWN in request else NOBODY  # noqa: SIM401 -- `get` is not typed by the key


def joined(*found: Known) -> Known:
    """Who several credentials of one request tell of. Raises ClientError where that is two agents.

    A launcher's word counts for the agent that it names, and of two words the one that promises less.
    """
    agents = {known.agent for known in found if known.agent is not None}
    if len(agents) > 1:
        raise _two_agents()
    agent = next(iter(agents), None)
    alike = [known for known in found if known.agent == agent]
    launched = [(known.isolation, known) for known in alike if known.isolation is not None]
    if launched:
        return min(launched, key=lambda pair: pair[0])[1]
    return next(iter(alike), NOBODY)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the request's target and fields without what told it."""

    known: Known
    target: str
    headers: Headers

    @property
    def principal(self) -> str:
        return self.known.principal


def identify(whose: Whose, target: str, headers: Headers) -> Caller:
    """Look for our credentials where API keys are shown. Any other key is left where it is.

    Each of ours is taken out, since some clients show one key in several places, and no upstream is to see it. Raises
    ClientError for those of two agents, and for a token that is not to be believed.
    """
    found: list[Known] = []

    def is_ours(key: str) -> bool:
        known = whose(key)
        if known is not None:
            found.append(known)
        return known is not None

    kept = tuple(field for field in headers if field[0].lower() not in _CREDENTIALS or not is_ours(_bare(field[1])))
    # Not by `any`, which would look no further than the first.
    if [key for field in kept for key in _protocol_keys(field) if is_ours(key)]:
        kept = _without_protocol_keys(kept)
    for part in _query(target):
        name, _, value = part.partition("=")
        if unquote_plus(name) == _QUERY_KEY and is_ours(unquote_plus(value)):
            target = _without_query(target, part)
    return Caller(joined(*found), target, kept)


def _two_agents() -> ClientError:
    """The refusal of a request that two agents would answer for."""
    message = "the request shows the gateway keys of two agents; show one"
    return ClientError(message, code=Code.IDENTITY, status=HTTPStatus.FORBIDDEN)


def known_to_proxy(whose: Whose, headers: Mapping[str, str]) -> Known:
    """Whose the credentials for the proxy are: a key or a token as the password, as the user name, or as a bearer's.

    Raises ClientError for credentials that are nobody's: who shows some means to be somebody.
    """
    shown = headers.get("Proxy-Authorization")
    if shown is None:
        return NOBODY
    scheme, _, rest = shown.strip().partition(" ")
    try:
        for key in _keys(scheme.lower(), rest.strip()):
            known = whose(key) if key else None
            if known is not None:
                return known
    except ClientError as error:
        raise ClientError(str(error), code=error.code, status=HTTPStatus.PROXY_AUTHENTICATION_REQUIRED) from None
    raise ClientError("the credentials for the proxy are no agent's gateway key", code=Code.IDENTITY, status=407)


def _keys(scheme: str, rest: str) -> tuple[str, ...]:
    if scheme == "bearer":
        return (rest,)
    if scheme != "basic":
        return ()
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except ValueError:  # UnicodeDecodeError and binascii.Error are such
        return ()
    return password, user


def inject(caller: Caller, name: str, value: str) -> Caller:
    """The request with the real key in field `name`, and with no other credential."""
    kept = tuple(field for field in caller.headers if field[0].lower() not in _CREDENTIALS)
    kept = _without_protocol_keys(kept)
    target = caller.target
    for part in _query(target):
        if unquote_plus(part.partition("=")[0]) == _QUERY_KEY:
            target = _without_query(target, part)
    return Caller(caller.known, target, (*kept, (name, value)))


def _protocols(field: tuple[str, str]) -> list[str]:
    """The subprotocols that a field offers, if it is that field."""
    return [protocol.strip() for protocol in field[1].split(",")] if field[0].lower() == _PROTOCOLS else []


def _protocol_keys(field: tuple[str, str]) -> list[str]:
    """The keys that a field offers as subprotocols."""
    offered = _protocols(field)
    return [one.removeprefix(_PROTOCOL_KEY) for one in offered if one.startswith(_PROTOCOL_KEY)]


def _without_protocol_keys(headers: Headers) -> Headers:
    kept: list[tuple[str, str]] = []
    for field in headers:
        offered = _protocols(field)
        others = [protocol for protocol in offered if not protocol.startswith(_PROTOCOL_KEY)]
        if offered == others:
            kept.append(field)
        elif others:
            kept.append((field[0], ", ".join(others)))
    return tuple(kept)


def _bare(value: str) -> str:
    """The key that a field shows, or that it is signed with."""
    signed = _SIGNED.match(value)
    if signed is not None:
        return signed[1]
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else value


def _query(target: str) -> list[str]:
    query = target.partition("?")[2]
    return query.split("&") if query else []


def _without_query(target: str, part: str) -> str:
    path, _, query = target.partition("?")
    rest = "&".join(other for other in query.split("&") if other != part)
    return f"{path}?{rest}" if rest else path
