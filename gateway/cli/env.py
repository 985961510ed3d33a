"""`lockgate env`: an agent's way through the gateway, printed. `lockgate exec` sets the same for a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from gateway import config as configuration
from gateway.cli.options import ShellForm
from gateway.cli.shells import rendered
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.settings import Agent
from gateway.trust import bundle, folder
from gateway.trust.authority import Authority
from gateway.trust.bundle import Bundle
from gateway.trust.variables import environment


def show(path: Path | None, agent: str | None, form: ShellForm) -> None:
    """Print the variables."""
    config = configured(path)
    credentials = "" if agent is None else by_key(config, agent, os.environ)
    sys.stdout.write(rendered(variables(config, credentials, os.environ), form))


def variables(config: Config, credentials: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for an agent on this machine, which shows the proxy these credentials (`userinfo`)."""
    if not config.proxy.enabled:
        raise ConfigError(("proxy.enabled: there is no proxy to send agents through; accepted: true",))
    if config.proxy.listen.port == 0:
        raise ConfigError(("proxy.listen: agents cannot be told a port that is not known yet; accepted: a port but 0",))
    _, files = ready(config, environ)
    return environment(config.proxy.listen, config.proxy.no_proxy, files, credentials)


def userinfo(name: str, password: str) -> str:
    """What stands before the host in the proxy's URL (RFC 3986, section 3.2.1)."""
    return f"{quote(name, safe='')}:{quote(password, safe='')}@"


def by_key(config: Config, name: str, environ: Mapping[str, str]) -> str:
    """The credentials of an agent that shows its key. Raises ConfigError where that is not at hand."""
    agent = agent_of(config, name)
    if agent.key_env is None:
        raise ConfigError((f"agents.{name}: its key is not known here; accepted: an agent with `key_env`",))
    key = environ.get(agent.key_env)
    if not key:
        raise ConfigError((f"agents.{name}.key_env: the environment variable {agent.key_env} is not set",))
    return userinfo(name, key)


def agent_of(config: Config, name: str) -> Agent:
    """The agent of that name. Raises ConfigError where there is none."""
    agent = config.agents.get(name)
    if agent is None:
        names = ", ".join(f"`{known}`" for known in config.agents) or "none is configured"
        raise ConfigError((f"agents.{name}: there is no such agent; accepted: {names}",))
    return agent


def ready(config: Config, environ: Mapping[str, str]) -> tuple[Authority, Bundle]:
    """The authority, made on the first run, and up-to-date files with what agents are to trust."""
    now = datetime.now(UTC)
    where = configuration.ca_folder(config, environ)
    authority = folder.ensure(where, config.proxy.name_constraints, now)
    files = bundle.write(where, folder.certificates(where, now), environ)
    if not files.roots:
        print("warning: this machine has no root certificates; agents will trust the gateway alone", file=sys.stderr)
    return authority, files


def configured(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()
