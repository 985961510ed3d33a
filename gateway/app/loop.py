"""The event loop that the gateway's processes run in."""

from __future__ import annotations

import sys

if sys.platform == "win32":

    def loop_factory() -> None:
        """The platform's own event loop: there is no uvloop."""
else:
    import uvloop

    def loop_factory() -> type[uvloop.Loop]:
        return uvloop.Loop
