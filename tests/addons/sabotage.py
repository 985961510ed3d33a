"""mitmproxy as the gateway starts it, with hooks that raise: `python sabotage.py FILE MODE...`.

FILE holds what is broken at the moment: `HOOK` for that hook in every addon, `HOOK steer` for it in the gateway's own
alone, or nothing. Each exception that is raised adds a line to FILE.raised. With the argument `unguarded` after FILE
the process may dial anything, to show what a broken hook would lead to.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import mitmproxy_rs
from mitmproxy import addonmanager, hooks

FILE = Path(sys.argv[1])
RAISED = FILE.with_suffix(".raised")
UNGUARDED = sys.argv[2] == "unguarded"

_invoke, _invoke_sync = addonmanager.AddonManager.invoke_addon, addonmanager.AddonManager.invoke_addon_sync


def _break(addon: Any, event: hooks.Hook) -> None:
    name, _, scope = FILE.read_text().partition(" ")
    if event.name == name and (not scope or type(addon).__name__ == "Steer"):
        with RAISED.open("a") as file:
            file.write(f"{name}\n")
        raise RuntimeError(f"{name} is broken")


async def _broken(self: addonmanager.AddonManager, addon: Any, event: hooks.Hook) -> None:
    _break(addon, event)
    await _invoke(self, addon, event)


def _broken_sync(self: addonmanager.AddonManager, addon: Any, event: hooks.Hook) -> None:
    _break(addon, event)
    _invoke_sync(self, addon, event)


addonmanager.AddonManager.invoke_addon = _broken  # type: ignore[method-assign]
addonmanager.AddonManager.invoke_addon_sync = _broken_sync  # type: ignore[method-assign]
_udp = mitmproxy_rs.udp.open_udp_connection
if UNGUARDED:
    sys.addaudithook = lambda hook: None
import lockgate_host  # noqa: E402 -- it narrows the process as it is imported

if UNGUARDED:
    mitmproxy_rs.udp.open_udp_connection = _udp
asyncio.run(lockgate_host.main(sys.argv[3 if UNGUARDED else 2 :]))
