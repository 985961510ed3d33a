"""Keeps compiled pre-filters between runs: compiling takes seconds, reading milliseconds.

The engine trusts a stored pre-filter with its memory, so each file begins with a MAC under a key of this gateway; what
does not bear it, or comes from another version of the engine, counts as absent. Losing the folder costs time alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.detect.prefilter import AVAILABLE, Prefilter
from gateway.detect.ruleset import RuleSet

if sys.platform != "win32":
    import fcntl

_LOCK: Final = "compiling.lock"
_MAC_BYTES: Final = 32
_KEPT: Final = 8
"""Files kept, newest first: two for each rule set, so the last few edits and their undoing are quick."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of stored pre-filters. Every fault of the disk is passed over: the pre-filter is then compiled."""

    folder: Path
    key: bytes

    def restored(self, rules: RuleSet) -> RuleSet | None:
        """The rules with their pre-filters, or None where one of them is not stored."""
        if not AVAILABLE:
            return None
        found: dict[str, Prefilter] = {}
        for view, triggers in rules.triggers().items():
            prefilter = self._read(view, triggers)
            if prefilter is None:
                return None
            found[view] = prefilter
        return rules.sieved(found)

    def store(self, rules: RuleSet) -> None:
        """Store the pre-filters of the rules, and forget the oldest."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for view, prefilter in rules.prefilters.items():
                self._write(self._file(view, prefilter.expressions), prefilter.stored())
            files = sorted(self.folder.glob("*.bin"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
            for file in files[_KEPT:]:
                file.unlink(missing_ok=True)
        except OSError:
            return

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One process compiles, and others that want to wait for it. Blocks; where it cannot, all compile."""
        descriptor: int | None = None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # the system lets go of it when the process ends
        except OSError:
            pass
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _read(self, view: str, triggers: tuple[str, ...]) -> Prefilter | None:
        file = self._file(view, triggers)
        try:
            content = file.read_bytes()
        except OSError:
            return None
        mac, stored = content[:_MAC_BYTES], content[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(file.name, stored)):
            return None
        return Prefilter.restored(stored)

    def _write(self, file: Path, stored: bytes) -> None:
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_bytes(self._mac(file.name, stored) + stored)
        draft.replace(file)

    def _file(self, view: str, triggers: tuple[str, ...]) -> Path:
        digest = hashlib.blake2b("\0".join((view, *triggers)).encode(), digest_size=16)
        return self.folder / f"{digest.hexdigest()}.bin"

    def _mac(self, name: str, stored: bytes) -> bytes:
        """Over the name too, so that one stored pre-filter cannot stand in for another."""
        return hmac.digest(self.key, name.encode() + b"\0" + stored, hashlib.sha256)
