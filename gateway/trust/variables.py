"""The environment that sends an agent's traffic through the gateway, and makes what it runs trust the gateway.

HTTP_PROXY is set in both spellings, as some read only the one and some only the other. A CGI server that inherits it
must not take a request's `Proxy` field for it (httpoxy, CVE-2016-5385), and the usual clients do not: curl reads the
lower-case name alone, and Go, Python and Ruby ignore the other where REQUEST_METHOD is set. ALL_PROXY means SOCKS to
some, but only where it has no scheme; with `http://` it sends what has no variable of its own to the gateway too, and
takes the place of one that would lead past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from gateway.trust.bundle import OVERRIDE, Bundle
from gateway.units import Address


class Holds(Enum):
    """What a variable is set to."""

    PROXY = auto()  # the URL of the proxy listener
    UNPROXIED = auto()  # hosts that are reached without it, with commas
    EVERYTHING = auto()  # a file that is used in place of other roots
    OURS = auto()  # a file that is added to other roots
    ON = auto()  # "1"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, what it is set to, and the document that says who reads it."""

    name: str
    holds: Holds
    source: str


VARIABLES: Final = (
    Variable("HTTP_PROXY", Holds.PROXY, "Go net/http ProxyFromEnvironment; Node.js CLI, NODE_USE_ENV_PROXY"),
    Variable("http_proxy", Holds.PROXY, "curl(1), ENVIRONMENT; Python urllib.request; GNU wget manual, Proxies"),
    Variable("HTTPS_PROXY", Holds.PROXY, "curl(1), ENVIRONMENT; Go net/http ProxyFromEnvironment; Node.js CLI"),
    Variable("https_proxy", Holds.PROXY, "GNU wget manual, Proxies; gRPC environment_variables.md"),
    Variable("ALL_PROXY", Holds.PROXY, "curl(1), ENVIRONMENT; HTTPX, Environment Variables"),
    Variable("all_proxy", Holds.PROXY, "curl(1), ENVIRONMENT"),
    Variable("NO_PROXY", Holds.UNPROXIED, "curl(1), ENVIRONMENT; Go net/http ProxyFromEnvironment; Node.js CLI"),
    Variable("no_proxy", Holds.UNPROXIED, "GNU wget manual, Proxies; gRPC environment_variables.md"),
    Variable("NODE_USE_ENV_PROXY", Holds.ON, "Node.js CLI, NODE_USE_ENV_PROXY (22.21, 24.0)"),
    Variable(OVERRIDE, Holds.EVERYTHING, "OpenSSL SSL_CTX_load_verify_locations(3); Go crypto/x509; HTTPX; uv"),
    Variable("REQUESTS_CA_BUNDLE", Holds.EVERYTHING, "Requests, SSL Cert Verification"),
    Variable("CURL_CA_BUNDLE", Holds.EVERYTHING, "curl(1), --cacert"),
    Variable("GIT_SSL_CAINFO", Holds.EVERYTHING, "git-config(1), http.sslCAInfo"),
    Variable("PIP_CERT", Holds.EVERYTHING, "pip, --cert"),
    Variable("AWS_CA_BUNDLE", Holds.EVERYTHING, "AWS CLI, environment variables; Boto3, configuration"),
    Variable("CARGO_HTTP_CAINFO", Holds.EVERYTHING, "The Cargo Book, http.cainfo"),
    Variable("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", Holds.EVERYTHING, "gRPC environment_variables.md"),
    Variable("npm_config_cafile", Holds.EVERYTHING, "npm config, cafile"),
    Variable("BUNDLE_SSL_CA_CERT", Holds.EVERYTHING, "bundle-config(1), ssl_ca_cert"),
    Variable("COMPOSER_CAFILE", Holds.EVERYTHING, "Composer, COMPOSER_CAFILE"),
    Variable("HEX_CACERTS_PATH", Holds.EVERYTHING, "Hex, mix hex.config, cacerts_path"),
    Variable("NIX_SSL_CERT_FILE", Holds.EVERYTHING, "Nix manual, environment variables"),
    Variable("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", Holds.EVERYTHING, "gcloud config, core/custom_ca_certs_file"),
    Variable("PERL_LWP_SSL_CA_FILE", Holds.EVERYTHING, "LWP::UserAgent, SSL_ca_file"),
    Variable("WEBSOCKET_CLIENT_CA_BUNDLE", Holds.EVERYTHING, "websocket-client, FAQ"),
    Variable("HTTPLIB2_CA_CERTS", Holds.EVERYTHING, "httplib2.certs"),
    Variable("NODE_EXTRA_CA_CERTS", Holds.OURS, "Node.js CLI, NODE_EXTRA_CA_CERTS; Deno 2.8, environment variables"),
    Variable("DENO_CERT", Holds.OURS, "Deno, environment variables"),
)


def environment(proxy: Address, unproxied: Sequence[str], bundle: Bundle, credentials: str = "") -> dict[str, str]:
    """The variables with their values, for a proxy at that address (a wildcard is reached over loopback).

    `credentials` is what its URL has before the host, `@` included.
    """
    values = {
        Holds.PROXY: f"http://{credentials}{reachable(proxy)}",
        Holds.UNPROXIED: ",".join(unproxied),
        Holds.EVERYTHING: str(bundle.everything),
        Holds.OURS: str(bundle.ours),
        Holds.ON: "1",
    }
    return {variable.name: values[variable.holds] for variable in VARIABLES}


def reachable(listen: Address) -> Address:
    """Where a client on this machine reaches a listener with that address."""
    return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host), listen.port)  # noqa: S104 -- read, not bound
