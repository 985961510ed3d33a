"""Who comes by proxy: by credentials, by key, by address, or as nobody; and what each may do."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.end_to_end.proxy.proxied import HOST, Authorities, Ended, Proxied, opened, proxied, told
from tests.fakes.script import Raw
from tests.fakes.upstream import Upstream, fake_upstream
from tests.fakes.web_site import WebSite

CURL = ("curl", "-q", "--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}/%{http_connect}")
ENVIRON = {"KEY_A": "key-of-a", "KEY_B": "key-of-b", "REAL": "sk-real"}
AGENTS = '[agents.a]\nkey_env = "KEY_A"\n[agents.b]\nkey_env = "KEY_B"\n'

type Start = Callable[..., AbstractAsyncContextManager[Proxied]]


@pytest.fixture
def start(secure: WebSite, plain: WebSite, tmp_path: Path) -> Start:
    """Starts a gateway that knows two agents; `more` is TOML beside them, `proxy` what stands in [proxy]."""

    def starter(more: str = "", proxy: str = "", agents: str = AGENTS) -> AbstractAsyncContextManager[Proxied]:
        return proxied(opened(secure.port, plain.port) + agents + more, tmp_path, ENVIRON, proxy=proxy)

    return starter


@pytest.fixture(params=["https", "http"])
def url(request: pytest.FixtureRequest, secure: WebSite, plain: WebSite) -> str:
    site = secure if request.param == "https" else plain
    return f"{request.param}://{HOST}:{site.port}/hello"


async def status(environ: dict[str, str], url: str, *options: str) -> str:
    """The status that curl got in the end: that of the proxy's answer to CONNECT where there was no other."""
    done = await told((*CURL, *options, url), environ)
    inner, outer = done.text.rpartition("\n")[2].split("/")
    return outer if inner == "000" else inner


async def test_credentials_of_the_proxy_tell_the_agent(start: Start, url: str) -> None:
    async with start() as proxy:
        for user, password in (("a", "key-of-a"), ("anything", "key-of-b"), ("key-of-a", "")):
            assert await status(proxy.as_agent(user, password), url) == "200"
        await proxy.gate.recorded(3)
        assert [record["principal"] for record in proxy.gate.records()] == ["a", "b", "a"]


async def test_they_do_not_reach_the_site(start: Start, url: str, secure: WebSite, plain: WebSite) -> None:
    async with start() as proxy:
        assert await status(proxy.as_agent("a", "key-of-a"), url) == "200"
    (seen,) = secure.requests + plain.requests
    shown = base64.b64encode(b"a:key-of-a").decode()
    assert shown not in str(seen.headers)


@pytest.mark.parametrize("anonymous", ["default", "refuse"])
async def test_wrong_credentials_are_refused_with_a_challenge(start: Start, url: str, anonymous: str) -> None:
    async with start(proxy=f'anonymous = "{anonymous}"') as proxy:
        done = await told((*CURL, "--include", url), proxy.as_agent("a", "wrong"))
        assert 'proxy-authenticate: Basic realm="lockgate", charset="UTF-8"' in _head(done)
        assert "407" in done.text
        record = await proxy.gate.recorded()
        assert (record["code"], record["principal"], record["status"]) == ("identity_required", "default", 407)
        assert "wrong" not in str(record)


def _head(done: Ended) -> str:
    return done.text.replace("Proxy-Authenticate", "proxy-authenticate")


async def test_nobody_is_let_in_by_default(start: Start, url: str) -> None:
    async with start() as proxy:
        assert await status(dict(proxy.environ), url) == "200"
        assert (await proxy.gate.recorded())["principal"] == "default"


async def test_nobody_may_be_refused(start: Start, url: str) -> None:
    async with start(proxy='anonymous = "refuse"') as proxy:
        done = await told((*CURL, "--include", url), proxy.environ)
        assert "407" in done.text
        assert "proxy-authenticate: Basic" in _head(done)
        assert await status(proxy.as_agent("a", "key-of-a"), url) == "200"


async def test_a_client_that_is_asked_first_shows_its_credentials_then(start: Start, url: str) -> None:
    """curl with --proxy-anyauth waits for the challenge, and comes again."""
    async with start(proxy='anonymous = "refuse"') as proxy:
        assert await status(proxy.as_agent("a", "key-of-a"), url, "--proxy-anyauth") == "200"
        await proxy.gate.recorded(2)
        assert [record["status"] for record in proxy.gate.records()] == [407, 200]


async def test_an_address_tells_the_agent(start: Start, url: str) -> None:
    agents = '[agents.here]\nkey_env = "KEY_A"\naddresses = ["127.0.0.0/8"]\n'
    async with start(agents=agents, proxy='anonymous = "refuse"') as proxy:
        assert await status(dict(proxy.environ), url) == "200"
        assert (await proxy.gate.recorded())["principal"] == "here"


async def test_a_key_in_place_of_an_api_key_tells_the_agent(
    start: Start, url: str, secure: WebSite, plain: WebSite
) -> None:
    async with start() as proxy:
        assert await status(dict(proxy.environ), url, "--header", "Authorization: Bearer key-of-a") == "200"
        assert (await proxy.gate.recorded())["principal"] == "a"
        assert (secure.requests + plain.requests)[0].header("Authorization") is None


async def test_two_agents_in_one_request_are_refused(start: Start, url: str) -> None:
    async with start() as proxy:
        shown = ("--header", "Authorization: Bearer key-of-b")
        assert await status(proxy.as_agent("a", "key-of-a"), url, *shown) == "403"
        assert (await proxy.gate.recorded())["code"] == "identity_required"


async def test_an_entry_may_be_one_agents(secure: WebSite, tmp_path: Path, authorities: Authorities) -> None:
    tables = opened(secure.port, more='agents = ["a"]') + AGENTS
    url = f"https://{HOST}:{secure.port}/hello"
    async with proxied(tables, tmp_path, ENVIRON) as proxy:
        assert await status(proxy.as_agent("a", "key-of-a"), url) == "200"
        assert await status(proxy.as_agent("b", "key-of-b"), url) == "403"
        assert await status(dict(proxy.environ), url) == "403"
        await proxy.gate.recorded(3)
        told_of = [(record["principal"], record["code"]) for record in proxy.gate.records()]
        assert told_of == [("a", None), ("b", "egress_denied"), ("default", "egress_denied")]


async def test_methods_and_paths_of_an_entry_hold_inside_a_tunnel(secure: WebSite, tmp_path: Path) -> None:
    tables = opened(secure.port, more='methods = ["GET"]\npaths = ["/hello"]')
    site = f"https://{HOST}:{secure.port}"
    async with proxied(tables, tmp_path) as proxy:
        assert await status(dict(proxy.environ), f"{site}/hello") == "200"
        assert await status(dict(proxy.environ), f"{site}/hello", "--data", "x") == "403"
        assert await status(dict(proxy.environ), f"{site}/range") == "403"
        assert await status(dict(proxy.environ), f"{site}/hello/../range", "--path-as-is") == "400"
    assert [seen.target for seen in secure.requests] == ["/hello"]


async def test_a_tunnel_that_is_passed_on_is_the_sites_own(
    secure: WebSite, tmp_path: Path, authorities: Authorities
) -> None:
    async with proxied(opened(secure.port, action="tunnel"), tmp_path) as proxy:
        url = f"https://{HOST}:{secure.port}/hello"
        assert await status(dict(proxy.environ), url, "--cacert", str(authorities.file)) == "200"
        record = await proxy.gate.recorded()
        assert (record["method"], record["dialect"], record["request"]["uninspected"]) == (
            "CONNECT",
            "tunnel",
            {"tunnel": 1},
        )


class TestKeysOfTheGateway:
    """`api_key_env`: the agent shows a gateway key, and never sees the upstream's."""

    @pytest.fixture
    async def provider(self, authorities: Authorities) -> AsyncIterator[Upstream]:
        async with fake_upstream(authorities.context()) as fake:
            fake.script = Raw((b"{}",))
            yield fake

    @pytest.fixture
    async def proxy(self, provider: Upstream, tmp_path: Path) -> AsyncIterator[Proxied]:
        base_url = provider.url.replace("127.0.0.1", HOST) + "/api"
        tables = f'[upstreams.openai]\nbase_url = "{base_url}"\napi_key_env = "REAL"\n{AGENTS}'
        async with proxied(tables, tmp_path, ENVIRON) as gate:
            yield gate

    async def ask(self, provider: Upstream, environ: dict[str, str], path: str, *options: str) -> str:
        url = provider.url.replace("127.0.0.1", HOST) + path
        return await status(environ, url, "--json", '{"model": "m", "messages": []}', *options)

    async def test_an_agent_known_by_the_proxy_gets_it(self, provider: Upstream, proxy: Proxied) -> None:
        path = "/api/v1/chat/completions"
        assert await self.ask(provider, proxy.as_agent("a", "key-of-a"), path) == "200"
        assert provider.last.header("Authorization") == "Bearer sk-real"
        assert provider.last.target == path
        record = await proxy.gate.recorded()
        assert (record["principal"], record["upstream"], record["dialect"]) == ("a", "openai", "openai_chat")

    async def test_a_key_of_the_agents_own_is_not_sent_beside_it(self, provider: Upstream, proxy: Proxied) -> None:
        shown = ("--header", "Authorization: Bearer sk-own")
        assert await self.ask(provider, proxy.as_agent("a", "key-of-a"), "/api/v1/chat/completions", *shown) == "200"
        assert [value for name, value in provider.last.headers if name.lower() == "authorization"] == ["Bearer sk-real"]

    async def test_nobody_gets_it(self, provider: Upstream, proxy: Proxied) -> None:
        assert await self.ask(provider, dict(proxy.environ), "/api/v1/chat/completions") == "401"
        assert provider.requests == []

    async def test_it_is_sent_to_no_other_path(self, provider: Upstream, proxy: Proxied) -> None:
        assert await self.ask(provider, proxy.as_agent("a", "key-of-a"), "/other/chat/completions") == "403"
        assert provider.requests == []
