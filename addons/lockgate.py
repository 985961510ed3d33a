"""mitmproxy's addon: hands every flow over to the gateway, by the hop, and decides nothing.

    mitmdump -s "$(lockgate mitm path)"

The gateway is told by a ticket, in a header field, where the client wanted to go and who it is. The ticket is signed,
so that only what came through here is believed (gateway/serve/ticket.py reads it). The settings come from the
environment, as `lockgate mitm env` prints them. Which connections this process can make at all is not up to this file:
see lockgate_narrow.py.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import lockgate_narrow
from mitmproxy import connection, ctx, dns, http, tcp, tls, udp
from mitmproxy.net.dns import response_codes, types
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers import modes

FIELD: Final = "x-lockgate-hop"

STREAMS: Final = 100
"""Exchanges of one client at a time, in place of mitmproxy's five: each stream of HTTP/2 takes a connection to the
gateway, and 100 streams are the least that a server should allow (RFC 9113, section 6.5.2)."""

BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})
"""Methods whose requests have no body as a rule (RFC 9110, section 9.3)."""

PLACEHOLDER: Final = IPv4Address("198.18.0.1")
"""What every name resolves to for a client that asks here: an address of no machine (RFC 2544). The gateway goes by the
name that the client then gives, and looks it up itself."""

OPTIONS: Final[Mapping[str, Any]] = {
    "connection_strategy": "lazy",  # dial when a request is there, and it is known where to
    "upstream_cert": False,  # and not to look at a certificate
    "rawtcp": False,  # what is no HTTP is refused
    "ignore_hosts": [],  # nothing is passed on unread
    "allow_hosts": [],
    "tcp_hosts": [],
    "udp_hosts": [],
    "validate_inbound_headers": True,
    "tcp_timeout": 86_400,  # seconds of silence; the gateway has limits of its own
}
"""mitmproxy's settings under which it dials nothing by itself."""


class Settings(NamedTuple):
    """Where the hop is, the key of tickets, and the folder with the certificate authority.

    (No dataclass: mitmproxy runs this file as a module that Python knows nothing of, which they need.)
    """

    hop: tuple[str, int]
    key: bytes
    confdir: str


def settings(environ: Mapping[str, str]) -> Settings:
    """What the gateway said. Raises KeyError, ValueError and OSError."""
    host, _, port = environ["LOCKGATE_HOP"].rpartition(":")
    if not Path(environ["LOCKGATE_HOP_CA"], "mitmproxy-ca.pem").is_file():  # mitmproxy would make one of its own
        raise FileNotFoundError("the certificate authority is gone; if it was rotated, start the gateway again")
    return Settings(
        (host.strip("[]"), int(port)), bytes.fromhex(environ["LOCKGATE_HOP_KEY"]), environ["LOCKGATE_HOP_CA"]
    )


class Steer:
    """The addon."""

    def __init__(self, wanted: Settings) -> None:
        self._settings = wanted
        self._shown: WeakKeyDictionary[connection.Client, str | None] = WeakKeyDictionary()
        """The credentials for the proxy of those clients that showed them, or none, before their first request."""

    def load(self, _: object) -> None:
        ctx.options.update(**OPTIONS, confdir=self._settings.confdir)

    def client_connected(self, client: connection.Client) -> None:
        proxy = ctx.master.addons.get("proxyserver")
        proxy.connections[client.id].max_conns = defaultdict(lambda: asyncio.Semaphore(STREAMS))

    # -- who asks

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self._shown[flow.client_conn] = flow.request.headers.get("proxy-authorization")

    def socks5_auth(self, data: modes.Socks5AuthData) -> None:
        shown = base64.b64encode(f"{data.username}:{data.password}".encode()).decode("ascii")
        self._shown[data.client_conn] = f"Basic {shown}"
        data.valid = True  # the gateway tells with each request whether it is

    # -- HTTP

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        request, (host, port) = flow.request, self._settings.hop
        ticket = self._ticket(flow)
        named = request.host_header
        request.scheme, request.host, request.port = "http", host, port
        request.host_header = named  # which `host` had set
        request.headers[FIELD] = ticket
        # Not the one of a protocol over UDP, nor one behind another proxy.
        flow.server_conn = connection.Server(address=self._settings.hop)
        request.stream = True
        if (request.is_http2 or request.is_http3) and "content-length" not in request.headers:
            # mitmproxy passes the body on without any framing then.
            if request.method in BODILESS:
                request.stream = False
            else:
                request.headers["transfer-encoding"] = "chunked"

    def request(self, flow: http.HTTPFlow) -> None:
        if flow.request.raw_content and not flow.request.stream:
            flow.request.headers["content-length"] = str(len(flow.request.raw_content))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        flow.response.stream = True

    def _ticket(self, flow: http.HTTPFlow) -> str:
        """Where a request wants to go and whose it is, for this request alone: method and target are signed too."""
        request, client = flow.request, flow.client_conn
        said = {
            "at": time.time(),
            "nonce": secrets.token_hex(16),
            "mode": client.proxy_mode.type_name,
            "scheme": request.scheme,
            "host": request.host,
            "port": request.port,
            "sni": client.sni,
            "client": client.peername[0] if client.peername else None,
            "credentials": self._shown.get(client, request.headers.get("proxy-authorization")),
        }
        payload = base64.urlsafe_b64encode(json.dumps(said).encode()).decode("ascii")
        signed = f"{payload} {request.method} {request.path}".encode("utf-8", "surrogateescape")
        return f"{payload}.{hmac.new(self._settings.key, signed, hashlib.sha256).hexdigest()}"

    # -- what is no HTTP

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        data.ignore_connection = False

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        flow.kill()

    def udp_start(self, flow: udp.UDPFlow) -> None:
        flow.kill()

    def dns_request(self, flow: dns.DNSFlow) -> None:
        """Answered here, since a query that leaves can carry anything."""
        asked = flow.request.question
        if asked is None or asked.type not in (types.A, types.AAAA):
            flow.response = flow.request.fail(response_codes.REFUSED)
            return
        found = [dns.ResourceRecord.A(asked.name, PLACEHOLDER)] if asked.type == types.A else []
        flow.response = flow.request.succeed(found)


def greet(layer: modes.Socks5Proxy) -> Generator[commands.Command, Any, None]:
    """Ask a SOCKS client for user and password if it has them (RFC 1929); mitmproxy asks of all, or of none."""
    count = layer.buf[1] if layer.buf[:1] == bytes([modes.SOCKS5_VERSION]) and len(layer.buf) > 1 else 0
    offered = layer.buf[2 : 2 + count]
    if len(offered) < count or modes.SOCKS5_METHOD_USER_PASSWORD_AUTHENTICATION not in offered:
        yield from modes.Socks5Proxy.state_greet(layer)
        return
    chosen = bytes([modes.SOCKS5_VERSION, modes.SOCKS5_METHOD_USER_PASSWORD_AUTHENTICATION])
    yield commands.SendData(layer.context.client, chosen)
    layer.buf = layer.buf[2 + count :]
    layer.state = layer.state_auth
    yield from layer.state()


_wanted = settings(os.environ)
lockgate_narrow.allow(_wanted.hop)
modes.Socks5Proxy.state = greet

addons = [Steer(_wanted)]
