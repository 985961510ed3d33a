"""Redis servers on loopback: one alone, one behind Sentinels, a cluster; each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.services.ports import HOST, free_ports

_PATIENCE: Final = 30.0
_SLOTS: Final = 16384


class MissingRedis(Exception):
    """There is no Redis to test with."""

    def __init__(self, program: str) -> None:
        super().__init__(f"`{program}` is not on PATH; install it: apt-get install redis-server redis-sentinel")


@dataclass(slots=True)
class Server:
    """A server that runs, or did. `port` is its own for as long as the test lasts."""

    port: int
    folder: Path
    arguments: tuple[str, ...]
    program: str = "redis-server"
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which(self.program)
        if program is None:
            raise MissingRedis(self.program)
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [program, *self.arguments], cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        until(lambda: self.answers("PING") != "")

    def answers(self, *command: str) -> str:
        """What it says to a command, as `redis-cli` shows it; empty where it says nothing."""
        found = subprocess.run(
            ["redis-cli", "-h", HOST, "-p", str(self.port), *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        return found.stdout.strip()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGKILL)
            self.process.wait(_PATIENCE)
            self.process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)


def until(holds: object, patience: float = _PATIENCE) -> None:
    """Wait for a condition. Raises TimeoutError."""
    assert callable(holds)
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("it did not come to be")
        time.sleep(0.05)


@contextmanager
def single(folder: Path, *more: str) -> Iterator[Server]:
    """One server that keeps nothing on the disk, unless `more` says so."""
    with _servers(folder, [()], more) as (server,):
        yield server


@contextmanager
def sentinels(folder: Path) -> Iterator[tuple[list[Server], list[Server]]]:
    """A master `main` with a replica, and three Sentinels that replace it after a second: (servers, Sentinels)."""
    master, replica = free_ports(2)
    kinds = [(), ("--replicaof", HOST, str(master))]
    with _servers(folder, kinds, (), ports=[master, replica]) as servers, ExitStack() as stack:
        watching = []
        for index, port in enumerate(free_ports(3)):
            home = folder / f"sentinel-{index}"
            home.mkdir(parents=True)
            file = home / "sentinel.conf"
            file.write_text(
                f"port {port}\nbind {HOST}\nsentinel monitor main {HOST} {master} 2\n"
                "sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 4000\n"
            )
            one = Server(port, home, (str(file), "--sentinel"))
            one.start()
            stack.callback(one.kill)
            watching.append(one)
        until(lambda: all("num-other-sentinels\n2" in one.answers("SENTINEL", "MASTER", "main") for one in watching))
        until(lambda: "num-slaves\n1" in watching[0].answers("SENTINEL", "MASTER", "main"))
        yield list(servers), watching


@contextmanager
def cluster(folder: Path, masters: int = 3, replicas: int = 0) -> Iterator[list[Server]]:
    """A cluster of that many masters, each with as many replicas. The bus has ports of its own."""
    count = masters * (1 + replicas)
    ports = free_ports(2 * count)
    kinds = [
        ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", str(bus))
        for bus in ports[count:]
    ]
    with _servers(folder, kinds, (), ports=ports[:count]) as servers:
        places = [f"{HOST}:{server.port}" for server in servers]
        subprocess.run(
            ["redis-cli", "--cluster", "create", *places, "--cluster-replicas", str(replicas), "--cluster-yes"],
            check=True,
            capture_output=True,
            timeout=2 * _PATIENCE,
        )
        until(lambda: all("cluster_state:ok" in server.answers("CLUSTER", "INFO") for server in servers))
        copies = [server for server in servers if "role:slave" in server.answers("INFO", "replication")]
        until(lambda: all("master_link_status:up" in copy.answers("INFO", "replication") for copy in copies))
        yield list(servers)


@contextmanager
def _servers(
    folder: Path, kinds: Sequence[tuple[str, ...]], more: Sequence[str], ports: Sequence[int] = ()
) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        servers = []
        for index, (port, kind) in enumerate(zip(ports or free_ports(len(kinds)), kinds, strict=True)):
            home = folder / f"server-{index}"
            home.mkdir(parents=True)
            quiet: tuple[str, ...] = ("--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(home))
            quiet += ("--repl-diskless-sync-delay", "0")  # a replica that has no copy yet cannot take over
            server = Server(port, home, ("--port", str(port), "--bind", HOST, *quiet, *kind, *more))
            server.start()
            stack.callback(server.kill)
            servers.append(server)
        yield servers
