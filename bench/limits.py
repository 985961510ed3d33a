"""What limits cost a request, and how many takes one Redis carries.

    .venv/bin/python -m bench.limits

Gateways that differ in nothing but their limits take turns in one run, each a process of its own: none, one in memory,
one and three in a Redis on this machine, one in a cluster of three. CPU is the user time of the gateway, which a busy
machine disturbs least; Redis has its own, and is shown beside it. Then processes that do nothing but take claims ask
one Redis for as much as it gives. Needs `redis-server`, and Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop

from bench.client import Serials, Slice, load
from bench.corpus import template
from bench.throughput import PATH, RUN, TICKS, Tally, free_ports, later, process, quantile, wait_for, warm
from bench.workers import Gateway, wait_until_ready
from gateway.state.limit import SECOND_NS, Claim, Limit, Rate, Unit
from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place
from tests.services import redis as services

PLENTY: Final = 1_000_000_000
"""Of a limit that refuses nothing."""

TAKERS: Final = (1, 2, 4)
"""Processes that ask one Redis at once."""

AT_ONCE: Final = 16
"""Takes that each of them has under way."""

STARTING: Final = 3.0
"""Seconds in which they surely have started."""

PATIENCE: Final = 5.0
"""Seconds that a take may last when one Redis is asked for all that it gives."""


@dataclass(frozen=True, slots=True)
class Way:
    """A gateway with so many limits, kept at `url`. `servers` are the Redis processes behind it."""

    name: str
    limits: int
    url: str = ""
    servers: tuple[int, ...] = ()


@dataclass(slots=True)
class Measured:
    """The slices of one way: of the gateway as `Tally` has them, and milliseconds of CPU that Redis used a request."""

    gateway: Tally = field(default_factory=Tally)
    redis_ms: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="slices of each gateway (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.8, help="length of a slice (default: 0.8)")
    parser.add_argument("--connections", type=int, default=8, help="busy connections (default: 8)")
    parser.add_argument("--take", nargs=4, metavar=("URL", "LIMITS", "BEGIN", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.take:
        url, limits, begin, seconds = options.take
        print(uvloop.run(taken(url, int(limits), float(begin), float(seconds))))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ways, single = stack.enter_context(stores(folder))
        gateways = stack.enter_context(running(folder, ways))
        for line in uvloop.run(costs(gateways, options)):
            print(line)
        for line in ceiling(single, options):
            print(line)


# --- the processes ---


@contextmanager
def stores(folder: Path) -> Iterator[tuple[list[Way], services.Server]]:
    """The ways, and the server that is alone."""
    with services.single(folder / "single") as single, services.cluster(folder / "cluster") as nodes:
        alone = f"redis://127.0.0.1:{single.port}"
        cluster = f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}"
        yield (
            [
                Way("no limits", 0),
                Way("1 limit, memory", 1),
                Way("1 limit, Redis", 1, alone, pids([single])),
                Way("3 limits, Redis", 3, alone, pids([single])),
                Way("1 limit, cluster of 3", 1, cluster, pids(nodes)),
            ],
            single,
        )


def pids(servers: list[services.Server]) -> tuple[int, ...]:
    return tuple(server.process.pid for server in servers if server.process is not None)


@contextmanager
def running(folder: Path, ways: list[Way]) -> Iterator[dict[Way, tuple[int, int]]]:
    """For each way the port of its gateway and its process."""
    upstream, *ports = free_ports(1 + 2 * len(ways))
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        stack.enter_context(process(log, "-m", "bench.peers", "upstream", str(upstream)))
        started = {}
        for number, way in enumerate(ways):
            port, admin = ports[2 * number : 2 * number + 2]
            config = folder / f"{number}.toml"
            config.write_text(
                f'[gateway]\nlisten = "127.0.0.1:{port}"\nstate_dir = "{folder}/state-{number}"\n'
                f'[proxy]\nenabled = false\n[admin]\nlisten = "127.0.0.1:{admin}"\n[rules]\nreload = false\n'
                f'[upstreams.openai]\nbase_url = "http://127.0.0.1:{upstream}"\n'
                + (f'[store]\nurl = "{way.url}"\ntimeout = "1s"\nprefix = "way-{number}"\n' if way.url else "")
                + "".join(f'[limits.l{one}]\nrequests = {PLENTY}\nper = "1h"\n' for one in range(way.limits))
            )
            started[way] = port, stack.enter_context(process(log, "-c", RUN, "run", "--config", str(config)))
            wait_for(port)
            wait_until_ready(Gateway(1, port, admin))
        yield started


def user_ms(*processes: int) -> float:
    """Milliseconds of user time that processes have used (proc(5): field 14 of stat)."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in processes)
    return sum(int(fields[11]) for fields in stats) / TICKS * 1e3


# --- in a request ---


async def costs(gateways: dict[Way, tuple[int, int]], options: argparse.Namespace) -> list[str]:
    """The table of what limits cost a request: a conversation of 1 KB whose beginning was seen before."""
    serials, bodies = Serials(), warm([template(1024, seed) for seed in range(4)])
    measured = {way: Measured() for way in gateways}
    for port, _ in gateways.values():
        await load(port, f"/openai{PATH}", bodies, serials, Slice(options.seconds, options.connections))
    for _ in range(options.rounds):
        for way, (port, pid) in gateways.items():
            noted, before = measured[way], (user_ms(pid), user_ms(*way.servers))
            busy = await load(port, f"/openai{PATH}", bodies, serials, Slice(options.seconds, options.connections))
            noted.gateway.cpu_ms.append((user_ms(pid) - before[0]) / busy.requests)
            noted.redis_ms.append((user_ms(*way.servers) - before[1]) / busy.requests)
            single = await load(port, f"/openai{PATH}", bodies, serials, Slice(options.seconds / 2, 1))
            noted.gateway.p50.append(quantile(single.latencies, 0.5))
            noted.gateway.p99.append(quantile(single.latencies, 0.99))
    without = next(iter(measured.values())).gateway
    return [
        "| limits | user CPU a request, ms | ratio | Redis, ms | added p50 / p99, ms |",
        "| --- | --- | --- | --- | --- |",
        *(cost(way, one, without) for way, one in measured.items()),
    ]


def cost(way: Way, one: Measured, without: Tally) -> str:
    pairs = zip(one.gateway.cpu_ms, without.cpu_ms, strict=True)
    ratio = statistics.median(with_limits / none for with_limits, none in pairs)
    added = f"{later(one.gateway.p50, without.p50)} / {later(one.gateway.p99, without.p99)}"
    redis = f"{statistics.median(one.redis_ms):.3f}" if way.servers else ""
    return f"| {way.name} | {statistics.median(one.gateway.cpu_ms):.3f} | {ratio:.2f} | {redis} | {added} |"


# --- in one Redis ---


def ceiling(server: services.Server, options: argparse.Namespace) -> list[str]:
    """The table of what one Redis carries. Its CPU a take tells of a machine that is busy otherwise too."""
    lines = ["", "| one Redis | takes a second | of its CPU, µs a take (user and system) |", "| --- | --- | --- |"]
    for limits in (1, 3):
        for takers in TAKERS:
            rates, spent = zip(*(slice_of(server, limits, takers, options.seconds) for _ in range(3)), strict=True)
            name = f"{limits} limit{'s' * (limits > 1)}, {takers} process{'es' * (takers > 1)}"
            lines.append(f"| {name} | {statistics.median(rates):,.0f} | {statistics.median(spent):.1f} |")
    return lines


def slice_of(server: services.Server, limits: int, takers: int, seconds: float) -> tuple[float, float]:
    """Takes a second by so many processes, and microseconds of the server's CPU for each."""
    begin = time.monotonic() + STARTING
    arguments = [f"redis://127.0.0.1:{server.port}", str(limits), str(begin), str(seconds)]
    command = [sys.executable, "-m", "bench.limits", "--take", *arguments]
    root = Path(__file__).resolve().parent.parent
    children = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) for _ in range(takers)]
    time.sleep(begin - time.monotonic())
    before = cpu_us(*pids([server]))
    time.sleep(begin + seconds - time.monotonic())
    spent = cpu_us(*pids([server])) - before
    count = sum(int(child.communicate(timeout=60)[0]) for child in children)
    return count / seconds, spent / count


def cpu_us(pid: int) -> float:
    """Microseconds that a process has used, of both kinds: most of what a server does is to read and to write."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS * 1e6


async def taken(url: str, limits: int, begin: float, seconds: float) -> int:
    """How many takes are answered between `begin`, of the machine's monotonic clock, and so many seconds later."""
    connection = Connection(Place.read(url), PATIENCE)
    await connection.open()
    counters = RedisCounters(connection, "ceiling", b"key")
    bound = Rate(PLENTY, 3600 * SECOND_NS, PLENTY)
    claims = [Claim(Limit(f"l{one}", f"l{one}/a", Unit.REQUESTS, bound)) for one in range(limits)]
    count = 0

    async def take() -> None:
        nonlocal count
        while time.monotonic() < begin + seconds:
            await counters.take(claims, "bench")
            count += begin <= time.monotonic() < begin + seconds

    await asyncio.gather(*(take() for _ in range(AT_ONCE)))
    await connection.close()
    return count


if __name__ == "__main__":
    main()
