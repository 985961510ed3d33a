"""Where the shipped rule packs, weights and addons are: inside an installed package, or beside it in a source checkout.

A wheel carries `rules/` as `gateway/_rules` and `addons/` as `gateway/_addons` (pyproject.toml, `force-include`); an
editable install has only the folders at the root of the checkout. Nothing else in the code knows the difference.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError
from gateway.policy.provenance import weighing

_SUFFIX: Final = ".toml"


def pack_names() -> tuple[str, ...]:
    """The names of the shipped packs, in order."""
    files = (entry.name for entry in _packs().iterdir() if entry.is_file())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)))


def pack_text(name: str) -> str:
    """The TOML text of a shipped pack. Raises ConfigError for a name that is not shipped."""
    if name not in pack_names():
        raise ConfigError((f"`{name}` is no shipped pack; accepted: {', '.join(pack_names()) or 'none are shipped'}",))
    return (_packs() / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def tool_policy_names() -> tuple[str, ...]:
    """The names of the shipped policies of tools, in order."""
    folder = _packs() / "tools"
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def tool_policy_text(name: str) -> str:
    """The TOML text of a shipped policy of tools, which has to be one of `tool_policy_names`."""
    return (_packs() / "tools" / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


@cache
def weigher() -> weighing.Weigher:
    """How the evidence on calls is weighed, as it was learned for this version. Raises ConfigError where an
    installation has lost it: no gateway is to run without."""
    try:
        return weighing.parse((_packs() / "provenance.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            (f"the shipped `provenance.json` cannot be read ({error}); install the gateway anew",)
        ) from error


def pack_folder() -> Path | None:
    """The folder of the shipped packs where it is a real one that can be watched; None inside a zipped package."""
    folder = _packs()
    return folder if isinstance(folder, Path) else None


def addon(name: str) -> Path:
    """The file of a shipped addon. Raises ConfigError inside a zipped package, where mitmproxy cannot load it."""
    file = _shipped("addons") / name
    if not isinstance(file, Path):
        raise ConfigError(("mitmproxy cannot load an addon out of a zipped package; unpack it, or install by pip",))
    return file


def _packs() -> Traversable:
    return _shipped("rules")


def _shipped(folder: str) -> Traversable:
    package = resources.files("gateway")
    installed = package / f"_{folder}"
    if installed.is_dir() or not isinstance(package, Path):
        return installed
    return package.parent / folder
