"""A user's shell, for commands that set up agents: a configuration, and the real command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from gateway.trust import folder
from gateway.trust.bundle import OVERRIDE
from gateway.trust.leaf import Leaves
from tests.trust.machine import ROOT, roots
from tests.trust.proxy import Seen, proxy
from tests.trust.times import clock

NOW = clock()()
LOCKGATE = [sys.executable, "-c", "from gateway.cli import main; main()"]
SECRET = b"the secret of the gateway"


def shell(tmp_path: Path) -> dict[str, str]:
    """What a user's shell has, with settings of its own that lead elsewhere."""
    elsewhere = {"https_proxy": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9", "no_proxy": "*"}
    named = roots(tmp_path / "roots.pem", ROOT)
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), OVERRIDE: str(named), **elsewhere}


def config(folder: Path, port: int, tables: str = "") -> str:
    """A file with the proxy at that port. Its gateway has its secret in `secret`, unless that is taken away."""
    secret = folder / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    path = folder / "lockgate.toml"
    path.write_text(f'[gateway]\nsecret_file = "secret"\n[proxy]\nlisten = "127.0.0.1:{port}"\nca_dir = "ca"\n{tables}')
    return str(path)


AGENTS = f'[agents.research]\nkey_env = "RESEARCH_KEY"\n[agents.hashed]\nkey_sha256 = "{"0" * 64}"\n'


def lockgate(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LOCKGATE, *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def serving(tmp_path: Path) -> Iterator[Seen]:
    authority = folder.ensure(tmp_path / "ca", (), NOW)
    with proxy(Leaves(authority, timedelta(days=1))) as seen:
        yield seen
