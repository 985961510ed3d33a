"""What a person sees of a host that agents may not reach: in the client's exception, in the answer, and in the log."""

from __future__ import annotations

import io
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx2
import pytest
import structlog
from aiohttp import web
from openai import AsyncOpenAI, PermissionDeniedError

from gateway import record
from gateway.app import Alone, serve_in_process
from gateway.settings import Format
from gateway.units import Address
from tests.serve.loopback import dialled, until, upstream_of
from tests.serve.test_base_url import Echo

KEY = "gateway-key-of-research"
RESEARCH = f"research:{KEY}@"
HEAD = """
[gateway]
listen = "127.0.0.1:0"
state_dir = "state"
[admin]
listen = "127.0.0.1:0"
[proxy]
listen = "127.0.0.1:0"
[agents.research]
key_env = "RESEARCH_KEY"
"""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    record.configure(Format.CONSOLE, "info", stream)
    yield stream
    structlog.reset_defaults()


@asynccontextmanager
async def gateway(folder: Path, more: str = "") -> AsyncIterator[Alone]:
    path = folder / "lockgate.toml"
    path.write_text(HEAD + more, encoding="utf-8")
    async with serve_in_process(path, {"RESEARCH_KEY": KEY}, follow=False) as service:
        yield service


def through(service: Alone, user: str = "") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(proxy=f"http://{user}{service.proxy}")


def proxy_of(service: Alone) -> Address:
    assert service.proxy is not None
    return service.proxy


def lines_to_add(told: str) -> str:
    """What a person would copy: from the line of the table on."""
    return told[told.rindex("[egress.") :]


async def test_an_exception_says_which_host_for_whom_and_under_which_id(tmp_path: Path, log: io.StringIO) -> None:
    async with gateway(tmp_path) as service:
        with pytest.raises(httpx2.ProxyError) as by_httpx:
            async with through(service, RESEARCH) as client:
                await client.get("https://api.example.org/x")
        with pytest.raises(aiohttp.ClientHttpProxyError) as by_aiohttp:
            async with aiohttp.ClientSession() as session:
                await session.get("https://api.example.org/x", proxy=f"http://{service.proxy}")
        await until(lambda: log.getvalue().count("egress_denied") == 2)
    text = "egress_denied: no entry of [egress] names `api.example.org:443` for `research` (record "
    assert text in str(by_httpx.value)
    assert str(by_httpx.value).removesuffix(")").rpartition(" ")[2] in log.getvalue()
    assert text.replace("research", "default") in by_aiohttp.value.message


async def test_the_log_has_the_lines_that_would_allow_it(tmp_path: Path, log: io.StringIO) -> None:
    async with gateway(tmp_path) as service:
        with pytest.raises(httpx2.ProxyError):
            async with through(service, RESEARCH) as client:
                await client.get("https://api.example.org:8443/x")
        await until(lambda: "egress_denied" in log.getvalue())
    assert "CONNECT api.example.org:8443 403" in log.getvalue()
    assert " agent=research\n" in log.getvalue()
    assert tomllib.loads(lines_to_add(log.getvalue())) == {
        "egress": {"api-example-org": {"hosts": ["api.example.org"], "action": "inspect", "ports": [8443]}}
    }


async def test_lines_that_were_copied_allow_what_was_refused(tmp_path: Path) -> None:
    """Twice, since the address is another matter than the name: a table to add, then the keys of that table."""
    added = ""
    async with upstream_of(Echo(web.json_response({}))) as base:
        url = base.replace("127.0.0.1", "localhost") + "/x"
        for change in ("add to", "set these keys in"):
            async with gateway(tmp_path, added) as service, through(service) as client:
                refused = await client.get(url)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "egress_denied")
            told = refused.json()["error"]["message"]
            assert f"\nto allow it, {change} the gateway's configuration:\n" in told
            added += lines_to_add(told).removeprefix("[egress.localhost]\n" if added else "") + "\n"
        async with gateway(tmp_path, added) as service, through(service) as client:
            assert (await client.get(url)).status_code == 200


async def test_an_sdk_raises_it_with_its_lines(tmp_path: Path) -> None:
    async with gateway(tmp_path) as service, through(service) as client:
        openai = AsyncOpenAI(base_url="http://api.example.org/v1", api_key="k", http_client=client)
        with pytest.raises(PermissionDeniedError) as raised:
            await openai.models.list()
    assert raised.value.code == "egress_denied"
    assert tomllib.loads(lines_to_add(str(raised.value)))["egress"]["api-example-org"]["ports"] == [80]


async def test_the_record_has_host_path_and_agent_apart(tmp_path: Path) -> None:
    async with gateway(tmp_path) as service, through(service, RESEARCH) as client:
        refused = await client.get("http://api.example.org/x?q=1")
    (file,) = (tmp_path / "state" / "audit").glob("audit-*.jsonl")
    (text,) = [line for line in file.read_text().splitlines() if refused.headers["x-lockgate-id"] in line]
    for member in ('"host":"api.example.org"', '"path":"/x"', '"principal":"research"', '"told":"no entry of'):
        assert member in text


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("ex\u00e4mple.org:443", "400 unreadable_body: the CONNECT cannot be read: "),
        ("[::1:443", "403 egress_denied: "),
        ("example.org", "400 unreadable_body: a CONNECT needs a port: CONNECT host:443 (record "),
        (f"{'a' * 63}." * 3 + "example.org:443", "403 egress_denied: "),
    ],
)
async def test_a_reason_phrase_is_short_and_printable(target: str, status: str, tmp_path: Path) -> None:
    async with gateway(tmp_path) as service, dialled(proxy_of(service)) as (reader, writer):
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        line = (await reader.readline()).decode("latin-1").removesuffix("\r\n")
    assert line.startswith(f"HTTP/1.1 {status}")
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 300
