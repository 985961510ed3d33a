"""What a request of Bedrock's Converse API tells of the conversation: turns, tools, and what Bedrock runs.

The texts are those that the grammar finds, so that none is left out; here they are put to the calls and results that
they belong to. Source: as for `bedrock_grammar`, and "Nova web grounding" and "Code interpreter" in the user guide of
Amazon Nova (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialect import anthropic_transcript, grammar
from gateway.dialect.bedrock_calls import CALL, call_of
from gateway.dialect.bedrock_grammar import REQUEST
from gateway.dialect.texts import Texts
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Transcript, Turn
from gateway.segment import Path
from gateway.wire.document import Document

_RESULT: Final = "toolResult"
_ADDITIONAL: Final = "additionalModelRequestFields"

_HOSTED: Final[Mapping[str, tuple[str, tuple[str, ...] | None]]] = {
    "nova_grounding": ("web_search", None),
    "nova_code_interpreter": ("code", ()),  # without a network
}
"""Our words for the tools that Bedrock runs, and the hosts that they may go to."""


def of_request(document: Document) -> Transcript:
    """The transcript of one request."""
    return _Conversation(document).transcript(Texts(grammar.read(REQUEST, document).segments))


def hosted(document: Document) -> tuple[Hosted, ...]:
    """What a request has Bedrock run."""
    return (*_system_tools(document), *anthropic_transcript.offered(document, (_ADDITIONAL,), Texts(()))[1])


class _Conversation:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._body: dict[str, Any] = document.value if isinstance(document.value, dict) else {}
        self._calls: dict[str, Call] = {}  # by id, of the blocks so far

    def transcript(self, texts: Texts) -> Transcript:
        turns: list[Turn] = []
        tools: list[Defined] = []
        for key in self._body:
            if key == "messages":
                turns += self._turns(texts)
            elif key == "toolConfig":
                tools += self._defined(texts)
            elif key == _ADDITIONAL:
                tools += anthropic_transcript.offered(self._document, (key,), texts)[0]
            turns += texts.said((key,))
        turns += texts.said(())
        return Transcript(tuple(turns), tuple(tools), hosted(self._document), self._is_whole)

    @property
    def _is_whole(self) -> bool:
        """A prompt that Bedrock keeps has its own messages, and variables for the request's."""
        return isinstance(self._body.get("messages"), list) and self._body.get("promptVariables") is None

    def _turns(self, texts: Texts) -> Iterator[Turn]:
        for index, message in _items(self._body, "messages"):
            for number, block in _items(message, "content"):
                path: Path = ("messages", index, "content", number)
                for key, value in block.items():
                    if isinstance(value, dict):
                        yield from self._told(key, value, (*path, key), texts, index)
                yield from texts.said(path, index)
            yield from texts.said(("messages", index), index)

    def _told(self, key: str, value: dict[str, Any], path: Path, texts: Texts, index: int) -> Iterator[Turn]:
        """The call or the result that a member of a block is, if it is one."""
        if key == CALL:
            call = call_of(value)
            if call.id:
                self._calls[call.id] = call
            yield Made(call, index)
            if isinstance(value.get("name"), str):
                texts.take((*path, "name"))
            texts.take((*path, "input"))
        elif key == _RESULT:
            yield Returned(texts.joined(path), self._calls.get(str(value.get("toolUseId"))), index)

    def _defined(self, texts: Texts) -> Iterator[Defined]:
        """The tools that the agent runs."""
        for index, tool in _items(self._body.get("toolConfig"), "tools"):
            spec = tool.get("toolSpec")
            if isinstance(spec, dict):
                path: Path = ("toolConfig", "tools", index, "toolSpec")
                schema = spec.get("inputSchema")
                yield Defined(
                    _taken(spec, "name", path, texts),
                    _taken(spec, "description", path, texts),
                    schema.get("json") if isinstance(schema, dict) else None,
                    path,
                )
                texts.take((*path, "inputSchema", "json"))


def _system_tools(document: Document) -> Iterator[Hosted]:
    """Whatever is no definition of a tool of the agent's: tools that Bedrock runs, and what is not known."""
    for index, tool in _items(document.get("toolConfig"), "tools"):
        for key, value in tool.items():
            if key not in ("toolSpec", "cachePoint"):
                name = value.get("name") if isinstance(value, dict) else None
                name = name if isinstance(name, str) else key
                kind, hosts = _HOSTED.get(name, (name, None))
                yield Hosted(kind, name, hosts, ("toolConfig", "tools", index, key))


def _taken(value: Mapping[str, Any], key: str, path: Path, texts: Texts) -> str:
    """The member `key`, if it is a string; what else stands there stays to be said."""
    found = value.get(key)
    if not isinstance(found, str):
        return ""
    texts.take((*path, key))
    return found


def _items(value: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects in the list `key` of an object, with their places."""
    found = value.get(key) if isinstance(value, dict) else None
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            yield index, item
