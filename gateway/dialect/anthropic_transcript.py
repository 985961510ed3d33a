"""What a request of Anthropic's Messages API tells of the conversation: turns, tools, and what the provider runs.

The texts are those that the grammar finds, so that none is left out; here they are put to the calls and results that
they belong to. Source: the API reference and the tool guides of Anthropic (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialect import grammar
from gateway.dialect.anthropic_grammar import BATCH, CLIENT_RUN, REQUEST
from gateway.dialect.texts import Texts, hosts_of
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Transcript, Turn
from gateway.segment import Path
from gateway.wire.document import Document

_MADE: Final = "tool_use"
"""End of the types of blocks that are calls: `tool_use`, `server_tool_use`, `mcp_tool_use`."""
_RETURNED: Final = "tool_result"
"""End of the types of blocks that are results: those of the provider's tools are `NAME_tool_result`."""

_KEPT: Final = ("container", "thread")
"""Members that name what the provider keeps: files and state of a container, earlier turns of a thread."""

_HOSTED: Final[Mapping[str, str]] = {
    "web_search_": "web_search",
    "web_fetch_": "web_fetch",
    "code_execution_": "code",
    "tool_search_tool_": "tool_search",
}
"""Our words for the tools that the provider runs, by the beginnings of their types, which end in a date."""

_NOWHERE: Final = frozenset({"code", "tool_search"})
"""Code runs in a container without a network ("Code execution tool": internet access is disabled); a tool search looks
through the definitions of the request."""


def of_request(document: Document) -> Transcript:
    """The transcript of one request."""
    return _Conversation(document, ()).transcript(Texts(grammar.read(REQUEST, document).segments))


def of_batch(document: Document) -> Transcript:
    """The transcripts of all requests of a batch, one behind the other."""
    texts = Texts(grammar.read(BATCH, document).segments)
    each = [_Conversation(document, root).transcript(texts) for root in _requests(document)]
    return Transcript(
        (*(turn for one in each for turn in one.turns), *texts.said(())),
        tuple(tool for one in each for tool in one.tools),
        tuple(tool for one in each for tool in one.hosted),
        all(one.is_whole for one in each),
    )


def hosted(document: Document) -> tuple[Hosted, ...]:
    """What a request has the provider run or fetch."""
    return tuple(_Conversation(document, ()).hosted())


def hosted_in_batch(document: Document) -> tuple[Hosted, ...]:
    """What the requests of a batch have the provider run or fetch."""
    return tuple(tool for root in _requests(document) for tool in _Conversation(document, root).hosted())


def offered(document: Document, root: Path, texts: Texts) -> tuple[tuple[Defined, ...], tuple[Hosted, ...]]:
    """The tools that the members of a request at `root` offer: those that the agent runs, and those of the provider."""
    conversation = _Conversation(document, root)
    return tuple(conversation.defined(texts)), tuple(conversation.hosted())


def _requests(document: Document) -> Iterator[Path]:
    requests = document.get("requests")
    count = len(requests) if isinstance(requests, list) else 0
    yield from (("requests", index, "params") for index in range(count))


class _Conversation:
    """One request: the object at `root` of the document."""

    def __init__(self, document: Document, root: Path) -> None:
        self._root = root
        value = document.get(*root)
        self._body: dict[str, Any] = value if isinstance(value, dict) else {}
        self._calls: dict[str, Call] = {}  # by id, of the blocks so far

    def transcript(self, texts: Texts) -> Transcript:
        turns: list[Turn] = []
        tools: list[Defined] = []
        for key in self._body:
            if key == "messages":
                turns += self._turns(texts)
            elif key == "tools":
                tools += self.defined(texts)
            turns += texts.said((*self._root, key))
        turns += texts.said(self._root)
        is_whole = all(self._body.get(key) is None for key in _KEPT)
        return Transcript(tuple(turns), tuple(tools), tuple(self.hosted()), is_whole)

    def _turns(self, texts: Texts) -> Iterator[Turn]:
        for index, message in _items(self._body, "messages"):
            root: Path = (*self._root, "messages", index)
            for number, block in _items(message, "content"):
                path = (*root, "content", number)
                kind = str(block.get("type"))
                if kind.endswith(_MADE):
                    yield Made(self._made(block), index)
                    _tell(texts, path, block, "name", any_of="input")
                elif kind.endswith(_RETURNED):
                    yield Returned(texts.joined(path), self._calls.get(str(block.get("tool_use_id"))), index)
                yield from texts.said(path, index)
            yield from texts.said(root, index)

    def _made(self, block: dict[str, Any]) -> Call:
        call = call_of(block)
        if call.id:
            self._calls[call.id] = call
        return call

    def defined(self, texts: Texts) -> Iterator[Defined]:
        """The tools that the agent runs. A built-in one has no schema: the model knows it."""
        for index, tool in _items(self._body, "tools"):
            path: Path = (*self._root, "tools", index)
            if _is_hosted(tool):
                continue
            name, description = (_text(tool.get(key)) for key in ("name", "description"))
            yield Defined(name or _text(tool.get("type")), description, tool.get("input_schema"), path)
            _tell(texts, path, tool, "name description", any_of="input_schema")

    def hosted(self) -> Iterator[Hosted]:
        servers: set[str] = set()
        for index, server in _items(self._body, "mcp_servers"):
            name = _text(server.get("name"))
            servers.add(name)
            yield Hosted("mcp", name, hosts_of(server.get("url")), (*self._root, "mcp_servers", index))
        for index, tool in _items(self._body, "tools"):
            # A toolset sets up a server that stands in `mcp_servers`; of any other it is all that is told.
            if _is_hosted(tool) and not (_is_toolset(tool) and tool.get("mcp_server_name") in servers):
                yield _hosted_tool(tool, (*self._root, "tools", index))
        yield from _fetched(self._body.get("messages"), (*self._root, "messages"))


def call_of(block: Mapping[str, Any]) -> Call:
    """The call that a block is; `input` is an object, or whatever else stands in its place."""
    return Call(_text(block.get("name")), block.get("input", {}), _text(block.get("id")))


def _is_hosted(tool: dict[str, Any]) -> bool:
    kind = tool.get("type")
    return kind is not None and not str(kind).startswith(CLIENT_RUN)


def _is_toolset(tool: dict[str, Any]) -> bool:
    return tool.get("type") == "mcp_toolset"


def _hosted_tool(tool: dict[str, Any], path: Path) -> Hosted:
    spelt = str(tool.get("type"))
    if _is_toolset(tool):
        return Hosted("mcp", _text(tool.get("mcp_server_name")), None, path)
    kind = next((word for beginning, word in _HOSTED.items() if spelt.startswith(beginning)), spelt)
    return Hosted(kind, _text(tool.get("name")) or spelt, () if kind in _NOWHERE else _domains(tool), path)


def _domains(tool: dict[str, Any]) -> tuple[str, ...] | None:
    """The hosts of `allowed_domains`, which may have paths; None where any host is allowed, or only some are not."""
    domains = tool.get("allowed_domains")
    if not isinstance(domains, list) or not domains:
        return None
    found = [hosts_of(f"https://{domain}") for domain in domains]
    return None if None in found else tuple(host for hosts in found if hosts for host in hosts)


def _fetched(value: Any, path: Path) -> Iterator[Hosted]:
    """Images and documents that the provider fetches by their URLs, wherever in the messages they stand."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _fetched(item, (*path, index))
    elif isinstance(value, dict):
        source = value.get("source")
        if isinstance(source, dict) and source.get("type") == "url":
            kind = "remote_image" if value.get("type") == "image" else "remote_file"
            hosts = hosts_of(source.get("url"))
            if hosts != ():
                yield Hosted(kind, _text(value.get("type")), hosts, (*path, "source"))
        for key, member in value.items():
            if key != "input":  # the arguments of a call, which nobody fetches
                yield from _fetched(member, (*path, key))


def _tell(texts: Texts, path: Path, value: dict[str, Any], strings: str, any_of: str) -> None:
    """Take the texts of these members, which were told otherwise: those that are strings, and one of any type."""
    for key in (*(key for key in strings.split() if isinstance(value.get(key), str)), any_of):
        texts.take((*path, key))


def _items(value: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects in the list `key` of an object, with their places."""
    found = value.get(key) if isinstance(value, dict) else None
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            yield index, item


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
