"""What a request of the OpenAI APIs makes the provider fetch: images and files that it names by URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialect.texts import hosts_of
from gateway.policy.transcript import Hosted
from gateway.segment import Path
from gateway.wire.document import Document

_MEMBERS: Final[Mapping[str, str]] = {
    "image_url": "remote_image",
    "file_url": "remote_file",
    "video_url": "remote_file",  # vLLM and others
    "audio_url": "remote_file",
    "document_url": "remote_file",  # Mistral
}
"""Members of a part that are an address, or an object with one in `url`."""

_CALLS: Final = ("tool_calls", "function_call")
_ARGUMENTS: Final = ("arguments", "input", "action", "actions", "operation")
"""Members with the arguments of calls, which nobody fetches: of a message of chat, and of an item of Responses."""


_END: Final = b'_url"'
"""How the names of all these members end."""

_ESCAPE: Final = b"\\u"


def may_fetch(document: Document) -> bool:
    """Whether such a member can stand in a document: one is there by its name, or escapes may spell it. Most bodies, of
    which each is asked for what is fetched, need no look at their values."""
    return _END in document.raw or _ESCAPE in document.raw


def fetched(value: Any, path: Path) -> Iterator[Hosted]:
    """The addresses in the parts of messages and items, wherever they stand; data within an address is not fetched."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from fetched(item, (*path, index))
    elif isinstance(value, dict):
        made = _ARGUMENTS if str(value.get("type")).endswith("_call") else _CALLS
        for key, member in value.items():
            if key in _MEMBERS:
                yield from _address(key, member, (*path, key))
            elif key not in made:
                yield from fetched(member, (*path, key))


def _address(key: str, value: Any, path: Path) -> Iterator[Hosted]:
    if isinstance(value, dict):
        value, path = value.get("url"), (*path, "url")
    if value is None:
        return
    hosts = hosts_of(value)
    if hosts != ():
        yield Hosted(_MEMBERS[key], key, hosts, path)
