"""A gateway as the proxy of real clients: its environment, and servers whose TLS a private authority has signed."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway import config as configuration
from gateway.cli.env import ready
from gateway.trust.authority import Authority, made, pem
from gateway.trust.leaf import Leaves
from gateway.trust.variables import environment
from gateway.units import Address
from tests.end_to_end.running import HARMLESS, Running, running

HOST = "localhost"
"""The name of every server: it is loopback by definition, so no resolver is asked."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """A private authority that servers are certified by, and the file with its root."""

    authority: Authority
    file: Path

    def context(self, host: str = HOST) -> ssl.SSLContext:
        """What serves that host."""
        return Leaves(self.authority, timedelta(days=1)).context(host)


def private_authority(folder: Path) -> Authorities:
    authority = made((), datetime.now(UTC))
    file = folder / "private.pem"
    file.write_text(pem(authority.certificate))
    return Authorities(authority, file)


@dataclass(frozen=True, slots=True)
class Proxied:
    """A running gateway, and the environment that `lockgate env` gives its agents, with nothing else but a PATH."""

    gate: Running
    environ: Mapping[str, str]

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.gate.proxy.removeprefix("http://").rpartition(":")
        return host, int(port)

    def as_agent(self, user: str, password: str) -> dict[str, str]:
        """The environment, with credentials in the URL of the proxy."""
        shown = self.gate.proxy.replace("//", f"//{user}:{password}@")
        return {name: shown if value == self.gate.proxy else value for name, value in self.environ.items()}

    @property
    def bundle(self) -> str:
        """The file with all roots that an agent is to trust."""
        return self.environ["SSL_CERT_FILE"]


def opened(*ports: int, name: str = "local", action: str = "inspect", more: str = "") -> str:
    """An `[egress]` entry that lets agents reach `HOST` at these ports."""
    return (
        f'[egress.{name}]\nhosts = ["{HOST}"]\naddresses = ["127.0.0.0/8", "::1"]\n'
        f'ports = {list(ports)}\naction = "{action}"\n{more}\n'
    )


@asynccontextmanager
async def proxied(
    tables: str, folder: Path, environ: Mapping[str, str] | None = None, *, proxy: str = ""
) -> AsyncIterator[Proxied]:
    """A gateway that trusts the private authority of that folder, and is the proxy for loopback names too."""
    async with running(configuration_text(tables, folder, proxy), folder, environ) as gate:
        yield Proxied(gate, environment_of(gate))


def configuration_text(tables: str, folder: Path, proxy: str = "") -> str:
    """`proxy` is what else stands in [proxy]."""
    return (
        f'[gateway]\nlisten = "127.0.0.1:0"\nstate_dir = "state"\nca_file = "{folder / "private.pem"}"\n'
        f'[proxy]\nlisten = "127.0.0.1:0"\nno_proxy = []\n{proxy}\n[admin]\nlisten = "127.0.0.1:0"\n'
        f'[rules]\npacks = []\nfolders = ["rules"]\n{HARMLESS}{tables}'
    )


def environment_of(gate: Running) -> dict[str, str]:
    """What `lockgate env` prints for a gateway that listens at a port of the system's choice."""
    config = configuration.load(gate.folder / "lockgate.toml")
    _, files = ready(config, {})
    host, _, port = gate.proxy.removeprefix("http://").rpartition(":")
    told = environment(Address(host, int(port)), config.proxy.no_proxy, files)
    return {"PATH": os.environ["PATH"], "HOME": str(gate.folder), "LC_ALL": "C.UTF-8", **told}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended, and what it said."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


async def told(
    command: Iterable[str], environ: Mapping[str, str], stdin: bytes = b"", cwd: Path | None = None
) -> Ended:
    """Run a command to its end, while the event loop serves the other side."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environ,
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out, err.decode(errors="replace"))
