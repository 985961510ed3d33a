"""Whatever breaks in mitmproxy or behind it, nothing reaches the host that a client wanted but through the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from mitmproxy import hooks
from mitmproxy.proxy import layers, server_hooks  # noqa: F401 -- so that every hook there is, is known

from gateway.units import Address
from tests.addons.running import Canary, Counter, Host, canary, clients, hop, host, modes, started

SABOTAGE = str(Path(__file__).parent / "sabotage.py")

AFTER_ROTATION = """
import os, pathlib
pathlib.Path(os.environ["LOCKGATE_HOP_CA"], "mitmproxy-ca.pem").unlink()
import lockgate_host
"""

LIFE = {"load", "configure", "running", "done", "update"}
"""Hooks of the process; the others are of a flow."""
HOOKS = sorted(set(hooks.all_hooks) - LIFE)
OURS = (Path(__file__).parent.parent.parent / "addons" / "lockgate.py").read_text()

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Scene:
    """A mitmproxy whose hooks can be broken, its hop, and what it must not reach."""

    host: Host
    hop: Counter
    canary: Canary
    broken: Path

    async def told(self, patience: float = 5) -> dict[str, bytes]:
        """What the clients got, by their kind."""
        asked = clients(self.host, self.canary.port, patience)
        return dict(zip(asked, await asyncio.gather(*(ask() for ask in asked.values())), strict=True))

    def raised(self) -> list[str]:
        file = self.broken.with_suffix(".raised")
        return file.read_text().split() if file.exists() else []


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("mitm")
    broken = folder / "broken"
    broken.write_text("")
    async with (
        canary() as forbidden,
        hop() as counter,
        host(folder, counter.address, SABOTAGE, str(broken), *modes()) as running,
    ):
        yield Scene(running, counter, forbidden, broken)


@pytest.fixture(autouse=True)
def _mended(scene: Scene) -> None:
    scene.broken.write_text("")
    scene.hop.talk = None
    scene.hop.heads.clear()


async def test_unbroken_all_that_is_http_goes_to_the_hop_with_a_ticket_and_the_rest_nowhere(scene: Scene) -> None:
    told = await scene.told()
    assert {name for name, got in told.items() if got.endswith(b"hop")} == {"absolute", "tunnel", "websocket", "socks"}
    assert all("x-lockgate-hop: " in head for head in scene.hop.heads)
    assert len(scene.hop.heads) == 4
    assert scene.canary.reached == 0


async def test_nothing_gets_out_whichever_hook_raises_in_the_addon_or_in_all_of_them(scene: Scene) -> None:
    for broken in (*HOOKS, *(f"{name} steer" for name in HOOKS if f"def {name}(" in OURS)):
        scene.broken.write_text(broken)
        await scene.told(0.2)
        assert scene.canary.reached == 0, f"{broken} led past the gateway"
    assert {"requestheaders", "responseheaders", "next_layer", "server_connect", "client_connected"} <= set(
        scene.raised()
    )


async def test_a_request_that_was_not_steered_is_told_that_the_way_is_closed(scene: Scene) -> None:
    scene.broken.write_text("requestheaders")
    told = await scene.told()
    assert told["absolute"].startswith(b"HTTP/1.1 502 ")
    assert b"only the gateway may be dialled from here" in told["absolute"]
    assert scene.hop.heads == []


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00garbage\r\n\r\n")


async def _hangs_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def _slow(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("talk", [_garbage, _hangs_up])
async def test_a_gateway_that_does_not_answer_as_one_is_a_bad_gateway(scene: Scene, talk: object) -> None:
    scene.hop.talk = talk  # type: ignore[assignment]
    told = await scene.told()
    assert told["absolute"].startswith(b"HTTP/1.1 502 ")
    assert scene.canary.reached == 0


async def test_a_gateway_that_does_not_answer_at_all_is_waited_for(scene: Scene) -> None:
    scene.hop.talk = _slow
    told = await scene.told(0.5)
    assert told["absolute"] == b""
    assert scene.canary.reached == 0


async def test_a_gateway_that_is_gone_is_a_bad_gateway(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("")
    async with (
        canary() as forbidden,
        host(tmp_path, Address("127.0.0.1", 1), SABOTAGE, str(broken), *modes()) as running,
    ):
        got = await clients(running, forbidden.port)["absolute"]()
    assert got.startswith(b"HTTP/1.1 502 ")
    assert forbidden.reached == 0


async def test_without_the_guard_a_broken_hook_would_lead_past_the_gateway(tmp_path: Path) -> None:
    """Which shows that the tests above can fail."""
    broken = tmp_path / "broken"
    broken.write_text("requestheaders")
    command = (SABOTAGE, str(broken), "unguarded", *modes())
    async with canary() as forbidden, hop() as counter, host(tmp_path, counter.address, *command) as running:
        assert (await clients(running, forbidden.port)["absolute"]()).endswith(b"canary")
    assert forbidden.reached == 1


async def test_it_does_not_start_with_an_authority_of_mitmproxys_own(tmp_path: Path) -> None:
    async with started(tmp_path, Address("127.0.0.1", 1), "-c", AFTER_ROTATION) as process:
        async with asyncio.timeout(30):
            _, said = await process.communicate()
    assert b"the certificate authority is gone; if it was rotated, start the gateway again" in said
    assert list((tmp_path / "mitmproxy").iterdir()) == []


@pytest.mark.parametrize("name", ["load", "configure"])
async def test_it_does_not_start_where_the_addon_cannot_be_set_up(tmp_path: Path, name: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(f"{name} steer" if name == "load" else name)
    async with started(tmp_path, Address("127.0.0.1", 1), SABOTAGE, str(broken), *modes()) as process:
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
    assert process.returncode == 1
    assert out == b""
