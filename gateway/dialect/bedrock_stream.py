"""What the streams of Bedrock have in common, whatever model speaks in them: exceptions, errors, and what is not known.

Source: "ConverseStreamOutput" and "ResponseStream" in the API reference of Bedrock Runtime (2026-11).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.dialect.base import EventReading
from gateway.dialect.plain import ANSWERED, leaves, wholes
from gateway.errors import Malformed
from gateway.segment import Place, Segment
from gateway.wire.document import Document
from gateway.wire.frame import amazon_event

KEEPALIVE: Final = amazon_event("ping", b"{}")
"""An event of a type that no API has. Amazon's clients pass over such (Smithy 2.0, "Event streams": clients are to bear
events that they do not know), and so does Anthropic's."""

_EXCEPTION: Final = "Exception"
"""How the names of exceptions end."""


def is_exception(event: str | None) -> bool:
    """Whether a client raises here. An error, which has no name, is one."""
    return event is None or event.endswith(_EXCEPTION)


def read_other(event: str | None, document: Document | None, data: bytes) -> EventReading:
    """An exception, or an event of a type that is not known: each of its texts stands complete in it.

    Raises Malformed for a payload that is no JSON, but for the words of an error, which are none.
    """
    if event is None:
        words = Segment(Place(()), data.decode(), ANSWERED.role, ANSWERED.trust, ANSWERED.kind, editable=False)
        return replace(wholes([words]), closes_all=True)
    if document is None:
        raise Malformed("an event of the stream holds no JSON")
    return replace(wholes(leaves(document, (), ANSWERED)), closes_all=is_exception(event))
