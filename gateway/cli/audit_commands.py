"""The commands of `lockgate audit`. Each imports what it needs when it runs, so that others start quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import ConfigFile

audit_app = typer.Typer(no_args_is_help=True, help="Check and read the audit files.")


@audit_app.command("verify")
def audit_verify(
    config: ConfigFile = None,
    folder: Annotated[
        Path | None, typer.Option(help="The folder of the audit files, in place of the configured one.")
    ] = None,
) -> None:
    """Find lines that were changed, dropped or reordered."""
    from gateway.cli.audit import verify

    raise typer.Exit(verify(config, folder))


@audit_app.command("tail")
def audit_tail(
    config: ConfigFile = None,
    folder: Annotated[
        Path | None, typer.Option(help="The folder of the audit files, in place of the configured one.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many.")] = 10,
) -> None:
    """Show the last lines, oldest first."""
    from gateway.cli.audit import tail

    tail(config, folder, lines)
