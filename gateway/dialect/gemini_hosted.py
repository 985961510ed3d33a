"""What a request of the Gemini API has the provider run or fetch, and where that goes.

Source: "Tools" and "File input methods" in the Gemini API guides, and `Tool`, `McpServer`, `Retrieval` and `FileData`
in the types of google-genai 3.4 (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialect.gemini_grammar import NESTED_REQUESTS
from gateway.dialect.proto_json import camel, items, member
from gateway.dialect.texts import hosts_of
from gateway.policy.transcript import Hosted
from gateway.segment import Path
from gateway.wire.document import Document

_ANYWHERE: Final = None
_NOWHERE: Final[tuple[str, ...]] = ()

_TOOLS: Final[Mapping[str, tuple[str, tuple[str, ...] | None]]] = {
    "googleSearch": ("web_search", _ANYWHERE),  # hosts can be left out (`excludeDomains`), none listed
    "googleSearchRetrieval": ("web_search", _ANYWHERE),
    "enterpriseWebSearch": ("web_search", _ANYWHERE),
    "parallelAiSearch": ("web_search", _ANYWHERE),
    "exaAiSearch": ("web_search", _ANYWHERE),
    "urlContext": ("web_fetch", _ANYWHERE),  # whatever address stands in the prompt
    "codeExecution": ("code", _NOWHERE),  # runs without a network
    "googleMaps": ("maps", _NOWHERE),  # the provider's own data
    "fileSearch": ("file_search", _NOWHERE),  # stores that the provider keeps
    "computerUse": ("computer", _NOWHERE),  # its functions are called, and run by the agent
}
"""Our words for the tools, by the member of `Tool` that asks for them."""

_STORAGE: Final = ("storage.googleapis.com",)
"""Where `gs://` addresses lead."""
_UPLOADED: Final = "files/"
"""Beginning of the names of files that were uploaded to the provider, where no address is written."""

_TURNS: Final = frozenset({"contents", "content", "systemInstruction"})
"""Members that hold turns."""

_NOT_FETCHED: Final = frozenset({"args", "response"})
"""Members that hold objects of the client's, in which an address is only a text."""


def of_request(document: Document) -> tuple[Hosted, ...]:
    """What a request, or each that it holds, has the provider run or fetch."""
    return tuple(_body(document.value, ()))


def of_message(document: Document) -> tuple[Hosted, ...]:
    """What a message of a Live client has the provider run or fetch."""
    return tuple(_message(document.value))


def _message(value: Any) -> Iterator[Hosted]:
    for key, part in value.items() if isinstance(value, dict) else ():
        for name, inner in part.items() if isinstance(part, dict) else ():
            at: Path = (key, name)
            if camel(name) == "tools":
                is_wrapped = isinstance(inner, dict) and "tools" in inner  # as a change of the context has them
                for place, tool in items(inner["tools"] if is_wrapped else inner, (*at, "tools") if is_wrapped else at):
                    yield from _tools(tool, place)
            else:
                yield from _fetched(inner, at)


def _body(value: Any, path: Path) -> Iterator[Hosted]:
    for key, part in value.items() if isinstance(value, dict) else ():
        name, at = camel(key), (*path, key)
        if name in NESTED_REQUESTS:
            for place, item in items(part, at):
                yield from _body(item, place)
        elif name == "tools":
            for place, item in items(part, at):
                yield from _tools(item, place)
        elif name in _TURNS:
            yield from _fetched(part, at)


def _tools(tool: Any, path: Path) -> Iterator[Hosted]:
    """What one item of `tools` asks for beside functions of the agent."""
    for key, value in tool.items() if isinstance(tool, dict) else ():
        name = camel(key)
        if value is None or name == "functionDeclarations":
            continue
        at = (*path, key)
        if name == "mcpServers":
            yield from _servers(value, at)
        elif name == "retrieval":
            yield Hosted("file_search", key, _retrieved(value), at)
        else:
            kind, hosts = _TOOLS.get(name, (key, _ANYWHERE))
            yield Hosted(kind, key, hosts, at)


def _servers(value: Any, path: Path) -> Iterator[Hosted]:
    for at, server in items(value, path):
        known = server if isinstance(server, dict) else {}
        transport = member(known, "streamableHttpTransport")
        name = known.get("name")
        url = transport.get("url") if isinstance(transport, dict) else None
        yield Hosted("mcp", name if isinstance(name, str) else "", hosts_of(url), at)


def _retrieved(value: Any) -> tuple[str, ...] | None:
    """The host of an outside search engine; corpora of the provider lead nowhere."""
    if not isinstance(value, dict):
        return _ANYWHERE
    outside = member(value, "externalApi")
    if outside is None:
        return _NOWHERE
    return hosts_of(outside.get("endpoint")) if isinstance(outside, dict) else _ANYWHERE


def _fetched(value: Any, path: Path) -> Iterator[Hosted]:
    """Files that the provider fetches by their addresses, wherever in a turn they stand."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _fetched(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if camel(key) == "fileData" and isinstance(item, dict):
                media = member(item, "mimeType")
                is_image = isinstance(media, str) and media.startswith("image/")
                hosts = file_hosts(member(item, "fileUri"))
                if hosts != _NOWHERE:
                    yield Hosted("remote_image" if is_image else "remote_file", key, hosts, (*path, key))
            elif key not in _NOT_FETCHED:
                yield from _fetched(item, (*path, key))


def file_hosts(uri: Any) -> tuple[str, ...] | None:
    if isinstance(uri, str) and uri[:5].lower() == "gs://":
        return _STORAGE
    if isinstance(uri, str) and uri.startswith(_UPLOADED):
        return _NOWHERE
    return hosts_of(uri)
