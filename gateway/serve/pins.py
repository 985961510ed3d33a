"""Pins on the admin listener: what MCP servers say of their tools, what of it waits, and the decisions.

GET  /pins                 all pins; ?server=NAME for those of one server
POST /pins/SERVER/TOOL     a decision: {"decision": "accept" | "deny", "digest", "by"}
POST /pins/SERVER          {"decision": "forget", "by"}: the next list of its tools is a first one
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from aiohttp import hdrs, web

from gateway.errors import StoreError
from gateway.pins.board import Board, PinsError
from gateway.pins.shown import all_shown, shown
from gateway.serve.decisions import plain, read_decision, told

PATH: Final = "/pins"

MOST: Final = 16 * 1024
"""Bytes of a decision: a word, a digest and a name."""
FORM: Final = '{"decision": "accept" | "deny" | "forget", "digest": "…", "by": "…"}'


class Pins:
    """The pages of a board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def serves(self, path: str) -> bool:
        return path == PATH or path.startswith(f"{PATH}/")

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Serve a request of somebody who may: GET to read, POST to decide."""
        names = [unquote(part) for part in request.rel_url.raw_path.split("/")[2:]]
        try:
            if request.method != hdrs.METH_POST:
                return await self._all(request, names)
            return await self._decide(request, names)
        except PinsError as error:
            return plain(404, str(error))
        except StoreError as error:
            return plain(503, str(error))
        except ValueError as error:
            return plain(400, str(error))

    async def _all(self, request: web.BaseRequest, names: list[str]) -> web.Response:
        board = self._board
        await board.look()
        server = names[0] if names else request.query.get("server")
        return told({"pins": all_shown(board.known, server, names[1] if len(names) > 1 else None)})

    async def _decide(self, request: web.BaseRequest, names: list[str]) -> web.Response:
        decision, seen, by = _wanted(await read_decision(request, MOST, FORM))
        board = self._board
        if decision == "forget" and len(names) == 1:
            await board.forget(names[0], by)
            return told({"pins": []})
        if decision == "forget" or len(names) != 2:
            raise ValueError(f"`accept` and `deny` are for {PATH}/SERVER/TOOL, `forget` for {PATH}/SERVER")
        server, tool = names
        pin = await board.decide(server, tool, is_accepted=decision == "accept", by=by, seen=seen)
        return told({"pins": [shown(server, tool, pin)]})


def _wanted(body: Any) -> tuple[str, str | None, str]:
    """What is decided, the digest of what was looked at, and who decides. Raises ValueError with the accepted form."""
    match body:
        case {"decision": "accept" | "deny" | "forget" as decision, **rest} if rest.keys() <= {"digest", "by"} and all(
            isinstance(text, str) for text in rest.values()
        ):
            seen = rest.get("digest")
            return str(decision), str(seen) if seen else None, str(rest.get("by") or "the admin API")
    raise ValueError(f"the body is no decision; accepted: {FORM}")
