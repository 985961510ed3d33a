"""Which upstream a URL belongs to."""

from __future__ import annotations

import pytest

from gateway.dialect.families import FAMILIES
from gateway.policy.egress.host import parse_host
from gateway.serve.places import Places
from gateway.serve.upstream import Upstream


def upstream(name: str, base_url: str) -> tuple[Upstream, str]:
    return Upstream(name, FAMILIES["openai"], base_url, key="secret"), base_url


PLACES = Places(
    [
        upstream("whole", "https://api.example.com"),
        upstream("deep", "https://gate.example.com/team/api"),
        upstream("deeper", "https://gate.example.com/team/api/v2"),
        upstream("local", "http://127.0.0.1:9000"),
    ]
)


@pytest.mark.parametrize(
    ("url", "name", "rest"),
    [
        (("https", "api.example.com", 443, "/v1/models?a=b"), "whole", "/v1/models?a=b"),
        (("https", "api.example.com", 443, "/"), "whole", "/"),
        (("https", "gate.example.com", 443, "/team/api/v1/chat"), "deep", "/v1/chat"),
        (("https", "gate.example.com", 443, "/team/api/v2/chat"), "deeper", "/chat"),
        (("https", "gate.example.com", 443, "/team/api"), "deep", "/"),
        (("https", "gate.example.com", 443, "/team/api?x"), "deep", "/?x"),
        (("http", "127.0.0.1", 9000, "/x"), "local", "/x"),
    ],
)
def test_the_closest_path_tells_the_upstream(url: tuple[str, str, int, str], name: str, rest: str) -> None:
    scheme, host, port, target = url
    found = PLACES.find(scheme, parse_host(host), port, target)
    assert found is not None
    assert (found[0].name, found[0].key, found[1]) == (name, "secret", rest)


@pytest.mark.parametrize("target", ["/", "/team", "/team/apix", "/team/%61pi/v1", "/other"])
def test_outside_of_every_path_the_dialect_stays_and_the_key_does_not(target: str) -> None:
    found = PLACES.find("https", parse_host("gate.example.com"), 443, target)
    assert found is not None
    assert (found[0].family.name, found[0].key, found[1]) == ("openai", None, target)
    assert found[0].base_url == "https://gate.example.com:443"


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("http", "api.example.com", 80),
        ("https", "api.example.com", 8443),
        ("https", "www.api.example.com", 443),
        ("https", "example.com", 443),
        ("https", "127.0.0.1", 9000),
    ],
)
def test_another_origin_is_no_upstream(scheme: str, host: str, port: int) -> None:
    assert PLACES.find(scheme, parse_host(host), port, "/v1/models") is None


def test_a_base_url_whose_host_cannot_be_read_is_no_place() -> None:
    assert Places([upstream("odd", "https://a..b")]).find("https", parse_host("a.b"), 443, "/") is None
