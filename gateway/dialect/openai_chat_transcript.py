"""What a chat request tells of the conversation: turns, tools, and what the provider runs or fetches.

The texts are those that the grammar finds, so that none is left out; here they are put to the calls and results that
they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.dialect import openai_defined
from gateway.dialect.base import Reading
from gateway.dialect.openai_calls import function_call, text_of
from gateway.dialect.openai_chat_calls import call_of
from gateway.dialect.openai_remote import fetched, may_fetch
from gateway.dialect.texts import Texts, hosts_of
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Transcript, Turn
from gateway.segment import Path
from gateway.wire.document import Document

_ELSEWHERE: Final = ("stored_context", "tokens")
"""What is not read of earlier turns: an answer that was audio; the numbers of tokens, with Ollama's `context`."""

_SPOKEN: Final[tuple[Path, ...]] = (
    ("function", "name"),
    ("function", "arguments"),
    ("custom", "name"),
    ("custom", "input"),
    ("name",),
    ("arguments",),
)
"""Where in a call the texts stand that a `Call` holds."""

_DEFINITIONS: Final = {"tools": openai_defined.defined, "functions": openai_defined.function}
"""The members that hold tools, and how each is read."""


def transcript(document: Document, reading: Reading, root: Path = ()) -> Transcript:
    """The transcript of the request at `root`; `reading` is what the grammar found in the document."""
    is_whole = not any(part.what in _ELSEWHERE for part in reading.uninspected)
    return _Conversation(document, root, Texts(reading.segments)).transcript(is_whole)


def hosted(document: Document, root: Path = ()) -> tuple[Hosted, ...]:
    """What the request at `root` has the provider run or fetch."""
    return tuple(_Conversation(document, root, Texts(())).hosted())


class _Conversation:
    def __init__(self, document: Document, root: Path, texts: Texts) -> None:
        value = document.get(*root)
        self._body: dict[str, Any] = value if isinstance(value, dict) else {}
        self._root = root
        self._may_fetch = may_fetch(document)
        self._texts = texts
        self._by_id: dict[str, Call] = {}
        self._by_name: dict[str, Call] = {}  # the last of each, for results that say no more

    def transcript(self, is_whole: bool) -> Transcript:
        turns: list[Turn] = []
        tools: list[Defined] = []
        for key in self._body:
            if key == "messages":
                turns += self._turns()
            tools += self._defined(key)
            turns += self._texts.said((*self._root, key))
        turns += self._texts.said(())
        return Transcript(tuple(turns), tuple(tools), tuple(self.hosted()), is_whole)

    def _turns(self) -> Iterator[Turn]:
        for index, message in _items(self._body.get("messages")):
            root: Path = (*self._root, "messages", index)
            if message.get("role") in ("tool", "function"):
                yield Returned(self._texts.joined((*root, "content")), self._returning(message), index)
            else:
                yield from self._texts.said((*root, "content"), index)
            for path, call in _made(message, root) if message.get("role") == "assistant" else ():
                self._by_id[call.id] = self._by_name[call.name] = call
                for member in _SPOKEN:
                    self._texts.take((*path, *member))
                yield Made(call, index)
            yield from self._texts.said(root, index)

    def _returning(self, message: dict[str, Any]) -> Call | None:
        """The call that a result is of: by its id; by its name where it has none, as results of `functions` do."""
        identity = text_of(message.get("tool_call_id"))
        if identity:
            return self._by_id.get(identity)
        return self._by_name.get(text_of(message.get("name")) or text_of(message.get("tool_name")))

    def _defined(self, key: str) -> Iterator[Defined]:
        read = _DEFINITIONS.get(key)
        if read is not None:
            for index, tool in _items(self._body.get(key)):
                yield from read(tool, (*self._root, key, index), self._texts)

    def hosted(self) -> Iterator[Hosted]:
        for index, tool in _items(self._body.get("tools")):
            yield from openai_defined.hosted(tool, (*self._root, "tools", index))
        if self._body.get("web_search_options") is not None:
            yield Hosted("web_search", "web_search_options", None, (*self._root, "web_search_options"))
        for index, source in _items(self._body.get("data_sources")):
            yield _source(source, (*self._root, "data_sources", index))
        if self._may_fetch:
            yield from fetched(self._body.get("messages"), (*self._root, "messages"))


def _source(source: dict[str, Any], path: Path) -> Hosted:
    """What Azure searches for the model, under the name of the service."""
    kind = text_of(source.get("type"))
    parameters = source.get("parameters")
    endpoint = parameters.get("endpoint") if isinstance(parameters, dict) else None
    return Hosted(kind, kind, hosts_of(endpoint), path)


def _made(message: dict[str, Any], root: Path) -> Iterator[tuple[Path, Call]]:
    for index, item in _items(message.get("tool_calls")):
        yield (*root, "tool_calls", index), call_of(item)
    older = message.get("function_call")
    if isinstance(older, dict):
        yield (*root, "function_call"), function_call(older.get("name"), older.get("arguments"))


def _items(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list, with their places."""
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield index, item
