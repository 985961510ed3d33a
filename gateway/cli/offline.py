"""Configuration and rules as the gateway would load them, for commands that need neither credentials nor a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway import keys
from gateway.reload import Loaded, Loader

SECRET: Final = b"lockgate offline; nothing that is made with this is sent or kept"
"""Stands for the gateway's secret: the same input gives the same output on every machine."""


class _AnyVariable(Mapping[str, str]):
    """An environment in which every variable is set: credentials are named in the configuration, but not used here."""

    def __getitem__(self, name: str) -> str:
        return f"placeholder for {name}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


ANY_VARIABLE: Final = _AnyVariable()


def loader(path: Path | None) -> Loader:
    """What loads the configuration (None: the defaults) and its packs."""
    return Loader(path, ANY_VARIABLE, keys.derive(SECRET, "fingerprint"), _ignore)


def load(path: Path | None) -> Loaded:
    """What the configuration and its packs say. Raises OperatorError with every problem."""
    return loader(path).load()


def _ignore(_: Loaded) -> None:
    """Nothing is reloaded here."""
