"""What a request of the Gemini API tells of the conversation: turns, tools, and what the provider runs.

The texts are those that the grammar finds, so that none is left out; here they are put to the calls and results that
they belong to. Source: the REST reference of generativelanguage.googleapis.com (v1beta) and the types of google-genai
3.4 (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.dialect import gemini_hosted, grammar
from gateway.dialect.gemini_grammar import NESTED_REQUESTS, request
from gateway.dialect.proto_json import camel, items, member, spelt
from gateway.dialect.texts import Texts
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Made, Returned, Transcript, Turn
from gateway.segment import Path, Segment
from gateway.wire.document import Document

CODE: Final = "code_execution"
"""What the tool is called that runs `executableCode`, which has no name."""

_CALLS: Final[Mapping[str, str]] = {"functionCall": "name", "toolCall": "toolType"}
"""Members of a part that are calls, and which of theirs names the tool."""
_RESULTS: Final[Mapping[str, str]] = {"functionResponse": "name", "toolResponse": "toolType"}


def of_request(document: Document) -> Transcript:
    """The transcript of a request; of one that holds many, theirs, one behind the other."""
    teller = _Teller(Texts(grammar.read(request, document).segments))
    teller.body(document.value, ())
    return Transcript(tuple(teller.turns), tuple(teller.tools), gemini_hosted.of_request(document), teller.is_whole)


def of_message(document: Document, segments: Iterable[Segment], calls: Iterable[Call]) -> Transcript:
    """What one message of a Live client tells, in which `segments` were found. `calls` are those of the session that
    nothing was returned for yet; the server keeps the conversation."""
    teller = _Teller(Texts(segments), calls)
    for key, value in document.value.items() if isinstance(document.value, dict) else ():
        teller.message(value, (key,))
    return Transcript(tuple(teller.turns), tuple(teller.tools), gemini_hosted.of_message(document), is_whole=False)


class _Teller:
    def __init__(self, texts: Texts, open_: Iterable[Call] = ()) -> None:
        self.turns: list[Turn] = []
        self.tools: list[Defined] = []
        self.is_whole = True
        self._texts = texts
        self._open = list(open_)  # calls that nothing was returned for yet

    def body(self, value: Any, path: Path) -> None:
        if isinstance(value, dict):
            self._open = []
            for key, part in value.items():
                self._member(camel(key), part, (*path, key))
        self.turns += self._texts.said(path)

    def message(self, value: Any, path: Path) -> None:
        """A member of a Live client's message."""
        for key, part in value.items() if isinstance(value, dict) else ():
            name, at = camel(key), (*path, key)
            if name == "turns":
                self._member("contents", part, at)
            elif name == "functionResponses":
                for index, (place, result) in enumerate(items(part, at)):
                    if isinstance(result, dict):
                        self.turns += self._told("functionResponse", result, place, index)
            elif name == "tools":
                is_wrapped = isinstance(part, dict) and "tools" in part  # as a change of the context has them
                self._member(name, part["tools"] if is_wrapped else part, (*at, "tools") if is_wrapped else at)
        self.turns += self._texts.said(path)

    def _member(self, name: str, value: Any, path: Path) -> None:
        if name in NESTED_REQUESTS:
            for at, item in items(value, path):
                self.body(item, at)
        elif name in ("contents", "content"):
            for index, (at, content) in enumerate(items(value, path)):
                self._content(content, at, index)
        elif name == "tools":
            for at, tool in items(value, path):
                self._tool(tool, at)
        elif name == "cachedContent":
            self.is_whole = self.is_whole and not value
        self.turns += self._texts.said(path)

    def _content(self, content: Any, path: Path, index: int) -> None:
        parts = content.get("parts") if isinstance(content, dict) else None
        for at, part in items(parts, (*path, "parts")):
            for key, value in part.items() if isinstance(part, dict) else ():
                if isinstance(value, dict):
                    self.turns += self._told(camel(key), value, (*at, key), index)
            self.turns += self._texts.said(at, index)
        self.turns += self._texts.said(path, index)

    def _told(self, name: str, value: dict[str, Any], path: Path, index: int) -> Iterator[Turn]:
        """The call or the result that a member of a part is, if it is one."""
        if name in _CALLS:
            tool = _take_text(self._texts, value, path, _CALLS[name])
            yield self._made(Call(tool, self._taken(value, path, "args", {}), _id(value)), index)
        elif name == "executableCode":
            code = {key: value[key] for key in ("language", "code") if key in value}
            self._texts.take((*path, "code"))
            yield self._made(Call(CODE, code, _id(value)), index)
        elif name in _RESULTS:
            tool = member(value, _RESULTS[name])
            yield Returned(self._response(value, path), self._answered(value, tool), index)
        elif name == "codeExecutionResult":
            yield Returned(self._texts.joined(path), self._answered(value, CODE), index)

    def _made(self, call: Call, index: int) -> Made:
        self._open.append(call)
        return Made(call, index)

    def _taken(self, value: dict[str, Any], path: Path, name: str, otherwise: Any) -> Any:
        key = spelt(value, name)
        if key is None:
            return otherwise
        self._texts.take((*path, key))
        return value[key]

    def _response(self, value: dict[str, Any], path: Path) -> str:
        """The text of a result. One string under any name is that string, as clients put texts into objects; any other
        object is JSON, so that its fields can be told apart."""
        response = member(value, "response")
        parts: list[str] = []
        if isinstance(response, dict) and response:
            found = self._texts.take((*path, "response"))
            values = list(response.values())
            is_text = len(values) == 1 and isinstance(values[0], str) and len(found) <= 1
            parts.append(values[0] if is_text else orjson.dumps(response).decode())
        parts.append(self._texts.joined(path))
        return "\n".join(filter(None, parts))

    def _answered(self, value: dict[str, Any], tool: Any) -> Call | None:
        """The call that something is returned for: that of its id, or else the first open one of the tool."""
        wanted = _id(value)
        by_id = [call for call in self._open if wanted and call.id == wanted]
        by_name = [call for call in self._open if call.name == tool and not (wanted and call.id)]
        found = next(iter(by_id or by_name), None)
        if found is not None and member(value, "willContinue") is not True:
            self._open.remove(found)
        return found

    def _tool(self, tool: Any, path: Path) -> None:
        if not isinstance(tool, dict):
            return
        key = spelt(tool, "functionDeclarations")
        if key is not None:
            for at, declared in items(tool[key], (*path, key)):
                if isinstance(declared, dict):
                    self.tools.append(self._defined(declared, at))

    def _defined(self, declared: dict[str, Any], path: Path) -> Defined:
        name, description = (_take_text(self._texts, declared, path, key) for key in ("name", "description"))
        named = [key for key in ("parametersJsonSchema", "parameters") if member(declared, key) is not None]
        schema = self._taken(declared, path, named[0], None) if named else None
        return Defined(name, description, schema, path)


def _take_text(texts: Texts, value: dict[str, Any], path: Path, name: str) -> str:
    """The member `name`, if it is a string; what else stands there stays to be said."""
    key = spelt(value, name)
    if key is None or not isinstance(value[key], str):
        return ""
    texts.take((*path, key))
    return str(value[key])


def _id(value: dict[str, Any]) -> str:
    found = value.get("id")
    return found if isinstance(found, str) else ""
