"""The results of calls on their way to the agent: one that is not what its tool may return is replaced by a failure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.dialect.apart import Awaited
from gateway.dialect.message import MessageDialect
from gateway.exchange.calls import Calls
from gateway.policy.tools.wrapper import Result
from gateway.wire.document import Document, apply, parse

BAD: Final = 400
"""HTTP statuses of failures begin here (RFC 9110, section 15)."""


def misfit(calls: Calls, status: int, came: bytes, document: Document | None) -> str | None:
    """Why the body that answers an HTTP request, which was a call by itself, may not go on, in words; None where it
    may."""
    text = () if document is not None else (came.decode(errors="replace"),)
    value = document.value if document is not None else None
    return calls.returned("", Result(len(came), text, value, document is not None, is_error=status >= BAD))


def checked(dialect: object, calls: Iterable[Awaited], document: Document | None, body: bytes) -> bytes:
    """The body of a server as it goes on, by what holds for the calls that it answers. `document` is what came: how
    large a result is, is told by that."""
    known = tuple(calls)
    if not known or document is None or not isinstance(dialect, MessageDialect):
        return body
    patches = []
    after = document if document.raw == body else parse(body)
    for one in dialect.returned(document):
        start, end = document.span(one.at)
        result = Result(end - start, one.texts, one.structure, one.has_structure, one.is_error, one.is_readable)
        words = next((found for made in known if (found := made.returned(one.id, result)) is not None), None)
        if words is not None:
            patches.append(dialect.failed(after, one, words))
    return apply(body, patches) if patches else body
