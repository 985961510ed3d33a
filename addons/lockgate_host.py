"""mitmproxy in a process of its own, as `lockgate run --mitm MODE` starts it: its core, and what hands flows over.

Its arguments are the modes. The first line on standard output is the addresses that it listens at, as a JSON array of
texts, once it does. It ends when standard input does, so it never outlives the gateway.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import lockgate
from mitmproxy import ctx, exceptions, log, master, options
from mitmproxy.addons import core, errorcheck, next_layer, proxyserver, tlsconfig
from mitmproxy.proxy import mode_servers
from mitmproxy.utils import human

LINE: Final = 1000
"""Characters of a line in the log; a client can make mitmproxy's as long as a host's name."""


class Announce:
    """Says where this process listens, and leaves beside the certificate authority what a WireGuard client needs."""

    def running(self) -> None:
        found = []
        for server in ctx.master.addons.get("proxyserver").servers:
            found += [f"{server.mode.type_name} {human.format_address(address)}" for address in server.listen_addrs]
            if isinstance(server, mode_servers.WireGuardServerInstance):
                (Path(ctx.options.confdir) / "wireguard-client.conf").write_text(server.client_conf() or "")
        print(json.dumps(found), flush=True)  # noqa: T201 -- the gateway reads it
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # and nothing more


class ToStandardError(log.MitmLogHandler):
    """Warnings and worse, one line each: no stack, and nothing of a request."""

    def emit(self, record: logging.LogRecord) -> None:
        print(" ".join(record.getMessage().split())[:LINE], file=sys.stderr, flush=True)  # noqa: T201 -- likewise


async def main(modes: list[str]) -> None:
    ToStandardError(logging.WARNING).install()  # type: ignore[no-untyped-call]  # it inherits its constructor
    host = master.Master(options.Options(listen_host="127.0.0.1"))
    host.addons.add(
        errorcheck.ErrorCheck(),
        core.Core(),
        proxyserver.Proxyserver(),
        next_layer.NextLayer(),
        tlsconfig.TlsConfig(),
        *lockgate.addons,
        Announce(),
    )
    try:
        host.options.update(mode=modes)
    except exceptions.OptionsError as error:
        sys.exit(str(error))
    threading.Thread(target=_until_left, args=(host,), daemon=True).start()
    await host.run()


def _until_left(host: master.Master) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    host.shutdown()


if __name__ == "__main__":
    os.umask(0o077)  # mitmproxy writes keys
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the gateway too, which may drain first
    asyncio.run(main(sys.argv[1:]))
