"""The commands of `lockgate rules`. Each imports what it needs when it runs, so that others start quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import ConfigFile

rules_app = typer.Typer(no_args_is_help=True, help="Show the rules, and run their proofs.")


@rules_app.command("list")
def rules_list(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every field that decides.")] = False,
) -> None:
    """Show the rules that are loaded."""
    from gateway.cli.rules import show

    show(config, as_json=as_json)


@rules_app.command("test")
def rules_test(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders with packs; without any, those that ship.")
    ] = None,
) -> None:
    """Run the proof of each rule: what it must hit, and what it must leave alone."""
    from gateway.cli.rules import prove

    raise typer.Exit(prove(tuple(folders or ())))


@rules_app.command("push")
def rules_push(
    folder: Annotated[Path, typer.Argument(help="The packs, *.toml; they take the place of those pushed before.")],
    config: ConfigFile = None,
    canary: Annotated[int, typer.Option(min=1, max=100, help="Per cent of the gateways that get them first.")] = 10,
    watch: Annotated[str, typer.Option(help="How long they are watched there, and then everywhere.")] = "5m",
    why: Annotated[str, typer.Option(help="The reason, for who looks later.")] = "",
) -> None:
    """Push rule packs to all gateways that share a store: to some first, then to all.

    They come beside each gateway's own. Where one cannot load them, or block rate, error rate or the time of inspecting
    jump, the push goes back by itself.
    """
    from gateway import units
    from gateway.cli.push import push

    try:
        seconds = units.seconds(watch)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--watch") from None
    raise typer.Exit(push(config, folder, canary / 100, seconds, why))


@rules_app.command("pushed")
def rules_pushed(config: ConfigFile = None) -> None:
    """Show how the last push stands, and which rules and configuration each worker of the fleet serves by."""
    from gateway.cli.push import show

    raise typer.Exit(show(config))


@rules_app.command("rollback")
def rules_rollback(
    config: ConfigFile = None, why: Annotated[str, typer.Option(help="The reason, for who looks later.")] = ""
) -> None:
    """Take the last push back, everywhere."""
    from gateway.cli.push import rollback

    raise typer.Exit(rollback(config, why))
