"""What a program sees that knows of no proxy, in a network of its own: the program that the tests run in one.

    unshare … python -m tests.end_to_end.redirected MODE FOLDER

In that network there is this machine alone. `FAR` leads nowhere but to mitmproxy, by a rule of the kernel
(`transparent`) or through a WireGuard client (`wireguard`). The last line printed is JSON: what curl was answered, and
what the gateway recorded.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.end_to_end.running import SECRET, until
from tests.end_to_end.test_mitmproxy import Scene, running
from tests.services.ports import free_port

FAR: Final = "198.51.100.7"
"""The address that clients dial: one for documentation (RFC 5737), which no machine has."""
BLOCK: Final = "198.51.100.0/24"
NEAR: Final = "192.0.2.1"
"""The address that they dial from, where the way there has none: another one for documentation."""

GUIDE: Final = Path(__file__).parent.parent.parent / "docs" / "mitmproxy.md"


def run(*command: str, sent: str | None = None) -> None:
    subprocess.run(command, input=sent, text=True, check=True)


def ruleset(port: int, proxy: int) -> str:
    """The rules of the manual, for this port, and for the only user that there is here."""
    found = re.search(r"^table ip lockgate \{\n(?:.*\n)*?^\}$", GUIDE.read_text(), re.MULTILINE)
    assert found is not None
    text = found[0]
    for told, here in (("skuid agent", "skuid root"), ("{ 80, 443 }", str(port)), (":8085", f":{proxy}")):
        assert told in text
        text = text.replace(told, here)
    return text


@asynccontextmanager
async def transparent(folder: Path) -> AsyncIterator[Scene]:
    run("ip", "address", "add", NEAR, "dev", "lo")
    run("ip", "route", "add", BLOCK, "dev", "lo", "src", NEAR)
    async with running(folder, f"transparent@{free_port()}") as scene:
        run("nft", "-f", "-", sent=ruleset(_port(scene), scene.ports["transparent"]))
        yield scene


@asynccontextmanager
async def wireguard(folder: Path) -> AsyncIterator[Scene]:
    run("mount", "-t", "tmpfs", "tmpfs", "/run")  # where wireguard-go is spoken to
    port = free_port()
    async with running(folder, f"wireguard@127.0.0.1:{port}") as scene:
        client = await asyncio.create_subprocess_exec("wireguard-go", "--foreground", "wg0")
        try:
            await until(_is_there, 10)
            conf = folder / "state" / "ca" / "mitmproxy" / "wireguard-client.conf"
            run("wg", "setconf", "wg0", "/dev/stdin", sent=peer(conf.read_text(), port))
            run("ip", "address", "add", "10.0.0.1/32", "dev", "wg0")
            run("ip", "link", "set", "wg0", "up")
            run("ip", "route", "add", BLOCK, "dev", "wg0")
            yield scene
        finally:
            client.terminate()
            await client.wait()


async def _is_there() -> bool:
    process = await asyncio.create_subprocess_exec("wg", "show", "wg0", stdout=DEVNULL, stderr=DEVNULL)
    return await process.wait() == 0


def peer(conf: str, port: int) -> str:
    """The client's configuration as `wg` takes it: without addresses, and with the gateway's."""
    lines = [line for line in conf.splitlines() if not line.startswith(("Address", "DNS", "Endpoint"))]
    return "\n".join([*lines, f"Endpoint = 127.0.0.1:{port}", ""])


def _port(scene: Scene) -> int:
    return int(scene.url.rpartition(":")[2])


WAYS: Final[dict[str, Callable[[Path], AbstractAsyncContextManager[Scene]]]] = {
    "transparent": transparent,
    "wireguard": wireguard,
}


async def told(way: str, folder: Path) -> dict[str, Any]:
    async with WAYS[way](folder) as scene:
        port = _port(scene)
        far = ("--connect-to", f"::{FAR}:{port}", "-w", "\n%{http_code} %{remote_ip}", "-H", "content-type: text/plain")
        named = f"https://localhost:{port}"
        answers = {
            "listed": await scene.curl(*far, "-d", "hello", f"{named}/echo"),
            "two": await scene.curl(*far, "--http2", f"{named}/echo?two"),
            "secret": await scene.curl(*far, "-d", f"the key is {SECRET}", f"{named}/secret"),
            "stranger": await scene.curl(*far, f"https://elsewhere.example:{port}/stranger"),
            "nameless": await scene.curl(*far, f"http://{FAR}:{port}/nameless"),
        }
        await scene.record("/nameless")
        return {"answers": answers, "records": scene.records()}


if __name__ == "__main__":
    run("ip", "link", "set", "lo", "up")
    sys.stdout.write(json.dumps(asyncio.run(told(sys.argv[1], Path(sys.argv[2])))))
