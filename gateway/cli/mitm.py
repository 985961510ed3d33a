"""`lockgate mitm`: what a mitmproxy needs that the gateway does not start itself."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from gateway import config as configuration
from gateway import keys, resources
from gateway.app import HOP_KEY
from gateway.cli.options import ShellForm
from gateway.cli.shells import rendered
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.mitm import ADDON, Hop
from gateway.trust import folder, mitmproxy


def path() -> None:
    """Print the file of the addon."""
    print(resources.addon(ADDON))


def env(path: Path | None, form: ShellForm) -> None:
    """Print the variables. mitmproxy's copy of the authority is made too."""
    config = configuration.load(path) if path is not None else Config()
    if config.proxy.hop is None:
        raise ConfigError(
            ('proxy.hop: is needed for a mitmproxy of your own; add `hop = "127.0.0.1:8083"` under [proxy]',)
        )
    key = keys.derive(configuration.secret(config, os.environ), HOP_KEY)
    where = configuration.ca_folder(config, os.environ)
    authority = folder.ensure(where, config.proxy.name_constraints, datetime.now(UTC))
    hop = Hop(config.proxy.hop, key, mitmproxy.write(where, authority))
    sys.stdout.write(rendered(hop.environment(), form))
