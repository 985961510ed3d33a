"""File descriptors read and written on threads."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from gateway.stdio.pipes import CHUNK, Sink, Source


async def everything(source: Source) -> bytes:
    pieces = []
    while data := await source.read():
        pieces.append(data)
    return b"".join(pieces)


async def test_a_pipe_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    source = Source(reading)
    os.write(writing, b"one")
    assert await source.read() == b"one"
    os.write(writing, b"two")
    os.close(writing)
    assert await everything(source) == b"two"


async def test_a_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x" * (3 * CHUNK + 1))
    descriptor = os.open(tmp_path / "in", os.O_RDONLY)
    assert len(await everything(Source(descriptor))) == 3 * CHUNK + 1


async def test_what_cannot_be_read_is_at_its_end(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)  # a folder
    assert await Source(descriptor).read() == b""


async def test_more_than_a_pipe_holds_is_written_as_it_is_read() -> None:
    reading, writing = os.pipe()
    sink, source = Sink(writing), Source(reading)
    written = asyncio.create_task(sink.write(b"y" * (1 << 20)))
    got = b""
    while len(got) < 1 << 20:
        got += await source.read()
    await written
    os.close(writing)
    assert await source.read() == b""


async def test_writing_to_nobody_is_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        await Sink(writing).write(b"x")
    os.close(writing)


async def test_whoever_no_longer_waits_is_not_told() -> None:
    reading, writing = os.pipe()
    sink = Sink(writing)
    waiting = asyncio.create_task(sink.write(b"z" * (1 << 20)))
    await asyncio.sleep(0)
    waiting.cancel()
    source, size = Source(reading), 0
    while size < 1 << 20:
        size += len(await source.read())
    await sink.write(b"")
    os.close(writing)
    assert await source.read() == b""


def test_a_loop_that_is_gone_is_not_waited_for() -> None:
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()

    async def begin() -> None:
        Source(reading)
        sink = Sink(out_writing)
        await sink.write(b"x")
        task = asyncio.create_task(sink.write(b"y" * (1 << 20)))
        await asyncio.sleep(0)
        task.cancel()

    others = set(threading.enumerate())
    asyncio.run(begin())
    mine = set(threading.enumerate()) - others
    os.write(writing, b"late")
    os.close(writing)
    left = 1 + (1 << 20)
    while left:
        left -= len(os.read(out_reading, 1 << 16))
    for thread in mine:
        thread.join(5)
        assert not thread.is_alive()
    os.close(out_reading)
    os.close(out_writing)
