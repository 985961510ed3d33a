"""`lockgate doctor`: which runtimes on this machine come through the proxy and trust it, with the environment we set.

Each is run as an agent would run it, and asks for a host of its own at a canary in the place of the proxy. What counts
is what arrives there, not what the runtime says. The hosts do not exist, so what goes another way reaches nobody.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.table import Table

from gateway import config as configuration
from gateway.cli.canary import Came, Canary, canary
from gateway.cli.env import ready
from gateway.cli.tables import wide
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.trust.leaf import Leaves
from gateway.trust.variables import environment

NOWHERE: Final = "canary.invalid"
"""A domain that never exists (RFC 6761, section 6.4)."""

_PATIENCE: Final = 60.0  # seconds for one runtime to do one request, on a busy machine
_LACKING: Final = 86  # the exit code by which a trial says that its library is not installed


@dataclass(frozen=True, slots=True)
class Runtime:
    """A way to make a request: a command in which `{url}` stands for where to, and what to do if it does not come."""

    name: str
    command: tuple[str, ...]
    advice: str


_PYTHON: Final = f"try:\n import {{0}}\nexcept ImportError:\n raise SystemExit({_LACKING})\n{{1}}"


def _python(library: str, call: str, advice: str) -> Runtime:
    return Runtime(f"python {library}", ("python3", "-c", _PYTHON.format(library, call)), advice)


RUNTIMES: Final = (
    Runtime("curl", ("curl", "--silent", "{url}"), "a ~/.curlrc may set `proxy` or `cacert`"),
    Runtime("wget", ("wget", "-q", "-t", "1", "-O", "-", "{url}"), "set `ca_certificate` in ~/.wgetrc to the bundle"),
    Runtime(
        "git", ("git", "ls-remote", "{url}"), "a `http.proxy` or `http.<url>.sslCAInfo` in git's configuration wins"
    ),
    _python("urllib.request", "urllib.request.urlopen('{url}')", "give a context that has roots of its own the bundle"),
    _python("requests", "requests.get('{url}')", "trust_env is off, or `verify` is set"),
    _python("httpx", "httpx.get('{url}')", "trust_env is off, or `verify` is set"),
    Runtime(
        "pip",
        ("python3", "-m", "pip", "download", "--no-deps", "--retries", "0", "--index-url", "{url}", "lockgate-canary"),
        "a `proxy` or `cert` in pip's configuration wins",
    ),
    Runtime("node fetch", ("node", "-e", "fetch('{url}')"), "needs Node.js 22.21 or 24 (NODE_USE_ENV_PROXY)"),
    Runtime("npm", ("npm", "view", "lockgate-canary", "--registry", "{url}"), "a `proxy` in .npmrc wins"),
    Runtime("deno", ("deno", "eval", "await fetch('{url}')"), "see DENO_CERT"),
    Runtime("bun", ("bun", "-e", "await fetch('{url}')"), "see NODE_EXTRA_CA_CERTS"),
    Runtime("ruby", ("ruby", "-rnet/http", "-e", "Net::HTTP.get(URI('{url}'))"), "see SSL_CERT_FILE"),
    Runtime("cargo", ("cargo", "search", "canary", "--index", "sparse+{url}"), "a `http.proxy` in cargo's config wins"),
)
"""Runtimes that agents are written in, and tools that they call."""


def examine(path: Path | None, command: list[str]) -> int:
    """Try all runtimes that there are, or the given command. Returns 1 where one does not come, or does not trust."""
    config = configuration.load(path) if path is not None else Config()
    return asyncio.run(_examine(config, command))


async def _examine(config: Config, command: list[str]) -> int:
    authority, files = ready(config, os.environ)
    leaves = Leaves(authority, timedelta(seconds=config.proxy.leaf_lifetime))
    async with canary(leaves) as running:
        environ = {**os.environ, **environment(running.address, (), files)}
        if command:
            return await _command(command, environ, running)
        return await _runtimes(_domain(config), environ, running)


async def _command(command: list[str], environ: Mapping[str, str], running: Canary) -> int:
    """Run a command as it is, and tell which hosts it asked for."""
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environ)
    except OSError as error:
        raise ConfigError((f"{command[0]}: cannot be run: {(error.strerror or str(error)).lower()}",)) from error
    code = await process.wait()
    table = _table("host", "result")
    for host, how in running.came.items():
        table.add_row(host, _WORDS[how])
    console = wide()
    console.print(f"ended with {code}, and asked the proxy for {len(running.came)} hosts")
    console.print(table)
    return 0 if running.came and min(running.came.values()) >= Came.PLAIN else 1


async def _runtimes(domain: str, environ: Mapping[str, str], running: Canary) -> int:
    """Run each runtime that there is, one after the other, and tell how far it came."""
    table, problems = _table("runtime", "result", "way out"), 0
    for number, runtime in enumerate(RUNTIMES):
        host = f"runtime-{number}.{domain}"
        if not await _tried(runtime, f"https://{host}/", environ):
            continue
        how = running.came.get(host)
        problems += how is not Came.TRUSTED
        table.add_row(runtime.name, _WORDS[how], "" if how is Came.TRUSTED else runtime.advice)
    wide().print(table)
    return 1 if problems else 0


async def _tried(runtime: Runtime, url: str, environ: Mapping[str, str]) -> bool:
    """Whether the runtime is installed; if so it was run, to its end or the end of our patience."""
    program = shutil.which(runtime.command[0], path=environ.get("PATH"))
    if program is None:
        return False
    arguments = [argument.replace("{url}", url) for argument in runtime.command[1:]]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        program, *arguments, env=environ, stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            return await process.wait() != _LACKING
    except TimeoutError:
        process.kill()
        await process.wait()
        return True


def _domain(config: Config) -> str:
    """A domain for which agents trust the authority, and in which nothing exists."""
    limits = config.proxy.name_constraints
    if not limits:
        return NOWHERE
    for limit in limits:
        if isinstance(limit, str):
            return f"lockgate-canary.{limit}"
    raise ConfigError(("proxy.name_constraints: has no domain to try; give the command of an agent instead",))


def _table(*columns: str) -> Table:
    table = Table(box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


_WORDS: Final[Mapping[Came | None, str]] = {
    Came.TRUSTED: "comes through the proxy, and trusts it",
    Came.PLAIN: "comes through the proxy, without TLS",
    Came.DISTRUSTED: "comes through the proxy, and does NOT trust it",
    Came.UNSIGNED: "comes through the proxy, and is not among its name_constraints",
    None: "does NOT come through the proxy",
}
