"""The commands of `lockgate pins`. Each imports what it needs when it runs, so that others start quickly."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.options import AdminUrl, AsJson, ConfigFile

pins_app = typer.Typer(
    no_args_is_help=True,
    help="What MCP servers say of their tools: what is new or changed, and whether it is accepted.\n\n"
    "Exit codes: 0 done; 1 there is nothing to show or to decide; 2 wrong usage, configuration or environment.",
)

ServerName = Annotated[
    str,
    typer.Argument(
        metavar="SERVER",
        help="The NAME of [mcp.NAME], or of `lockgate mcp --name`; agent:NAME for what an agent tells its model.",
    ),
]
AnyServer = Annotated[str | None, typer.Argument(metavar="SERVER", help="The tools of that server alone.")]
AnyTool = Annotated[str | None, typer.Argument(metavar="TOOL", help="That tool alone.")]
Seen = Annotated[
    str | None, typer.Option("--digest", help="As `show` has it: decide only if nothing has changed since.")
]


@pins_app.command("list")
def pins_list(
    server: AnyServer = None,
    config: ConfigFile = None,
    admin: AdminUrl = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are accepted or refused too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which tools wait for a decision."""
    from gateway.cli.pins import show_all

    raise typer.Exit(show_all(config, admin, server, everything=everything, as_json=as_json))


@pins_app.command("show")
def pins_show(
    server: ServerName, tool: AnyTool = None, config: ConfigFile = None, admin: AdminUrl = None, as_json: AsJson = False
) -> None:
    """Show what a server says of its tools now, against what was accepted."""
    from gateway.cli.pins import show

    raise typer.Exit(show(config, admin, server, tool, as_json=as_json))


@pins_app.command("accept")
def pins_accept(
    server: ServerName, tool: AnyTool = None, config: ConfigFile = None, admin: AdminUrl = None, digest: Seen = None
) -> None:
    """Accept what waits of a tool, or of all tools of a server: it is shown to agents, and they may call it."""
    from gateway.cli.pins import decide

    raise typer.Exit(decide(config, admin, server, tool, is_accepted=True, seen=digest))


@pins_app.command("deny")
def pins_deny(
    server: ServerName, tool: AnyTool = None, config: ConfigFile = None, admin: AdminUrl = None, digest: Seen = None
) -> None:
    """Refuse what waits of a tool, or of all tools of a server; where nothing waits, what was accepted of the tool."""
    from gateway.cli.pins import decide

    raise typer.Exit(decide(config, admin, server, tool, is_accepted=False, seen=digest))


@pins_app.command("forget")
def pins_forget(server: ServerName, config: ConfigFile = None, admin: AdminUrl = None) -> None:
    """Forget a server: the next list of its tools is a first one, and believed unless the profile is strict."""
    from gateway.cli.pins import forget

    raise typer.Exit(forget(config, admin, server))
