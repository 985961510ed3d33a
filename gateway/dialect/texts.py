"""The texts of a body by the part that they stand in: from what a grammar found to the turns of a transcript.

A grammar says of each text who speaks in it. A transcript also needs what belongs together (the texts of one result),
so it walks the body and takes the texts of each part; what nobody took is left to be taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from gateway.errors import Malformed
from gateway.policy.egress.host import parse_host
from gateway.policy.transcript import Said
from gateway.segment import Path, Segment

type _Branch = dict[str | int, _Node]


class _Node:
    """A step of the body: the segments that stand there (keys of objects bear their member's path), and below."""

    __slots__ = ("below", "here")

    def __init__(self) -> None:
        self.here: list[Segment] = []
        self.below: _Branch = {}

    def flat(self) -> Iterator[Segment]:
        yield from self.here
        for node in self.below.values():
            yield from node.flat()


class Texts:
    """Segments in the order of the body, to be taken part by part, each once."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._root = _Node()
        for segment in segments:
            node = self._root
            for step in segment.place.path:
                found = node.below.get(step)
                if found is None:
                    found = node.below[step] = _Node()
                node = found
            node.here.append(segment)

    def take(self, path: Path) -> list[Segment]:
        """The segments at or under `path` that were not taken yet."""
        above: _Node | None = None
        node = self._root
        for step in path:
            found = node.below.get(step)
            if found is None:
                return []
            above, node = node, found
        if above is None:
            self._root = _Node()
        else:
            del above.below[path[-1]]
        return list(node.flat())

    def said(self, path: Path, message: int = 0) -> Iterator[Said]:
        """The texts at or under `path`, each as somebody's own."""
        for one in self.take(path):
            yield Said(one.text, one.role, one.trust, one.kind, message)

    def joined(self, path: Path) -> str:
        """The texts at or under `path` as one, joined by line feeds."""
        return "\n".join(segment.text for segment in self.take(path))


def hosts_of(url: object) -> tuple[str, ...] | None:
    """The host of a URL that a provider fetches, in normal form; none for data in the URL itself (RFC 2397).

    None, which is anywhere, where it cannot be told.
    """
    if not isinstance(url, str):
        return None
    if url[:5].lower() == "data:":
        return ()
    try:
        found = urlsplit(url).hostname
        return (parse_host(found).name,) if found else None
    except (ValueError, Malformed):
        return None
