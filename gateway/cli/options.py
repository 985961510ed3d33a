"""Options that several commands share, and the values of some.

(typer does not look into `type` statements, so these are plain names. It reads help as markup, in which a name in
brackets is a style: the names of tables are escaped.)
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
    typer.Option("--agent", help="Whose key to show the proxy: the NAME of \\[agents.NAME], with its `key_env`."),
]
LaunchedAgent = Annotated[
    str | None,
    typer.Option("--agent", help="In whose name it runs: the NAME of \\[agents.NAME]. Without one, `default`."),
]
ExplainedAgent = Annotated[
    str | None,
    typer.Option("--agent", help="Whose calls they are: the NAME of \\[agents.NAME]. Without one, `default`."),
]
Lifetime = Annotated[
    str,
    typer.Option(
        help="How long the gateway believes the command, from 1m to 30d. The token is not renewed: what runs longer is "
        "refused from then on.",
    ),
]


StoppedAgent = Annotated[
    str | None, typer.Option("--agent", help="The NAME of \\[agents.NAME], or `default` for who shows no key.")
]
StoppedTool = Annotated[
    str | None, typer.Option("--tool", help="The name of a tool, as models and MCP servers call it.")
]
StoppedUpstream = Annotated[
    str | None, typer.Option("--upstream", help="The NAME of \\[upstreams.NAME], mcp/NAME, or egress.NAME.")
]
AdminUrl = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar="URL",
        help="Ask the gateway whose admin listener this is, and not the files of this machine; the token is in the "
        "variable of \\[admin] token_env, or in LOCKGATE_ADMIN_TOKEN.",
    ),
]
DeskUrl = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar="URL",
        help="Ask the gateway whose admin listener this is, and not the files of this machine, as whom the token says: "
        "that in LOCKGATE_APPROVER_TOKEN, in the variable of \\[admin] token_env, or in LOCKGATE_ADMIN_TOKEN.",
    ),
]
TicketId = Annotated[str, typer.Argument(metavar="ID", help="The ticket, as `list` and the refusal name it.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


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
