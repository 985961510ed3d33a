"""The sessions of Google's Live API over a WebSocket: one JSON object a message, from servers in binary messages.

A session is set up once, with instructions and tools. What the client sends after that is turns, sound and pictures in
real time, and what calls returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from msgspec.structs import replace

from gateway.dialect import gemini_hosted, gemini_transcript
from gateway.dialect import grammar as g
from gateway.dialect.base import Denials, Reading, StreamReader
from gateway.dialect.gemini import Generate, instructed
from gateway.dialect.gemini_live_grammar import CLIENT_MESSAGE
from gateway.dialect.gemini_live_stream import LiveStream
from gateway.dialect.openai_calls import text_of
from gateway.dialect.proto_json import items, member, spelt
from gateway.dialect.refusals import encode
from gateway.dialect.socket import Socket
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing


class LiveSocket(Generate, Socket):
    """One session. There is no event for a refusal, so one ends it."""

    name = "gemini_live"
    takes_binary = True

    def __init__(self) -> None:
        self._stream = LiveStream()

    @property
    @override
    def is_idle(self) -> bool:
        return self._stream.is_idle

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        model = _member(document, "setup").get("model")
        return replace(g.read(CLIENT_MESSAGE, document), model=_short(model) if isinstance(model, str) else None)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return self._stream

    @override
    def transcript(self, document: Document) -> Transcript:
        return gemini_transcript.of_message(document, self.request(document).segments, self._stream.calls)

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return gemini_hosted.of_message(document)

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """The rules go behind the instruction of the session, and behind one that takes its place later."""
        part = {"text": rules}
        value = document.value if isinstance(document.value, dict) else {}
        setup, update = spelt(value, "setup"), spelt(value, "contextUpdate")
        if setup is not None:
            return tuple(instructed(document, (setup,), part))
        if update is not None and member(_member(document, "contextUpdate"), "systemInstruction") is not None:
            return tuple(instructed(document, (update,), part))
        return ()

    @override
    def asks(self, message: Document) -> bool:
        """Turns and results do, and a text in real time. To sound the server answers when it finds that somebody has
        spoken."""
        turns = _member(message, "clientContent")
        if turns:
            return member(turns, "turnComplete") is True
        return bool(_member(message, "toolResponse") or _member(message, "realtimeInput").get("text"))

    @override
    def went(self, message: Document) -> None:
        results = member(_member(message, "toolResponse"), "functionResponses")
        done = [
            one for _, one in items(results, ()) if isinstance(one, dict) and member(one, "willContinue") is not True
        ]
        self._stream.answered({text_of(one.get("id")) for one in done} - {""})

    @override
    def owed(self, denials: Sequence[Denials]) -> bytes:
        results = [item for one in denials for item in one.items]
        return encode({"toolResponse": {"functionResponses": results}}) if results else b""

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        """The words of an edited transcript spell it again, so they go."""
        words = (*path[:-1], "words")
        return (document.replace(words, None),) if document.get(*words) is not None else ()

    @override
    def complaint(self, refusal: Refusal, message: Document | None = None) -> bytes:
        return b""


def _member(document: Document, name: str) -> dict[str, Any]:
    found = member(document.value, name) if isinstance(document.value, dict) else None
    return found if isinstance(found, dict) else {}


def _short(model: str) -> str:
    """The name of a model without the path of its resource: `models/…`, `projects/…/publishers/google/models/…`."""
    return model.rpartition("/")[2]
