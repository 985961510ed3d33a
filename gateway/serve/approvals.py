"""Approvals on the admin listener: what waits, what becomes of it, and the decisions of people who show a token.

    GET  /approvals            the tickets that the token's owner may see; ?state=pending for those alone
    GET  /approvals/ID         one of them
    POST /approvals/ID         a decision: {"decision": "approve" | "deny", "lasts", "arguments", "why", "by"}
    GET  /approvals/events     what waits, and then each ticket as it changes (server-sent events)

All of it wants a token, whatever else is open: arguments of calls are shown, and agents reach this listener too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from aiohttp import hdrs, web

from gateway.approve.decision import Decision, Fault, Person, Undecided
from gateway.approve.desk import Desk
from gateway.approve.roster import Roster
from gateway.approve.shown import ticket_json
from gateway.approve.ticket import State
from gateway.errors import StoreError
from gateway.policy.call import Lasts
from gateway.serve.decisions import plain, read_decision, told

PATH: Final = "/approvals"
EVENTS: Final = "events"

MOST: Final = 256 * 1024
"""Bytes of a decision: arguments that were edited, and a few lines."""
WATCHERS: Final = 32
"""Who may watch at once: each looks at the store four times a second."""
KEEPALIVE: Final = 15.0
"""Seconds between two signs of life to who watches."""

FORM: Final = (
    '{"decision": "approve" | "deny", "lasts": "once" | "session" | "target", "arguments": …, "why": "…", "by": "…"}'
)

_STATUS: Final[Mapping[Fault, int]] = {
    Fault.UNKNOWN: 404,
    Fault.FORBIDDEN: 403,
    Fault.DECIDED: 409,
    Fault.EXPIRED: 410,
    Fault.UNFIT: 422,
}


class Approvals:
    """The pages. `roster` tells whose token one is."""

    def __init__(self, desk: Desk, roster: Roster) -> None:
        self._desk = desk
        self._roster = roster
        self._watchers = 0

    def serves(self, path: str) -> bool:
        return path == PATH or path.startswith(f"{PATH}/")

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a request whose Host and Origin were checked."""
        if self._roster.is_empty:
            return plain(403, "this needs a token: `token_env` under [admin] or [approvers.NAME] names its variable")
        token = _token(request)
        person = self._roster.holder(token) if token is not None else None
        if token is None or person is None:
            return plain(401, "show your token: Authorization: Bearer …", (hdrs.WWW_AUTHENTICATE, "Bearer"))
        name = request.path[len(PATH) :].strip("/")
        is_one = bool(name) and name != EVENTS
        allowed = {hdrs.METH_GET, hdrs.METH_POST} if is_one else {hdrs.METH_GET}
        if request.method not in allowed:
            return plain(405, "not served here", (hdrs.ALLOW, ", ".join(sorted(allowed))))
        try:
            if name == EVENTS:
                return await self._events(request, person, token)
            return await (self._one(request, name, person, token) if is_one else self._all(request, person))
        except Undecided as error:
            return plain(_STATUS[error.fault], str(error))
        except StoreError as error:
            return plain(503, str(error))

    async def _all(self, request: web.BaseRequest, person: Person) -> web.Response:
        wanted = request.query.get("state")
        if wanted is not None and wanted not in set(State):
            return plain(400, f"no such state; there are: {', '.join(State)}")
        found = await self._desk.tickets(person)
        return told({"approvals": [ticket_json(one) for one in found if wanted in {None, one.state}]})

    async def _one(self, request: web.BaseRequest, id_: str, person: Person, token: str) -> web.Response:
        if request.method == hdrs.METH_GET:
            return told(ticket_json(await self._desk.find(id_, person)))
        try:
            decision, by = _wanted(await read_decision(request, MOST, FORM))
        except ValueError as error:
            return plain(400, str(error))

        def who() -> Person:
            now = self._roster.still(token)
            return Person(now.name, now.role, now.agents, by)

        return told(ticket_json(await self._desk.decide(id_, decision, who)))

    async def _events(self, request: web.BaseRequest, person: Person, token: str) -> web.StreamResponse:
        if self._watchers >= WATCHERS:
            return plain(503, f"{WATCHERS} watch already")
        answer = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"},
        )
        self._watchers += 1
        try:
            await answer.prepare(request)
            await self._tell(answer, person, token)
        except (StoreError, Undecided) as error:
            await answer.write(f"event: fault\ndata: {json.dumps(str(error))}\n\n".encode())
        finally:
            self._watchers -= 1
        return answer

    async def _tell(self, answer: web.StreamResponse, person: Person, token: str) -> None:
        async with aclosing(self._desk.watch(person)) as watching:
            coming = asyncio.ensure_future(anext(watching))
            try:
                while True:
                    done, _ = await asyncio.wait((coming,), timeout=KEEPALIVE)
                    now = self._roster.still(token)
                    if not done:
                        await answer.write(b": waiting\n\n")
                        continue
                    ticket = coming.result()
                    coming = asyncio.ensure_future(anext(watching))
                    if not now.may_see(ticket):
                        continue
                    data = json.dumps(ticket_json(ticket))
                    event = f"id: {ticket.id}.{len(ticket.steps)}\nevent: {ticket.state}\ndata: {data}\n\n"
                    await answer.write(event.encode())
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)


def _token(request: web.BaseRequest) -> str | None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _wanted(body: Any) -> tuple[Decision, str]:
    """The decision, and who says to have taken it. Raises ValueError with the accepted form."""
    if not isinstance(body, dict) or body.keys() - {"decision", "lasts", "arguments", "why", "by"}:
        raise ValueError(f"the body is no decision; accepted: {FORM}")
    words, lasts = (body.get("why", ""), body.get("by", "")), body.get("lasts")
    if body.get("decision") not in ("approve", "deny") or not all(isinstance(text, str) for text in words):
        raise ValueError(f"the body is no decision; accepted: {FORM}")
    if lasts is not None and lasts not in tuple(Lasts):
        raise ValueError(f"`lasts` is none of {', '.join(Lasts)}; accepted: {FORM}")
    edited = json.dumps(body["arguments"]) if "arguments" in body else None
    is_approval = body["decision"] == "approve"
    if not is_approval and (lasts is not None or edited is not None):
        raise ValueError(f"a denial has neither `lasts` nor `arguments`; accepted: {FORM}")
    return Decision(is_approval, Lasts(lasts) if lasts is not None else None, edited, words[0]), words[1]
