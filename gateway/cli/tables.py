"""Where tables are printed: as wide as the terminal, and wide enough to be read where there is none."""

from __future__ import annotations

from typing import Final

from rich.console import Console

PIPE_WIDTH: Final = 160
"""Columns where the output is no terminal."""


def wide() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)
