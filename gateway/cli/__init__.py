"""The command line. Exit codes: 0 all is well; 1 problems were found; 2 wrong usage, configuration or environment.

Groups of commands (`lockgate rules …`) have a module each, `*_commands.py`.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gateway import __version__
from gateway.cli.approvals_commands import approvals_app
from gateway.cli.audit_commands import audit_app
from gateway.cli.ca_commands import ca_app
from gateway.cli.mitm_commands import mitm_app
from gateway.cli.options import (
    AdminUrl,
    AgentName,
    AsJson,
    ConfigFile,
    ExplainedAgent,
    LaunchedAgent,
    Lifetime,
    ShellForm,
    StoppedAgent,
    StoppedTool,
    StoppedUpstream,
)
from gateway.cli.pins_commands import pins_app
from gateway.cli.rules_commands import rules_app
from gateway.errors import LockgateError, OperatorError

app = typer.Typer(
    name="lockgate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A gateway between agents and the APIs they call: inspects every request and every answer.\n\n"
    "Exit codes: 0 all is well; 1 problems were found; 2 wrong usage, configuration or environment.",
)
app.add_typer(rules_app, name="rules")
app.add_typer(ca_app, name="ca")
app.add_typer(audit_app, name="audit")
app.add_typer(approvals_app, name="approvals")
app.add_typer(pins_app, name="pins")
app.add_typer(mitm_app, name="mitm")


def main() -> None:
    """The `lockgate` command."""
    try:
        app()
    except LockgateError as error:
        for problem in error.problems if isinstance(error, OperatorError) else (str(error),):
            print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output went away (`| head`); Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"lockgate {__version__}")
        raise typer.Exit


@app.callback()
def lockgate(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version, and exit.")
    ] = False,
) -> None:
    """Commands import what they need when they run, so that each starts quickly."""


@app.command()
def run(
    config: ConfigFile = None,
    listen: Annotated[
        str | None, typer.Option(help="Address of the base-URL listener, in place of \\[gateway] listen.")
    ] = None,
    mitm: Annotated[
        list[str] | None,
        typer.Option(
            help="Start mitmproxy in this mode too: regular, socks5, transparent, local, wireguard; as it spells them."
        ),
    ] = None,
) -> None:
    """Run the gateway until SIGTERM or SIGINT (drains; a second one ends at once). SIGHUP reloads."""
    from gateway import app as service
    from gateway.units import address

    try:
        at = address(listen) if listen is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from None
    service.run(config, at, tuple(mitm or ()))


@app.command()
def stop(
    config: ConfigFile = None,
    agent: StoppedAgent = None,
    tool: StoppedTool = None,
    upstream: StoppedUpstream = None,
    why: Annotated[str, typer.Option(help="The reason: clients are told it, and the audit keeps it.")] = "",
    admin: AdminUrl = None,
) -> None:
    """Stop everything, or one agent, tool or upstream: at every gateway, within a second, running streams too.

    It holds over restarts, until `lockgate resume`.
    """
    from gateway.cli.stop import decide, scope

    raise typer.Exit(decide(config, scope(agent, tool, upstream), why, admin, stopped=True))


@app.command()
def resume(
    config: ConfigFile = None,
    agent: StoppedAgent = None,
    tool: StoppedTool = None,
    upstream: StoppedUpstream = None,
    why: Annotated[str, typer.Option(help="The reason, for the audit.")] = "",
    admin: AdminUrl = None,
) -> None:
    """End a stop: that of everything, or of one agent, tool or upstream. Other stops go on."""
    from gateway.cli.stop import decide, scope

    raise typer.Exit(decide(config, scope(agent, tool, upstream), why, admin, stopped=False))


@app.command()
def stops(config: ConfigFile = None, admin: AdminUrl = None) -> None:
    """Show what is stopped, since when, by whom and why."""
    from gateway.cli.stop import show

    raise typer.Exit(show(config, admin))


@app.command()
def demo() -> None:
    """Show what the gateway does: a scripted upstream, the real OpenAI client, and a table of what was stopped."""
    from gateway.cli.demo import show

    raise typer.Exit(show())


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check configuration, environment and rules with their proofs, and show the coverage matrix."""
    from gateway.cli.check import check as checked

    raise typer.Exit(checked(config))


@app.command()
def scan(
    config: ConfigFile = None,
    profile: Annotated[
        str | None, typer.Option(help="monitor, balanced or strict, in place of the configured one.")
    ] = None,
) -> None:
    """Judge JSON Lines from standard input, one line out for each line in. Uses no network."""
    from gateway.cli.scan import scan as scanned

    raise typer.Exit(scanned(config, profile, sys.stdin.buffer, sys.stdout.buffer))


@app.command()
def explain(
    conversation: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A request body, or its list of messages, as JSON; - is standard input."),
    ],
    config: ConfigFile = None,
    profile: Annotated[
        str | None, typer.Option(help="monitor, balanced or strict, in place of the configured one.")
    ] = None,
    agent: ExplainedAgent = None,
    dialect: Annotated[
        str | None, typer.Option(help="chat, responses, anthropic, gemini or ollama, in place of what it looks like.")
    ] = None,
    answered: Annotated[
        str | None, typer.Option("--answer", metavar="FILE", help="The answer that followed, whole or streamed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which calls of a saved conversation are allowed, asked about or blocked, and why. Uses no network.

    Exit code 1 where one is asked about or blocked.
    """
    from gateway.cli.explain import explain as explained

    code = explained(
        config, conversation, dialect=dialect, answered=answered, profile=profile, agent=agent, as_json=as_json
    )
    raise typer.Exit(code)


@app.command()
def env(
    config: ConfigFile = None,
    agent: AgentName = None,
    form: Annotated[ShellForm, typer.Option("--format", help="Who reads it.")] = ShellForm.SH,
) -> None:
    """Print the environment that sends an agent through the gateway's proxy, and makes what it runs trust it.

    In a shell: eval "$(lockgate env)"
    """
    from gateway.cli.env import show

    show(config, agent, form)


@app.command("exec", context_settings={"allow_interspersed_args": False})
def execute(
    command: Annotated[list[str], typer.Argument(help="What to run, with its arguments.")],
    config: ConfigFile = None,
    agent: LaunchedAgent = None,
    lifetime: Lifetime = "24h",
) -> None:
    """Run a command in the environment that `lockgate env` prints. It is not kept from taking another way out.

    It shows the gateway a short-lived token, signed with the gateway's secret, in place of the agent's key; the token
    is in LOCKGATE_TOKEN too, to be used as an API key by base URL. Where the secret cannot be read, the key is shown.
    """
    from gateway.cli.launcher import run as executed

    raise typer.Exit(executed(config, agent, lifetime, command))


@app.command(context_settings={"allow_interspersed_args": False})
def doctor(
    command: Annotated[
        list[str] | None, typer.Argument(help="An agent to try, with its arguments; without one, all known runtimes.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Try which runtimes come through the proxy and trust it, in the environment that `lockgate env` prints.

    A canary stands in for the proxy and passes nothing on; the gateway need not run.
    """
    from gateway.cli.doctor import examine

    raise typer.Exit(examine(config, command or []))


@app.command(context_settings={"allow_interspersed_args": False})
def mcp(
    command: Annotated[list[str], typer.Argument(help="The MCP server and its arguments, after `--`.")],
    config: ConfigFile = None,
    name: Annotated[str | None, typer.Option(help="Its name in the records. Default: that of the program.")] = None,
) -> None:
    """Run an MCP server over standard input and output, and inspect what goes either way. Ends as the server ends."""
    from gateway.cli.mcp import run as relayed

    raise typer.Exit(relayed(config, name, command))
