"""For how long nobody is served while a heavy body is judged.

    .venv/bin/python -m bench.stalls

A gateway with all default rules runs in a process of its own and fetches a megabyte of the worst there is from an
upstream. Meanwhile its admin listener, which lives in the same loop, is asked for `/healthz` again and again; the
longest that it took to answer is the longest stall.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import ClientSession, web

from bench.throughput import RUN, free_ports, process, wait_for

SIZE: Final = 1 << 20
PAUSE: Final = 0.002
"""Seconds between two probes."""

_STRINGS: Final = json.dumps(["a"] * (SIZE // 5)).encode()
BODIES: Final = {
    "paragraphs": ("text/html", b"<p>x" * (SIZE // 4)),
    "attributes": ("text/html", b"<a b=c d=e>x" * (SIZE // 12)),
    "short strings": ("application/json", _STRINGS),
    "prose": ("text/plain", b"the quick brown fox jumps over it. " * (SIZE // 35)),
}
"""Media type and a megabyte of it, by name."""


async def _serve(port: int) -> web.AppRunner:
    async def answer(request: web.Request) -> web.Response:
        kind, body = BODIES[request.match_info["name"].replace("_", " ")]
        return web.Response(body=body, content_type=kind)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


async def _ready(client: ClientSession, url: str) -> None:
    """Wait until the pre-filter is compiled."""
    status = 0
    while status != HTTPStatus.OK:
        await asyncio.sleep(0.5)
        async with client.get(url) as got:
            status = got.status


async def _longest(client: ClientSession, probe: str, fetching: asyncio.Task[float]) -> float:
    """The longest that a probe took until the body was there, in seconds."""
    longest = 0.0
    while not fetching.done():
        began = time.perf_counter()
        async with client.get(probe) as got:
            await got.read()
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
    return longest


async def _fetch(client: ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with client.get(url) as got:
        await got.read()
    return time.perf_counter() - began


async def _measure(gateway: int, admin: int, upstream: int) -> None:
    runner = await _serve(upstream)
    try:
        async with ClientSession() as client:
            await _ready(client, f"http://127.0.0.1:{admin}/readyz")
            print("| 1 MB of | judged in, ms | longest stall, ms |\n| --- | --- | --- |")
            for name in BODIES:
                url = f"http://127.0.0.1:{gateway}/up/{name.replace(' ', '_')}"
                fetching = asyncio.create_task(_fetch(client, url))
                longest = await _longest(client, f"http://127.0.0.1:{admin}/healthz", fetching)
                print(f"| {name} | {await fetching * 1e3:.0f} | {longest * 1e3:.0f} |")
    finally:
        await runner.cleanup()


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    gateway, admin, upstream = free_ports(3)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "lockgate.toml"
        config.write_text(
            f'[gateway]\nlisten = "127.0.0.1:{gateway}"\nstate_dir = "{folder}/state"\n'
            f'[proxy]\nenabled = false\n[admin]\nlisten = "127.0.0.1:{admin}"\n'
            f'[upstreams.up]\ndialect = "http"\nbase_url = "http://127.0.0.1:{upstream}"\n'
        )
        log = stack.enter_context((folder / "log").open("wb"))
        stack.enter_context(process(log, "-c", RUN, "run", "--config", str(config)))
        wait_for(gateway)
        asyncio.run(_measure(gateway, admin, upstream))


if __name__ == "__main__":
    main()
