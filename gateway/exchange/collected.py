"""A body that is read as a whole, while it comes piece by piece."""

from __future__ import annotations

from gateway.errors import OverLimit
from gateway.exchange.first_bytes import FirstBytes


class Collected:
    """The pieces so far, up to `limit` bytes; `what` is "request" or "answer".

    `first_bytes` is given where the body's label says that it is no text, and they have still to tell.
    """

    def __init__(self, what: str, limit: int, first_bytes: FirstBytes | None = None) -> None:
        self._what = what
        self._limit = limit
        self._first_bytes = first_bytes
        self._pieces: list[bytes] = []
        self.size = 0
        self.head = b""  # the first bytes, once they have told

    def add(self, data: bytes) -> None:
        """Raises OverLimit."""
        self.size += len(data)
        if self.size > self._limit:
            where = f"`max_{self._what}` under [gateway]"
            raise OverLimit(f"the {self._what} body is over the limit of {self._limit} bytes ({where})")
        self._pieces.append(data)

    def are_binary(self, data: bytes, *, last: bool) -> bool:
        """Whether the piece that was added last tells that the body is no text."""
        told = self._first_bytes.are_binary(data, last=last) if self._first_bytes else False
        if self._first_bytes is not None and told is not None:
            self.head, self._first_bytes = self._first_bytes.head, None
        return told is True

    def take(self) -> bytes:
        """What came so far; nothing of it is kept."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return body
