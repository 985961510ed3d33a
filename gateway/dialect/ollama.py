"""Ollama's own API: chat, generate and embed, whose streams are lines of JSON.

Source: docs/api.md of Ollama (2026-11). It differs from OpenAI's in that the arguments of a call are an object, images
stand beside the text, a stream is the default, and each line is a message of its own. Its /v1 paths speak OpenAI.
The server and many clients are written in Go, whose encoding/json finds a member whatever the case of its letters; a
known one in another case is refused, as others would not see it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, override

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import ollama_calls as made
from gateway.dialect import openai_chat as chat
from gateway.dialect import openai_tools as tools
from gateway.dialect import usage
from gateway.dialect.base import Dialect, EventReading, Payload, Reading, StreamReader
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.openai_chat_stream import framed
from gateway.dialect.openai_chat_transcript import hosted, transcript
from gateway.dialect.plain import ANSWERED, ASKED, Voice
from gateway.dialect.refusals import Shape, body
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing

_unknown: Final = g.opaque(ASKED)
_unknown_answer: Final = g.opaque(ANSWERED)


def _fields(table: Mapping[str, Rule], otherwise: Rule) -> Rule:
    """`members`, for a Go struct."""
    return _spelt(table, g.members(table, otherwise))


def _spelt(names: Iterable[str], rule: Rule) -> Rule:
    """What `rule` reads, after a look at how the members in `names` are spelt."""
    known = frozenset(names)

    def checked(sink: Sink, value: Any, path: Path) -> None:
        for key in value if isinstance(value, dict) else ():
            if key not in known and key.casefold() in known:
                raise Malformed(f"`{key.casefold()}` is spelt in another case")
        rule(sink, value, path)

    return checked


_IMAGES: Final = g.uninspected("image")
_CALL: Final[Rule] = _fields(
    {
        "function": _fields(
            {"name": g.text(g.CALL_NAME), "arguments": g.opaque(g.CALL), "index": g.skip}, _unknown_answer
        ),
        **g.skipped("id type index"),
    },
    _unknown_answer,
)


_IN_MESSAGE: Final[dict[str, Rule]] = {
    "thinking": g.text(g.REASONED),
    "images": _IMAGES,
    "tool_calls": g.each(_CALL, _unknown_answer),
    "tool_name": g.text(g.RESULT_LABEL),
    **g.skipped("role tool_call_id"),
}


def _message(voice: Voice) -> Rule:
    """A message of a request."""
    return g.members({**_IN_MESSAGE, "content": g.text(voice)}, g.unknown(voice))


_ROLES: Final = {"system": g.SYSTEM, "user": g.USER, "assistant": g.ASSISTANT, "tool": g.RESULT}
_MESSAGE: Final[Rule] = _spelt(
    (*_IN_MESSAGE, "content"),
    g.by("role", {role: _message(voice) for role, voice in _ROLES.items()}, g.opaque(g.UNKNOWN_DATA)),
)
_FORMAT: Final = g.schema(g.FORMAT)  # the word `json`, or a JSON Schema

_ASKED: Final[Rule] = _fields(
    {
        "messages": g.independent(_MESSAGE, _unknown, chat.lead),
        "tools": g.independent(tools.CHAT_TOOL, tools.UNKNOWN),
        "prompt": g.text(g.USER),
        "suffix": g.text(g.USER),
        "system": g.text(g.SYSTEM),
        "template": g.text(g.SYSTEM),
        "input": chat.input_text,
        "images": _IMAGES,
        "context": g.uninspected("tokens"),  # an earlier exchange, as the numbers of its tokens
        "format": _FORMAT,
        **g.skipped("model stream keep_alive think raw truncate dimensions logprobs top_logprobs"),
        **g.ignored("options"),
    },
    _unknown,
)


def _answered(grows: Callable[[Rule], Rule]) -> Rule:
    """An answer, or a line of a streamed one, where `grows` makes of a rule that of a text in pieces."""
    thinking = grows(g.text(g.REASONED))
    message = _fields(
        {
            "content": grows(g.text(g.ASSISTANT)),
            "thinking": thinking,
            "tool_calls": g.each(_CALL, _unknown_answer),
            "images": _IMAGES,
            "role": g.skip,
        },
        _unknown_answer,
    )
    counts = g.skipped("total_duration load_duration prompt_eval_count prompt_eval_duration eval_count eval_duration")
    return _fields(
        {
            "message": message,
            "response": grows(g.text(g.ASSISTANT)),
            "thinking": thinking,
            **counts,
            **g.skipped("model created_at done done_reason context"),
            **g.ignored("embedding embeddings"),
            "logprobs": g.logprobs,
        },
        _unknown_answer,
    )


def _itself(rule: Rule) -> Rule:
    return rule


_ANSWER: Final = _answered(_itself)
_LINE: Final = _answered(g.growing)


class OllamaStream(StreamReader):
    """Reads one stream of chat or generate."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._done = False
        self._lines = 0
        self._has_text = False
        self._has_refused = False  # a call, in the lines that have left
        # Of the lines that have not left: the number, and whether text came before.
        self._read: deque[tuple[int, bool]] = deque()
        # What an ending repeats. The date must be one in the client's eyes (RFC 3339); the core has no clock.
        self._head: dict[str, Any] = {"model": "", "created_at": "1970-01-01T00:00:00Z"}
        self._text: dict[str, Any] = {"message": {"role": "assistant", "content": ""}}

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            raise Malformed("a line of the stream is not JSON")
        reading = g.read_event(_LINE, document, lambda _, path: path)
        if self._done and any(not delta.whole for delta in reading.deltas):
            raise Malformed("the stream goes on after `done`")
        self._note(document)
        self._done = self._done or document.get("done") is True
        ended = self._done or document.get("error") is not None
        called = self._called(document)
        return replace(
            reading,
            closes_all=ended,
            usage=usage.OLLAMA.read(document.value),
            calling=tuple(one.key for one in called),
            called=called,
        )

    def _called(self, document: Document) -> tuple[Called, ...]:
        self._lines += 1
        self._read.append((self._lines, self._has_text))
        called = made.calls(document, self._lines)
        self._has_text = self._has_text or bool(document.get("message", "content"))
        return called

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        assert document is not None
        line, has_text = self._read[0]
        out = made.changed(document, changes, line, behind_text=has_text or self._has_refused)
        own = (changes.get(one.key) for one in made.calls(document, line))
        self._has_refused = self._has_refused or any(one is not None and one.refusal is not None for one in own)
        return ((event, out),)

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        self._read.popleft()

    @override
    def ending(self, refusal: Refusal) -> bytes:
        last = self._head | self._text | {"done": True, "done_reason": "content_filter"}
        return framed(self._framing, last)

    def _note(self, document: Document) -> None:
        for key in ("model", "created_at"):
            value = document.get(key)
            if isinstance(value, str):
                self._head[key] = value
        if document.get("response") is not None:
            self._text = {"response": ""}


def _after_edit(document: Document, path: Path) -> tuple[Patch, ...]:
    """Empty the `logprobs` of an answer, which spell its text."""
    answered = path[:1] in (("message",), ("response",)) and bool(document.get("logprobs"))
    return (document.replace(("logprobs",), []),) if answered else ()


class Ollama(Dialect):
    """Chat and generate; the bodies differ in the members they use, not in what a member means."""

    name = "ollama"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return replace(g.read(_ASKED, document, apart=apart), streaming=document.get("stream") is not False)

    @override
    def answer(self, document: Document) -> Reading:
        return g.read(_ANSWER, document)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return OllamaStream(framing)

    @override
    def transcript(self, document: Document) -> Transcript:
        return transcript(document, self.request(document))

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return hosted(document)

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        return made.calls(document)

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return made.changed(document, changes)

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """Chat takes the rules as a message, generate as `system`."""
        if isinstance(document.get("messages"), list):
            return chat.instruct(document, rules)
        return g.lengthen(document, (), "system", rules)

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        return _after_edit(document, path)

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return body(Shape.OLLAMA, refusal)


class OllamaInputs(Ollama):
    """What is embedded: the same members, but the answer is never a stream and no model follows instructions."""

    name = "ollama_inputs"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return g.read(_ASKED, document, apart=apart)

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        return ()


OLLAMA: Final = Ollama()
INPUTS: Final = OllamaInputs()
