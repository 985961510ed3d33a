"""`lockgate check`: would the gateway start, and what would it cover?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.table import Table

from gateway import config as configuration
from gateway.cli import offline
from gateway.cli.tables import wide
from gateway.config import Config
from gateway.errors import OperatorError
from gateway.reload import Loaded
from gateway.serve.coverage import families, matrix
from gateway.serve.gaps import gaps


def check(path: Path | None) -> int:
    """Print what is wrong, all at once, and return 1; else print what would be served, and return 0."""
    problems: list[str] = []
    loaded: Loaded | None = None
    try:
        loaded = offline.load(path)
    except OperatorError as error:
        problems += error.problems
    problems += _environment(path)
    if loaded is None or problems:
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        return 1
    _show(loaded)
    return 0


def _environment(path: Path | None) -> tuple[str, ...]:
    """The variables that the configuration names and the environment lacks; none where the file itself is wrong."""
    try:
        config = configuration.load(path) if path is not None else Config()
    except OperatorError:
        return ()
    try:
        configuration.secrets(config, os.environ)
        if config.gateway.secret_env is not None:  # asked for only then: without it, a secret would be made here
            configuration.secret(config, os.environ)
    except OperatorError as error:
        return error.problems
    return ()


def _show(loaded: Loaded) -> None:
    config = loaded.config
    console = wide()
    console.print(f"profile {config.rules.profile}, {len(loaded.rules.rules)} rules, hierarchy {config.hierarchy.mode}")
    for gap in gaps(config):
        console.print(f"not protected: {gap}", markup=False)
    table = Table(box=None)
    for name in ("family", "methods", "path", "coverage", "dialect", "request", "answer"):
        table.add_column(name, overflow="fold", no_wrap=name != "path")
    for row in matrix(families(config)):
        path = row.path.replace("[", r"\[")
        table.add_row(row.family, " ".join(row.methods), path, row.coverage, row.dialect, row.request, row.answer)
    console.print(table)
    console.print("ok")
