"""Answers that the gateway owes on another stream than the one that the request came on (HTTP+SSE, 2024-11-05).

There a client sends messages to one address, and all answers come on a stream that it opened before. A refused request
is replaced by one that the server cannot serve, and what the server then says on the stream by the refusal kept here.
Where the two are served by different processes the client gets the server's own error, which ends the call as well.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gateway.dialect.apart import Ears
from gateway.dialect.jsonrpc import Id

CAPACITY: Final = 10_000
"""Answers that are kept: each is gone as soon as the server has said something, so this many never wait but in an
attack."""


class Answers:
    """Answers by the address that the request was sent to, and its id. `ears` are the streams on which others come."""

    def __init__(self) -> None:
        self.ears = Ears()
        self._kept: OrderedDict[tuple[str, Id], bytes] = OrderedDict()

    def keep(self, address: str, id: Id, answer: bytes) -> None:
        self._kept[address, id] = answer
        if len(self._kept) > CAPACITY:
            self._kept.popitem(last=False)

    def take(self, address: str, id: Id) -> bytes | None:
        return self._kept.pop((address, id), None)
