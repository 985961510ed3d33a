"""Google's Live API, as in `LiveServerMessage` of google-genai 3.6 and the WebSockets reference (11/2026)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.fakes.pieces import Json, dumps, pieces
from tests.fakes.script import Call, Raw, Reel, Say, Seen

SOUND = base64.b64encode(b"\x00\x7f" * 24).decode()
USAGE = {"promptTokenCount": 9, "responseTokenCount": 10, "thoughtsTokenCount": 2, "totalTokenCount": 21}


def said(text: str, step: int = 5) -> Iterator[Json]:
    """A text of the model, in pieces."""
    for piece in pieces(text, step):
        yield content(modelTurn={"parts": [{"text": piece}]})


def spoken(text: str, step: int = 5) -> Iterator[Json]:
    """The same as sound, with its transcript beside it."""
    for piece in pieces(text, step):
        sound = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": SOUND}}
        yield content(modelTurn={"parts": [sound]})
        yield content(outputTranscription={"text": piece})


def heard(text: str, step: int = 5) -> Iterator[Json]:
    """What the user said, as it is transcribed."""
    for piece in pieces(text, step):
        yield content(inputTranscription={"text": piece})


def content(**members: object) -> Json:
    return {"serverContent": members}


def calling(*calls: Call) -> Json:
    made = [{"id": call.id, "name": call.name, "args": call.parsed()} for call in calls]
    return {"toolCall": {"functionCalls": made}}


def over() -> Iterator[Json]:
    """The end of a turn, which is told what it cost."""
    yield content(generationComplete=True)
    yield {**content(turnComplete=True), "usageMetadata": USAGE}


class LiveServer:
    """One session: it answers each turn by the script, and goes on after calls once each of them has a result."""

    def __init__(self, socket: web.WebSocketResponse, reel: Reel, seen: Seen) -> None:
        self._socket = socket
        self._reel = reel
        self._seen = seen
        self._waits: set[str] = set()

    async def take(self, message: dict[str, Any]) -> None:
        if "setup" in message:
            await self._send({"setupComplete": {}})
        turn = message.get("client_content") or message.get("clientContent") or {}
        if turn.get("turn_complete") or turn.get("turnComplete"):
            await self._answer()
        results = message.get("tool_response") or message.get("toolResponse")
        if results is not None:
            given = results.get("functionResponses") or results["function_responses"]
            self._waits -= {result["id"] for result in given}
            if not self._waits:
                await self._answer()

    async def _answer(self) -> None:
        answer = self._reel.answer(self._seen)
        if isinstance(answer, Raw):
            for chunk in answer.chunks:
                await self._socket.send_bytes(chunk)
            return
        assert isinstance(answer, Say)
        for message in said(answer.text, answer.step):
            await self._send(message)
        if answer.calls:
            self._waits = {call.id for call in answer.calls}
            await self._send(calling(*answer.calls))
            return
        for message in over():
            await self._send(message)

    async def _send(self, message: Json) -> None:
        await self._socket.send_bytes(dumps(message))
