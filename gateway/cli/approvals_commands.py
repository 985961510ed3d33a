"""The commands of `lockgate approvals`. Each imports what it needs when it runs, so that others start quickly."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile, DeskUrl, TicketId

approvals_app = typer.Typer(
    no_args_is_help=True,
    help="Calls of tools that wait for a person: show them, and decide.\n\n"
    "Exit codes: 0 done; 1 the decision cannot be taken (no such ticket, decided already, too late, not yours); "
    "2 wrong usage, configuration or environment.",
)


@approvals_app.command("list")
def approvals_list(
    config: ConfigFile = None,
    admin: DeskUrl = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are decided or over too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which calls wait for an approval."""
    from gateway.cli.approvals import show_all

    raise typer.Exit(show_all(config, admin, everything=everything, as_json=as_json))


@approvals_app.command("show")
def approvals_show(
    id_: TicketId,
    config: ConfigFile = None,
    admin: DeskUrl = None,
    whole: Annotated[bool, typer.Option("--whole", help="Long values to their ends, and all of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is needed to decide: the call, where its values came from, why it is asked, until when, and how."""
    from gateway.cli.approvals import show_one

    raise typer.Exit(show_one(config, admin, id_, as_json=as_json, whole=whole))


@approvals_app.command("approve")
def approvals_approve(
    id_: TicketId,
    config: ConfigFile = None,
    admin: DeskUrl = None,
    once: Annotated[bool, typer.Option("--once", help="This call alone.")] = False,
    session: Annotated[bool, typer.Option("--session", help="All calls of the tool in this session.")] = False,
    target: Annotated[
        bool, typer.Option("--target", help="All calls of the tool with this target, in this session.")
    ] = False,
    arguments: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="Make the call with these arguments instead, which are judged too; @FILE and @- read them. Masked "
            "texts that stay as they are stand for what they hide.",
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="The reason, for the audit.")] = "",
) -> None:
    """Approve a call: once, unless it only modifies, which is asked the first time in a session."""
    from gateway.approve.decision import Decision
    from gateway.cli import approvals

    lasts = approvals.lasting(once=once, session=session, target=target)
    decision = Decision(True, lasts, approvals.arguments(arguments), why)
    raise typer.Exit(approvals.decide(config, admin, id_, decision))


@approvals_app.command("deny")
def approvals_deny(
    id_: TicketId,
    config: ConfigFile = None,
    admin: DeskUrl = None,
    why: Annotated[str, typer.Option(help="The reason: the model is told it, and the audit keeps it.")] = "",
) -> None:
    """Deny a call, or take an approval back that was not used up."""
    from gateway.approve.decision import Decision
    from gateway.cli.approvals import decide

    raise typer.Exit(decide(config, admin, id_, Decision(False, why=why)))


@approvals_app.command("watch")
def approvals_watch(config: ConfigFile = None, admin: DeskUrl = None, as_json: AsJson = False) -> None:
    """Show each call that comes to wait, and what becomes of it, until interrupted."""
    from gateway.cli.approvals import watch

    raise typer.Exit(watch(config, admin, as_json=as_json))
