"""The line between the supervisor and a worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.app import channel
from gateway.app.channel import Channel, ChannelError

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@asynccontextmanager
async def line() -> AsyncIterator[tuple[Channel, Channel]]:
    one, other = socket.socketpair()
    ends = await Channel.over(one), await Channel.over(other)
    try:
        yield ends
    finally:
        for end in ends:
            await end.close()


@asynccontextmanager
async def raw() -> AsyncIterator[tuple[Channel, socket.socket]]:
    """One end, and the bare socket at the other."""
    one, other = socket.socketpair()
    end = await Channel.over(one)
    try:
        yield end, other
    finally:
        await end.close()
        other.close()


@settings(max_examples=30)  # each has an event loop of its own
@given(st.lists(st.dictionaries(st.text(), _JSON), max_size=5))
def test_what_is_sent_comes_as_it_was_and_in_order(messages: list[dict[str, Any]]) -> None:
    async def sent() -> list[dict[str, Any] | None]:
        async with line() as (one, other):
            for message in messages:
                one.send(message)
            return [await other.receive() for _ in messages]

    assert asyncio.run(sent()) == messages


async def test_large_messages_go_either_way_at_once() -> None:
    async with line() as (one, other):
        text = "x" * 2_000_000
        one.send({"text": text})
        other.send({"text": text})
        assert [*await asyncio.gather(one.receive(), other.receive())] == [{"text": text}, {"text": text}]


async def test_the_end_of_the_other_is_told() -> None:
    async with line() as (one, other):
        await other.close()
        assert await one.receive() is None
        one.send({"lost": True})
        await one.close()
        one.send({"lost": True})


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\0\5", b'\0\0\0\5{"a"'])
async def test_a_message_that_is_cut_is_the_end(sent: bytes) -> None:
    async with raw() as (end, other):
        other.sendall(sent)
        other.close()
        assert await end.receive() is None


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"\xff\xff\xff\xff", "a message of 4294967295 bytes came, where 33554432 are the most"),
        (b"\0\0\0\1{", "a message came that is no JSON"),
        (b"\0\0\0\2\xff\xff", "a message came that is no JSON"),
        (b"\0\0\0\1" + b"1", "a message came that is no object"),
    ],
)
async def test_what_is_no_message_is_a_fault(sent: bytes, why: str) -> None:
    assert channel.LARGEST == 33554432
    async with raw() as (end, other):
        other.sendall(sent)
        with pytest.raises(ChannelError, match=why):
            await end.receive()
