"""Options that several commands share, and the values of some.

(typer does not look into `type` statements, so these are plain names.)
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="LOCKGATE_CONFIG",
        help="The configuration file. Without one, the defaults hold (see config.example.toml).",
    ),
]


AgentName = Annotated[
    str | None,
    typer.Option("--agent", help="Whose key to show the proxy: the NAME of [agents.NAME], with its `key_env`."),
]


class CertificateForm(StrEnum):
    """What `lockgate ca export` writes."""

    PEM = "pem"
    DER = "der"
    BUNDLE = "bundle"


class ShellForm(StrEnum):
    """Who reads what `lockgate env` prints."""

    SH = "sh"
    FISH = "fish"
    POWERSHELL = "powershell"
    DOTENV = "dotenv"
    JSON = "json"
