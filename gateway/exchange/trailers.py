"""What the record says of trailers: the fields after a body in chunks (RFC 9112, section 7.1.2). They go no further.

The client and server library reads past them and tells nobody, so they are known by their announcement alone, the field
`Trailer` (RFC 9110, section 6.6.2). A sender need not announce them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from gateway.exchange.recorded import ExchangeRecord, Inspected
from gateway.segment import Uninspected

_TRAILERS: Final = Uninspected("trailers")


type Head = Iterable[tuple[bytes, bytes]]
"""Header fields as they came."""


def named(record: ExchangeRecord, request: Head, answer: Head) -> ExchangeRecord:
    """The record, with the trailers that the heads announce. A record without any is given back as it is."""
    if not is_announced(request) and not is_announced(answer):
        return record
    return replace(record, request=with_trailers(record.request, request), answer=with_trailers(record.answer, answer))


def with_trailers(inspected: Inspected, head: Head) -> Inspected:
    """What became of a body, with its trailers where `head` announces them."""
    return replace(inspected, uninspected=(*inspected.uninspected, _TRAILERS)) if is_announced(head) else inspected


def is_announced(head: Head) -> bool:
    return any(name.lower() == b"trailer" for name, _ in head)
