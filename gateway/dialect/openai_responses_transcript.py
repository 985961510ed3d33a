"""What a request of the Responses API, or an event of a Realtime client, tells of the conversation.

The texts are those that the grammar finds, so that none is left out; here they are put to the calls and results that
they belong to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.dialect import openai_defined
from gateway.dialect import openai_responses_calls as items
from gateway.dialect.base import Reading
from gateway.dialect.openai_calls import text_of
from gateway.dialect.openai_remote import fetched, may_fetch
from gateway.dialect.texts import Texts
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Transcript, Turn
from gateway.segment import Path
from gateway.wire.document import Document

_SPOKEN: Final = (
    "type",
    "name",
    "namespace",
    "arguments",
    "input",
    "action",
    "actions",
    "operation",
    "code",
    "queries",
)
"""Members of a call whose texts a `Call` holds."""

_RETURNED: Final[Mapping[str, tuple[Path, ...]]] = {
    "mcp_call": (("output",), ("error",)),
    "file_search_call": (("results",),),
    "code_interpreter_call": (("outputs",),),
    "web_search_call": (("action", "sources"),),
}
"""Calls of the provider's own tools, and where what they returned stands in the same item."""

_HOLDING: Final = ("tool_search_output", "additional_tools")
"""Items that hold tools."""

_LISTS: Final = ("input", "items", "instructions")
"""Members that may hold items."""

_ELSEWHERE: Final = ("compaction", "compaction_summary")
"""Items in which earlier turns are, where nobody but the provider can read them."""


def transcript(document: Document, reading: Reading, root: Path = ()) -> Transcript:
    """The transcript of the request at `root`; `reading` is what the grammar found in the document."""
    is_whole = not any(part.what == "stored_context" for part in reading.uninspected)
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
        self._calls: dict[str, Call] = {}
        self._tools: list[Defined] = []
        self._is_whole = self._body.get("context_management") is None

    def transcript(self, is_whole: bool) -> Transcript:
        turns: list[Turn] = []
        for key, value in self._body.items():
            path: Path = (*self._root, key)
            if key in _LISTS:
                turns += self._turns(value, path)
            elif key == "item":  # of a Realtime client
                turns += self._turn(value, path, 0)
            elif key == "tools":
                self._define(value, path)
            turns += self._texts.said(path)
        turns += self._texts.said(())
        is_whole = is_whole and self._is_whole
        return Transcript(tuple(turns), tuple(self._tools), tuple(self.hosted()), is_whole, self._named)

    @property
    def _named(self) -> str:
        """The conversation that the provider keeps, where the request names one."""
        told = self._body.get("conversation")
        name = text_of(told.get("id")) if isinstance(told, dict) else text_of(told)
        return f"conversation {name}" if name else ""

    def _turns(self, value: Any, path: Path) -> Iterator[Turn]:
        for index, (place, item) in enumerate(_placed(value, path)):
            yield from self._turn(item, place, index)

    def _turn(self, item: Any, path: Path, index: int) -> Iterator[Turn]:
        """The turns of one item: what it says, a call, what a call returned."""
        held = item if isinstance(item, dict) else {}
        kind = text_of(held.get("type"))
        call = items.made(held)
        if call is not None:
            yield from self._made(kind, held, call, path, index)
        elif kind in _HOLDING:
            self._define(held.get("tools"), (*path, "tools"))
        elif kind == "mcp_list_tools":
            self._list(held, (*path, "tools"))
        elif kind.endswith("_output"):
            text = self._joined(path, (("output",), ("result",)))
            made = self._returning(held)
            yield Returned(text, made, index, _returned_id(held) if made is None else "")
        elif kind in _ELSEWHERE:
            self._is_whole = False
        yield from self._texts.said(path, index)

    def _made(self, kind: str, item: dict[str, Any], call: Call, path: Path, index: int) -> Iterator[Turn]:
        for identity in (text_of(item.get("id")), call.id):
            self._calls[identity] = call
        yield Made(call, index)
        returned = [member for member in _RETURNED.get(kind, ()) if _reach(item, member) is not None]
        text = self._joined(path, returned)
        if call.arguments is item:
            self._texts.take(path)
        for member in _SPOKEN:
            self._texts.take((*path, member))
        if returned:
            yield Returned(text, call, index)

    def _joined(self, path: Path, members: Iterable[Path]) -> str:
        return "\n".join(filter(None, (self._texts.joined((*path, *member)) for member in members)))

    def _returning(self, item: dict[str, Any]) -> Call | None:
        """The call that a result is of; that of a local shell names it by `id`."""
        return self._calls.get(_returned_id(item))

    def _define(self, value: Any, path: Path) -> None:
        for place, tool in _placed(value, path):
            self._tools += openai_defined.defined(tool, place, self._texts)

    def hosted(self) -> Iterator[Hosted]:
        for key, value in self._body.items():
            path: Path = (*self._root, key)
            if key == "tools":
                yield from _run(value, path)
            elif key in (*_LISTS, "item"):
                yield from fetched(value, path) if self._may_fetch else ()
                places = [(path, value)] if key == "item" else _placed(value, path)
                for place, item in places:
                    if isinstance(item, dict) and item.get("type") in _HOLDING:
                        yield from _run(item.get("tools"), (*place, "tools"))

    def _list(self, item: dict[str, Any], path: Path) -> None:
        """What the provider has found a server to offer; `path` leads to its tools."""
        for place, tool in _placed(item.get("tools"), path):
            if not isinstance(tool, dict):
                continue
            for member in ("name", "description", "input_schema"):
                self._texts.take((*place, member))
            name = items.at_server(item.get("server_label"), tool.get("name"))
            description = text_of(tool.get("description"))
            self._tools.append(Defined(name, description, tool.get("input_schema"), place))


def _returned_id(item: dict[str, Any]) -> str:
    return text_of(item.get("call_id")) or text_of(item.get("id"))


def _run(value: Any, path: Path) -> Iterator[Hosted]:
    """What the provider runs, and fetches for it, of a list of tools."""
    for place, tool in _placed(value, path):
        yield from openai_defined.hosted(tool, place)
        if isinstance(tool, dict):
            yield from fetched(tool.get("input_image_mask"), (*place, "input_image_mask"))


def _placed(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        yield (*path, index), item


def _reach(item: dict[str, Any], path: Path) -> Any:
    value: Any = item
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value
