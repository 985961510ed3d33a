from __future__ import annotations

import pytest

from gateway.errors import ClientError, Code
from gateway.exchange.events import Headers
from gateway.serve.identity import Caller, Site, identify, inject

SITE = Site(frozenset({"gateway", "::2"}), frozenset({"https://console.example"}))
KEY = "gateway-key"


def owner(key: str) -> str | None:
    return "bot" if key == KEY else None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "gateway:80", "[::2]:1", "10.0.0.5:8"]
)
def test_our_own_names_are_known_on_any_port(host: str) -> None:
    assert SITE.knows(host, "10.0.0.5")


@pytest.mark.parametrize("host", [None, "", "evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.6"])
def test_any_other_name_is_not(host: str | None) -> None:
    assert not SITE.knows(host, "10.0.0.5")


@pytest.mark.parametrize(
    ("origin", "fetch_site", "accepted"),
    [
        (None, None, True),
        (None, "none", True),
        (None, "same-origin", True),
        (None, "cross-site", False),
        (None, "same-site", False),
        ("https://console.example", "cross-site", True),
        ("https://evil.example", None, False),
        ("null", None, False),
    ],
)
def test_web_pages_need_an_accepted_origin(origin: str | None, fetch_site: str | None, accepted: bool) -> None:
    assert SITE.accepts(origin, fetch_site) is accepted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"Bearer {KEY}"),
        ("authorization", f"bearer {KEY} "),
        ("x-api-key", KEY),
        ("X-Goog-Api-Key", KEY),
        ("api-key", KEY),
    ],
)
def test_a_gateway_key_is_found_where_sdks_put_keys_and_taken_out(name: str, value: str) -> None:
    headers = (("Accept", "*/*"), (name, value), ("X-Api-Version", "1"))
    caller = identify(owner, "/v1/x?a=1", headers)
    assert caller == Caller("bot", "/v1/x?a=1", (("Accept", "*/*"), ("X-Api-Version", "1")))
    assert caller.principal == "bot"


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (f"/x?key={KEY}", "/x"),
        (f"/x?alt=sse&key={KEY}", "/x?alt=sse"),
        (f"/x?key={KEY}&alt=sse", "/x?alt=sse"),
        ("/x?key=gateway%2Dkey&alt=sse", "/x?alt=sse"),
    ],
)
def test_a_gateway_key_in_the_query_is_found_and_taken_out(target: str, left: str) -> None:
    assert identify(owner, target, ()) == Caller("bot", left, ())


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/x", (("x-api-key", KEY), ("Authorization", f"Bearer {KEY}"))),
        ("/x", (("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {KEY}"))),
        (f"/x?key={KEY}", (("X-Goog-Api-Key", KEY),)),
        (f"/x?key={KEY}&key={KEY}", ()),
        (f"/x?key={KEY}", (("Sec-WebSocket-Protocol", f"openai-insecure-api-key.{KEY}"),)),
        ("/x", (("Sec-WebSocket-Protocol", f"openai-insecure-api-key.{KEY}"), ("api-key", KEY))),
        (f"/x?%6Bey={KEY}", ()),
    ],
)
def test_a_gateway_key_is_taken_out_wherever_it_is_shown(target: str, headers: Headers) -> None:
    assert identify(owner, target, headers) == Caller("bot", "/x", ())


def test_a_foreign_key_stays_beside_a_gateway_key() -> None:
    headers = (("Authorization", "Bearer other"), ("x-api-key", KEY))
    assert identify(owner, "/x?key=more", headers) == Caller("bot", "/x?key=more", (("Authorization", "Bearer other"),))


def test_who_shows_the_keys_of_two_agents_is_nobody() -> None:
    with pytest.raises(ClientError, match="keys of two agents") as raised:
        identify({KEY: "bot", "other": "spy"}.get, "/x", (("Authorization", "Bearer other"), ("x-api-key", KEY)))
    assert (raised.value.code, raised.value.status) == (Code.IDENTITY, 403)


@pytest.mark.parametrize("target", ["/x", "/x?", "/x?key=other&b", "/x?akey=gateway-key"])
def test_foreign_keys_stay_where_they_are(target: str) -> None:
    headers = (("Authorization", "Bearer other"), ("x-api-key", "another"))
    caller = identify(owner, target, headers)
    assert caller == Caller(None, target, headers)
    assert caller.principal == "default"


def test_the_real_key_replaces_every_other_credential() -> None:
    caller = Caller("bot", "/x?key=stray&alt=sse", (("X-API-Key", "stray"), ("Accept", "*/*"), ("Authorization", "b")))
    assert inject(caller, "x-api-key", "real") == Caller(
        "bot", "/x?alt=sse", (("Accept", "*/*"), ("x-api-key", "real"))
    )
