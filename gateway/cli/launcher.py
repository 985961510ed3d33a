"""`lockgate exec`: a command with its way through the gateway, and a token that tells in whose name it runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Final

from gateway import config as configuration
from gateway import launch, units
from gateway.cli.env import agent_of, by_key, configured, userinfo, variables
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.launch import Isolation, Launch
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.trust.variables import reachable
from gateway.units import Address

NOT_FOUND: Final = 127
NOT_RUN: Final = 126
"""Exit codes for a command that is not there, and for one that cannot be run (POSIX, Shell Command Language, 2.8.2)."""

TOKEN_VARIABLE: Final = "LOCKGATE_TOKEN"
"""Where the command finds its token, for what it asks by base URL."""

_PATIENCE: Final = 2.0  # seconds for a connection to a listener that should be on this machine


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a command shows of itself: credentials for the proxy (`userinfo`), and the token in them if it has one."""

    credentials: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def run(path: Path | None, agent: str | None, lifetime: str, command: list[str]) -> int:
    """Run the command in the place of this process: signals and exit code are its own.

    Returns only where it could not be run. Raises ConfigError where nothing listens for it, or nobody can vouch for it.
    """
    config = configured(path)
    identity = _identity(config, agent, _seconds(lifetime), os.environ)
    environ = _environment(config, identity, os.environ)
    _knock(reachable(config.proxy.listen))
    try:
        return _become(command, environ)
    except OSError as error:
        print(f"error: {command[0]}: cannot be run: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN


def _seconds(lifetime: str) -> int:
    try:
        seconds = units.seconds(lifetime)
    except ValueError as error:
        raise ConfigError((f"--lifetime: {error}",)) from None
    if not launch.MIN_LIFETIME <= seconds <= launch.MAX_LIFETIME:
        raise ConfigError((f"--lifetime: {units.shown(lifetime)} is no lifetime of a token; accepted: from 1m to 30d",))
    return int(seconds)


def _identity(config: Config, agent: str | None, lifetime: int, environ: Mapping[str, str]) -> _Identity:
    """A token where the gateway's secret can be read, else the agent's key. Raises ConfigError where there is neither.

    Without an agent it may show nothing: it is then known by its address, or as `default`.
    """
    if agent is not None:
        agent_of(config, agent)
    try:
        secret = configuration.known_secret(config, environ)
    except ConfigError as error:
        return _unsigned(config, agent, environ, error)
    issued = int(time())
    name = agent or DEFAULT_PRINCIPAL
    token = launch.token(launch.key_of(secret), Launch(name, Isolation.NONE, issued, issued + lifetime))
    return _Identity(userinfo(name, token), token)


def _unsigned(config: Config, agent: str | None, environ: Mapping[str, str], fault: ConfigError) -> _Identity:
    if agent is not None:
        try:
            return _Identity(by_key(config, agent, environ))
        except ConfigError as error:
            way_out = "to sign a token instead, run as the gateway's user with its --config"
            raise ConfigError((*error.problems, *(f"{problem}; {way_out}" for problem in fault.problems))) from None
    for problem in fault.problems:
        print(f"warning: the command has no token to show the gateway: {problem}", file=sys.stderr)
    return _Identity("")


def _environment(config: Config, identity: _Identity, environ: Mapping[str, str]) -> dict[str, str]:
    """The command's environment: ours, without what could vouch for others, and with its way through the gateway."""
    tables = config.agents.values()
    vouching = {config.gateway.secret_env, config.admin.token_env, *(agent.key_env for agent in tables)}
    kept = {name: value for name, value in environ.items() if name not in vouching and name != TOKEN_VARIABLE}
    own = {} if identity.token is None else {TOKEN_VARIABLE: identity.token}
    return {**kept, **variables(config, identity.credentials, environ), **own}


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
