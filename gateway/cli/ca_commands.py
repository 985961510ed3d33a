"""The commands of `lockgate ca`. Each imports what it needs when it runs, so that others start quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import CertificateForm, ConfigFile

ca_app = typer.Typer(no_args_is_help=True, help="Show, hand out and renew the certificate authority.")


@ca_app.command("show")
def ca_show(config: ConfigFile = None) -> None:
    """Show what agents are to trust: subject, fingerprint, validity, and the names it signs for."""
    from gateway.cli.ca import show

    show(config)


@ca_app.command("export")
def ca_export(
    config: ConfigFile = None,
    form: Annotated[
        CertificateForm,
        typer.Option("--format", help="pem and der: the authority; bundle: with the roots of this machine."),
    ] = CertificateForm.PEM,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="The file, in place of standard output.")] = None,
) -> None:
    """Write the certificates that agents are to trust."""
    from gateway.cli.ca import export

    export(config, form, to)


@ca_app.command("rotate")
def ca_rotate(config: ConfigFile = None) -> None:
    """Make a new certificate authority; the certificate of the old one stays trusted until it expires."""
    from gateway.cli.ca import rotate

    rotate(config)
