"""Refused calls and the provider's own memory of them, in the Responses API.

A provider that keeps an answer keeps the calls in it, and takes no further request until each has its output ("No tool
output found for function call …", 400); the client knows nothing of those that were refused. So the next request that
goes on from that answer is supplied with their outputs: the words of the refusal.

A client that sends the items back itself has our message in a call's place. The provider never made it, so the message
goes up without its id; and reasoning must be followed by the very item that it led to (a 400 as well).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.dialect import openai_responses_calls as whole
from gateway.dialect.base import Denials
from gateway.dialect.openai_calls import text_of
from gateway.policy.call import Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply, parse

_INPUT: Final[Path] = ("input",)

_BLANK: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII="
)
"""A picture of one point: what a computer that did nothing shows."""


def names_of(document: Document, root: Path) -> tuple[str, ...]:
    """The ids by which later requests may lean on the response at `root`; none where it is not kept."""
    conversation = document.get(*root, "conversation")
    named = conversation.get("id") if isinstance(conversation, dict) else conversation
    own = None if document.get(*root, "store") is False else document.get(*root, "id")
    return tuple(name for name in (own, named) if isinstance(name, str))


def of_response(document: Document, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
    """What is to be remembered of a whole response."""
    names = names_of(document, ())
    refused = [(path, change.refusal) for path, _ in whole.listed(document, ()) if (change := changes.get(path))]
    items = [item for path, words in refused if words is not None for item in returned(document.get(*path), words)]
    return (Denials(names, tuple(items)),) if names and items else ()


def returned(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:
    """The items that tell a provider how the call in `item` ended; none for one of a type that is not known."""
    make = _OUTPUTS.get(text_of(item.get("type")))
    if make is not None:
        yield from make(item, words)


def _text(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:
    yield {"type": f"{item['type']}_output", "call_id": item.get("call_id"), "output": words}


def _local_shell(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:
    yield {"type": "local_shell_call_output", "id": item.get("call_id"), "output": words}


def _shell(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:
    output = {"stdout": "", "stderr": words, "outcome": {"type": "exit", "exit_code": 1}}
    yield {"type": "shell_call_output", "call_id": item.get("call_id"), "output": [output]}


def _apply_patch(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:
    yield {"type": "apply_patch_call_output", "call_id": item.get("call_id"), "status": "failed", "output": words}


def _computer(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:
    """A picture, since nothing else is taken, and the words beside it.

    Warnings must be acknowledged for the conversation to go on; nothing is done that they could warn of.
    """
    warnings = item.get("pending_safety_checks")
    acknowledged = {"acknowledged_safety_checks": warnings} if warnings else {}
    output = {"type": "computer_screenshot", "image_url": _BLANK}
    yield {"type": "computer_call_output", "call_id": item.get("call_id"), "output": output, **acknowledged}
    yield {"role": "developer", "content": words}


def _tool_search(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:  # noqa: ARG001 -- it takes no words
    yield {"type": "tool_search_output", "call_id": item.get("call_id"), "execution": "client", "tools": []}


def _approval(item: dict[str, Any], words: str) -> Iterator[dict[str, Any]]:
    identity = item.get("id")
    yield {"type": "mcp_approval_response", "approval_request_id": identity, "approve": False, "reason": words}


_OUTPUTS: Final[Mapping[str, Callable[[dict[str, Any], str], Iterator[dict[str, Any]]]]] = {
    "function_call": _text,
    "custom_tool_call": _text,
    "local_shell_call": _local_shell,
    "shell_call": _shell,
    "apply_patch_call": _apply_patch,
    "computer_call": _computer,
    "tool_search_call": _tool_search,
    "mcp_approval_request": _approval,
}
"""How the outcome of a call is told, by the type of its item (types of openai-python 3.54)."""


def may_lean(body: bytes) -> bool:
    """Whether something in a body speaks of what came before, or of a message of ours; a name may be escaped."""
    return any(mark in body for mark in _LEANING)


_LEANING: Final = (b"previous_response_id", b"conversation", whole.MARK.encode(), b"\\u")


def leans_on(document: Document) -> tuple[str, ...]:
    """The ids of the response and the conversation that a request goes on from."""
    conversation = document.get("conversation")
    named = conversation.get("id") if isinstance(conversation, dict) else conversation
    return tuple(name for name in (document.get("previous_response_id"), named) if isinstance(name, str))


def resumed(document: Document, denials: Sequence[Denials]) -> bytes:
    """The request body with what the provider waits for, and with our own messages as it takes them."""
    own = list(_repaired(document)) if whole.MARK.encode() in document.raw else []
    mended = parse(apply(document.raw, own)) if own else document
    supplied = list(_supplied(mended, [item for one in denials for item in one.items]))
    return apply(mended.raw, supplied) if supplied else mended.raw


def _supplied(document: Document, items: Sequence[Any]) -> Iterator[Patch]:
    """The patches that put the items before all that a request brings, but for those that it brings itself."""
    given = document.get(*_INPUT)
    brought = {_answered(item) for item in given} - {None} if isinstance(given, list) else set()
    missing = [item for item in items if _answered(item) not in brought]
    if not missing or not isinstance(document.value, dict):
        return
    written = b",".join(map(orjson.dumps, missing))
    if isinstance(given, list):
        start, _ = document.span(_INPUT)
        yield Patch(start + 1, start + 1, written + (b"," if given else b""))
    elif isinstance(given, str):
        start, end = document.span(_INPUT)
        yield Patch(start, start, b"[" + written + b',{"role":"user","content":')
        yield Patch(end, end, b"}]")
    elif "input" in document.value:
        yield document.replace(_INPUT, missing)
    else:
        yield document.append_member((), "input", missing)


def _answered(item: Any) -> str | None:
    """The id of the call that an item tells the outcome of."""
    kind = text_of(item.get("type")) if isinstance(item, dict) else ""
    if not kind.endswith(("_output", "_response")):
        return None
    return next((item[key] for key in ("call_id", "approval_request_id", "id") if isinstance(item.get(key), str)), None)


def _repaired(document: Document) -> Iterator[Patch]:
    """The patches for our messages among the items, and the reasoning that led to what they stand for.

    Where the model's turn goes on behind a message, its reasoning led there too: the message moves in front of it, so
    that nothing comes between. Where the turn ends, the reasoning has lost what it led to, and goes.
    """
    given = document.get(*_INPUT)
    items = given if isinstance(given, list) else []
    gone: set[str | int] = set()
    index = 0
    while index < len(items):
        end = _run(items, index, _is_ours)
        if end == index:
            index += 1
            continue
        thoughts = index - _run(items[:index][::-1], 0, _is_reasoning)
        is_moved = thoughts < index and end < len(items) and _is_made(items[end])
        for place in range(index, end):
            if is_moved:
                yield document.insert_item(_INPUT, thoughts, _plain(items[place]))
            else:
                yield document.replace((*_INPUT, place), _plain(items[place]))
        gone |= set(range(index, end) if is_moved else range(thoughts, index))
        index = end
    if gone:
        yield from document.without(_INPUT, gone)


def _run(items: Sequence[Any], start: int, belongs: Callable[[Any], bool]) -> int:
    """Where the items from `start` on that belong together end."""
    end = start
    while end < len(items) and belongs(items[end]):
        end += 1
    return end


def _is_ours(item: Any) -> bool:
    return isinstance(item, dict) and text_of(item.get("id")).startswith(whole.MARK)


def _is_reasoning(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning"


def _is_made(item: Any) -> bool:
    """Whether a model made an item that its reasoning may lead to."""
    return whole.made(item) is not None or (isinstance(item, dict) and item.get("role") == "assistant")


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """Our message in the form that needs no id."""
    content = item.get("content")
    return {"role": "assistant", "content": content if isinstance(content, str) else _joined(content)}


def _joined(content: Any) -> str:
    parts: Iterable[Any] = content if isinstance(content, list) else ()
    return "\n\n".join(text_of(part.get("text")) for part in parts if isinstance(part, dict))
