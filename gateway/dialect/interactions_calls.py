"""Calls in an interaction that is read whole, and what is written in the place of one that was refused.

A refused call becomes a step of the model's own words (in earlier revisions, a text), where agents that go through the
steps find the reason and nothing to run. An interaction that `requires_action` waits for what its calls return; where
none of them is left it is `completed`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

from gateway.dialect.containers import items_of, members_of
from gateway.dialect.interactions_grammar import AGENTS, HOSTED
from gateway.dialect.openai_calls import function_call, put, strange_call, text_of
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply

ACTION: Final = "requires_action"
"""The status of an interaction that waits for the agent."""
OVER: Final = "completed"

LISTS: Final = ("steps", "outputs")
"""Where an interaction has its steps, or in earlier revisions its contents."""


def made(step: Any) -> Call | None:
    """The call that a step is, whoever runs it; None where it is none."""
    kind = text_of(step.get("type")) if isinstance(step, dict) else ""
    if not kind.endswith("_call"):
        return None
    if kind in AGENTS or kind == "mcp_server_tool_call":
        return function_call(step.get("name"), step.get("arguments"), step.get("id"))
    if kind in HOSTED:
        return function_call(kind.removesuffix("_call"), step.get("arguments"), step.get("id"))
    return strange_call(step)


def wanted(step: Any) -> Call | None:
    """The call that a step wants the agent to run; one of a type that is not known is the agent's."""
    kind = step.get("type") if isinstance(step, dict) else None
    return None if kind in HOSTED else made(step)


def listed(document: Document, root: Path = ()) -> Iterator[tuple[Path, Call]]:
    """The calls of the interaction at `root` that wait to be made, in order, with the paths of their steps.

    What is stored of one also has what the agent brought; a call is over whose result comes after it.
    """
    body = members_of(document.get(*root), "interaction")
    for name in LISTS:
        steps = items_of(body.get(name), name)
        over = _last_results(steps)
        for path, call in _calls(steps, (*root, name)):
            at = path[len(root) + 1]
            assert isinstance(at, int)
            if over.get(call.id, -1) < at:
                yield path, call


def _last_results(steps: list[Any]) -> dict[str, int]:
    """Where the last result stands for each id. Ids may come again: a result of before is that of another call."""
    found: dict[str, int] = {}
    for index, step in enumerate(steps):
        if isinstance(step, dict) and step.get("type") == "function_result" and step.get("call_id"):
            found[text_of(step["call_id"])] = index
    found.pop("", None)
    return found


def holds_calls(step: dict[str, Any]) -> bool:
    """Whether calls that the agent is to run stand among the contents of a step, or of a piece of one."""
    content = step.get("content")
    return any(
        isinstance(one, dict) and (wanted(one) is not None or holds_calls(one))
        for one in (content if isinstance(content, list) else (content,))
    )


def _calls(steps: list[Any], path: Path) -> Iterator[tuple[Path, Call]]:
    for index, step in enumerate(steps):
        call = wanted(step)
        if call is not None:
            yield (*path, index), call
        elif isinstance(step, dict) and isinstance(step.get("content"), list | dict):
            yield from _calls(items_of(step["content"], "content"), (*path, index, "content"))


def changed(document: Document, changes: Mapping[Hashable, Change]) -> bytes:
    """The body with these changes of the calls that `listed` gave, by their paths."""
    found = list(listed(document))
    own = [patch for path, _ in found if path in changes for patch in patches(document, path, changes[path])]
    is_left = any(path not in changes or changes[path].refusal is None for path, _ in found)
    return apply(document.raw, [*own, *(() if is_left else over(document, ("status",)))])


def over(document: Document, path: Path) -> Iterator[Patch]:
    """The patch of a status, at `path`, that tells of calls which are not there any more."""
    if document.get(*path) == ACTION:
        yield document.replace(path, OVER)


def patches(document: Document, path: Path, change: Change) -> Iterator[Patch]:
    """The patches that make a change of the call at `path`."""
    if change.refusal is None:
        yield put(document, path, "arguments", change.arguments)
    elif path[-2] == "steps":
        yield document.replace(path, {"type": "model_output", "content": [said(change.refusal)]})
    else:
        yield document.replace(path, said(change.refusal))


def said(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def calls(document: Document) -> tuple[Called, ...]:
    """The calls of an interaction; the key is the path."""
    return tuple(Called(path, call) for path, call in listed(document))
