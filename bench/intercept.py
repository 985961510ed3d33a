"""What interception costs: HTTPS through the proxy with all rules on, beside mitmdump that does nothing.

The proxy, mitmdump and the upstream are processes of their own; this one is the load. Both intercept the same requests
to the same upstream with certificates of their own making, in slices that alternate, and the median of the slices
counts. CPU is user and system time of the process itself, from /proc (Linux only). Needs the extra `mitm`.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.client import Connection, Serials, Slice, Streams, load
from bench.corpus import template
from bench.throughput import PATH, RUN, Body, Way, cold, free_ports, process, wait_for, warm
from gateway.trust import authority, folder

SIZES = (1, 16)
"""KB of conversation."""

CPU_AIM = 4.0
"""How many times less CPU a request than mitmdump."""

DOWNLOAD = 1 << 30
"""Bytes of the large answer."""

HANDSHAKES = 8
"""Connections that are opened side by side."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """A proxy, and the upstream behind it."""

    way: Way
    upstream: int

    @property
    def host(self) -> str:
        return f"localhost:{self.upstream}"

    async def dial(self) -> Streams:
        """A tunnel to the upstream, with TLS through it. What certificate is shown does not matter here."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.way.port, limit=2**20)
        writer.write(f"CONNECT {self.host} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        await writer.start_tls(_UNVERIFIED, server_hostname="localhost")
        return reader, writer


_UNVERIFIED = ssl.create_default_context()
_UNVERIFIED.check_hostname = False
_UNVERIFIED.verify_mode = ssl.CERT_NONE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="slices of each way in each row (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a slice (default: 0.6)")
    options = parser.parse_args()
    with running() as ways:
        for line in uvloop.run(measure(ways, options.rounds, options.seconds)):
            print(line)


@contextmanager
def running() -> Iterator[list[Proxied]]:
    """The upstream, mitmdump and the gateway."""
    upstream, dump, base_url, proxy, admin = free_ports(5)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        roots = place / "roots.pem"
        roots.write_text(authority.pem(folder.ensure(place / "upstream", (), datetime.now(UTC)).certificate))
        config = place / "lockgate.toml"
        config.write_text(
            f'[gateway]\nlisten = "127.0.0.1:{base_url}"\nstate_dir = "{place}/state"\nca_file = "{roots}"\n'
            f'[proxy]\nlisten = "127.0.0.1:{proxy}"\n[admin]\nlisten = "127.0.0.1:{admin}"\n[rules]\nreload = false\n'
            f'[upstreams.openai]\nbase_url = "https://localhost:{upstream}"\n'
        )
        log = stack.enter_context((place / "log").open("wb"))
        stack.enter_context(process(log, "-m", "bench.peers", "tls", str(upstream), str(place / "upstream")))
        trusted = ("--set", f"ssl_verify_upstream_trusted_ca={roots}", "--set", f"confdir={place}/mitm")
        mitmdump = ("-c", "from mitmproxy.tools.main import mitmdump; mitmdump()")
        dump_pid = stack.enter_context(process(log, *mitmdump, "-q", "-p", str(dump), *trusted))
        gateway_pid = stack.enter_context(process(log, "-c", RUN, "run", "--config", str(config)))
        for port in (upstream, dump, proxy):
            wait_for(port)
        yield [
            Proxied(Way("mitmdump", dump, PATH, dump_pid), upstream),
            Proxied(Way("gateway", proxy, PATH, gateway_pid), upstream),
        ]


async def measure(ways: list[Proxied], rounds: int, seconds: float) -> list[str]:
    serials = Serials()
    await settle(ways[-1], serials)
    lines = [
        "| HTTPS intercepted | mitmdump | gateway | ratio |",
        "|---|---|---|---|",
    ]
    for size in SIZES:
        templates = [template(size * 1024, seed) for seed in range(4)]
        for temperature, bodies in (("cold", cold(templates)), ("warm", warm(templates))):
            costs: dict[str, list[tuple[float, float]]] = {way.way.name: [] for way in ways}
            for _ in range(rounds):
                for way in ways:
                    costs[way.way.name].append(await requests(way, bodies, serials, seconds))
            lines += rows(f"{size} KB conversation, {temperature}", "request", costs)
    tunnels: dict[str, list[tuple[float, float]]] = {way.way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            tunnels[way.way.name].append(await handshakes(way, seconds))
    lines += rows("new tunnel with TLS", "tunnel", tunnels)
    lines.append(await download(ways[-1]))
    return lines


async def settle(way: Proxied, serials: Serials) -> None:
    """Let the gateway's pre-filter get ready, until its CPU time no longer grows by itself."""
    await requests(way, cold([template(1024, 0)]), serials, 0.5)
    used = [-1.0, way.way.cpu()]
    while used[-1] - used[-2] > 0.05:
        await asyncio.sleep(1)
        used.append(way.way.cpu())


async def requests(way: Proxied, bodies: Body, serials: Serials, seconds: float) -> tuple[float, float]:
    """CPU of a request in milliseconds, and requests a second, on connections that are kept."""
    before = way.way.cpu()
    sample = await load(way.way.port, PATH, bodies, serials, Slice(seconds, 8), way)
    return (way.way.cpu() - before) / sample.requests * 1e3, sample.requests / sample.seconds


async def handshakes(way: Proxied, seconds: float) -> tuple[float, float]:
    """CPU of a tunnel in milliseconds, and tunnels a second: CONNECT, TLS and one small request each."""
    before, began = way.way.cpu(), time.perf_counter()
    deadline = began + seconds
    count = 0
    body = template(1024, 0).body

    async def work() -> None:
        nonlocal count
        while time.perf_counter() < deadline:
            connection = Connection(way.way.port, PATH, way)
            await connection.post(body)
            connection.close()
            count += 1

    await asyncio.gather(*(work() for _ in range(HANDSHAKES)))
    return (way.way.cpu() - before) / count * 1e3, count / (time.perf_counter() - began)


def rows(what: str, unit: str, costs: dict[str, list[tuple[float, float]]]) -> list[str]:
    dump, ours = costs["mitmdump"], costs["gateway"]
    ratio = statistics.median(theirs[0] / mine[0] for theirs, mine in zip(dump, ours, strict=True))
    cpu = [statistics.median(cost for cost, _ in some) for some in (dump, ours)]
    rate = [statistics.median(rate for _, rate in some) for some in (dump, ours)]
    aim = f" (aim {CPU_AIM:.0f})" if unit == "request" else ""
    return [
        f"| {what}: CPU a {unit}, ms | {cpu[0]:.2f} | {cpu[1]:.2f} | {ratio:.1f} times less{aim} |",
        f"| {what}: {unit}s a second | {rate[0]:,.0f} | {rate[1]:,.0f} | |",
    ]


async def download(way: Proxied) -> str:
    """How far the gateway's memory grows while a large answer passes through it."""
    before = _resident(way.way)
    async with _get(way, f"/large?bytes={DOWNLOAD}") as reader:
        most = before
        left = DOWNLOAD
        while left > 0 and (data := await reader.read(1 << 18)):
            left -= len(data)
            most = max(most, _resident(way.way))
    if left > 0:
        raise RuntimeError(f"{left} bytes of the download are missing")
    return f"| memory while 1 GB passes, MB before / at most | | {before:.0f} / {most:.0f} | |"


@asynccontextmanager
async def _get(way: Proxied, target: str) -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await way.dial()
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {way.host}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(head.decode())
    try:
        yield reader
    finally:
        writer.close()


def _resident(way: Way) -> float:
    return float(way.memory().partition(" ")[0])


if __name__ == "__main__":
    main()
