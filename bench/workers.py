"""What a second worker is worth: requests a second with one process and with two workers, in one run.

Both gateways and the upstream are processes of their own; this one is the load. Slices alternate between the two, and
the median counts. Then it tells how evenly connections are spread over the workers, which one shared socket leaves to
the kernel: opened one after the other, and many at once. Linux only, as it reads /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.client import Serials, Slice, load
from bench.corpus import template
from bench.throughput import PATH, RUN, cold, free_ports, process, wait_for, warm

SIZE = 16
"""KB of conversation."""

CONNECTIONS = 64
"""Connections whose spread over the workers is counted."""

SETTLING = 1.0
"""Seconds in which connections are surely taken, or let go of."""

SHARED = "from gateway.app import sharing; sharing.shares_state = lambda config: True; "
"""No limit is configured here, so there is nothing to be counted in one place."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway with so many workers."""

    workers: int
    port: int
    admin: int

    def pids(self) -> list[int]:
        """The processes of its workers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/status", timeout=10) as answer:
            return [worker["pid"] for worker in json.load(answer)["workers"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="slices of each gateway (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice (default: 1.0)")
    parser.add_argument("--connections", type=int, default=16, help="busy connections (default: 16)")
    options = parser.parse_args()
    with running() as gateways:
        for line in uvloop.run(measure(gateways, options)):
            print(line)


@contextmanager
def running() -> Iterator[list[Gateway]]:
    """The upstream, a gateway of one process, and one of two workers."""
    upstream, *ports = free_ports(5)
    gateways = [Gateway(1, *ports[:2]), Gateway(2, *ports[2:])]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = stack.enter_context((folder / "log").open("wb"))
        stack.enter_context(process(log, "-m", "bench.peers", "upstream", str(upstream)))
        for gateway in gateways:
            config = folder / f"{gateway.workers}.toml"
            config.write_text(
                f'[gateway]\nlisten = "127.0.0.1:{gateway.port}"\nstate_dir = "{folder}/{gateway.workers}"\n'
                f"workers = {gateway.workers}\n[proxy]\nenabled = false\n[rules]\nreload = false\n"
                f'[admin]\nlisten = "127.0.0.1:{gateway.admin}"\n'
                f'[upstreams.openai]\nbase_url = "http://127.0.0.1:{upstream}"\n'
            )
            stack.enter_context(process(log, "-c", SHARED + RUN, "run", "--config", str(config)))
        for gateway in gateways:
            wait_for(gateway.port)
            wait_until_ready(gateway)
        yield gateways


def wait_until_ready(gateway: Gateway) -> None:
    """Wait for the pre-filters, which take seconds to compile."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin}/readyz", timeout=10) as answer:
                if answer.read() == b"ready\n":
                    return
        except OSError:
            pass


async def measure(gateways: list[Gateway], options: argparse.Namespace) -> list[str]:
    """The table."""
    serials = Serials()
    templates = [template(SIZE * 1024, seed) for seed in range(4)]
    lines = ["| requests a second | one process | two workers | ratio |", "| --- | --- | --- | --- |"]
    for temperature, bodies in (("cold", cold(templates)), ("warm", warm(templates))):
        rates: dict[int, list[float]] = {gateway.workers: [] for gateway in gateways}
        for _ in range(options.rounds + 1):  # the first makes caches and connections ready
            for gateway in gateways:
                how = Slice(options.seconds, options.connections)
                sample = await load(gateway.port, f"/openai{PATH}", bodies, serials, how)
                rates[gateway.workers].append(sample.requests / sample.seconds)
        one, two = (statistics.median(rates[gateway.workers][1:]) for gateway in gateways)
        lines.append(f"| {SIZE} KB, {temperature} | {one:,.0f} | {two:,.0f} | {two / one:.2f} |")
    lines.append("")
    for what, at_once in (("one after the other", False), ("at once", True)):
        shares = await spread(gateways[1], at_once=at_once)
        lines.append(f"{CONNECTIONS} connections opened {what}: {' and '.join(map(str, shares))} at the two workers")
    return lines


async def spread(gateway: Gateway, *, at_once: bool) -> list[int]:
    """How many of some new connections each worker took."""
    pids = gateway.pids()
    before = [sockets(pid) for pid in pids]

    async def dial() -> asyncio.StreamWriter:
        return (await asyncio.open_connection("127.0.0.1", gateway.port))[1]

    if at_once:
        opened = await asyncio.gather(*(dial() for _ in range(CONNECTIONS)))
    else:
        opened = [await dial() for _ in range(CONNECTIONS)]
    await asyncio.sleep(SETTLING)
    found = [sockets(pid) - count for pid, count in zip(pids, before, strict=True)]
    for writer in opened:
        writer.close()
    await asyncio.sleep(SETTLING)
    return found


def sockets(pid: int) -> int:
    """Sockets that a process has open."""
    return sum(link.readlink().name.startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())


if __name__ == "__main__":
    main()
