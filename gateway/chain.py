"""The form of an audit line, its seal, and the head that says where the chain ends. Nothing here touches a file.

    {"chain":…,"prev":…,"record":{…},"seq":…,"time":…,"v":1,"mac":…}

A line is canonical JSON (keys sorted, no blanks, ASCII) with its `mac` at the end: HMAC-SHA256 (RFC 2104) over the same
JSON without it. `prev` is the mac of the line before, in whatever file and chain that was, so that all lines of a
folder hang together. A `chain` is one run of a writer; `seq` counts its lines from 0.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.json_line import json_line

VERSION: Final = 1
GENESIS: Final = "0" * 64
"""`prev` of the first line that was ever written to a folder."""

START: Final = "start"
END: Final = "end"
PRUNED: Final = "pruned"

WORKERS: Final = "workers"
"""The field of a start that says how many workers there were, each with a chain of its own."""

_SEALED: Final = re.compile(rb'(\{.*),"mac":"([0-9a-f]{64})"\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the chains of a folder, and the mac of the line there."""

    chain: str
    seq: int
    mac: str

    def as_record(self) -> dict[str, str | int]:
        return {"chain": self.chain, "seq": self.seq, "mac": self.mac}


@dataclass(frozen=True, slots=True)
class Line:
    """One line whose seal is right."""

    position: Position
    prev: str
    record: Mapping[str, Any]
    time: str


def sealed(key: bytes, content: Mapping[str, Any]) -> tuple[bytes, str]:
    """The sealed JSON of that content, without a line's end, and its mac."""
    plain = json_line(content, sort=True)
    mac = _mac(key, plain)
    return plain[:-1] + f',"mac":"{mac}"}}'.encode("ascii"), mac


def unsealed(key: bytes, data: bytes) -> dict[str, Any] | None:
    """The content of sealed JSON, without its mac; None where the seal does not fit these very bytes."""
    found = _SEALED.fullmatch(data)
    if found is None or not hmac.compare_digest(_mac(key, found[1] + b"}"), found[2].decode("ascii")):
        return None
    content = json.loads(found[1] + b"}")
    return content if isinstance(content, dict) else None


def line(key: bytes, chain: str, seq: int, prev: str, time: str, record: Mapping[str, Any]) -> tuple[bytes, Position]:
    """The bytes of a line, its end included, and its place."""
    content = {"v": VERSION, "chain": chain, "seq": seq, "time": time, "record": record, "prev": prev}
    data, mac = sealed(key, content)
    return data + b"\n", Position(chain, seq, mac)


def read_line(key: bytes, data: bytes) -> Line | None:
    """The line in these bytes (without its end); None where it is not one that this key sealed."""
    content = unsealed(key, data)
    if content is None or content.get("v") != VERSION:
        return None
    mac = data[-66:-2].decode("ascii")
    position = Position(content["chain"], content["seq"], mac)
    return Line(position, content["prev"], content["record"], content["time"])


def head(key: bytes, position: Position) -> bytes:
    """The content of the head file for a chain that ends there."""
    return sealed(key, {"v": VERSION, "head": position.as_record()})[0] + b"\n"


def read_head(key: bytes, data: bytes) -> Position | None:
    """Where the head file says that the chain ends; None where its seal is wrong."""
    content = unsealed(key, data[:-1]) if data.endswith(b"\n") else None
    return position_in(content, "head") if content is not None else None


def position_in(record: Mapping[str, Any], name: str) -> Position | None:
    """A position as `as_record` wrote it."""
    value = record.get(name)
    return Position(value["chain"], value["seq"], value["mac"]) if isinstance(value, dict) else None


def _mac(key: bytes, data: bytes) -> str:
    seal = _keyed(key).copy()
    seal.update(data)
    return seal.hexdigest()


@functools.lru_cache(maxsize=4)  # a process seals with one key; tests have some
def _keyed(key: bytes) -> hmac.HMAC:
    """The state of the HMAC once it has taken in the key, which is half of the work for a line."""
    return hmac.new(key, digestmod=hashlib.sha256)
