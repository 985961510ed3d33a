"""Runs an MCP server as a child process and stands between it and the client on our standard input and output.

It decides nothing: each line goes to the conversation, whose commands it carries out in order. The child inherits
standard error, so what a server logs stays where it was.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import perf_counter_ns
from typing import Any, Final, Protocol

from gateway.errors import ConfigError
from gateway.exchange.conversation import Conversation
from gateway.exchange.conversation_steps import AskAbout, Clock, Count, Step, ToClient, ToServer
from gateway.exchange.demand import Demand
from gateway.exchange.events import Ask, Finish, LimitsTaken
from gateway.exchange.recorded import ExchangeRecord
from gateway.policy.call import Answer
from gateway.segment import Direction
from gateway.stdio.pipes import Sink, Source
from gateway.wire.lines import Cutter

GRACE: Final = 5.0
"""Seconds that a child gets to end after it was told to, or after it closed its output, before it is killed."""

LAST_OUTPUT: Final = 1.0
"""Seconds in which the output of a child that ended is still read: a process of its own may hold the pipe open."""

SIGNALLED: Final = 128
"""What shells add to the number of the signal that ended a program, for its exit code."""


class Pair(Protocol):
    """The two ends that lead to the client."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class Standard:
    """Our own standard input and output."""

    def __init__(self) -> None:
        self._source = Source(0)
        self._sink = Sink(1)

    async def read(self) -> bytes:
        return await self._source.read()

    async def write(self, data: bytes) -> None:
        await self._sink.write(data)


type Approve = Callable[[Ask], Awaitable[tuple[Answer, ...]]]
"""Gives an answer to each question."""

UNASKED: Final = "it could not be asked whether it is approved"

type Take = Callable[[str, Demand], Awaitable[LimitsTaken]]
"""Takes from the limits what the exchange of that id demands, or tells why not."""

type Record = Callable[[ExchangeRecord, int, int], None]
"""Takes a record, with nanoseconds in all and spent inspecting."""


class Times:
    """Makes the ids of exchanges, and knows when each began and how long it was inspected."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._now = perf_counter_ns()
        self._began: dict[str, int] = {}
        self._spent: dict[str, int] = {}
        self._fresh: list[str] = []

    def __call__(self) -> str:
        id_ = self._new_id()
        self._began[id_] = self._now
        self._fresh.append(id_)
        return id_

    def line_came(self) -> None:
        """What begins from here on began with this line."""
        self._now = perf_counter_ns()

    def line_taken(self, steps: Sequence[Step]) -> None:
        """Count the time that the line took towards the exchanges that it began or ended."""
        nanoseconds = perf_counter_ns() - self._now
        ended = {step.record.id for step in steps if isinstance(step, Finish)}
        for id_ in ended.union(self._fresh):
            self._spent[id_] = self._spent.get(id_, 0) + nanoseconds
        self._fresh.clear()

    def took(self, id_: str) -> tuple[int, int]:
        """Nanoseconds since an exchange began, and of inspecting; it is forgotten with that."""
        return perf_counter_ns() - self._began.pop(id_), self._spent.pop(id_, 0)


class Relay:
    """One client and one server. `record` takes each record, `approve` answers where calls must be approved, `take`
    where they are counted."""

    def __init__(
        self, conversation: Conversation, client: Pair, times: Times, record: Record, approve: Approve, take: Take
    ) -> None:
        self._conversation = conversation
        self._client = client
        self._times = times
        self._record = record
        self._approve = approve
        self._take_limits = take
        self._asking: set[asyncio.Task[None]] = set()
        self._clocks: dict[str, tuple[asyncio.TimerHandle, float]] = {}  # and when each is over in any case

    async def run(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the server until it ends, and return its exit code. Raises ConfigError where it cannot be started."""
        child, output = await _started(command, environ)
        with _forwarding(child):
            upward = asyncio.create_task(self._from_client(child))
            downward = asyncio.create_task(self._pump(child, Direction.ANSWER, output.read))
            try:
                return await self._until_over(child, upward, downward)
            finally:
                for clock, _ in self._clocks.values():
                    clock.cancel()
                tasks = (upward, downward, *self._asking)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await _killed(child)

    async def _until_over(self, child: Process, upward: asyncio.Task[None], downward: asyncio.Task[None]) -> int:
        ending = asyncio.create_task(child.wait())
        await _first({ending, downward}, upward)
        is_client_gone = _has_failed(upward) or _has_failed(downward)
        if not ending.done():
            await _end(child, ending, is_told=is_client_gone)
        await asyncio.wait({downward}, timeout=LAST_OUTPUT)
        code = exit_code(await ending)
        left = self._conversation.left() if is_client_gone else self._conversation.ended(f"it ended with code {code}")
        with suppress(OSError):
            await self._carry_out(child, left)
        return code

    async def _from_client(self, child: Process) -> None:
        """Everything the client says, to its end, which is told to the child by the end of its input."""
        assert child.stdin is not None
        try:
            await self._pump(child, Direction.REQUEST, self._client.read)
        finally:
            child.stdin.close()

    async def _pump(self, child: Process, sender: Direction, read: Callable[[], Awaitable[bytes]]) -> None:
        cutter = Cutter(self._conversation.gate.limits.event)
        while data := await read():
            for line in cutter.feed(data):
                await self._take(child, sender, line)
        if rest := cutter.finish():
            await self._take(child, sender, rest)

    async def _take(self, child: Process, sender: Direction, line: bytes | None) -> None:
        self._times.line_came()
        steps = self._conversation.receive(sender, line)
        self._times.line_taken(steps)
        await self._carry_out(child, steps)

    async def _carry_out(self, child: Process, steps: Sequence[Step]) -> None:
        try:
            for step in steps:
                if isinstance(step, ToClient):
                    await self._client.write(step.data)
                elif isinstance(step, ToServer):
                    await _write(child, step.data)
                elif isinstance(step, AskAbout):
                    self._aside(self._asked(child, step))
                elif isinstance(step, Clock):
                    self._start(child, step)
                elif isinstance(step, Count):
                    await self._count(child, step)
        finally:
            for step in steps:
                if isinstance(step, Finish):
                    self._stop(step.record.id)
                    self._record(step.record, *self._times.took(step.record.id))

    async def _count(self, child: Process, step: Count) -> None:
        """What the client says next waits for the limits too, so that calls leave in their order."""
        try:
            taken = await self._take_limits(step.id, step.demand)
        except Exception as error:  # noqa: BLE001 -- whatever it is, nobody has counted the calls
            taken = LimitsTaken(unavailable=f"{type(error).__name__}: {error}")
        await self._carry_out(child, self._conversation.limited(step.id, taken))

    def _start(self, child: Process, step: Clock) -> None:
        """Start a clock, or begin it anew."""
        loop = asyncio.get_running_loop()
        before = self._stop(step.id)
        last = loop.time() + step.most if before is None else before
        ends = min(loop.time() + step.seconds, last)
        self._clocks[step.id] = loop.call_at(ends, lambda: self._aside(self._overdue(child, step.id))), last

    def _stop(self, id_: str) -> float | None:
        """Stop a clock; when it would have been over in any case, None where there is none."""
        found = self._clocks.pop(id_, None)
        if found is None:
            return None
        clock, last = found
        clock.cancel()
        return last

    async def _overdue(self, child: Process, id_: str) -> None:
        await self._carry_out(child, self._conversation.overdue(id_))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something while other messages go on."""
        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _asked(self, child: Process, step: AskAbout) -> None:
        try:
            answers = await self._approve(step.ask)
        except Exception:  # noqa: BLE001 -- whatever it is, nobody has approved the calls
            answers = tuple(Answer(is_approved=False, words=UNASKED) for _ in step.ask.questions)
        await self._carry_out(child, self._conversation.answered(step.id, answers))


async def _first(tasks: set[asyncio.Task[Any]], other: asyncio.Task[None]) -> None:
    """Wait for one of the tasks, or until the other one fails."""
    await asyncio.wait({*tasks, other}, return_when=asyncio.FIRST_COMPLETED)
    if not any(task.done() for task in tasks) and not _has_failed(other):
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


async def _started(command: Sequence[str], environ: Mapping[str, str]) -> tuple[Process, Source]:
    """The child, and what it writes. The pipe is ours, as a process of the child's own may outlive it."""
    reading, writing = os.pipe()
    try:
        child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=writing, env=environ)
    except OSError as error:
        os.close(reading)
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError((f"`{command[0]}` cannot be run: {reason}",)) from error
    finally:
        os.close(writing)
    return child, Source(reading)


async def _killed(child: Process) -> None:
    """No child is left behind, however the relay ends."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _write(child: Process, data: bytes) -> None:
    """Write to the child's input. That it does not read any more is told by its end."""
    assert child.stdin is not None
    with suppress(ConnectionError):
        child.stdin.write(data)
        await child.stdin.drain()


async def _end(child: Process, ending: asyncio.Task[int], *, is_told: bool) -> None:
    """Wait for a child that says nothing more; ask it to end where nobody listens, and kill it where it does not."""
    if is_told:
        with suppress(ProcessLookupError):
            child.terminate()
    await asyncio.wait({ending}, timeout=GRACE)
    if not ending.done():
        await _killed(child)


def exit_code(returned: int) -> int:
    """The exit code by which a shell would tell how the child ended."""
    return returned if returned >= 0 else SIGNALLED - returned


@contextmanager
def _forwarding(child: Process) -> Iterator[None]:
    """What would end us ends the child, and with it us. A terminal sends an interrupt to both by itself."""
    if sys.platform == "win32":
        yield
        return
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def forward(number: int) -> None:
        if number != signal.SIGINT or not os.isatty(0):
            with suppress(ProcessLookupError):
                child.send_signal(number)

    for number in numbers:
        loop.add_signal_handler(number, forward, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
