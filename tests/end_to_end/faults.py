"""What the fault tables share: a clean request, one with a secret, and a client that never waits for ever."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.end_to_end.running import SECRET, Running

PATIENCE = 5.0
"""Seconds in which every fault must have ended."""

PATH = "/openai/v1/chat/completions"
CLEAN = b'{"model":"gpt","messages":[{"role":"user","content":"hello"}]}'
CLEAN_STREAM = CLEAN[:-1] + b',"stream":true}'
SECRET_BODY = CLEAN.replace(b"hello", SECRET.encode())
SSE = (("Content-Type", "text/event-stream"),)
BOMB = gzip.compress(b" " * 5_000_000)
"""Five million bytes in a few thousand."""

UNJUDGED = "unjudged words"
"""What the upstream says where it must not be heard."""


@dataclass(frozen=True, slots=True)
class Got:
    """What a client got: `whole` is whether the message ended properly."""

    status: int
    body: str
    whole: bool
    headers: dict[str, str]

    @property
    def code(self) -> str | None:
        error = json.loads(self.body)["error"]
        return str(error["code"]) if error.get("code") else None


async def post(gateway: Running, body: Any, content_type: str = "application/json", coding: str | None = None) -> Got:
    """One request; it must end in time."""
    fields = {"Content-Type": content_type, **({"Content-Encoding": coding} if coding else {})}
    received = bytearray()
    whole = True
    async with (
        asyncio.timeout(PATIENCE),
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(gateway.url + PATH, data=body, headers=fields) as answer,
    ):
        try:
            async for piece in answer.content.iter_any():
                received += piece
        except aiohttp.ClientError:
            whole = False
    return Got(answer.status, received.decode(errors="replace"), whole, dict(answer.headers))
