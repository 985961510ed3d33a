"""The HTTP libraries of Python, and Node.js: each trusts the gateway, and is held to the rules."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.proxy.proxied import HOST, Proxied, told
from tests.end_to_end.proxy.scripts import ASK, Program
from tests.end_to_end.running import CARD, SECRET
from tests.fakes.web_site import WebSite

every_program = pytest.mark.parametrize("program", ASK, ids=str)
TEXT = "ö" * 70_000
"""More than one TLS record, and more than one read."""


@pytest.fixture(params=["https", "http"])
def site(request: pytest.FixtureRequest, secure: WebSite, plain: WebSite) -> tuple[str, WebSite]:
    """The URL of a site, and the site."""
    found = secure if request.param == "https" else plain
    return f"{request.param}://{HOST}:{found.port}", found


async def ask(through: Proxied, program: Program, url: str, note: str) -> tuple[int, str]:
    done = await told((*program.start, url), through.environ, json.dumps({"note": note}).encode())
    assert done.code == 0, done.err
    status, _, body = done.text.partition(" ")
    return int(status), body.rstrip("\n")


@every_program
async def test_it_is_answered(program: Program, site: tuple[str, WebSite], through: Proxied) -> None:
    url, server = site
    assert await ask(through, program, f"{url}/echo?a=1&b=%C3%B6", TEXT) == (200, json.dumps({"note": TEXT}))
    (seen,) = server.requests
    assert (seen.method, seen.target) == ("POST", "/echo?a=1&b=%C3%B6")
    assert seen.json() == {"note": TEXT}
    record = await through.gate.recorded()
    assert (record["host"], record["path"], record["outcome"]) == (HOST, "/echo", "forwarded")


@every_program
async def test_a_secret_does_not_leave(program: Program, site: tuple[str, WebSite], through: Proxied) -> None:
    url, server = site
    status, body = await ask(through, program, f"{url}/echo", SECRET)
    assert (status, json.loads(body)["error"]["code"]) == (400, "secret_blocked")
    assert server.requests == []


@every_program
async def test_a_card_is_redacted(program: Program, site: tuple[str, WebSite], through: Proxied) -> None:
    url, server = site
    assert await ask(through, program, f"{url}/echo", CARD) == (200, '{"note": "[CARD]"}')
    assert server.requests[0].json() == {"note": "[CARD]"}


@every_program
async def test_a_host_that_is_not_on_the_list_is_not_reached(program: Program, through: Proxied) -> None:
    done = await told((*program.start, "https://elsewhere.example:443/"), through.environ, b"{}")
    assert done.code != 0
    assert "403" in done.err
    record = await through.gate.recorded()
    assert (record["method"], record["path"], record["code"]) == ("CONNECT", "elsewhere.example:443", "egress_denied")


@every_program
async def test_without_our_root_nothing_is_said(program: Program, secure: WebSite, through: Proxied) -> None:
    """A client that does not trust the gateway ends TLS, and the record says what it lacks."""
    theirs = {name: value for name, value in through.environ.items() if "/ca/" not in value}
    done = await told((*program.start, f"https://{HOST}:{secure.port}/echo"), theirs, b"{}")
    assert done.code != 0
    assert "certificate" in done.err
    record = await through.gate.recorded()
    assert (record["method"], record["outcome"]) == ("CONNECT", "failed")
    assert "a client that refuses the certificate needs `lockgate env`" in record["fault"]
    assert secure.requests == []
