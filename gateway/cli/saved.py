"""A conversation that somebody saved: a request body of any dialect, or its list of messages, and the answer to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

from gateway.cli.terminal import plain
from gateway.dialect.base import Dialect
from gateway.dialect.families import FAMILIES
from gateway.dialect.route import Endpoint
from gateway.errors import LockgateError, NotJson, OperatorError
from gateway.policy.call import Called
from gateway.wire.document import Document, parse
from gateway.wire.frames import Framing, framer

DIALECTS: Final[Mapping[str, Endpoint]] = MappingProxyType(
    {
        name: FAMILIES[family].endpoint("POST", path)
        for name, family, path in (
            ("chat", "openai", "/v1/chat/completions"),
            ("responses", "openai", "/v1/responses"),
            ("anthropic", "anthropic", "/v1/messages"),
            ("gemini", "gemini", "/v1beta/models/any:generateContent"),
            ("ollama", "ollama", "/api/chat"),
        )
    }
)
"""What `--dialect` can be, and the endpoint whose bodies are meant."""

_BOM: Final = b"\xef\xbb\xbf"
_ITEMS: Final = frozenset({"function_call", "function_call_output", "custom_tool_call", "reasoning"})
"""Types of items that only the Responses API has."""
_BLOCKS: Final = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking"})
"""Types of content blocks that only Anthropic's API has."""
_OLLAMA: Final = frozenset({"options", "keep_alive", "think"})
"""Members of a request that only Ollama's API has."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A conversation: the dialect by its name in `DIALECTS`, the request, and the calls of the answer, if there is
    one."""

    dialect: str
    endpoint: Endpoint
    document: Document
    called: tuple[Called, ...] = ()


def read(source: str, limit: int) -> bytes:
    """What a file holds, or standard input where it is `-`. Raises OperatorError where it cannot be read or is longer
    than `limit` bytes."""
    try:
        if source == "-":
            raw = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(source).open("rb") as file:
                raw = file.read(limit + 1)
    except OSError as error:
        raise OperatorError((f"{plain(source)}: cannot be read: {error.strerror}",)) from None
    if len(raw) > limit:
        raise OperatorError((f"{plain(source)}: more than {limit} bytes, which the gateway would not read either",))
    return raw.removeprefix(_BOM)


def conversation(raw: bytes, source: str, dialect: str | None) -> Saved:
    """The conversation in a file. Raises OperatorError, naming `source` and the place, where it holds none."""
    document = _document(raw, source)
    wrapped = _wrapped(document.value)
    if wrapped is not None:
        document = parse(orjson.dumps(wrapped))
    name = dialect or guessed(document.value)
    if name is None or name not in DIALECTS:
        what = "it is not plain which API it is for" if name is None else f"`{plain(name)}` is no dialect"
        raise OperatorError((f"{plain(source)}: {what}; accepted: --dialect {' | '.join(DIALECTS)}",))
    return Saved(name, DIALECTS[name], document)


def called(saved: Saved, raw: bytes, source: str, limit: int) -> tuple[Called, ...]:
    """The calls of an answer, whole or streamed. Raises OperatorError where it cannot be read."""
    try:
        return tuple(_called(saved, raw, source, limit))
    except OperatorError:
        raise
    except LockgateError as error:
        raise OperatorError((f"{plain(source)}: {plain(error)}",)) from None


def guessed(body: Any) -> str | None:
    """The dialect of a request body, by the members that only one API has; None where nothing tells."""
    if not isinstance(body, dict):
        return None
    if "contents" in body:
        return "gemini"
    if "input" in body:
        return "responses"
    messages = _objects(body.get("messages"))
    if not isinstance(body.get("messages"), list):
        return None
    if "system" in body or "anthropic_version" in body or _has_blocks(body, messages):
        return "anthropic"
    return "ollama" if _is_ollama(body, messages) else "chat"


def _has_blocks(body: dict[str, Any], messages: list[dict[str, Any]]) -> bool:
    blocks = chain.from_iterable(_objects(message.get("content")) for message in messages)
    tools = _objects(body.get("tools"))
    return any(block.get("type") in _BLOCKS for block in blocks) or any("input_schema" in tool for tool in tools)


def _is_ollama(body: dict[str, Any], messages: list[dict[str, Any]]) -> bool:
    if not _OLLAMA.isdisjoint(body) or any("tool_name" in one or "images" in one for one in messages):
        return True
    calls = chain.from_iterable(_objects(message.get("tool_calls")) for message in messages)
    functions = (call.get("function") for call in calls)
    return any(isinstance(one, dict) and isinstance(one.get("arguments"), dict) for one in functions)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _wrapped(value: Any) -> dict[str, Any] | None:
    """The request that a bare list is the messages of; None where it is no list."""
    if not isinstance(value, list):
        return None
    items = _objects(value)
    if any("parts" in item for item in items):
        return {"contents": value}
    return {"input" if any(item.get("type") in _ITEMS for item in items) else "messages": value}


def _document(raw: bytes, source: str) -> Document:
    """The JSON in a file, with the place of what is wrong: lines and columns from 1, bytes from 0."""
    if not raw.strip():
        raise OperatorError((f"{plain(source)}: is empty; accepted: one JSON document",))
    _demand_json(raw, source)
    try:
        document = parse(raw)
        document.refuse_ambiguity()
    except LockgateError as error:
        raise OperatorError((f"{plain(source)}: {error}",)) from None
    return document


def _demand_json(raw: bytes, source: str) -> None:
    """Raise OperatorError, with the place, for what is no JSON."""
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno} (byte {error.pos})"
        raise OperatorError((f"{plain(source)}: {place}: the JSON cannot be read: {error.msg}",)) from None


def _called(saved: Saved, raw: bytes, source: str, limit: int) -> Iterator[Called]:
    dialect = saved.endpoint.dialect
    first, _, rest = raw.strip().partition(b"\n")
    start = first[:1]
    if start == b"[":
        yield from _streamed(dialect, Framing.ARRAY, raw, limit)
    elif start != b"{":
        yield from _streamed(dialect, Framing.SSE, raw, limit)
    elif _is_json(first) and rest.strip():
        yield from _streamed(dialect, Framing.LINES, raw, limit)
    else:
        _demand_json(raw, source)
        yield from dialect.calls(_answer(saved.dialect, parse(raw)))


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _answer(dialect: str, document: Document) -> Document:
    """The answer that a bare message of the chat API stands for."""
    if dialect == "chat" and document.get("role") == "assistant":
        return parse(b'{"choices":[{"index":0,"message":' + document.raw + b"}]}")
    return document


def _streamed(dialect: Dialect, framing: Framing, raw: bytes, limit: int) -> Iterator[Called]:
    reader, cutter = dialect.stream(framing), framer(framing, limit)
    read_any = False
    for frame in chain(cutter.feed(raw), cutter.finish()):
        if frame.data is None:
            continue
        document = _event(frame.data)
        read_any = read_any or document is not None
        yield from reader.read(frame.event, document, frame.data).called
    if not read_any:
        raise NotJson("holds no answer; accepted: a JSON document, server-sent events, lines of JSON")
    yield from reader.unfinished()


def _event(data: bytes) -> Document | None:
    try:
        return parse(data)
    except NotJson:
        return None
