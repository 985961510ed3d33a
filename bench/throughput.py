"""What the gateway costs: one run, one table, as ratios to a bare proxy that reads nothing and to no proxy at all.

The gateway, the bare proxy and the upstream are processes of their own; this one is the load. Every number of a row is
taken in slices that alternate between the ways (direct, bare, gateway), so that a noisy machine disturbs all alike; the
median of the slices counts. CPU is user and system time of the process itself, from /proc (Linux only).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import uvloop

from bench.client import Sample, Serials, Slice, listen, load
from bench.corpus import Template, template
from bench.scan import cold_scan

PATH = "/v1/chat/completions"
SIZES = (1, 16, 128)
"""KB of conversation (1,024 bytes each)."""

AIMS = {
    (1, "cold"): 1.5,
    (16, "cold"): 2.5,
    (128, "cold"): 5.0,
    (1, "warm"): 1.5,
    (16, "warm"): 1.5,
    (128, "warm"): 2.0,
}
"""Most CPU a request, as a multiple of the bare proxy's."""

FIRST_TOKEN_AIM = 1.5
"""Most milliseconds that the first token may come later than through no proxy."""

SCAN_AIM = 2.0
"""Most milliseconds for 10 KB of text that was never seen."""

STREAMS = 8
"""Streams that run side by side."""

RUN = "from gateway.cli import main; main()"
"""The `lockgate` command. All settings but addresses and folders are the default ones, log and audit too; but
rules are not reloaded, so that a pack that is edited meanwhile does not disturb the measurement."""

TICKS = os.sysconf("SC_CLK_TCK")

type Body = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the upstream. `pid` is the process in between, if any."""

    name: str
    port: int
    path: str
    pid: int | None = None

    def cpu(self) -> float:
        """Seconds of CPU that the process has used (proc(5): fields 14 and 15 of stat)."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> str:
        """Resident memory, now and at its highest, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        sizes = dict(line.split(":", 1) for line in status.splitlines())
        return " / ".join(f"{int(sizes[name].split()[0]) / 1024:.0f}" for name in ("VmRSS", "VmHWM"))


@dataclass(slots=True)
class Tally:
    """The slices of one way in one row."""

    cpu_ms: list[float] = field(default_factory=list)  # a request, or a thousand events
    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    lag99: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="slices of each way in each row (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a slice (default: 0.6)")
    parser.add_argument("--connections", type=int, default=8, help="busy connections (default: 8)")
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=SIZES, help="KB a conversation")
    options = parser.parse_args()
    with running() as ways:
        for line in uvloop.run(measure(ways, options)):
            print(line)


# --- the processes ---


@contextmanager
def running() -> Iterator[list[Way]]:
    """The upstream, the bare proxy and the gateway, and the three ways through them."""
    upstream, bare, gateway, admin = free_ports(4)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "lockgate.toml"
        config.write_text(
            f'[gateway]\nlisten = "127.0.0.1:{gateway}"\nstate_dir = "{folder}/state"\n'
            f'[proxy]\nenabled = false\n[admin]\nlisten = "127.0.0.1:{admin}"\n[rules]\nreload = false\n'
            f'[upstreams.openai]\nbase_url = "http://127.0.0.1:{upstream}"\n'
        )
        log = stack.enter_context((folder / "log").open("wb"))
        stack.enter_context(process(log, "-m", "bench.peers", "upstream", str(upstream)))
        target = f"http://127.0.0.1:{upstream}"
        bare_pid = stack.enter_context(process(log, "-m", "bench.peers", "bare", str(bare), target))
        gateway_pid = stack.enter_context(process(log, "-c", RUN, "run", "--config", str(config)))
        for port in (upstream, bare, gateway):
            wait_for(port)
        yield [
            Way("direct", upstream, PATH),
            Way("bare", bare, PATH, bare_pid),
            Way("gateway", gateway, "/openai" + PATH, gateway_pid),
        ]


@contextmanager
def process(log: IO[bytes], *arguments: str) -> Iterator[int]:
    """A Python process in the project's folder, which writes to `log`; ended at the end."""
    root = Path(__file__).resolve().parent.parent
    child = subprocess.Popen([sys.executable, *arguments], cwd=root, stdout=log, stderr=log)
    try:
        yield child.pid
    finally:
        child.terminate()
        child.wait(30)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_for(port: int, seconds: float = 60) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


# --- the measurements ---


async def measure(ways: list[Way], options: argparse.Namespace) -> list[str]:
    """All rows of the table."""
    serials = Serials()
    await settle(ways, serials)
    lines = [*HEAD]
    for size in options.sizes:
        templates = [template(size * 1024, seed) for seed in range(4)]
        for temperature, bodies in (("cold", cold(templates)), ("warm", warm(templates))):
            for way in ways:  # every turn but the last is seen once before a warm slice
                await load(way.port, way.path, bodies, serials, Slice(0.2, len(templates)))
            tallies = {way.name: Tally() for way in ways}
            for _ in range(options.rounds):
                for way in ways:
                    await take(tallies[way.name], way, bodies, serials, options)
            lines.append(row(size, temperature, tallies))
    lines += await streams(ways, serials, options.rounds)
    lines += [f"| memory of the process, now / at most, MB | {way.memory()} ({way.name}) | |" for way in ways[1:]]
    scanned = cold_scan(10 * 1024)
    lines.append(f"| 10 KB of text scanned cold, in process, ms | {scanned:.2f} | {SCAN_AIM} |")
    return lines


async def settle(ways: list[Way], serials: Serials) -> None:
    """Let caches, connections and the gateway's pre-filter get ready, until its CPU time no longer grows by itself."""
    for way in ways:
        await load(way.port, way.path, cold([template(1024, 0)]), serials, Slice(0.5, 4))
    used = [-1.0, ways[-1].cpu()]
    while used[-1] - used[-2] > 0.05:
        await asyncio.sleep(1)
        used.append(ways[-1].cpu())


def cold(templates: list[Template]) -> Body:
    return lambda serial: templates[serial % len(templates)].cold(serial)


def warm(templates: list[Template]) -> Body:
    return lambda serial: templates[serial % len(templates)].warm(serial)


async def take(tally: Tally, way: Way, bodies: Body, serials: Serials, options: argparse.Namespace) -> None:
    """One slice under load for CPU and rate, and one of single requests for latency."""
    before = way.cpu()
    busy = await load(way.port, way.path, bodies, serials, Slice(options.seconds, options.connections))
    tally.cpu_ms.append((way.cpu() - before) / busy.requests * 1e3)
    tally.rate.append(busy.requests / busy.seconds)
    single = await load(way.port, way.path, bodies, serials, Slice(options.seconds / 2, 1))
    tally.p50.append(quantile(single.latencies, 0.5))
    tally.p99.append(quantile(single.latencies, 0.99))


async def streams(ways: list[Way], serials: Serials, rounds: int) -> list[str]:
    templates = [template(16 * 1024, seed, stream=True) for seed in range(4)]
    tallies = {way.name: Tally() for way in ways}
    for way in ways:
        await listen(way.port, way.path, warm(templates), serials, len(templates))
    for _ in range(rounds):
        for way in ways:
            before = way.cpu()
            sample = await listen(way.port, way.path, warm(templates), serials, STREAMS)
            note_stream(tallies[way.name], sample, way.cpu() - before)
    return stream_rows(tallies)


def note_stream(tally: Tally, sample: Sample, cpu: float) -> None:
    tally.cpu_ms.append(cpu / len(sample.lags) * 1e6)
    tally.first.append(quantile(sample.first, 0.5))
    tally.lag.append(quantile(sample.lags, 0.5))
    tally.lag99.append(quantile(sample.lags, 0.99))


def quantile(seconds: list[float], share: float) -> float:
    """A quantile in milliseconds (nearest rank)."""
    ranked = sorted(seconds)
    return ranked[min(len(ranked), math.ceil(share * len(ranked))) - 1] * 1e3


# --- the table ---

COLUMNS = (
    "conversation",
    "CPU a request, ms: bare / gateway",
    "ratio",
    "aim",
    "requests a second: direct / bare / gateway",
    "added p50 / p99 over direct, ms: bare",
    "gateway",
)
HEAD = (f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS))


def row(size: int, temperature: str, tallies: dict[str, Tally]) -> str:
    direct, bare, gateway = (tallies[name] for name in ("direct", "bare", "gateway"))
    ratio = statistics.median(ours / theirs for ours, theirs in zip(gateway.cpu_ms, bare.cpu_ms, strict=True))
    rates = " / ".join(f"{statistics.median(tally.rate):,.0f}" for tally in (direct, bare, gateway))
    costs = " / ".join(f"{statistics.median(tally.cpu_ms):.3f}" for tally in (bare, gateway))
    added = [f"{later(tally.p50, direct.p50)} / {later(tally.p99, direct.p99)}" for tally in (bare, gateway)]
    aim = AIMS[size, temperature]
    return f"| {size} KB, {temperature} | {costs} | {ratio:.2f} | {aim} | {rates} | {added[0]} | {added[1]} |"


def stream_rows(tallies: dict[str, Tally]) -> list[str]:
    direct, bare, gateway = (tallies[name] for name in ("direct", "bare", "gateway"))
    events = statistics.median(gateway.cpu_ms) / statistics.median(bare.cpu_ms)
    each = " / ".join(f"{statistics.median(tally.cpu_ms):.0f}" for tally in (bare, gateway))
    firsts = f"{later(bare.first, direct.first)} / {later(gateway.first, direct.first)}"
    lags = " / ".join(f"{statistics.median(t.lag):.2f} ({statistics.median(t.lag99):.2f})" for t in tallies.values())
    return [
        "",
        "| streams of 16 KB conversations, and the rest | measured | aim |",
        "|---|---|---|",
        f"| CPU for 1,000 events, ms: bare / gateway | {each} (ratio {events:.2f}) | |",
        f"| first token later than direct, ms: bare / gateway | {firsts} | {FIRST_TOKEN_AIM} |",
        f"| delay of a token, ms, p50 (p99): direct / bare / gateway | {lags} | |",
    ]


def later(values: list[float], than: list[float]) -> str:
    """The median of the differences, slice by slice."""
    return f"{statistics.median(one - other for one, other in zip(values, than, strict=True)):.2f}"


if __name__ == "__main__":
    main()
