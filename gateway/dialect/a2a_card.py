"""Addresses in an agent card as clients see them through the gateway.

A card says where its agent is spoken to. A client that came by a base URL would go there past the gateway, so what is
below the upstream's `base_url` is written as the gateway's address of it, and no other interface is left in the card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.dialect.address import authority, has_dots, origin
from gateway.dialect.jsonrpc import refuse_spelling
from gateway.dialect.proto_json import member, snake, spelt
from gateway.errors import Malformed, UpstreamError
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply

_LISTS: Final = ("supportedInterfaces", "additionalInterfaces")
_SIGNS: Final = ("skills", "capabilities", "preferredTransport", "protocolVersion", "defaultInputModes", *_LISTS)
_URL: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Door:
    """An agent behind the gateway: `base_url` as it is configured, `site` as the client writes it (`http://host/NAME`)."""

    name: str
    base_url: str
    site: str

    def outward(self, address: str) -> str | None:
        """The URL by which a client reaches an address of the agent; None for one that is not below `base_url`."""
        path = urlsplit(self.base_url).path
        try:
            if not _URL.fullmatch(address) or origin(address) != origin(self.base_url):
                return None
        except ValueError:
            return None
        rest = address.partition("#")[0].removeprefix(authority(address)) or "/"
        below = rest.removeprefix(path)
        if not rest.startswith(path) or below[:1] not in ("", "/", "?") or has_dots(rest.partition("?")[0]):
            return None
        return self.site + below

    @property
    def closed(self) -> UpstreamError:
        return UpstreamError(
            f"the agent's card names no address below `base_url`; set `base_url` under [upstreams.{self.name}] to "
            "where the agent says that it is spoken to"
        )


def is_card(value: Any) -> bool:
    """Whether an answer is a card, by members that nothing else has."""
    return isinstance(value, dict) and any(name in value or snake(name) in value for name in _SIGNS)


def rewritten(document: Document, root: Path, door: Door) -> tuple[Patch, ...]:
    """The patches that make the card at `root` lead to `door`. Raises UpstreamError where it names no way there."""
    card = document.get(*root)
    if not isinstance(card, dict):
        return ()
    refuse_spelling(card, ("url", "preferredTransport", *_LISTS))
    patches: list[Patch] = []
    ways: list[tuple[str, str]] = []  # the URL of each interface that is left, and its binding
    for name in _LISTS:
        key = spelt(card, name)
        if key is not None and card[key] is not None:
            found, patch = _interfaces(document, (*root, key), door)
            ways += found
            patches += patch
    return (*patches, *_main(document, root, ways, door))


def _main(document: Document, root: Path, ways: list[tuple[str, str]], door: Door) -> Iterator[Patch]:
    """The patches of `url`, the one interface that a card before 1.0 must have."""
    card = document.get(*root)
    address = card.get("url")
    if address is None:
        if not ways and any(spelt(card, name) for name in _LISTS):
            raise door.closed
        return
    outward = door.outward(_text(address))
    if outward is not None:
        yield document.replace((*root, "url"), outward)
        return
    if not ways:
        raise door.closed
    (outward, binding), key = ways[0], spelt(card, "preferredTransport")
    yield document.replace((*root, "url"), outward)
    if key is None:
        yield document.append_member(root, "preferredTransport", binding)
    else:
        yield document.replace((*root, key), binding)


def _interfaces(document: Document, path: Path, door: Door) -> tuple[list[tuple[str, str]], list[Patch]]:
    """The interfaces of a list that are left, and the patches that leave them."""
    listed = document.get(*path)
    if not isinstance(listed, list):
        raise Malformed("the interfaces of an agent card are no list")
    ways: list[tuple[str, str]] = []
    patches: list[Patch] = []
    items: list[bytes] = []
    for index, one in enumerate(listed):
        if not isinstance(one, dict):
            raise Malformed("an interface of an agent card is no object")
        refuse_spelling(one, ("url", "protocolBinding", "transport"))
        outward = door.outward(_text(one.get("url")))
        if outward is not None:
            patch = document.replace((*path, index, "url"), outward)
            patches.append(patch)
            start, end = document.span((*path, index))
            items.append(apply(document.raw[start:end], [Patch(patch.start - start, patch.end - start, patch.data)]))
            ways.append((outward, str(member(one, "protocolBinding") or one.get("transport"))))
    if len(items) < len(listed):
        patches = [Patch(*document.span(path), b"[" + b",".join(items) + b"]")]
    return ways, patches


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
