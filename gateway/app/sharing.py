"""Whether the state that gateways share is kept where several processes can reach it."""

from __future__ import annotations

import sys

from gateway.config import Config


def shares_state(config: Config) -> bool:
    """Whether all workers count in one place. The memory of a process is its own."""
    return config.gateway.workers == 1 or config.store.is_shared


def faults(config: Config) -> tuple[str, ...]:
    """Why so many workers cannot be; empty where they can."""
    workers = config.gateway.workers
    if workers > 1 and sys.platform == "win32":
        return (f"gateway.workers: {workers} are too many for Windows; accepted: 1",)
    if not shares_state(config):  # each of them would allow all of a limit
        said = f"gateway.workers: {workers} workers need one store for what they count"
        return (f'{said}; add `url = "redis://127.0.0.1:6379"` under [store], or take 1',)
    return ()
