"""JSON-RPC 2.0, as the protocols that are written in it use it: what a message is, and how a request is refused.

Source: the specification of JSON-RPC 2.0 (2013-01-04).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import isfinite, nan
from typing import Any, Final

from gateway.errors import Code, Malformed
from gateway.verdict import Refusal

Id = str | int | None
"""The id of a request. (No `type` statement: values are held against it.)"""

MAX_ID: Final = 256
"""Characters of an id: clients count, or take a UUID; ids are kept while an answer is waited for."""

ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})

INVALID_REQUEST: Final = -32600
INTERNAL_ERROR: Final = -32603

_BLANK: Final = "\ufeff"
"""What is a blank to `Number` alone (ECMA-262, 12.2, <ZWNBSP>)."""

_NUMBERS: Final[tuple[Callable[[str], float], ...]] = (int, partial(int, base=0), float)

_CODES: Final[Mapping[Code, int]] = {
    Code.UNREADABLE: INVALID_REQUEST,
    Code.TOO_LARGE: INVALID_REQUEST,
    Code.UPSTREAM: INTERNAL_ERROR,
    Code.TIMEOUT: INTERNAL_ERROR,
    Code.INTERNAL: INTERNAL_ERROR,
}

CONTENT: Final = frozenset({Code.INJECTION, Code.PII, Code.SECRET, Code.TOOL, Code.CONTENT, Code.APPROVAL})
"""Refusals of what a message says. They answer the message; all others are failures of the exchange."""


def is_request(message: Mapping[str, Any]) -> bool:
    return "method" in message and "id" in message


def is_answer(message: Mapping[str, Any]) -> bool:
    return "method" not in message


def is_id(value: Any) -> bool:
    return isinstance(value, Id) and not isinstance(value, bool) and len(str(value)) <= MAX_ID


def correlated(id_: Id) -> Id:
    """An id as clients may find their request by it: SDKs take `"7"` for 7, by `int` in Python and `Number` in
    JavaScript, to which nothing and blanks are 0. Not all do, so such an answer is one, and the answer may still come.
    """
    if isinstance(id_, int):
        return id_
    text = (id_ or "").replace(_BLANK, "").strip()
    numbers = (_read(read, text or "0") for read in _NUMBERS)
    return next((int(number) for number in numbers if isfinite(number) and number == int(number)), id_)


def _read(read: Callable[[str], float], text: str) -> float:
    """The number that a text is to a reader; NaN where it is none."""
    try:
        return read(text)
    except ValueError:
        return nan


def refuse_ambiguity(message: Any) -> None:
    """Raise Malformed for what is no JSON-RPC 2.0 message, or would be different ones to different readers."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Malformed('no JSON-RPC message: it must be an object with `"jsonrpc": "2.0"`')
    refuse_spelling(message, ENVELOPE)
    kinds = [kind for kind in ("method", "result", "error") if kind in message]
    if len(kinds) != 1 or not isinstance(message.get("method", ""), str):
        raise Malformed("no JSON-RPC message: it must have one of `method`, `result` and `error`")
    if not is_id(message.get("id")):
        raise Malformed(
            f"no JSON-RPC message: its `id` must be a whole number, or a string of up to {MAX_ID} characters"
        )


def refuse_spelling(members: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise Malformed where a key is one of the `known` ones but for the case of its letters.

    Programs written in Go may find a member whatever that is (encoding/json), so what names a message, or says how it
    is read, must be spelt as the protocol spells it.
    """
    folded = {name.casefold(): name for name in known}
    for key in members:
        name = folded.get(key.casefold())
        if name is not None and key not in known:
            raise Malformed(f"`{name}` is spelt in another case")


def failure(refusal: Refusal, to: Id, refused: int) -> dict[str, Any]:
    """The answer that a refused request gets. `refused` is the error code where JSON-RPC itself has none for it."""
    return {"jsonrpc": "2.0", "id": to, "error": error(refusal, refused)}


def error(refusal: Refusal, refused: int) -> dict[str, Any]:
    """The `error` of an answer."""
    return {"code": _CODES.get(refusal.code, refused), "message": refusal.message, "data": details(refusal)}


def details(refusal: Refusal) -> dict[str, Any]:
    """What a program may want to know of a refusal."""
    found = {"code": refusal.code, "request_id": refusal.request_id, "rules": refusal.rules}
    return found if refusal.retry_after is None else {**found, "retry_after": refusal.retry_after}
