"""The calls in an answer of Ollama, or in a line of a streamed one, and the same with some refused or changed.

Each call stands whole in one message, its arguments as a value. A client joins nothing but the texts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from gateway.dialect import openai_chat_calls as chat
from gateway.dialect.containers import items_of, members_of
from gateway.dialect.openai_calls import put
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply, parse

_MESSAGE: Final[Path] = ("message",)


def calls(document: Document, line: Hashable = None) -> tuple[Called, ...]:
    """The calls of the message, in order; `line` is a part of their keys."""
    members_of(document.get(*_MESSAGE), "message")
    items = items_of(document.get(*_MESSAGE, "tool_calls"), "tool_calls")
    return tuple(Called((line, index), chat.call_of(item)) for index, item in enumerate(items))


def changed(
    document: Document, changes: Mapping[Hashable, Change], line: Hashable = None, *, behind_text: bool = False
) -> bytes:
    """The body with these changes. `behind_text` is whether the client has text already that the words come behind."""
    made = calls(document, line)
    patches: list[Patch] = []
    refused: list[Path] = []
    words: list[str] = []
    for index, called in enumerate(made):
        change = changes.get(called.key)
        path = (*_MESSAGE, "tool_calls", index)
        if change is not None and change.refusal is not None:
            refused.append(path)
            words.append(change.refusal)
        elif change is not None:
            patches.append(put(document, *chat.holder(document, path), change.arguments))
    if not patches and not refused:
        return document.raw
    lead = chat.BETWEEN if words and behind_text and not document.get(*_MESSAGE, "content") else ""
    patches += chat.told(document, _MESSAGE, lead + chat.BETWEEN.join(words))
    if document.get("logprobs"):
        patches.append(document.replace(("logprobs",), []))
    if len(refused) == len(made) and document.get("done_reason") in chat.CALLING:
        patches.append(document.replace(("done_reason",), chat.STOPPED))
    grown = parse(apply(document.raw, patches))
    return apply(grown.raw, chat.taken_out(grown, _MESSAGE, refused))
