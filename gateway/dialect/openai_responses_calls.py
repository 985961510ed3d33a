"""The calls among the items of the Responses API, and an answer with some of them refused or otherwise.

A refused call becomes a message of the assistant in its place, so that the places of the other items stay. Its id tells
it from what a model said, should a client send it back. Source: the types of openai-python 3.54.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.dialect.containers import items_of
from gateway.dialect.openai_calls import custom_call, function_call, put, strange_call, text_of, written
from gateway.dialect.openai_defined import qualified
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply

MARK: Final = "msg_lockgate_"
"""What the ids of our own messages begin with; ids of messages must begin with `msg_`."""

type _Reader = Callable[[dict[str, Any]], Call]


def _identity(item: dict[str, Any]) -> str:
    return text_of(item.get("call_id")) or text_of(item.get("id"))


def _function(item: dict[str, Any]) -> Call:
    name = qualified(text_of(item.get("namespace")), text_of(item.get("name")))
    return function_call(name, item.get("arguments"), _identity(item))


def at_server(label: Any, name: Any) -> str:
    """The name of a tool of an MCP server that the provider calls, as agents write those of theirs."""
    return f"mcp__{text_of(label)}__{text_of(name)}" if text_of(label) else text_of(name)


def _remote(item: dict[str, Any]) -> Call:
    return function_call(at_server(item.get("server_label"), item.get("name")), item.get("arguments"), _identity(item))


def _custom(item: dict[str, Any]) -> Call:
    name = qualified(text_of(item.get("namespace")), text_of(item.get("name")))
    return custom_call(name, item.get("input"), _identity(item))


def _built_in(name: str, *members: str) -> _Reader:
    """A tool that the API knows. Its arguments are a member, or those of several that are there."""

    def read(item: dict[str, Any]) -> Call:
        held = {member: item[member] for member in members if item.get(member) is not None}
        if len(members) == 1 or list(held) == [members[0]]:
            return Call(name, held.get(members[0], {}), _identity(item))
        return Call(name, held, _identity(item))

    return read


def _keyed(name: str, *members: str) -> _Reader:
    """The same where the arguments are always told by their members."""

    def read(item: dict[str, Any]) -> Call:
        return Call(name, {member: item[member] for member in members if member in item}, _identity(item))

    return read


def _search(item: dict[str, Any]) -> Call:
    """A web search. Its `sources` are what it found."""
    action = item.get("action")
    asked = {key: value for key, value in action.items() if key != "sources"} if isinstance(action, dict) else action
    return Call("web_search", {} if asked is None else asked, _identity(item))


AGENTS: Final[Mapping[str, _Reader]] = {
    "function_call": _function,
    "custom_tool_call": _custom,
    "computer_call": _built_in("computer", "action", "actions"),
    "local_shell_call": _built_in("local_shell", "action"),
    "shell_call": _built_in("shell", "action"),
    "apply_patch_call": _built_in("apply_patch", "operation"),
    "tool_search_call": _built_in("tool_search", "arguments"),
    # A call that the provider will make once the agent approves: for the agent, approving it is making it.
    "mcp_approval_request": _remote,
}
"""Calls that the agent runs, by the type of their item; some of them the provider may run as well."""

HOSTED: Final[Mapping[str, _Reader]] = {
    "mcp_call": _remote,
    "web_search_call": _search,
    "file_search_call": _keyed("file_search", "queries"),
    "code_interpreter_call": _keyed("code_interpreter", "code"),
    "image_generation_call": _keyed("image_generation"),
    "program": _keyed("program", "code"),
}
"""Calls that the provider has run."""

_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "function_call": ("arguments",),
    "custom_tool_call": ("input",),
    "computer_call": ("action", "actions"),
    "local_shell_call": ("action",),
    "shell_call": ("action",),
    "apply_patch_call": ("operation",),
    "tool_search_call": ("arguments",),
    "mcp_approval_request": ("arguments",),
}
"""Where the arguments of the agent's calls stand."""

WRITTEN: Final = ("function_call", "custom_tool_call", "mcp_approval_request")
"""Types whose arguments are a string."""


def made(item: Any) -> Call | None:
    """The call that an item is, whoever runs it; None where it is none."""
    kind = text_of(item.get("type")) if isinstance(item, dict) else ""
    read = AGENTS.get(kind) or HOSTED.get(kind)
    if read is not None:
        return read(item)
    return strange_call(item) if kind.endswith("_call") else None


def wanted(item: Any) -> Call | None:
    """The call that an item of an answer wants the agent to run; None where it is none.

    One of a type that is not known is the agent's: whoever knows the type may run it.
    """
    kind = text_of(item.get("type")) if isinstance(item, dict) else ""
    environment = item.get("environment") if kind == "shell_call" else None
    if isinstance(environment, dict) and environment.get("type") == "container_reference":
        return None
    if kind in HOSTED or (kind == "tool_search_call" and item.get("execution") != "client"):
        return None
    return made(item)


def calls(document: Document, root: Path = ()) -> tuple[Called, ...]:
    """The calls of a response, in order; the key is the path. `root` leads to the response."""
    return tuple(Called(path, call) for path, call in listed(document, root))


def listed(document: Document, root: Path) -> Iterator[tuple[Path, Call]]:
    """The calls in the output of a response, with the paths of their items.

    What a compaction gives back is the conversation before, of which nothing is to be run.
    """
    output = items_of(document.get(*root, "output"), "output")
    if document.get(*root, "object") == "response.compaction":
        return
    for index, item in enumerate(output):
        call = wanted(item)
        if call is not None:
            yield (*root, "output", index), call


def changed(document: Document, changes: Mapping[Hashable, Change], root: Path = ()) -> bytes:
    """The body with these changes of the calls that `calls` gave."""
    found = [(path, call, changes[path]) for path, call in listed(document, root) if path in changes]
    return apply(
        document.raw, (patch for path, call, change in found for patch in patches(document, path, call, change))
    )


def patches(document: Document, path: Path, call: Call, change: Change) -> Iterator[Patch]:
    """The patches that make a change of the item at `path`."""
    if change.refusal is not None:
        yield document.replace(path, refused(document.get(*path), call, change.refusal))
    else:
        yield from rewritten(document, path, change)


def refused(item: dict[str, Any], call: Call, words: str) -> dict[str, Any]:
    """The message in the place of a refused call."""
    return {**_begun(item, call), "status": "completed", "content": [part(words)]}


def _begun(item: dict[str, Any], call: Call) -> dict[str, Any]:
    kind = {"object": item["object"]} if "object" in item else {}
    return {"id": message_id(item, call), **kind, "type": "message", "role": "assistant"}


def begun(item: dict[str, Any], call: Call) -> dict[str, Any]:
    """The same before anything is said."""
    return {**_begun(item, call), "status": "in_progress", "content": []}


def part(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


def message_id(item: dict[str, Any], call: Call) -> str:
    """Derived from the call, so that it is the same wherever the call is told again. Ids have 64 characters at most.

    Items of Realtime, which alone bear an `object`, keep theirs: the server knows the item by it, and so do others that
    name the item before them.
    """
    identity = text_of(item.get("id"))
    if "object" in item and identity:
        return identity
    named = call.id.encode() or orjson.dumps([call.name, call.arguments])
    return MARK + hashlib.sha256(named).hexdigest()[:32]


def members(item: dict[str, Any]) -> tuple[str, ...]:
    """Where the arguments of an item that is the agent's call may stand."""
    return _MEMBERS.get(text_of(item.get("type")), ())


def rewritten(document: Document, path: Path, change: Change) -> Iterator[Patch]:
    """The patches that give the call at `path` other arguments. Raises Malformed where there is no place for them."""
    item = document.get(*path)
    known = members(item)
    if item.get("type") in WRITTEN:
        yield put(document, path, known[0], written(change, is_free=known[0] == "input"))
        return
    given = [member for member in known if item.get(member) is not None]
    if given and given == [known[0]]:
        yield document.replace((*path, given[0]), change.arguments)
    elif given and isinstance(change.arguments, dict) and set(change.arguments) == set(given):
        for member in given:
            yield document.replace((*path, member), change.arguments[member])
    else:
        raise Malformed("a call of a form that is not known cannot be given other arguments")
