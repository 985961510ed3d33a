"""What an MCP server says of its protection (OAuth 2.0 Protected Resource Metadata, RFC 9728).

A client takes it only where `resource` is the address that it uses itself (section 3.3). Through the gateway that is
the gateway's, so it is put in the place of the server's.
"""

from __future__ import annotations

from typing import override

from gateway.dialect.base import Reading
from gateway.dialect.mcp_door import Door
from gateway.dialect.plain import ANSWERED, Found, Plain, leaves, reading
from gateway.dialect.refusals import Shape
from gateway.segment import Segment
from gateway.wire.document import Document, Patch


class Metadata(Plain):
    """The metadata of the server behind `door`; every other string in it is read as text."""

    name = "mcp_metadata"

    def __init__(self, door: Door | None = None) -> None:
        super().__init__(Shape.PLAIN)
        self._door = door

    @override
    def answer(self, document: Document) -> Reading:
        found = leaves(document, (), ANSWERED)
        return reading(found if self._door is None else (part for part in found if not _is_resource(part)))

    @override
    def amend(self, document: Document) -> tuple[Patch, ...]:
        if self._door is None or not isinstance(document.get("resource"), str):
            return ()
        return (document.replace(("resource",), self._door.resource),)


def _is_resource(part: Found) -> bool:
    return isinstance(part, Segment) and part.place.path == ("resource",)
