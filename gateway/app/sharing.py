"""Whether the state that gateways share is kept where several processes can reach it."""

from __future__ import annotations

import sys

from gateway.config import Config
from gateway.errors import ConfigError


def shares_state(config: Config) -> bool:
    """Whether all workers count in one place. The memory of a process is its own."""
    return config.gateway.workers == 1 or config.store.is_shared


def check_shared(config: Config) -> None:
    """Raise ConfigError where so many workers cannot be: each of them would allow all that a limit does."""
    workers = config.gateway.workers
    if sys.platform == "win32":
        raise ConfigError((f"gateway.workers: {workers} are too many for Windows; accepted: 1",))
    if not shares_state(config):
        said = f"gateway.workers: {workers} workers need one store for what they count"
        raise ConfigError((f'{said}; add `url = "redis://127.0.0.1:6379"` under [store], or take 1',))
