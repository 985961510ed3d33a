"""A scripted upstream on loopback that speaks OpenAI's chat wire format: what it says depends on the model's name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

_PIECE: Final = 6  # characters of a streamed event

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool that the model makes. `arguments` is the JSON text of an object."""

    name: str
    arguments: str


class Upstream:
    """Remembers what came, and answers by `says`, which has the answer for each model."""

    def __init__(self, says: Mapping[str, str | Call]) -> None:
        self.base_url = ""
        self.seen: list[Json] = []
        self._says = says

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, request after request."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked = await _read(reader)
                self.seen.append(asked)
                for data in _answer(asked, self._says[asked["model"]]):
                    writer.write(data)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(says: Mapping[str, str | Call]) -> AsyncIterator[Upstream]:
    """An upstream that listens on a port that the system chooses."""
    upstream = Upstream(says)
    server = await asyncio.start_server(upstream.talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    upstream.base_url = f"http://{host}:{port}"
    try:
        yield upstream
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Json:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    asked: Json = json.loads(await reader.readexactly(int(fields["content-length"])))
    return asked


def _answer(asked: Json, said: str | Call) -> list[bytes]:
    return _stream(asked, said) if asked.get("stream") else _whole(asked, said)


def _whole(asked: Json, said: str | Call) -> list[bytes]:
    message = {"content": said} if isinstance(said, str) else {"content": None, "tool_calls": [_call(said)]}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": _ending(said)}
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    body = json.dumps({**_envelope(asked, "chat.completion"), "choices": [choice], "usage": usage}).encode()
    return [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body), body]


def _stream(asked: Json, said: str | Call) -> list[bytes]:
    deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += ((delta, None) for delta in (_words(said) if isinstance(said, str) else _pieces(said)))
    deltas.append(({}, _ending(said)))
    head = _envelope(asked, "chat.completion.chunk")
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas]
    data = [json.dumps(event).encode() for event in events] + [b"[DONE]"]
    opening = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [opening, *(_chunk(b"data: %b\n\n" % one) for one in data), b"0\r\n\r\n"]


def _words(text: str) -> Iterator[Json]:
    return ({"content": text[start : start + _PIECE]} for start in range(0, len(text), _PIECE))


def _pieces(call: Call) -> Iterator[Json]:
    """A call as the API streams it: its name first, then its arguments bit by bit."""
    yield {"tool_calls": [{"index": 0, **_call(Call(call.name, ""))}]}
    for start in range(0, len(call.arguments), _PIECE):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": call.arguments[start : start + _PIECE]}}]}


def _call(call: Call) -> Json:
    return {"id": "call_1", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _ending(said: str | Call) -> str:
    return "stop" if isinstance(said, str) else "tool_calls"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _envelope(asked: Json, kind: str) -> Json:
    return {"id": "chatcmpl-demo", "object": kind, "created": 0, "model": asked["model"]}
