"""Who comes by proxy: by credentials, by key, by address, or as nobody; and what each may do."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from time import time
from typing import Any

import pytest

from gateway.keys import secret_in_file
from gateway.launch import Isolation, Launch, key_of, token
from tests.end_to_end.proxy.proxied import HOST, Authorities, Ended, Proxied, opened, proxied, told
from tests.end_to_end.running import Running, until
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


class TestLaunchers:
    """A launcher's token in the place of a key: through the proxy, and by base URL."""

    def token(self, gate: Running, agent: str, isolation: Isolation = Isolation.NONE, age: int = 0) -> str:
        """A token as `lockgate exec` signs it, that many seconds ago, for an hour."""
        issued = int(time()) - age
        key = key_of(secret_in_file(gate.folder / "state" / "secret"))
        return token(key, Launch(agent, isolation, issued, issued + 3600))

    async def test_it_tells_the_agent_and_what_holds_it(self, start: Start, url: str) -> None:
        async with start() as proxy:
            shown = self.token(proxy.gate, "a", Isolation.NAMESPACE)
            assert await status(proxy.as_agent("a", shown), url) == "200"
            record = await proxy.gate.recorded()
        assert (record["principal"], record["identity"], record["isolation"]) == ("a", "launcher", "namespace")
        assert shown.rpartition(".")[2] not in str(record)

    async def test_records_tell_the_other_proofs_from_it(self, start: Start, url: str) -> None:
        async with start() as proxy:
            assert await status(proxy.as_agent("a", "key-of-a"), url) == "200"
            assert await status(dict(proxy.environ), url) == "200"
            assert await status(proxy.as_agent("default", self.token(proxy.gate, "default")), url) == "200"
            await proxy.gate.recorded(3)
            told_of = [
                (record["principal"], record["identity"], record["isolation"]) for record in proxy.gate.records()
            ]
        assert told_of == [("a", "key", None), ("default", None, None), ("default", "launcher", "none")]

    async def test_a_tunnel_that_is_passed_on_is_recorded_with_it(
        self, secure: WebSite, tmp_path: Path, authorities: Authorities
    ) -> None:
        async with proxied(opened(secure.port, action="tunnel") + AGENTS, tmp_path, ENVIRON) as proxy:
            url = f"https://{HOST}:{secure.port}/hello"
            environ = proxy.as_agent("a", self.token(proxy.gate, "a"))
            assert await status(environ, url, "--cacert", str(authorities.file)) == "200"
            record = await proxy.gate.recorded()
        assert (record["dialect"], record["principal"], record["identity"]) == ("tunnel", "a", "launcher")

    async def test_where_nobody_may_be_unknown_it_has_to_name_an_agent(self, start: Start, url: str) -> None:
        async with start(proxy='anonymous = "refuse"') as proxy:
            assert await status(proxy.as_agent("a", self.token(proxy.gate, "a")), url) == "200"
            assert await status(proxy.as_agent("x", self.token(proxy.gate, "default")), url) == "407"

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"age": 2 * 3600}, "the launcher's token has expired"),
            ({"age": -3600}, "the launcher's token is not valid yet"),
            ({"agent": "c"}, "the launcher's token is for the agent `c`, which is not configured"),
        ],
    )
    async def test_one_that_is_not_good_is_refused_with_the_reason(
        self, change: dict[str, Any], why: str, start: Start, url: str
    ) -> None:
        async with start() as proxy:
            shown = self.token(proxy.gate, **({"agent": "a"} | change))
            assert await status(proxy.as_agent("a", shown), url) == "407"
            record = await proxy.gate.recorded()
        assert (record["principal"], record["code"], record["identity"]) == ("default", "identity_required", None)
        assert record["told"].startswith(why)

    async def test_taking_the_agent_out_of_the_configuration_revokes_it(self, start: Start, url: str) -> None:
        async with start() as proxy:
            environ = proxy.as_agent("b", self.token(proxy.gate, "b"))
            assert await status(environ, url) == "200"
            path = proxy.gate.folder / "lockgate.toml"
            draft = path.with_suffix(".new")
            draft.write_text(path.read_text().replace('[agents.b]\nkey_env = "KEY_B"\n', ""))
            draft.replace(path)

            async def is_revoked() -> bool:
                return await status(environ, url) == "407"

            await until(is_revoked, 20)
            assert "is for the agent `b`, which is not configured" in (await proxy.gate.recorded())["told"]

    async def test_by_base_url_it_stands_in_place_of_the_api_key(
        self, tmp_path: Path, authorities: Authorities
    ) -> None:
        async with fake_upstream() as fake:
            fake.script = Raw((b"{}",))
            tables = f'[upstreams.openai]\nbase_url = "{fake.url}"\napi_key_env = "REAL"\n{AGENTS}'
            async with proxied(tables, tmp_path, ENVIRON) as proxy:
                for agent, expected in (("a", "200"), ("default", "401"), ("c", "401")):
                    shown = self.token(proxy.gate, agent)
                    url = f"{proxy.gate.url}/openai/v1/chat/completions"
                    ask = ("--header", f"Authorization: Bearer {shown}", "--json", '{"model": "m", "messages": []}')
                    assert await status({"PATH": os.environ["PATH"]}, url, *ask) == expected
                await proxy.gate.recorded(3)
                told_of = [(record["principal"], record["identity"]) for record in proxy.gate.records()]
        assert told_of == [("a", "launcher"), ("default", "launcher"), ("default", None)]
        (seen,) = fake.requests
        assert [value for name, value in seen.headers if name.lower() == "authorization"] == ["Bearer sk-real"]

    async def test_one_that_is_not_good_does_not_go_upstream_as_a_key(
        self, tmp_path: Path, authorities: Authorities
    ) -> None:
        async with fake_upstream() as fake:
            tables = f'[upstreams.openai]\nbase_url = "{fake.url}"\n{AGENTS}'
            async with proxied(tables, tmp_path, ENVIRON) as proxy:
                shown = self.token(proxy.gate, "a", age=2 * 3600)
                url = f"{proxy.gate.url}/openai/v1/models"
                environ = {"PATH": os.environ["PATH"]}
                assert await status(environ, url, "--header", f"Authorization: Bearer {shown}") == "401"
        assert fake.requests == []
