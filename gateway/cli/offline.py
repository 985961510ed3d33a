"""Configuration and rules as the gateway would load them, for commands that need neither credentials nor a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway import config as configuration
from gateway import keys
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.reload import Loaded, Loader

SECRET: Final = b"lockgate offline; nothing that is made with this is sent or kept"
"""Stands for the gateway's secret: the same input gives the same output on every machine."""


class _AnyVariable(Mapping[str, str]):
    """An environment in which every variable is set: credentials are named in the configuration, but not used here.

    `urls` are those that hold a URL, which is read where it is loaded.
    """

    def __init__(self, urls: Mapping[str | None, str]) -> None:
        self._urls = urls

    def __getitem__(self, name: str) -> str:
        return self._urls.get(name) or f"placeholder for {name}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def any_variable(path: Path | None) -> Mapping[str, str]:
    """An environment with everything that the configuration (None: the defaults) names."""
    try:
        config = configuration.load(path) if path is not None else Config()
    except ConfigError:  # which the loader will tell, with what else is wrong
        config = Config()
    return _AnyVariable(
        {
            config.store.url_env: "redis://placeholder",
            config.gateway.parent_proxy_env: "http://placeholder",
            config.approvals.webhook_env: "https://placeholder",
        }
    )


def loader(path: Path | None) -> Loader:
    """What loads the configuration (None: the defaults) and its packs."""
    return Loader(path, any_variable(path), keys.derive(SECRET, "fingerprint"), _ignore)


def load(path: Path | None) -> Loaded:
    """What the configuration and its packs say. Raises OperatorError with every problem."""
    return loader(path).load()


def _ignore(_: Loaded) -> None:
    """Nothing is reloaded here."""
