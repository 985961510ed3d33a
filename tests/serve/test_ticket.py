"""Tickets: which are taken, and that every other one is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ClientError, Code
from gateway.serve.ticket import LIFETIME, Tickets, signature
from tests.serve.tickets import KEY, said, ticket

NOW = 1_000_000.0


def refusal(text: str, method: str = "GET", target: str = "/", *, taken_by: Tickets | None = None) -> str:
    """Why that ticket is refused, after what is the same for all."""
    with pytest.raises(ClientError) as caught:
        (taken_by or Tickets(KEY, lambda: NOW)).take(text, method, target)
    assert (caught.value.code, caught.value.status) == (Code.IDENTITY, 403)
    begin = "only mitmproxy may hand requests over here, and its ticket "
    assert str(caught.value).startswith(begin)
    return str(caught.value).removeprefix(begin)


UNSIGNED = "is not signed for it with the key of this gateway"


def test_a_ticket_says_what_the_addon_said() -> None:
    fields = said(at=NOW, mode="socks5", scheme="https", sni="api.example.com", credentials="Basic eA==")
    found = Tickets(KEY, lambda: NOW).take(ticket(fields, "POST", "/v1?x=1"), "POST", "/v1?x=1")
    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("text", "method", "target"),
    [
        ("", "GET", "/"),
        (".", "GET", "/"),
        ("é.ü", "GET", "/"),
        (ticket(said(at=NOW)).rpartition(".")[0], "GET", "/"),
        (ticket(said(at=NOW)), "POST", "/"),
        (ticket(said(at=NOW)), "GET", "/other"),
        (ticket(said(at=NOW), key=b"another"), "GET", "/"),
        (ticket(said(at=NOW), key=b""), "GET", "/"),
        (ticket(said(at=NOW)) + "0", "GET", "/"),
        (ticket(said(at=NOW)).upper(), "GET", "/"),
    ],
)
def test_a_ticket_that_is_not_signed_for_the_request_is_refused(text: str, method: str, target: str) -> None:
    assert refusal(text, method, target) == UNSIGNED


@given(st.data())
def test_a_ticket_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    text = ticket(said(at=NOW))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != text[at]))
    assert refusal(text[:at] + other + text[at + 1 :]) == UNSIGNED


@pytest.mark.parametrize("ago", [LIFETIME + 1, -LIFETIME - 1, float("inf"), float("-inf")])
def test_a_ticket_of_another_time_is_refused(ago: float) -> None:
    with_time = ticket(said(at=NOW - ago)) if abs(ago) < 1e9 else ticket(said(at=1e300 if ago < 0 else -1e300))
    assert refusal(with_time) == "is too old; try again"


def _signed(payload: bytes) -> str:
    text = base64.urlsafe_b64encode(payload).decode("ascii")
    return f"{text}.{signature(KEY, f'{text} GET /'.encode()).decode('ascii')}"


@pytest.mark.parametrize(
    "text",
    [
        _signed(b"no JSON"),
        _signed(b"{}"),
        _signed(json.dumps(said(at=NOW, scheme="ftp")).encode()),
        _signed(json.dumps(said(at=NOW, port="80")).encode()),
        f"x.{signature(KEY, b'x GET /').decode()}",
    ],
)
def test_a_ticket_that_says_something_else_is_refused(text: str) -> None:
    assert refusal(text) == "cannot be read; is the addon of another version?"


def test_a_ticket_is_taken_once_for_as_long_as_it_is_good() -> None:
    now = NOW
    tickets = Tickets(KEY, lambda: now)
    first: dict[str, Any] = said(at=NOW + LIFETIME, nonce="first")
    tickets.take(ticket(first), "GET", "/")
    now = NOW + 2 * LIFETIME - 1
    tickets.take(ticket(said(at=now, nonce="second")), "GET", "/")
    assert refusal(ticket(first), taken_by=tickets) == "was used before"


def test_nonces_are_forgotten_when_their_ticket_is_too_old() -> None:
    now = NOW
    tickets = Tickets(KEY, lambda: now)
    for number in range(100):
        now = NOW + number
        tickets.take(ticket(said(at=now, nonce=str(number))), "GET", "/")
    assert len(tickets._taken) <= 2 * LIFETIME + 1
    now += 3 * LIFETIME
    tickets.take(ticket(said(at=now, nonce="last")), "GET", "/")
    assert list(tickets._taken) == ["last"]
