"""The calls in a whole chat completion, and the completion with some of them refused or otherwise.

What is refused is told in the content of its choice, behind what the model said.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

from gateway.dialect.containers import items_of, members_of
from gateway.dialect.openai_calls import custom_call, function_call, put, strange_call, written
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply, parse

CALLING: Final = ("tool_calls", "function_call")
"""The values of `finish_reason` that tell a client to run tools."""

STOPPED: Final = "stop"
"""The `finish_reason` of a model that has nothing to wait for."""

BETWEEN: Final = "\n\n"
"""Between what the model said and what is told of a refused call."""


def calls(document: Document, root: Path = ()) -> tuple[Called, ...]:
    """The calls of each choice, in order; the key is the path. `root` leads to the completion."""
    return tuple(Called(path, call) for choice in _choices(document, root) for path, call in _made(document, choice))


def changed(document: Document, changes: Mapping[Hashable, Change], root: Path = ()) -> bytes:
    """The body with these changes. First what is added, then what goes: the two cannot share a comma."""
    patches: list[Patch] = []
    refused: dict[Path, list[Path]] = {}
    for choice in _choices(document, root):
        made = dict(_made(document, choice))
        words = []
        for path in made:
            change = changes.get(path)
            if change is not None and change.refusal is not None:
                refused.setdefault(choice, []).append(path)
                words.append(change.refusal)
            elif change is not None:
                patches.append(rewritten(document, path, change))
        patches += told(document, (*choice, "message"), BETWEEN.join(words))
        if words or any(path in changes for path in made):
            patches += emptied(document, choice)
        if len(words) == len(made) and words and document.get(*choice, "finish_reason") in CALLING:
            patches.append(document.replace((*choice, "finish_reason"), STOPPED))
    grown = parse(apply(document.raw, patches)) if patches else document
    gone = [patch for choice, paths in refused.items() for patch in taken_out(grown, (*choice, "message"), paths)]
    return apply(grown.raw, gone)


def _choices(document: Document, root: Path) -> Iterator[Path]:
    for index in range(len(items_of(document.get(*root, "choices"), "choices"))):
        yield (*root, "choices", index)


def _made(document: Document, choice: Path) -> Iterator[tuple[Path, Call]]:
    message = (*choice, "message")
    members_of(document.get(*message), "message")
    for index, item in enumerate(items_of(document.get(*message, "tool_calls"), "tool_calls")):
        yield (*message, "tool_calls", index), call_of(item)
    older = document.get(*message, "function_call")
    members_of(older, "function_call")
    if isinstance(older, dict):
        yield (*message, "function_call"), function_call(older.get("name"), older.get("arguments"))


def call_of(item: Any) -> Call:
    """The call that an item of `tool_calls` is. Its `type` is left out by some, so the member beside it counts."""
    function, custom = (item.get("function"), item.get("custom")) if isinstance(item, dict) else (None, None)
    if isinstance(function, dict):
        return function_call(function.get("name"), function.get("arguments"), item.get("id"))
    if isinstance(custom, dict):
        return custom_call(custom.get("name"), custom.get("input"), item.get("id"))
    return strange_call(item)


def holder(document: Document, path: Path) -> tuple[Path, str]:
    """Where the arguments of the call at `path` stand: the object, and the member of it.

    Raises Malformed where the call is of a form that is not known.
    """
    if path[-1] == "function_call":
        return path, "arguments"
    for member, arguments in (("function", "arguments"), ("custom", "input")):
        if isinstance(document.get(*path, member), dict):
            return (*path, member), arguments
    raise Malformed("a call of a form that is not known cannot be given other arguments")


def rewritten(document: Document, path: Path, change: Change) -> Patch:
    """The patch that gives the call at `path` the arguments of `change`."""
    above, member = holder(document, path)
    return put(document, above, member, written(change, is_free=member == "input"))


def told(document: Document, message: Path, words: str) -> Iterator[Patch]:
    """The patch that appends `words`, where there are any, to the content of a message or a delta."""
    if not words:
        return
    path = (*message, "content")
    content = document.get(*path)
    if isinstance(content, str) and content:
        yield document.append_text(path, BETWEEN + words)
    elif isinstance(content, list):  # servers of reasoning models that part what they say
        yield document.insert_item(path, len(content), {"type": "text", "text": words})
    else:
        yield put(document, message, "content", words)


def emptied(document: Document, choice: Path) -> Iterator[Patch]:
    """The patch that takes away the probabilities of a choice: they spell its tokens, those of a call included."""
    if document.get(*choice, "logprobs"):
        yield document.replace((*choice, "logprobs"), None)


def taken_out(document: Document, message: Path, paths: list[Path]) -> Iterator[Patch]:
    """The patches that take the calls at `paths` out of a message or a delta; no empty list is left."""
    items = {path[-1] for path in paths if path[-2:-1] == ("tool_calls",)}
    members: set[str | int] = {path[-1] for path in paths if path[-1] == "function_call"}
    if items and len(items) == len(document.get(*message, "tool_calls")):
        members.add("tool_calls")
        items.clear()
    if items:
        yield from document.without((*message, "tool_calls"), items)
    yield from document.without(message, members)
