"""What the sender of a refused MCP message is told, and what its receiver gets in its place.

A refused call of a tool is answered by a result with `isError`, which the model reads and can act on; any other request
by a JSON-RPC error. The receiver of a message that was held back gets one in its place that lets it go on: an error for
an answer, a log message for a notification, and for a request one of a method that nobody knows, so that the receiver
itself tells the sender that it cannot be (-32601), over whatever transport it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.dialect import jsonrpc
from gateway.dialect.jsonrpc import CONTENT, Id, details, is_answer, is_request
from gateway.dialect.refusals import encode
from gateway.errors import Code
from gateway.segment import Direction
from gateway.verdict import Refusal

REFUSED: Final = -32010
"""JSON-RPC error code of a refusal: in the band that MCP leaves to implementations (-32000 to -32019, schema of
2026-07-28), apart from those that its SDKs use there."""

HEADER_MISMATCH: Final = -32020
UNKNOWN_METHOD: Final = "lockgate/refused"
_MODERN: Final = "io.modelcontextprotocol/protocolVersion"


@dataclass(frozen=True, slots=True)
class Owed:
    """An answer that somebody waits for. `is_call` is whether it is one to a call of a tool; `is_modern`, whether it is
    in the protocol of 2026-07-28, where a result says of which type it is. `token` is that by which its progress may be
    reported."""

    id: Id
    is_call: bool = False
    is_modern: bool = False
    token: str | int | None = None


def owed(value: Any, direction: Direction) -> tuple[Owed, ...]:
    """The answers that a client waits for: to the requests in what it sends, or those in what a server sends."""
    is_owed = is_request if direction is Direction.REQUEST else is_answer
    messages = value if isinstance(value, list) else [value]
    return tuple(
        Owed(message.get("id"), _is_call(message), _is_modern(message), _token(message))
        for message in messages
        if isinstance(message, dict) and is_owed(message)
    )


def _is_call(message: Mapping[str, Any]) -> bool:
    """Whether it is a call, or the result of one, which is told by its shape."""
    result = message.get("result")
    is_result = isinstance(result, dict) and isinstance(result.get("content"), list)
    return is_result or message.get("method") == "tools/call"


def _is_modern(message: Mapping[str, Any]) -> bool:
    params, result = message.get("params"), message.get("result")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return (isinstance(meta, dict) and _MODERN in meta) or (isinstance(result, dict) and "resultType" in result)


def _token(message: Mapping[str, Any]) -> str | int | None:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    return token if isinstance(token, str | int) else None


def body(refusal: Refusal, answers: tuple[Owed, ...], *, batch: bool) -> bytes:
    """The body that answers all of them; an error without an id where nobody waits for an answer."""
    if batch and answers:
        return encode([answer(refusal, one) for one in answers])
    return encode(answer(refusal, answers[0] if answers else Owed(None)))


def answer(refusal: Refusal, to: Owed) -> dict[str, Any]:
    """The answer to one request that was refused, or in place of one answer."""
    if to.is_call and refusal.code in CONTENT:
        return {"jsonrpc": "2.0", "id": to.id, "result": _result(refusal, to)}
    return {"jsonrpc": "2.0", "id": to.id, "error": error(refusal)}


def _result(refusal: Refusal, to: Owed) -> dict[str, Any]:
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": f"refused by the security gateway: {refusal.message}"}],
        "isError": True,
        "_meta": {"lockgate/refusal": details(refusal)},
    }
    return {"resultType": "complete", **result} if to.is_modern else result


def error(refusal: Refusal) -> dict[str, Any]:
    """The `error` of a JSON-RPC answer."""
    return jsonrpc.error(refusal, HEADER_MISMATCH if refusal.code is Code.MISMATCH else REFUSED)


def for_client(refusal: Refusal, message: Mapping[str, Any]) -> dict[str, Any]:
    """What a client can take in place of a message of its server."""
    if is_answer(message):
        return answer(refusal, Owed(message.get("id"), _is_call(message), _is_modern(message)))
    if is_request(message):
        return _unknown(refusal, message)
    words = f"a notification was held back: {refusal.message}"
    params = {"level": "warning", "logger": "lockgate", "data": words}
    return {"jsonrpc": "2.0", "method": "notifications/message", "params": params}


def cancelled(id_: Id, why: str) -> bytes:
    """What tells a server that nobody waits for its answer any more."""
    params = {"requestId": id_, "reason": why}
    return encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def for_server(refusal: Refusal, message: Mapping[str, Any]) -> dict[str, Any]:
    """What a server can take in place of a message of its client; no words in it are the model's."""
    if is_answer(message):
        return answer(refusal, Owed(message.get("id")))
    if is_request(message):
        return _unknown(refusal, message)
    return {"jsonrpc": "2.0", "method": f"notifications/{UNKNOWN_METHOD}"}


def _unknown(refusal: Refusal, request: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "method": UNKNOWN_METHOD, "params": details(refusal)}
