"""The commands of `lockgate mitm`. Each imports what it needs when it runs, so that others start quickly."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.options import ConfigFile, ShellForm

mitm_app = typer.Typer(no_args_is_help=True, help="What a mitmproxy that you start yourself is given.")


@mitm_app.command("path")
def mitm_path() -> None:
    """Print where the addon is: mitmdump -s "$(lockgate mitm path)"."""
    from gateway.cli.mitm import path

    path()


@mitm_app.command("env")
def mitm_env(
    config: ConfigFile = None,
    form: Annotated[ShellForm, typer.Option("--format", help="Who reads it.")] = ShellForm.SH,
) -> None:
    r"""Print the environment that the addon needs; with a key, so keep it to yourself. Wants \[proxy] hop."""
    from gateway.cli.mitm import env

    env(config, form)
