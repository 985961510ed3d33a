"""What a body is whose label says that it is no text, told by its first bytes: labels are easily wrong."""

from __future__ import annotations

from typing import Final

from gateway.errors import Malformed
from gateway.wire.coding import Decoder
from gateway.wire.sniff import HEAD, looks_binary

_PATIENCE: Final = 65_536
"""Coded bytes from which nothing can be decoded, until the body is taken for text: a gzip header may be so long."""


class FirstBytes:
    """Looks at a body as it comes, until it can tell."""

    def __init__(self, coding: str | None, limit: int) -> None:
        self._decoder: Decoder | None = None
        self._unknown = False
        self._head = b""
        self._seen = 0
        try:
            self._decoder = Decoder(coding or "", limit)
        except Malformed:
            self._unknown = True

    @property
    def head(self) -> bytes:
        """What was looked at so far, decoded."""
        return self._head

    def are_binary(self, data: bytes, *, last: bool) -> bool | None:
        """Whether the body is no text, given its next bytes; None while that is open.

        What is coded in a way that is not known, or wrongly, is text to no client that we know of.
        Raises OverLimit.
        """
        if self._decoder is None:
            return True
        self._seen += len(data)
        try:
            self._head += self._decoder.feed(data)
        except Malformed:
            return True
        if looks_binary(self._head):
            return True
        if last or len(self._head) >= HEAD or self._seen >= _PATIENCE:
            return last and not self._head
        return None
