"""Real clients through a real mitmproxy that the gateway starts: what it speaks, and that all of it is inspected."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from gateway.app import Alone, serve_in_process
from gateway.audit import files
from gateway.errors import ConfigError
from gateway.trust import authority, folder
from gateway.trust.leaf import Leaves
from tests.addons.running import canary
from tests.end_to_end.running import PACK, SECRET, until
from tests.services.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[gateway]
listen = "127.0.0.1:0"
state_dir = "state"
ca_file = "upstream.pem"
[proxy]
listen = "127.0.0.1:0"
{hop}
[admin]
listen = "127.0.0.1:0"
[rules]
packs = []
folders = ["rules"]
[agents.research]
key_sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
[egress.here]
action = "inspect"
hosts = ["localhost"]
ports = [{port}]
addresses = ["127.0.0.1", "::1"]
"""
"""The agent's key is `key`."""

CREDENTIALS = {"PROVIDER_KEY": "one", "AGENT_KEY": "two"}
SECRETS = """
[upstreams.openai]
api_key_env = "PROVIDER_KEY"
[agents.other]
key_env = "AGENT_KEY"
"""
"""What the environment of the gateway holds, and the tables that name it."""

EVENTS = 8


async def _echo(request: web.Request) -> web.StreamResponse:
    kept = {name: request.headers.get(name) for name in ("content-length", "transfer-encoding", "x-lockgate-hop")}
    body = (await request.read()).decode()
    return web.json_response({"method": request.method, "host": request.host, "body": body, **kept})


async def _events(request: web.Request) -> web.StreamResponse:
    """A stream of events; the one called `bad` tells a secret half way."""
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for number in range(EVENTS):
        said = SECRET if request.match_info["name"] == "bad" and number == EVENTS // 2 else f"event {number}"
        await response.write(f"data: {said}\n\n".encode())
        await asyncio.sleep(0.02)
    return response


async def _socket(request: web.Request) -> web.StreamResponse:
    session = web.WebSocketResponse()
    await session.prepare(request)
    async for message in session:
        await session.send_str(f"echo {message.data}")
    return session


@asynccontextmanager
async def upstream(where: Path) -> AsyncIterator[int]:
    """An HTTPS server for `localhost`; its authority is written to `upstream.pem` in that folder."""
    made = authority.made((), datetime.now(UTC))
    (where / "upstream.pem").write_text(authority.pem(made.certificate))
    app = web.Application()
    app.add_routes([web.get("/events/{name}", _events), web.get("/socket", _socket), web.route("*", "/echo", _echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(
        runner, "localhost", port, ssl_context=Leaves(made, timedelta(days=1)).context("localhost")
    ).start()
    try:
        yield port
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Scene:
    """A gateway behind its mitmproxy. `ports` are those of the modes, `url` is the upstream's."""

    service: Alone
    folder: Path
    ports: dict[str, int]
    url: str

    async def curl(self, *arguments: str, sent: bytes | None = None) -> tuple[int, str]:
        """Exit code and output of curl, which trusts the gateway's authority and no other."""
        return await curl("--cacert", str(self.folder / "ca.pem"), *arguments, sent=sent)

    async def regular(self, *arguments: str, sent: bytes | None = None) -> tuple[int, str]:
        return await self.curl("--proxy", f"http://127.0.0.1:{self.ports['regular']}", *arguments, sent=sent)

    def records(self) -> list[dict[str, Any]]:
        lines = (line for path in files(self.folder / "state" / "audit") for line in path.read_bytes().splitlines())
        return [record for line in lines if "event" not in (record := json.loads(line)["record"])]

    async def record(self, path: str) -> dict[str, Any]:
        """The newest record of that path."""

        async def is_there() -> bool:
            return any(record["path"] == path for record in self.records())

        await until(is_there, 5)
        return [record for record in self.records() if record["path"] == path][-1]


async def curl(*arguments: str, sent: bytes | None = None) -> tuple[int, str]:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--max-time", "10", *arguments, stdin=PIPE, stdout=PIPE, env=environ
    )
    out, _ = await process.communicate(sent)
    assert process.returncode is not None
    return process.returncode, out.decode()


@asynccontextmanager
async def running(where: Path, *modes: str, hop: str = "") -> AsyncIterator[Scene]:
    async with upstream(where) as port:
        (where / "rules").mkdir()
        (where / "rules" / "test.toml").write_text(PACK)
        config = where / "lockgate.toml"
        config.write_text(CONFIG.format(port=port, hop=hop))
        filled = tuple(mode.format(port=port) for mode in modes)
        async with serve_in_process(config, {"HOME": str(where), **CREDENTIALS}, modes=filled, follow=False) as service:
            found = folder.ensure(where / "state" / "ca", (), datetime.now(UTC))
            (where / "ca.pem").write_text(authority.pem(found.certificate))
            listening = service.mitmproxy.listening if service.mitmproxy is not None else ()
            ports = {mode: int(at.rpartition(":")[2]) for mode, at in (place.split(" ") for place in listening)}
            yield Scene(service, where, ports, f"https://localhost:{port}")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    regular, socks, dns = free_port(), free_port(), free_port()
    modes = (f"regular@{regular}", f"socks5@{socks}", f"dns@{dns}", f"reverse:http3://localhost:{{port}}@{free_port()}")
    async with running(tmp_path_factory.mktemp("mitm"), *modes) as one:
        yield one


# -- HTTP/2


async def test_http_2_from_the_client_is_inspected_and_recorded_as_any_other(scene: Scene) -> None:
    code, out = await scene.regular("--http2", "-d", "hello", "-w", "\n%{http_version}", f"{scene.url}/echo?two")
    answer, _, version = out.rpartition("\n")
    assert (code, version) == (0, "2")
    place = scene.url.removeprefix("https://")
    assert json.loads(answer) | {"method": "POST", "host": place, "body": "hello"} == json.loads(answer)
    assert json.loads(answer)["x-lockgate-hop"] is None
    record = await scene.record("/echo")
    assert (record["host"], record["outcome"], record["client"]) == ("localhost", "forwarded", "127.0.0.1")


async def test_a_secret_in_a_request_over_http_2_is_refused(scene: Scene) -> None:
    code, out = await scene.regular(
        "--http2",
        "-H",
        "content-type: text/plain",
        "-d",
        f"the key is {SECRET}",
        "-w",
        "%{http_code}",
        f"{scene.url}/echo",
    )
    assert code == 0
    assert out.endswith("400")
    assert "secret_blocked" in out


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_body_without_a_length_arrives_whole_and_is_no_second_request(scene: Scene, method: str) -> None:
    """HTTP/2 needs no Content-Length; HTTP/1.1, which the hop speaks, needs a framing."""
    body = "GET /events/good HTTP/1.1\r\nHost: localhost\r\n\r\n"
    plain = ("-H", "content-type: text/plain")
    url = f"{scene.url}/echo"
    code, out = await scene.regular("--http2", "-X", method, *plain, "-T", "-", url, sent=body.encode())
    assert code == 0
    assert json.loads(out)["body"] == body


async def test_a_request_without_a_body_gets_none(scene: Scene) -> None:
    _, out = await scene.regular("--http2", f"{scene.url}/echo")
    answer = json.loads(out)
    assert (answer["body"], answer["content-length"], answer["transfer-encoding"]) == ("", None, None)


async def test_streams_beside_one_that_is_cut_go_on(scene: Scene) -> None:
    names = ("one", "bad", "two", "three", "four", "five", "six")  # more than mitmproxy dials at a time by itself
    transfers = [
        argument for name in names for argument in ("-o", str(scene.folder / name), f"{scene.url}/events/{name}")
    ]
    report = "%{urlnum} %{exitcode} %{num_connects}\n"
    _, out = await scene.regular("--http2", "--parallel", "-w", report, *transfers)
    ended = {names[int(number)]: (code, connects) for number, code, connects in map(str.split, out.splitlines())}
    assert sum(int(connects) for _, connects in ended.values()) == 1, "all went over one connection"
    for name in names:
        got = (scene.folder / name).read_text()
        if name == "bad":
            assert ended[name][0] == "92", "an error of the stream, not of the connection"
            assert got == "".join(f"data: event {number}\n\n" for number in range(EVENTS // 2))
        else:
            assert ended[name][0] == "0"
            assert got.count("data: event") == EVENTS
    record = await scene.record("/events/bad")
    assert (record["outcome"], record["code"]) == ("cut", "secret_blocked")


# -- who asks, and where to


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_credentials_for_the_proxy_tell_the_agent(scene: Scene, scheme: str) -> None:
    target = f"{scene.url.replace('https', scheme)}/{scheme}"
    await scene.regular("--proxy-user", "research:key", target)
    assert (await scene.record(f"/{scheme}"))["principal"] == "research"
    _, out = await scene.regular("--proxy-user", "research:wrong", "-w", "%{http_code}", target)
    assert out.endswith("407")


@pytest.mark.parametrize("option", ["--socks5", "--socks5-hostname"])
async def test_socks_5_with_the_clients_names_or_without(scene: Scene, option: str) -> None:
    code, out = await scene.curl(option, f"127.0.0.1:{scene.ports['socks5']}", "--http2", f"{scene.url}/echo")
    assert code == 0
    assert json.loads(out)["host"] == scene.url.removeprefix("https://")


async def test_socks_5_takes_credentials_where_a_client_has_them(scene: Scene) -> None:
    at = f"127.0.0.1:{scene.ports['socks5']}"
    await scene.curl("--socks5-hostname", at, "--proxy-user", "research:key", f"{scene.url}/socks")
    assert (await scene.record("/socks"))["principal"] == "research"
    _, out = await scene.curl(
        "--socks5-hostname", at, "-U", "research:wrong", "-w", "%{http_code}", f"{scene.url}/socks"
    )
    assert out.endswith("407")


async def test_a_host_that_is_not_listed_is_refused_with_the_way_out(scene: Scene) -> None:
    _, out = await scene.regular("--http2", "-w", "%{http_code}", "https://elsewhere.example.com/")
    assert out.endswith("403")
    assert "egress_denied" in out
    assert "elsewhere.example.com" in out


async def test_a_forged_ticket_of_a_client_is_replaced(scene: Scene) -> None:
    code, out = await scene.regular("--http2", "-H", "x-lockgate-hop: forged", f"{scene.url}/echo")
    assert code == 0
    assert json.loads(out)["x-lockgate-hop"] is None


async def test_a_client_is_not_led_past_the_list_by_another_name_in_tls_or_in_the_request(scene: Scene) -> None:
    port = scene.url.rpartition(":")[2]
    _, out = await scene.regular("--http2", "-H", "Host: other.example.com", "-w", "%{http_code}", f"{scene.url}/echo")
    assert out.endswith("403")
    connect_to = f"other.example.com:{port}:localhost:{port}"
    _, out = await scene.regular(
        "--connect-to", connect_to, "-w", "%{http_code}", f"https://other.example.com:{port}/echo", "--insecure"
    )
    assert out.endswith("403")
    assert "the server name of TLS is `other.example.com`, and the target is `localhost`" in out


# -- WebSocket, DNS, HTTP/3


async def test_a_websocket_is_inspected_by_message(scene: Scene) -> None:
    trusted = ssl.create_default_context(cafile=scene.folder / "ca.pem")
    proxy = f"http://127.0.0.1:{scene.ports['regular']}"
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{scene.url}/socket", proxy=proxy, ssl=trusted) as session,
    ):
        await session.send_str("hello")
        assert await session.receive_str(timeout=5) == "echo hello"
        await session.send_str(f"the key is {SECRET}")
        closing = await session.receive(timeout=5)
        assert closing.type is aiohttp.WSMsgType.CLOSE
        assert "secret_blocked" in str(closing.extra)


async def test_a_name_is_answered_with_a_placeholder_and_asked_of_nobody(scene: Scene) -> None:
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x07example\x03com\x00"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.connect(("127.0.0.1", scene.ports["dns"]))
        answers = {}
        for kind in (1, 28, 16):  # A, AAAA, TXT
            asking.send(question + kind.to_bytes(2) + b"\x00\x01")
            answers[kind] = await asyncio.to_thread(asking.recv, 512)
    assert answers[1].endswith(bytes([198, 18, 0, 1]))
    assert (answers[28][3] & 15, answers[28][6:8]) == (0, b"\x00\x00")
    assert answers[16][3] & 15 == 5, "refused"


class Http3(QuicConnectionProtocol):
    """A client that makes one request."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._http = H3Connection(self._quic)
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status, self.body = "", b""

    async def ask(self, authority: str, path: str, body: bytes) -> None:
        head = {":method": "POST", ":scheme": "https", ":authority": authority, ":path": path}
        stream = self._quic.get_next_available_stream_id()
        fields = {**head, "content-type": "text/plain"}
        self._http.send_headers(stream, [(name.encode(), value.encode()) for name, value in fields.items()])
        self._http.send_data(stream, body, end_stream=True)
        self.transmit()
        async with asyncio.timeout(10):
            await self._answer

    def quic_event_received(self, event: QuicEvent) -> None:
        for found in self._http.handle_event(event):
            if isinstance(found, HeadersReceived):
                self.status = dict(found.headers)[b":status"].decode()
            elif isinstance(found, DataReceived):
                self.body += found.data
            if isinstance(found, HeadersReceived | DataReceived) and found.stream_ended:
                self._answer.set_result(None)


@pytest.mark.parametrize(
    ("body", "status", "said"), [("hello", "200", '"body": "hello"'), (SECRET, "400", "secret_blocked")]
)
async def test_http_3_from_the_client_is_inspected(scene: Scene, body: str, status: str, said: str) -> None:
    trusted = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="localhost", cafile=str(scene.folder / "ca.pem"))
    to = ("127.0.0.1", scene.ports["reverse"])
    async with connect(*to, configuration=trusted, create_protocol=Http3) as client:
        assert isinstance(client, Http3)
        await client.ask(scene.url.removeprefix("https://"), "/echo", body.encode())
    assert client.status == status
    assert said in client.body.decode()


# -- the process


async def test_status_tells_what_runs(scene: Scene) -> None:
    status: Any = scene.service.status()
    assert status["mitmproxy"]["fault"] is None
    assert len(status["mitmproxy"]["modes"]) == 4
    assert status["listeners"]["hop"].startswith("127.0.0.1:")
    assert status["ready"] is True


async def test_a_mitmproxy_that_dies_is_started_again(scene: Scene) -> None:
    before: Any = scene.service.status()["mitmproxy"]
    os.kill(before["pid"], signal.SIGKILL)

    async def is_told() -> bool:
        return any("mitmproxy does not run: it ended with -9" in reason for reason in scene.service.unready())

    async def is_back() -> bool:
        return not scene.service.unready()

    await until(is_told, 5)
    await until(is_back, 30)
    after: Any = scene.service.status()["mitmproxy"]
    assert after["restarts"] == before["restarts"] + 1
    code, _ = await scene.regular("--http2", f"{scene.url}/echo")
    assert code == 0


async def test_it_is_not_told_the_credentials_of_the_gateway(tmp_path: Path) -> None:
    """It reads what strangers send."""
    async with running(tmp_path, f"regular@{free_port()}", hop=SECRETS) as scene:
        status: Any = scene.service.status()
        names = variables_of(status["mitmproxy"]["pid"])
    assert "HOME" in names
    assert names.isdisjoint(CREDENTIALS)


def variables_of(pid: int) -> set[str]:
    """The names in the environment of a process (proc(5))."""
    return {entry.partition(b"=")[0].decode() for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}


async def test_it_ends_with_the_gateway_and_leaves_files_for_their_owner_alone(tmp_path: Path) -> None:
    wireguard = f"wireguard@127.0.0.1:{free_port()}"
    async with running(tmp_path, f"regular@{free_port()}", wireguard) as scene:
        status: Any = scene.service.status()
    with pytest.raises(ProcessLookupError):
        os.kill(status["mitmproxy"]["pid"], 0)
    confdir = tmp_path / "state" / "ca" / "mitmproxy"
    assert confdir.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in confdir.iterdir()} == {0o600}
    assert "[Peer]" in (confdir / "wireguard-client.conf").read_text()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("nonsense", "Invalid proxy mode specification: nonsense (unknown mode)"),
        ("regular@{taken}", "failed to listen on 127.0.0.1:{taken}"),
    ],
)
async def test_a_mode_that_cannot_be_is_an_error_at_start(tmp_path: Path, mode: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            async with running(tmp_path, mode.format(taken=port)):
                pass
    assert said.format(taken=port) in str(caught.value)


# -- a mitmproxy that somebody else starts


async def test_the_addon_works_in_a_mitmdump_of_ones_own(tmp_path: Path) -> None:
    port = free_port()
    proxy = ("--proxy", f"http://127.0.0.1:{port}")
    async with (
        running(tmp_path, hop=f'hop = "127.0.0.1:{free_port()}"') as scene,
        mitmdump(scene, port),
        canary() as forbidden,
    ):
        code, out = await scene.curl(*proxy, "--http2", f"{scene.url}/echo")
        assert code == 0
        assert json.loads(out)["host"] == scene.url.removeprefix("https://")
        _, out = await scene.curl(*proxy, "-w", "%{http_code}", f"http://127.0.0.1:{forbidden.port}/")
        assert out.endswith("403")
        assert forbidden.reached == 0


@asynccontextmanager
async def mitmdump(scene: Scene, port: int) -> AsyncIterator[None]:
    environ = await lockgate(scene, "env", "--format", "json")
    addon = (await lockgate(scene, "path")).strip()
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("mitmdump")),
        *("-q", "-s", addon, "--mode", f"regular@127.0.0.1:{port}"),
        env={**os.environ, **json.loads(environ)},
    )

    async def is_there() -> bool:
        with socket.socket() as knock:
            return knock.connect_ex(("127.0.0.1", port)) == 0

    try:
        await until(is_there, 30)
        yield
    finally:
        process.terminate()
        await process.wait()


async def lockgate(scene: Scene, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("lockgate")),
        *("mitm", *arguments),
        env={**os.environ, "LOCKGATE_CONFIG": str(scene.folder / "lockgate.toml")},
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()
