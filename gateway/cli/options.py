"""Options that several commands share. (typer does not look into `type` statements, so these are plain names.)"""

from __future__ import annotations

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
