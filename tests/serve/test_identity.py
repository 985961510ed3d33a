from __future__ import annotations

import pytest

from gateway.errors import ClientError, Code
from gateway.exchange.events import Headers
from gateway.launch import Isolation
from gateway.serve.identity import NOBODY, Caller, Known, Proof, Site, identify, inject, joined, known_to_proxy

SITE = Site(frozenset({"gateway", "::2"}), frozenset({"https://console.example"}))
KEY = "gateway-key"


BOT = Known("bot", Proof.KEY)


def whose(key: str) -> Known | None:
    return BOT if key == KEY else None


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
        ("Authorization", f"AWS4-HMAC-SHA256 Credential={KEY}/20261101/us-east-1/bedrock/aws4_request, Signature=0"),
        ("Authorization", f"AWS4-HMAC-SHA256 SignedHeaders=host,Credential={KEY}/20261101/r/s/aws4_request"),
    ],
)
def test_a_gateway_key_is_found_where_sdks_put_keys_and_taken_out(name: str, value: str) -> None:
    headers = (("Accept", "*/*"), (name, value), ("X-Api-Version", "1"))
    caller = identify(whose, "/v1/x?a=1", headers)
    assert caller == Caller(BOT, "/v1/x?a=1", (("Accept", "*/*"), ("X-Api-Version", "1")))
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
    assert identify(whose, target, ()) == Caller(BOT, left, ())


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
    assert identify(whose, target, headers) == Caller(BOT, "/x", ())


def test_a_foreign_key_stays_beside_a_gateway_key() -> None:
    headers = (("Authorization", "Bearer other"), ("x-api-key", KEY))
    assert identify(whose, "/x?key=more", headers) == Caller(BOT, "/x?key=more", (("Authorization", "Bearer other"),))


def test_who_shows_the_keys_of_two_agents_is_nobody() -> None:
    with pytest.raises(ClientError, match="keys of two agents") as raised:
        identify(
            {KEY: BOT, "other": Known("spy", Proof.KEY)}.get,
            "/x",
            (("Authorization", "Bearer other"), ("x-api-key", KEY)),
        )
    assert (raised.value.code, raised.value.status) == (Code.IDENTITY, 403)


@pytest.mark.parametrize("target", ["/x", "/x?", "/x?key=other&b", "/x?akey=gateway-key"])
def test_foreign_keys_stay_where_they_are(target: str) -> None:
    headers = (("Authorization", "Bearer other"), ("x-api-key", "another"))
    caller = identify(whose, target, headers)
    assert caller == Caller(NOBODY, target, headers)
    assert caller.principal == "default"


def test_the_real_key_replaces_every_other_credential() -> None:
    strays = (("X-API-Key", "stray"), ("Authorization", "b"), ("X-Amz-Security-Token", "s"))
    caller = Caller(BOT, "/x?key=stray&alt=sse", (("Accept", "*/*"), *strays))
    assert inject(caller, "x-api-key", "real") == Caller(BOT, "/x?alt=sse", (("Accept", "*/*"), ("x-api-key", "real")))


def launched(agent: str | None, isolation: Isolation = Isolation.NONE) -> Known:
    return Known(agent, Proof.LAUNCHER, isolation)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((), NOBODY),
        ((NOBODY, BOT), BOT),
        ((BOT, launched("bot")), launched("bot")),
        ((launched("bot", Isolation.VM), launched("bot", Isolation.PROCESS)), launched("bot", Isolation.PROCESS)),
        ((NOBODY, launched(None)), launched(None)),
        ((launched(None, Isolation.VM), BOT), BOT),
        ((launched(None, Isolation.VM), launched("bot")), launched("bot")),
    ],
    ids=["none", "a key", "key and word", "two words", "a word for nobody", "another's word", "two names"],
)
def test_a_launcher_s_word_counts_for_whom_it_names_and_the_lesser(found: tuple[Known, ...], told: Known) -> None:
    assert joined(*found) == joined(*reversed(found)) == told


def test_words_for_two_agents_are_nobody_s() -> None:
    with pytest.raises(ClientError, match="keys of two agents"):
        joined(launched("bot"), launched("spy"))


def test_what_is_wrong_with_a_token_is_told_by_the_proxy_as_such() -> None:
    def whose(_: str) -> Known | None:
        raise ClientError("the launcher's token has expired", code=Code.IDENTITY, status=401)

    with pytest.raises(ClientError, match="has expired") as raised:
        known_to_proxy(whose, {"Proxy-Authorization": "Bearer old"})
    assert (raised.value.code, raised.value.status) == (Code.IDENTITY, 407)
