"""`lockgate env` and `lockgate exec`: an agent's way through the gateway, printed, or set for a command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway import config as configuration
from gateway.cli.options import ShellForm
from gateway.cli.shells import rendered
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.trust import bundle, folder
from gateway.trust.authority import Authority
from gateway.trust.bundle import Bundle
from gateway.trust.variables import environment, reachable
from gateway.units import Address

NOT_FOUND: Final = 127
NOT_RUN: Final = 126
"""Exit codes for a command that is not there, and for one that cannot be run (POSIX, Shell Command Language, 2.8.2)."""

_PATIENCE: Final = 2.0  # seconds for a connection to a listener that should be on this machine


def show(path: Path | None, agent: str | None, form: ShellForm) -> None:
    """Print the variables."""
    sys.stdout.write(rendered(variables(_config(path), agent, os.environ), form))


def run(path: Path | None, agent: str | None, command: list[str]) -> int:
    """Run the command with the variables, in the place of this process: signals and exit code are its own.

    Returns only where it could not be run. Raises ConfigError where nothing listens for it.
    """
    config = _config(path)
    environ = {**os.environ, **variables(config, agent, os.environ)}
    _knock(reachable(config.proxy.listen))
    try:
        return _become(command, environ)
    except OSError as error:
        print(f"error: {command[0]}: cannot be run: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN


def variables(config: Config, agent: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for an agent on this machine, with its credentials for the proxy where it has a name."""
    if not config.proxy.enabled:
        raise ConfigError(("proxy.enabled: there is no proxy to send agents through; accepted: true",))
    if config.proxy.listen.port == 0:
        raise ConfigError(("proxy.listen: agents cannot be told a port that is not known yet; accepted: a port but 0",))
    credentials = "" if agent is None else _credentials(config, agent, environ)
    _, files = ready(config, environ)
    return environment(config.proxy.listen, config.proxy.no_proxy, files, credentials)


def _credentials(config: Config, name: str, environ: Mapping[str, str]) -> str:
    """What stands before the host in the proxy's URL (RFC 3986, section 3.2.1). Raises ConfigError."""
    agent = config.agents.get(name)
    if agent is None:
        names = ", ".join(f"`{known}`" for known in config.agents) or "none is configured"
        raise ConfigError((f"agents.{name}: there is no such agent; accepted: {names}",))
    if agent.key_env is None:
        raise ConfigError((f"agents.{name}: its key is not known here; accepted: an agent with `key_env`",))
    key = environ.get(agent.key_env)
    if not key:
        raise ConfigError((f"agents.{name}.key_env: the environment variable {agent.key_env} is not set",))
    return f"{quote(name, safe='')}:{quote(key, safe='')}@"


def ready(config: Config, environ: Mapping[str, str]) -> tuple[Authority, Bundle]:
    """The authority, made on the first run, and up-to-date files with what agents are to trust."""
    now = datetime.now(UTC)
    where = configuration.ca_folder(config, environ)
    authority = folder.ensure(where, config.proxy.name_constraints, now)
    files = bundle.write(where, folder.certificates(where, now), environ)
    if not files.roots:
        print("warning: this machine has no root certificates; agents will trust the gateway alone", file=sys.stderr)
    return authority, files


def _knock(at: Address) -> None:
    try:
        socket.create_connection((at.host, at.port), timeout=_PATIENCE).close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problem = f"no gateway can be reached at {at} ([proxy] listen): {reason}"
        raise ConfigError((f"{problem}; start it with `lockgate run` and the same --config",)) from error


if sys.platform == "win32":

    def _become(command: list[str], environ: Mapping[str, str]) -> int:
        """A process cannot take another's place here, so this one waits."""
        return subprocess.run(command, env=environ, check=False).returncode  # noqa: S603 -- what the user asked for
else:

    def _become(command: list[str], environ: Mapping[str, str]) -> int:
        # Python ignores these two, and what is ignored stays so across exec.
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.execvpe(command[0], command, environ)  # noqa: S606 -- what the user asked for


def _config(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()
