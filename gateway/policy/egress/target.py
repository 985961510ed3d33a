"""What a request says before its body: host, path, query and header fields, as texts to be scanned.

It all leaves with the request, the host even before it, as a DNS query. So it is read like a body, in every form that a
receiver could undo. Nothing in it can be edited: a host or a path that is changed is another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from gateway.errors import Malformed
from gateway.policy.egress.decoding import readings
from gateway.policy.egress.host import parse_host
from gateway.segment import Kind, Path, Place, Role, Segment, Trust, Uninspected

_CREDENTIAL: Final = re.compile(
    r"(?:.*[-_])?(?:(?:proxy-)?authori[sz]ation|auth|api-?key|key|token|secret|cookie|session|signature|csrf|xsrf|"
    r"password|credential)s?(?:[-_].*)?",
    re.IGNORECASE,
)
"""Names of header fields that hold the caller's own key to the host, which is a secret and belongs there: those of HTTP
itself, and `x-api-key`, `PRIVATE-TOKEN`, `Idempotency-Key`, `X-Amz-Security-Token` and their likes. They are named as
not inspected; whether that host may have them is what the list of hosts decides."""

SIGNED_QUERY: Final = frozenset({"X-Amz-Credential", "X-Amz-Security-Token", "X-Amz-Signature", "X-Goog-Credential"})
"""Parameters of signed addresses (AWS Signature Version 4, V4 signatures of Google Cloud Storage): a key to one object,
given out by the host that it is shown to."""


@dataclass(frozen=True, slots=True)
class Target:
    """A request without its method and body, as it came: the host as it was spelt, the path without the query.

    `query_credentials` are the query parameters that this host takes keys in, such as Gemini's `key`.
    """

    host: str
    path: str
    query: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    query_credentials: frozenset[str] = frozenset()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host as it was spelt, and in normal form, in which it is resolved; that is in lower case, as the first
        need not be."""
        try:
            return tuple(dict.fromkeys((self.host, parse_host(self.host).name)))
        except Malformed:
            return (self.host,)  # it is refused, and goes nowhere


def read(target: Target) -> list[Segment | Uninspected]:
    """Each reading of each part as a segment, a model's words; and the credentials, which are not read."""
    return [*_host(target), *_texts(("path",), target.path), *_query(target), *_fields(target)]


def segment(path: Path, text: str) -> Segment:
    return Segment(Place(path), text, Role.ASSISTANT, Trust.MODEL, Kind.OPAQUE, editable=False)


def undotted(host: str) -> tuple[str, ...]:
    """The host as what a receiver puts together who owns its last one, two or three labels."""
    labels = host.split(".")
    return tuple(dict.fromkeys("".join(labels[:-own]) for own in (1, 2, 3) if len(labels) > own + 1))


def _texts(path: Path, *raws: str) -> Iterator[Segment]:
    texts = dict.fromkeys(text for raw in raws for text in readings(raw))
    yield from (segment(path, text) for text in texts if text)


def _host(target: Target) -> Iterator[Segment]:
    yield from _texts(("host",), *target.hosts, *chain.from_iterable(map(undotted, target.hosts)))


def _query(target: Target) -> Iterator[Segment | Uninspected]:
    kept: list[str] = []
    for pair in target.query.split("&"):
        name = pair.partition("=")[0]
        if name in target.query_credentials or name in SIGNED_QUERY:
            yield Uninspected("credential", ("query", name))
        else:
            kept.append(pair)
    yield from _texts(("query",), "&".join(kept))


def _fields(target: Target) -> Iterator[Segment | Uninspected]:
    for index, (name, value) in enumerate(target.fields):
        if _CREDENTIAL.fullmatch(name):
            yield Uninspected("credential", ("header", name.lower()))
        else:
            # With its name, which rules may look for before a value, and which can hold data itself.
            yield from _texts(("header", index), f"{name}: {value}")
