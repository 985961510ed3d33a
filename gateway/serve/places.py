"""Which configured upstream a URL belongs to, so that a request by proxy is read as one by base URL is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from gateway.errors import Malformed
from gateway.policy.egress.host import Host, parse_host
from gateway.serve.dial import bracketed
from gateway.serve.upstream import Upstream

_PORTS: Final = {"http": 80, "https": 443}

type Origin = tuple[str, str, int]
"""Scheme, host in normal form, and port (RFC 6454, section 4)."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An upstream, and how the paths of its URLs begin; no slash at the end."""

    upstream: Upstream
    prefix: str

    def rest(self, target: str) -> str | None:
        """What of a target follows the upstream's `base_url`, which may end before the prefix; None elsewhere."""
        if not target.startswith(self.prefix) or target[len(self.prefix) :][:1] not in ("", "/", "?"):
            return None
        rest = target.removeprefix(self.upstream.path)
        return rest if rest.startswith("/") else f"/{rest}"


class Places:
    """The upstreams by origin. `upstreams` are those with the URL that each is configured with."""

    def __init__(self, upstreams: Iterable[tuple[Upstream, str]]) -> None:
        self._known: dict[Origin, list[_Place]] = {}
        for upstream, url in upstreams:
            origin = _origin(url)
            if origin is not None:
                prefix = urlsplit(url).path.removesuffix("/")
                self._known.setdefault(origin, []).append(_Place(upstream, prefix))
        for places in self._known.values():
            places.sort(key=lambda place: -len(place.prefix))  # the closest first

    def find(self, scheme: str, host: Host, port: int, target: str) -> tuple[Upstream, str] | None:
        """The upstream of a URL, and the rest of the target after its `base_url`; None where there is none.

        A URL of an upstream's host outside of its path is read as the upstream's, since an API may spell its paths in
        more ways than one; but it gets no key of the gateway.
        """
        places = self._known.get((scheme, host.name, port), ())
        for place in places:
            rest = place.rest(target)
            if rest is not None:
                return place.upstream, rest
        if not places:
            return None
        return replace(places[-1].upstream, base_url=f"{scheme}://{bracketed(host.name)}:{port}", key=None), target

    def names(self, scheme: str, host: Host, port: int) -> tuple[str, ...]:
        """The names of all upstreams there, whatever their paths."""
        return tuple(place.upstream.name for place in self._known.get((scheme, host.name, port), ()))


def _origin(url: str) -> Origin | None:
    parts = urlsplit(url)
    try:
        host = parse_host(parts.hostname or "")
    except Malformed:
        return None
    return parts.scheme, host.name, parts.port or _PORTS[parts.scheme]
