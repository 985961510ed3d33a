"""What a request of the Interactions API tells of the conversation, and what it has the provider run or fetch.

The texts are those that the grammar finds, so that none is left out; here they are put to the calls and results that
they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from gateway.dialect import grammar as g
from gateway.dialect import interactions_calls as whole
from gateway.dialect.gemini_hosted import file_hosts
from gateway.dialect.interactions_grammar import MEDIA, REQUEST
from gateway.dialect.openai_calls import text_of
from gateway.dialect.proto_json import camel, items, member
from gateway.dialect.texts import Texts, hosts_of
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Transcript, Turn
from gateway.segment import Path
from gateway.wire.document import Document

_SPOKEN: Final = ("type", "name", "arguments")
"""Members of a call whose texts a `Call` holds."""

_ELSEWHERE: Final = ("previousInteractionId", "continuationToken", "cachedContent")
"""Members that name what the provider keeps of the conversation."""


def of_request(document: Document) -> Transcript:
    teller = _Teller(Texts(g.read(REQUEST, document).segments))
    body = document.value if isinstance(document.value, dict) else {}
    for key, value in body.items():
        teller.member(camel(key), value, (key,))
    is_whole = not any(member(body, name) for name in _ELSEWHERE)
    return Transcript(tuple(teller.turns), tuple(teller.tools), hosted(document), is_whole)


class _Teller:
    def __init__(self, texts: Texts) -> None:
        self.turns: list[Turn] = []
        self.tools: list[Defined] = []
        self._texts = texts
        self._calls: dict[str, Call] = {}

    def member(self, name: str, value: Any, path: Path) -> None:
        if name == "input":
            for index, (at, item) in enumerate(items(value, path)):
                self._step(item, at, index)
        elif name == "tools":
            for at, tool in items(value, path):
                self._define(tool, at)
        self.turns += self._texts.said(path)

    def _step(self, step: Any, path: Path, index: int) -> None:
        """The turns of a step, and of those that a turn of an earlier revision holds."""
        held = step if isinstance(step, dict) else {}
        kind = text_of(held.get("type"))
        call = whole.made(held)
        if call is not None:
            self._made(held, call, path, index)
        elif kind == "tool_search_result":
            for at, tool in items(member(held, "result"), (*path, "result")):
                self._define(tool, at)
        elif kind.endswith("_result"):
            self._returned(held, path, index)
        elif not kind and "role" in held:
            for at, inner in items(held.get("content"), (*path, "content")):
                self._step(inner, at, index)
        self.turns += self._texts.said(path, index)

    def _made(self, step: dict[str, Any], call: Call, path: Path, index: int) -> None:
        self._calls[call.id] = call
        if call.arguments is step:
            self._texts.take(path)
        for name in _SPOKEN:
            self._texts.take((*path, name))
        self.turns.append(Made(call, index))

    def _returned(self, step: dict[str, Any], path: Path, index: int) -> None:
        """A result. An object is JSON, so that its fields can be told apart; a text or contents are their texts."""
        result = step.get("result")
        found = self._texts.joined((*path, "result"))
        text = orjson.dumps(result).decode() if isinstance(result, dict) else found
        parts = filter(None, (text, self._texts.joined(path)))
        made = text_of(member(step, "callId"))
        call = self._calls.get(made)
        self.turns.append(Returned("\n".join(parts), call, index, made if call is None else ""))

    def _define(self, tool: Any, path: Path) -> None:
        """A function, or the search through those that are not told yet, which the agent may run too."""
        if isinstance(tool, dict) and tool.get("type") in ("function", "tool_search"):
            for name in ("name", "description", "parameters"):
                self._texts.take((*path, name))
            name = text_of(tool.get("name")) or text_of(tool["type"])
            self.tools.append(Defined(name, text_of(tool.get("description")), tool.get("parameters"), path))


# --- what the provider runs

_NOWHERE: Final[tuple[str, ...]] = ()
_KINDS: Final[dict[str, tuple[str, tuple[str, ...] | None]]] = {
    "google_search": ("web_search", None),  # hosts cannot be listed
    "url_context": ("web_fetch", None),  # whatever address stands in the prompt
    "code_execution": ("code", _NOWHERE),  # without a network, but for an `environment`
    "google_maps": ("maps", _NOWHERE),  # the provider's own data
    "file_search": ("file_search", _NOWHERE),  # stores that the provider keeps
    "computer_use": ("computer", _NOWHERE),  # its functions are called, and run by the agent
}
"""Our words for the tools, by their types, and where they lead."""

_OUTSIDE: Final = frozenset({"exa_ai_search", "parallel_ai_search"})
"""Kinds of `retrieval` that search the web; the others search what the provider keeps."""


def hosted(document: Document) -> tuple[Hosted, ...]:
    """What a request has the provider run or fetch."""
    body = document.value if isinstance(document.value, dict) else {}
    return tuple(_hosted(body))


def _hosted(body: dict[str, Any]) -> Iterator[Hosted]:
    for key, value in body.items():
        name, path = camel(key), (key,)
        if value is None:
            continue
        if name == "tools":
            for at, tool in items(value, path):
                yield from _tool(tool, at)
        elif name == "agent":
            # What it runs is its own: a research agent opens pages, a coding agent runs code.
            yield Hosted("agent", text_of(value), None, path)
        elif name == "environment":
            yield from _environment(value, path)
        elif name == "webhookConfig":
            yield from _webhook(value, path)
        elif name == "input":
            yield from _fetched(value, path)


def _tool(tool: Any, path: Path) -> Iterator[Hosted]:
    kind = text_of(tool.get("type")) if isinstance(tool, dict) else ""
    if kind == "function" or (kind == "tool_search" and tool.get("execution") == "client"):
        return
    if kind == "tool_search":
        yield Hosted(kind, kind, _NOWHERE, path)
    elif kind == "mcp_server":
        yield Hosted("mcp", text_of(tool.get("name")), hosts_of(tool.get("url")), path)
    elif kind == "retrieval":
        yield _retrieval(tool, path)
    else:
        name, hosts = _KINDS.get(kind, (kind, None))
        yield Hosted(name, kind, hosts, path)


def _retrieval(tool: dict[str, Any], path: Path) -> Hosted:
    kinds = member(tool, "retrievalTypes")
    named = set(kinds) if isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds) else None
    is_outside = named is None or named & _OUTSIDE or any(key.startswith(("exa", "parallel")) for key in tool)
    return (
        Hosted("web_search", "retrieval", None, path)
        if is_outside
        else Hosted("file_search", "retrieval", _NOWHERE, path)
    )


def _environment(value: Any, path: Path) -> Iterator[Hosted]:
    """A machine for the model: where it may go, and what is put on it from elsewhere. Of one that was made before, only
    its maker knows."""
    held = value if isinstance(value, dict) else {}
    yield Hosted("code", "environment", _network(held), path)
    for at, source in items(held.get("sources"), (*path, "sources")):
        where = source.get("source") if isinstance(source, dict) else None
        hosts = file_hosts(where) if where is not None else _NOWHERE
        if hosts != _NOWHERE:
            yield Hosted("remote_file", "environment", hosts, at)


def _network(environment: dict[str, Any]) -> tuple[str, ...] | None:
    network = None if member(environment, "environmentId") else environment.get("network")
    if network == "disabled":
        return _NOWHERE
    allowed = network.get("allowlist") if isinstance(network, dict) else None
    if allowed == "disabled":
        return _NOWHERE
    found: list[str] = []
    for entry in allowed if isinstance(allowed, list) else [None]:
        domain = entry.get("domain") if isinstance(entry, dict) else None
        hosts = hosts_of(f"https://{domain}") if isinstance(domain, str) else None
        if not hosts:
            return None
        found += hosts
    return tuple(found)


def _webhook(value: Any, path: Path) -> Iterator[Hosted]:
    """Addresses that the provider tells of the interaction."""
    uris = value.get("uris") if isinstance(value, dict) else None
    for at, uri in items(uris, (*path, "uris")):
        yield Hosted("webhook", "webhook", hosts_of(uri), at)


def _fetched(value: Any, path: Path) -> Iterator[Hosted]:
    """Files that the provider fetches by their addresses, wherever among the contents they stand."""
    for at, item in items(value, path):
        kind = text_of(item.get("type")) if isinstance(item, dict) else ""
        if kind in MEDIA and item.get("uri") is not None:
            hosts = file_hosts(item["uri"])
            if hosts != _NOWHERE:
                yield Hosted("remote_image" if kind == "image" else "remote_file", kind, hosts, at)
        for key in ("content", "result", "summary"):
            inner = item.get(key) if isinstance(item, dict) else None
            if isinstance(inner, list | dict):
                yield from _fetched(inner, (*at, key))
