"""CONNECT, server name and Host field name one destination, in whatever spelling."""

from __future__ import annotations

import pytest

from gateway.policy.egress.agreement import disagreement
from gateway.policy.egress.entry import Scheme
from gateway.policy.egress.host import authority


@pytest.mark.parametrize(
    ("target", "scheme", "sni", "field"),
    [
        ("a.example:443", "https", None, None),
        ("a.example:443", "https", "a.example", "a.example"),
        ("A.example.:443", "https", "a.EXAMPLE", "a.example.:443"),
        ("bücher.example:443", "https", "xn--bcher-kva.example", "XN--bcher-kva.example"),
        ("a.example:8443", "https", "a.example", "a.example:8443"),
        ("127.0.0.1:443", "https", None, "127.1"),
        ("127.0.0.1:443", "https", "127.0.0.1", "[::ffff:127.0.0.1]"),
        ("[::1]:443", "https", "::1", "[0::1]:443"),
        ("a.example:80", "http", None, "a.example"),
        ("a.example", "http", None, "a.example:80"),
        ("a.example:443", "https", "a.example", None),
    ],
)
def test_names_that_agree(target: str, scheme: str, sni: str | None, field: str | None) -> None:
    assert disagreement(authority(target), Scheme(scheme), sni=sni, host_field=field) is None


@pytest.mark.parametrize(
    ("target", "scheme", "sni", "field", "reason"),
    [
        (
            "front.example:443",
            "https",
            "back.example",
            "front.example",
            "the server name of TLS is `back.example`, and the target is `front.example`",
        ),
        (
            "front.example:443",
            "https",
            "front.example",
            "back.example",
            "the Host field names `back.example`, and the target is `front.example`",
        ),
        (
            "front.example:443",
            "https",
            None,
            "back.example",
            "the Host field names `back.example`, and the target is `front.example`",
        ),
        (
            "a.example:443",
            "https",
            "www.a.example",
            None,
            "the server name of TLS is `www.a.example`, and the target is `a.example`",
        ),
        (
            "10.0.0.1:443",
            "https",
            "a.example",
            None,
            "the server name of TLS is `a.example`, and the target is `10.0.0.1`",
        ),
        ("a.example:443", "https", "", None, "the server name of TLS cannot be read: the host is empty"),
        ("a.example:443", "https", "a.example\0b", None, "the server name of TLS cannot be read: the host holds a NUL"),
        ("a.example:443", "https", None, "", "the Host field cannot be read: the host is empty"),
        (
            "a.example:443",
            "https",
            None,
            "x@a.example",
            "the Host field cannot be read: the authority holds user information; accepted: host:port",
        ),
        (
            "a.example:443",
            "https",
            None,
            "a.example:8443",
            "the Host field names port 8443, and the target has another",
        ),
        ("a.example:8443", "https", None, "a.example", "the Host field names port 443, and the target has another"),
        ("a.example:80", "http", None, "a.example:443", "the Host field names port 443, and the target has another"),
    ],
)
def test_names_that_do_not_agree(target: str, scheme: str, sni: str | None, field: str | None, reason: str) -> None:
    assert disagreement(authority(target), Scheme(scheme), sni=sni, host_field=field) == reason
