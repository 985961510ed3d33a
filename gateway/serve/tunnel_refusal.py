"""How a CONNECT is refused: the kinds of refusal that are a tunnel's own, and the answer that tells of any."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from gateway.dialect import refusals
from gateway.errors import ClientError, Code
from gateway.exchange import refuse
from gateway.exchange.events import Headers
from gateway.serve.entrance import challenge
from gateway.verdict import Effect, Refusal

_MOST_PHRASED: Final = 200
"""Characters of a message that a reason phrase has."""
_UNPHRASED: Final = re.compile(r"[^ -~]")


def answer(refusal: Refusal) -> bytes:
    """The answer to a CONNECT that is refused. Few clients show its body; all show its status, and many its reason
    phrase (Python's http.client and httpx, Go's net/http), so that says why."""
    body = refusals.body(refusals.Shape.PLAIN, refusal)
    headers: Headers = (
        *refuse.headers(refusal),
        *challenge(refusal.status),
        ("x-lockgate-id", refusal.request_id),
        ("x-lockgate-effect", Effect.BLOCK.name.lower()),
        ("connection", "close"),
        ("content-length", str(len(body))),
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {refusal.status} {_phrase(refusal)}\r\n{lines}\r\n".encode("latin-1") + body


def _phrase(refusal: Refusal) -> str:
    """The code, why, and the id of the record, as a reason phrase (RFC 9112, section 4)."""
    why = refusal.message.partition("\n")[0][:_MOST_PHRASED]
    return _UNPHRASED.sub("?", f"{refusal.code}: {why} (record {refusal.request_id})")


def unreadable(message: str) -> ClientError:
    return ClientError(message, code=Code.UNREADABLE, status=HTTPStatus.BAD_REQUEST)


def stopped(message: str) -> ClientError:
    return ClientError(message, code=Code.STOPPED, status=HTTPStatus.SERVICE_UNAVAILABLE)


def forbidden(message: str) -> ClientError:
    return ClientError(message, code=Code.EGRESS, status=HTTPStatus.FORBIDDEN)
