"""Agent cards as a client sees them that came by a base URL."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialect.a2a import A2aCard, A2aHttp, A2aRpc
from gateway.dialect.a2a_card import Door, is_card
from gateway.dialect.a2a_family import a2a
from gateway.errors import Malformed, UpstreamError
from gateway.wire.document import apply, parse
from tests.dialect.laws import at, doc, texts

DOOR = Door("n", "https://h/a", "http://gate/n")
ROOT = Door("n", "https://h", "http://gate/n")
OWN, OUT = "https://h/a/rpc", "http://gate/n/rpc"


@pytest.mark.parametrize(
    ("address", "outward"),
    [
        ("https://h/a", "http://gate/n"),
        ("https://h/a/", "http://gate/n/"),
        ("https://h/a/rpc?x=1#f", "http://gate/n/rpc?x=1"),
        ("https://h/a?x=1", "http://gate/n?x=1"),
        ("HTTPS://H:443/a/rpc", OUT),
        ("https://user@h/a/rpc", OUT),
        ("https://h/ab", None),
        ("https://h/", None),
        ("https://h", None),
        ("http://h/a", None),
        ("https://h:8443/a", None),
        ("https://evil/a", None),
        ("https://h@evil/a", None),
        ("https://h/a/../b", None),
        ("https://h/a/%2e%2E/b", None),
        ("https://h/a/..%2fb", None),
        ("https://h/a\\..\\b", None),
        ("https://h/a/ b", None),
        ("https://h/a/é", None),
        (" https://h/a", None),
        ("//h/a", None),
        ("/a", None),
        ("h:50051", None),
        ("https://[h/a", None),
        ("https://h:x/a", None),
        ("", None),
    ],
)
def test_what_is_below_the_base_url_leads_to_the_gateway(address: str, outward: str | None) -> None:
    assert DOOR.outward(address) == outward


@pytest.mark.parametrize(("address", "outward"), [("https://h", "http://gate/n/"), ("https://h/x", "http://gate/n/x")])
def test_a_base_url_without_a_path_holds_everything(address: str, outward: str) -> None:
    assert ROOT.outward(address) == outward


@given(st.text(max_size=40), st.sampled_from(["", "https://h/a", "https://h", "http://"]))
def test_nothing_leads_out_of_the_gateways_address(rest: str, start: str) -> None:
    outward = DOOR.outward(start + rest)
    assert outward is None or (outward.startswith("http://gate/n") and outward[13:14] in ("", "/", "?"))


def rewritten(card: Any, door: Door = DOOR) -> Any:
    document = doc(card)
    return json.loads(apply(document.raw, A2aCard(door).amend(document)))


def old(url: str, *others: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"name": "A", "url": url, "additionalInterfaces": [{"url": u, "transport": t} for u, t in others], **more}


def new(*urls: str) -> dict[str, Any]:
    return {"name": "A", "supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC"} for url in urls]}


class TestBefore1:
    def test_all_addresses_are_the_gateways(self) -> None:
        assert rewritten(old(OWN, (OWN, "JSONRPC"))) == old(OUT, (OUT, "JSONRPC"))

    def test_what_cannot_be_reached_is_left_out(self) -> None:
        card = old(OWN, ("h:1", "GRPC"), (OWN, "JSONRPC"), ("https://evil/", "HTTP+JSON"))
        assert rewritten(card) == old(OUT, (OUT, "JSONRPC"))

    @pytest.mark.parametrize("more", [{}, {"preferredTransport": "GRPC"}])
    def test_another_interface_takes_the_place_of_one_that_cannot_be_reached(self, more: dict[str, Any]) -> None:
        card = old("h:1", ("h:1", "GRPC"), (OWN, "HTTP+JSON"), **more)
        assert rewritten(card) == old(OUT, (OUT, "HTTP+JSON"), preferredTransport="HTTP+JSON")

    @pytest.mark.parametrize(
        "card", [old("https://evil/"), old("h:1", ("https://evil/", "JSONRPC")), {"url": "x"}, {"url": 7}]
    )
    def test_one_that_leads_nowhere_here_is_refused(self, card: Any) -> None:
        with pytest.raises(UpstreamError, match=r"set `base_url` under \[upstreams.n\]"):
            rewritten(card)


class Test1:
    @pytest.mark.parametrize("key", ["supportedInterfaces", "supported_interfaces"])
    def test_all_addresses_are_the_gateways(self, key: str) -> None:
        assert rewritten({key: new(OWN, "h:1", OWN)["supportedInterfaces"]}) == {
            key: new(OUT, OUT)["supportedInterfaces"]
        }

    def test_one_that_leads_nowhere_here_is_refused(self) -> None:
        with pytest.raises(UpstreamError):
            rewritten(new("h:1"))

    def test_only_the_addresses_differ(self) -> None:
        raw = b'{ "supportedInterfaces" :[{"url": "https:\\/\\/h/a","x":1.0 } ] ,"skills":[]}'
        patches = A2aCard(DOOR).amend(document := parse(raw))
        assert apply(document.raw, patches) == raw.replace(b"https:\\/\\/h/a", b"http://gate/n")

    def test_what_is_left_is_as_it_came(self) -> None:
        raw = b'{"supportedInterfaces":[{"url":"h:1"}, {"x":1.0,  "url":"https://h/a"}]}'
        patches = A2aCard(DOOR).amend(document := parse(raw))
        assert apply(document.raw, patches) == b'{"supportedInterfaces":[{"x":1.0,  "url":"http://gate/n"}]}'


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"URL": "https://evil/"}, "`url` is spelt in another case"),
        ({"SupportedInterfaces": []}, "`supportedInterfaces`"),
        ({"supportedInterfaces": [{"Url": "https://evil/", "url": OWN}]}, "`url`"),
        ({"supportedInterfaces": {}}, "no list"),
        ({"supportedInterfaces": ["https://evil/"]}, "no object"),
        ({"supportedInterfaces": [], "supported_interfaces": []}, "both spellings"),
    ],
)
def test_what_readers_could_take_for_different_cards_is_refused(card: Any, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        rewritten(card)


@pytest.mark.parametrize("card", [{}, [], "x", {"name": "A"}, {"url": None}])
def test_a_card_without_addresses_stays(card: Any) -> None:
    assert rewritten(card) == card


def test_a_card_at_any_other_path_is_one_too() -> None:
    endpoint = a2a(DOOR).endpoint("GET", "/agents/1/card.json")
    document = doc({**new(OWN), "skills": [{"description": "Cooks"}]})
    body = json.loads(apply(document.raw, endpoint.dialect.amend(document)))
    assert body["supportedInterfaces"][0]["url"] == OUT
    reading = endpoint.dialect.answer(document)
    assert not at(reading, "supportedInterfaces", 0, "url").editable
    other = doc({"keys": [{"kid": "a key"}]})
    assert texts(endpoint.dialect.answer(other)) == {("keys", 0, "kid"): "a key"}
    assert endpoint.dialect.amend(other) == ()
    assert endpoint.dialect.answer_fields((("Location", OWN),)) == (("Location", OUT),)


def test_an_answer_with_a_card_in_it_is_one() -> None:
    inside = {"jsonrpc": "2.0", "id": 1, "result": {**new(OWN), "skills": []}}
    document = doc(inside)
    assert (
        json.loads(apply(document.raw, A2aRpc(DOOR).amend(document)))["result"]["supportedInterfaces"][0]["url"] == OUT
    )
    assert A2aHttp(DOOR).amend(doc(new(OWN)))
    assert is_card({"preferred_transport": "x"})
    assert not is_card({"taskId": "t", "url": "https://me/hook"})
