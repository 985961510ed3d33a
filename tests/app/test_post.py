"""The place of a worker; scripts of a few lines stand in for the worker here."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest

from gateway import record
from gateway.app import child
from gateway.app import post as posts
from gateway.app.orders import Ask, Order
from gateway.app.post import FIRST_PAUSE, LONGEST_PAUSE, Post, State
from gateway.serve.totals import Counts
from gateway.settings import Format
from tests.app.supervised import LIMIT, alive, eventually
from tests.test_mitm import Pauses

SPEAKS = """
import json, os, socket, sys, time
line = socket.socket(fileno=int(sys.argv[1]))
def say(**message):
    text = json.dumps(message).encode()
    line.sendall(len(text).to_bytes(4) + text)
def hear():
    length = int.from_bytes(line.recv(4, socket.MSG_WAITALL))
    return json.loads(line.recv(length, socket.MSG_WAITALL)) if length else None
order = hear()
"""
SERVES = "say(say='serves')\n"
ANSWERS = """
while (asked := hear()) and asked["ask"] not in ("drain", "end"):
    if "id" in asked:
        say(id=asked["id"], answer={"counts": [], "unready": ["why"], "in_flight": 3, "digest": "d"})
say(say="ended", counts=[{"name": "last"}])
"""

type Script = Callable[[str], None]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Sets what stands in for a worker."""
    return lambda text: monkeypatch.setattr(child, "WORKER", ("-c", SPEAKS + text))


@asynccontextmanager
async def stood(pause: Pauses | None = None, ended: list[Counts] | None = None) -> AsyncIterator[Post]:
    order = Order(None, None, 1, b"key", {})
    post = Post(1, order, {}, (ended if ended is not None else []).append, asyncio.sleep if pause is None else pause)
    try:
        async with asyncio.timeout(LIMIT):
            await post.settled.wait()
            yield post
    finally:
        post.leave(Ask.END)
        post.kill()
        await asyncio.wait((post.keeping,))


def told(post: Post) -> tuple[State, int | None, str | None]:
    return post.state, post.pid, post.last_end


async def until(condition: Callable[[], object]) -> None:
    async def holds() -> object:
        return condition()

    await eventually(holds)


async def test_it_is_told_its_order_and_serves(script: Script) -> None:
    script("say(**order, say='failed', problems=[f'{order[\"number\"]} of {order[\"workers\"]}', order['hop_key']])")
    async with stood() as post:
        assert post.problems == ("1 of 1", b"key".hex())


async def test_it_answers_and_says_its_counts_last(script: Script) -> None:
    script(SERVES + ANSWERS)
    ended: list[Counts] = []
    async with stood(ended=ended) as post:
        assert post.state is State.SERVING
        assert post.pid is not None
        assert alive(post.pid)
        answer = await post.count()
        assert answer is not None
        assert (post.faults(answer), post.in_flight) == (("why",), 3)
        post.reload()
        post.leave(Ask.DRAIN)
        await asyncio.wait((post.keeping,))
    assert told(post) == (State.ENDED, None, "it ended with 0")
    assert ended == [[{"name": "last"}]]


async def test_one_that_dies_is_followed_after_longer_and_longer_pauses(script: Script) -> None:
    script("sys.exit(3)")
    pauses = Pauses(last=9)
    async with stood(pauses) as post:
        await until(lambda: len(pauses) == 9)
        assert pauses == [min(FIRST_PAUSE * 2**number, LONGEST_PAUSE) for number in range(9)]
        assert (post.last_end, post.restarts, post.state) == ("it ended with 3", 8, State.PAUSED)
        assert post.faults(None) == ("to be started again; it ended with 3",)


async def test_one_that_served_long_is_followed_at_once(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "STEADY", -1.0)
    script(SERVES + "sys.exit(3)")
    pauses = Pauses()
    async with stood(pauses) as post:
        await until(lambda: post.restarts >= 3)
    assert pauses == []


async def test_the_first_that_cannot_start_is_not_followed(script: Script) -> None:
    script("say(say='failed', problems=['no rules']); sys.exit(2)")
    pauses = Pauses()
    async with stood(pauses) as post:
        assert (post.problems, post.state) == (("no rules",), State.ENDED)
    assert pauses == []


async def test_a_later_one_that_cannot_start_is_tried_again_and_says_why(script: Script) -> None:
    script(SERVES + "hear()")
    pauses = Pauses(last=2)
    async with stood(pauses) as post:
        script("say(say='failed', problems=['no rules']); sys.exit(2)")
        post.reload()  # whatever is heard, it ends
        await until(lambda: len(pauses) == 2)
        assert post.faults(None) == ("to be started again; it ended with 2", "no rules")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("os.kill(os.getpid(), 9)", "it was killed by SIGKILL"),
        (f"os.kill(os.getpid(), {signal.SIGRTMIN + 1})", f"it was killed by signal {signal.SIGRTMIN + 1}"),
        ("line.sendall(bytes([255] * 4)); time.sleep(600)", "it was killed, as the line to it is broken: a message of"),
        ("say(say='what'); time.sleep(600)", "it was killed, as the line to it is broken: 'what' is not a valid Say"),
        ("say(hm=1); time.sleep(600)", "it was killed, as the line to it is broken: 'say'"),
        ("line.close(); time.sleep(600)", "it was killed by SIGKILL"),
        ("time.sleep(600)", "it was killed, as it did not serve within 0.5 seconds"),
    ],
)
async def test_what_ends_it_is_said(script: Script, monkeypatch: pytest.MonkeyPatch, text: str, why: str) -> None:
    monkeypatch.setattr(child, "HANG_UP", 0.05)
    if "sleep" in text and "say" not in text and "line" not in text:
        monkeypatch.setattr(posts, "START", 0.5)
    script(text)
    async with stood(Pauses(last=1)) as post:
        assert post.last_end is not None
        assert post.last_end.startswith(why)


async def test_a_python_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    async with stood(Pauses(last=1)) as post:
        assert post.last_end is not None
        assert post.last_end.startswith("it cannot be kept: FileNotFoundError")


async def test_one_that_does_not_answer_in_time_is_not_waited_for(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posts, "PATIENCE", 0.05)
    script(SERVES + "asked = hear(); hear(); say(id=asked['id'], answer={}); say(id=99, answer={})\n" + ANSWERS)
    async with stood() as post:
        assert await post.count() is None
        assert post.faults(None) == ("does not answer",)
        status = post.status(None, None)
        assert (status["state"], status["ready"], status["digest"]) == ("serving", False, None)
        monkeypatch.setattr(posts, "PATIENCE", LIMIT)
        post.reload()  # the late answer comes now, and is nobody's
        assert await post.count() is not None


async def test_one_that_hangs_is_killed_in_the_end(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "PATIENCE", 0.05)
    monkeypatch.setattr(posts, "SILENCE", 0.2)
    script(SERVES + "time.sleep(600)")
    async with stood(Pauses(last=1)) as post:

        async def is_paused() -> bool:
            await post.count()
            return post.state is State.PAUSED

        await eventually(is_paused)
        assert post.last_end == "it was killed, as it did not answer for 0.2 seconds"


async def test_who_does_not_answer_is_not_asked_without_end(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "PATIENCE", LIMIT)
    monkeypatch.setattr(posts, "WAITING", 16)
    script(SERVES + "time.sleep(600)")
    async with stood() as post:
        asking = [asyncio.create_task(post.ask(Ask.COUNTS)) for _ in range(20)]
        done, waiting = await asyncio.wait(asking, timeout=0.1)
        assert (len(done), len(waiting)) == (4, 16)
        post.kill()
        assert await asyncio.gather(*asking) == [None] * 20


async def test_one_that_waits_to_be_started_leaves_at_once(script: Script) -> None:
    script("sys.exit(3)")
    async with stood(Pauses(last=1)) as post:
        await until(lambda: post.state is State.PAUSED)
        post.leave(Ask.DRAIN)
        await asyncio.wait((post.keeping,))
        assert post.state is State.ENDED
        assert await post.ask(Ask.COUNTS) is None


async def test_one_that_starts_is_told_to_leave_with_its_order(script: Script) -> None:
    script("asked = hear(); say(say='serves'); sys.exit(7 if asked['ask'] == 'end' else 1)")
    post = Post(1, Order(None, None, 1, b"", {}), {}, lambda counts: None)
    post.leave(Ask.DRAIN)
    await asyncio.wait((post.keeping,))
    assert (post.state, post.last_end) == (State.ENDED, "it ended with 7")


async def test_its_log_is_passed_on_by_whole_lines(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LONGEST_LINE", 8)
    out = StringIO()
    record.configure(Format.JSON, "critical", out)
    script(
        "for text in ('one\\ntw', 'o\\n', 'a line too long\\n', 'end'):\n"
        "    os.write(2, text.encode()); time.sleep(0.05)\n"
        "say(say='failed', problems=[''])"
    )
    try:
        async with stood():
            pass
    finally:
        record.configure(Format.CONSOLE, "info", sys.__stderr__)
    assert [line for line in out.getvalue().splitlines() if line] == ["one", "two", "a line too long", "end"]
