"""The private line between the supervisor and one worker: JSON texts, each after its length, over a pair of sockets.

Both ends are processes of ours, so a text that is too long or no JSON is a fault and ends the line; and the end of the
line is how each of them learns that the other one is gone, however it went.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

from gateway.errors import InternalError

LARGEST: Final = 32 * 2**20
"""Bytes of one text. A status with thousands of upstreams is some megabytes."""

_LENGTH: Final = 4  # bytes, the most significant first


class ChannelError(InternalError):
    """The other end does not keep to the form."""


class Channel:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """The line over this end of a pair, which is closed with it."""
        reader, writer = await asyncio.open_connection(sock=end)
        return cls(reader, writer)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send it, without waiting for it to leave. Where nobody is at the other end it is lost."""
        text = json.dumps(message).encode()
        if not self._writer.is_closing():
            self._writer.write(len(text).to_bytes(_LENGTH) + text)

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None where the other end is gone. Raises ChannelError."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH))
            if length > LARGEST:
                raise ChannelError(f"a message of {length} bytes came, where {LARGEST} are the most")
            text = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            return None
        try:
            message = json.loads(text)
        except ValueError as error:
            raise ChannelError("a message came that is no JSON") from error
        if not isinstance(message, dict):
            raise ChannelError("a message came that is no object")
        return message

    async def close(self) -> None:
        """Let what was sent leave, and hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
