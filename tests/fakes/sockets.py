"""The WebSockets of the fake upstream: Realtime and Responses, which answer each `response.create` by the script, and
Google's Live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.fakes import openai_responses, realtime
from tests.fakes.endpoints import failure
from tests.fakes.live import LiveServer
from tests.fakes.pieces import Json
from tests.fakes.script import Answer, Fail, Raw, Reel, Say, Seen

INSTRUCTIONS = "You are helpful."
"""What a Realtime session is told before its client tells anything."""


async def talk(request: web.Request, seen: Seen, reel: Reel, messages: list[Json]) -> web.StreamResponse:
    """One session. A `Fail` that is the whole script refuses the upgrade, one in a list is an error event; a `Raw` is
    sent chunk by chunk, and its `cut` breaks the connection off."""
    if isinstance(reel.script, Fail):
        made = failure(seen, reel.script)
        return web.Response(status=made.status, body=b"".join(made.chunks), headers=dict(made.headers))
    socket = web.WebSocketResponse(protocols=("realtime",), max_msg_size=0)
    await socket.prepare(request)
    is_realtime = "/realtime" in seen.path
    if is_realtime:
        await socket.send_json(realtime.session(INSTRUCTIONS))
    live = LiveServer(socket, reel, seen) if "BidiGenerateContent" in seen.path else None
    async for frame in socket:
        message: dict[str, Any] = json.loads(frame.data)
        messages.append(message)
        if live is not None:
            await live.take(message)
        elif message["type"] == "conversation.item.create":
            await socket.send_json(realtime.added({"id": "item_a", **message["item"]}))
        elif message["type"] == "response.create":
            answer = reel.answer(seen)
            for event in _events(answer, message, len(messages), is_realtime=is_realtime):
                await socket.send_str(event)
            if isinstance(answer, Raw) and answer.cut and request.transport is not None:
                request.transport.abort()
    return socket


def _events(answer: Answer, asked: Json, number: int, *, is_realtime: bool) -> Iterator[str]:
    match answer:
        case Raw():
            return (chunk.decode() for chunk in answer.chunks)
        case Fail():
            error = {"type": "server_error", "code": None, "message": answer.message, "param": None}
            return iter([json.dumps({"type": "error", "event_id": "event_x", "error": error})])
        case Say():
            said = realtime.response(answer, number) if is_realtime else openai_responses.messages(answer, asked)
            return map(json.dumps, said)
