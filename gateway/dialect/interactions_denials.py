"""Refused calls and the provider's own memory of them, in the Interactions API.

A provider that keeps an interaction keeps its calls, and demands a result for each of them from the next request that
goes on from it ("the number of function response parts" must equal that of the calls, 400); the client knows nothing
of those that were refused. So that request is supplied with their results: the words of the refusal.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.dialect import interactions_calls as whole
from gateway.dialect.base import Denials
from gateway.dialect.interactions_grammar import CONTENTS
from gateway.dialect.openai_calls import text_of
from gateway.dialect.proto_json import member, spelt
from gateway.policy.call import Call, Change
from gateway.wire.document import Document, Patch, apply


def of_interaction(document: Document, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
    """What is to be remembered of a whole interaction."""
    refused = [(call, changes[path]) for path, call in whole.listed(document) if path in changes]
    return remembered(document.get("id"), refused)


def remembered(identity: Any, refused: Sequence[tuple[Call, Change]]) -> tuple[Denials, ...]:
    """The refused ones of these calls, by the id of their interaction; nothing where it has none."""
    items = tuple(_returned(call, change.refusal) for call, change in refused if change.refusal is not None)
    return (Denials((identity,), items),) if isinstance(identity, str) and identity and items else ()


def _returned(call: Call, words: str) -> dict[str, Any]:
    named = {"name": call.name} if call.name else {}
    return {"type": "function_result", "call_id": call.id, **named, "result": words, "is_error": True}


def may_lean(body: bytes) -> bool:
    """Whether something in a body speaks of what came before; a name may be escaped."""
    return any(mark in body for mark in _LEANING)


_LEANING: Final = (b"previous_interaction_id", b"previousInteractionId", b"\\u")


def leans_on(document: Document) -> tuple[str, ...]:
    """The id of the interaction that a request goes on from with a turn of its own.

    One with a token goes on with an answer that was broken off: nothing is to be returned yet.
    """
    body = document.value
    if not isinstance(body, dict) or member(body, "continuationToken"):
        return ()
    name = member(body, "previousInteractionId")
    return (name,) if isinstance(name, str) and name else ()


def resumed(document: Document, denials: Sequence[Denials]) -> bytes:
    """The request body with what the provider waits for, before all that it brings."""
    brought = set(_answered(document.get("input")))
    missing = [item for one in denials for item in one.items if item.get("call_id") not in brought]
    return apply(document.raw, _supplied(document, missing)) if missing else document.raw


def _supplied(document: Document, missing: list[dict[str, Any]]) -> Iterator[Patch]:
    """A list holds either steps or contents (`InteractionsInput`); contents become those of a step of the user's."""
    given = document.get("input")
    if given is None:
        yield _put(document, missing)
        return
    start, end = document.span(("input",))
    written = b",".join(map(orjson.dumps, missing))
    if isinstance(given, str):
        yield Patch(start, start, b"[" + written + b',{"type":"user_input","content":[{"type":"text","text":')
        yield Patch(end, end, b"}]}]")
    elif isinstance(given, dict):
        is_content = given.get("type") in CONTENTS
        yield Patch(start, start, b"[" + written + (b',{"type":"user_input","content":[' if is_content else b","))
        yield Patch(end, end, b"]}]" if is_content else b"]")
    elif any(is_turn(item) for item in given):
        yield document.insert_item(("input",), 0, {"role": "user", "content": missing})
    elif any(isinstance(item, dict) and item.get("type") in CONTENTS for item in given):
        yield Patch(start, start, b"[" + written + b',{"type":"user_input","content":')
        yield Patch(end, end, b"}]")
    else:
        yield Patch(start + 1, start + 1, written + (b"," if given else b""))


def _put(document: Document, missing: list[dict[str, Any]]) -> Patch:
    key = spelt(document.value, "input")
    return document.append_member((), "input", missing) if key is None else document.replace((key,), missing)


def is_turn(item: Any) -> bool:
    """Whether an item of an input is a turn, as earlier revisions have them."""
    return isinstance(item, dict) and item.get("type") is None and "role" in item


def _answered(given: Any) -> Iterator[str]:
    """The ids of the calls that an input brings results of."""
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, dict):
            if item.get("type") == "function_result":
                yield text_of(member(item, "callId"))
            yield from _answered(item.get("content")) if item.get("content") is not None else ()
