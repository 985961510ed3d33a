"""What became of a part of a body, and the memory of it: an agent resends its whole conversation with every turn.

The same bytes of a message give the same verdict and the same patches, so a turn costs what is new in it. The memory is
keyed by a hash of the bytes under a secret key and holds no text, only places, rule ids and what patches put in.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from typing import Final

from msgspec import Struct

from gateway.segment import Uninspected
from gateway.verdict import Finding, Verdict
from gateway.wire.document import Patch

_CAPACITY: Final = 20_000
"""Parts remembered: some hundred long conversations, at about a kilobyte each."""


_HEAVY: Final = 256
"""Patches, findings and parts not read of one part above which it is judged anew each time: some 50 kilobytes."""


class Outcome(Struct, frozen=True):
    """What became of a document: patches in bytes from its start, the rest for the record."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    segments: int
    patches: tuple[Patch, ...] = ()
    wrapped: int = 0
    uninspected: tuple[Uninspected, ...] = ()

    def lasts(self, heaviest: int = _HEAVY) -> bool:
        """Whether it may be remembered: not where a rule ran out of time, nor where it weighs more than it saves."""
        failed = any(not finding.fingerprint for finding in self.findings)
        return not failed and len(self.patches) + len(self.findings) + len(self.uninspected) <= heaviest


class PartMemory:
    """The outcomes of parts, least recently used ones forgotten first. Threads may share it."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._turn = Lock()
        self._outcomes: OrderedDict[bytes, Outcome] = OrderedDict()

    def recall(self, name: bytes) -> Outcome | None:
        with self._turn:
            outcome = self._outcomes.get(name)
            if outcome is not None:
                self._outcomes.move_to_end(name)
        return outcome

    def remember(self, name: bytes, outcome: Outcome) -> None:
        with self._turn:
            self._outcomes[name] = outcome
            if len(self._outcomes) > self._capacity:
                self._outcomes.popitem(last=False)


class Namer:
    """Names parts by a keyed hash (256 bits) of their bytes, and of the `reader` that says how they are read.

    SHA-256 has instructions of its own in today's processors, and takes half of BLAKE2b's time with them. What is
    hashed begins with a secret of fixed length, so nobody outside knows a name, and no reader's parts meet another's.
    """

    def __init__(self, key: bytes, reader: str) -> None:
        self._secret = hashlib.blake2b(reader.encode(), key=key[:64]).digest()

    def begun(self) -> hashlib._Hash:
        """The state of the hash before the first byte of a part."""
        return hashlib.sha256(self._secret)

    def name(self, raw: bytes) -> bytes:
        return hashlib.sha256(self._secret + raw).digest()


@lru_cache(maxsize=256)  # the readers of all dialects, under a key or two
def namer(key: bytes, reader: str) -> Namer:
    return Namer(key, reader)
