"""The place of one worker: a process stands there, and when it dies another takes its place.

One that dies soon after its start is followed after a pause, which is longer each time: what is wrong may be wrong for
good, and nothing is gained by starting it without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from gateway import record
from gateway.app.channel import Channel, ChannelError
from gateway.app.child import Child
from gateway.app.orders import ANSWER, ASK, COUNTS, ID, IN_FLIGHT, PROBLEMS, SAY, UNREADY, Ask, Order, Say
from gateway.serve.totals import Counts

START: Final = 120.0
"""Seconds until a worker has to serve: importing and reading the rules take two on an idle machine."""

PATIENCE: Final = 0.8
"""Seconds for an answer: less than the one second after which Kubernetes takes a probe for failed."""

SILENCE: Final = 60.0
"""Seconds without an answer after which a worker is taken to hang: far more than any work that it does at once."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds before a worker is started again, doubled each time."""

STEADY: Final = 30.0
"""Seconds of serving after which one that dies is followed at once."""

WAITING: Final = 256
"""Questions that may be open, as whoever reaches /readyz asks one; beyond that a silent worker is asked no more."""


class State(StrEnum):
    """How it stands with a worker."""

    STARTING = "starting"
    SERVING = "serving"
    PAUSED = "to be started again"
    LEAVING = "draining"
    ENDED = "ended"


class Post:
    """The worker with that number. `ended` is told the last counts of each process that ended.

    `last_end` says why the last one ended, `problems` what kept it from starting if it could say so itself; where they
    kept the very first one, no other follows, as the gateway is not to start at all. `settled` is set when the first
    one serves, or does not, and `keeping` ends once the worker left. `counts` are the last known of the one that runs.
    """

    def __init__(
        self,
        number: int,
        order: Order,
        environ: Mapping[str, str],
        ended: Callable[[Counts], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.number = number
        self.state = State.STARTING
        self.last_end: str | None = None
        self.problems: tuple[str, ...] = ()
        self.restarts = 0
        self.counts: Counts = []
        self.in_flight = 0
        self.settled = asyncio.Event()
        self._order = order
        self._environ = environ
        self._ended = ended
        self._pause = pause
        self._child: Child | None = None
        self._open: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._asked = 0
        self._has_served = False
        self._heard = 0.0  # when it last answered, by the clock of the event loop
        self._given_up: str | None = None  # why it was killed from here
        self.keeping = asyncio.create_task(self._keep())

    @property
    def pid(self) -> int | None:
        """The process that stands here now."""
        return self._child.pid if self._child is not None else None

    # -- what is said to it

    async def ask(self, what: Ask) -> dict[str, Any] | None:
        """The answer of the worker; None where there is none in time."""
        if self._child is None or self.state is State.STARTING or len(self._open) >= WAITING:
            return None
        self._asked += 1
        number = self._asked
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        self._child.channel.send({ASK: what, ID: number})
        try:
            async with asyncio.timeout(PATIENCE):
                found: dict[str, Any] | None = await answer
                return found
        except TimeoutError:
            return None
        finally:
            self._open.pop(number, None)

    async def count(self) -> dict[str, Any] | None:
        """Ask for the counts and how it stands, and keep the counts: the worker may be killed at any moment."""
        child = self._child
        answer = await self.ask(Ask.COUNTS)
        if child is self._child:
            self._note(answer)
        return answer

    def _note(self, answer: Mapping[str, Any] | None) -> None:
        now = asyncio.get_running_loop().time()
        if answer is not None:
            self.counts, self.in_flight, self._heard = answer[COUNTS], answer[IN_FLIGHT], now
        elif self.state is State.SERVING and now - self._heard > SILENCE:
            self._give_up(f"it did not answer for {SILENCE:g} seconds")

    def reload(self) -> None:
        """Have it load the files again. One that starts does so anyway."""
        if self._child is not None:
            self._child.channel.send({ASK: Ask.RELOAD})

    def leave(self, how: Ask) -> None:
        """Have it end, by draining or at once, and have no other one follow."""
        if self.state is State.PAUSED:
            self.keeping.cancel()
        if self.state is not State.ENDED:
            self.state = State.LEAVING
        if self._child is not None:
            self._child.channel.send({ASK: how})

    def kill(self) -> None:
        """End its process, whatever it does."""
        if self._child is not None:
            self._child.kill()

    # -- what is told of it

    def faults(self, answer: Mapping[str, Any] | None) -> tuple[str, ...]:
        """Why no traffic comes here, or should; `answer` is what it just said of itself."""
        match self.state:
            case State.SERVING if answer is not None:
                return tuple(answer[UNREADY])
            case State.SERVING:
                return ("does not answer",)
            case State.PAUSED:
                return (f"{self.state}; {self.last_end}", *self.problems)
            case _:
                return (str(self.state),)

    def status(self, answer: Mapping[str, Any] | None, serving: Mapping[str, Any] | None) -> dict[str, object]:
        """For an operator; JSON values only. What it did not answer is null."""
        faults = self.faults(answer)
        return {
            "worker": self.number,
            "pid": self.pid,
            "state": str(self.state),
            "ready": not faults,
            "not_ready_because": list(faults),
            "restarts": self.restarts,
            "last_end": self.last_end,
            "in_flight": self.in_flight,
            "digest": serving["rules"]["digest"] if serving is not None else None,
            "reload": serving["reload"] if serving is not None else None,
        }

    # -- the process that stands here

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        try:
            while True:
                began = clock.time()
                self.last_end = await self._stood()
                if self.state is State.LEAVING or (self.problems and not self._has_served):
                    return
                self.settled.set()
                is_steady = not self.problems and clock.time() - began > STEADY
                pause = FIRST_PAUSE if is_steady else pause
                told = {"worker": self.number, "reason": self.last_end, "in_s": 0 if is_steady else pause}
                told |= {"problems": list(self.problems)} if self.problems else {}
                record.log().error("a worker ended, starting it again", **told)
                self.state = State.PAUSED
                if not is_steady:
                    await self._pause(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                self.state = State.STARTING
                self.restarts += 1
        finally:
            self.state = State.ENDED
            self.settled.set()

    async def _stood(self) -> str:
        """Why a process ended that was started here, or was to be."""
        try:
            return await self._stand()
        except Exception as error:  # noqa: BLE001 -- whatever it is, another worker may fare better
            return f"it cannot be kept: {type(error).__name__}: {error}"

    async def _stand(self) -> str:
        """Start a process and see it to its end. Returns why it ended."""
        self.problems, self._given_up = (), None
        child = self._child = await Child.start(self._order, self.number, self._environ)
        if self.state is State.LEAVING:
            child.channel.send({ASK: Ask.END})
        late = f"it did not serve within {START:g} seconds"
        timer = asyncio.get_running_loop().call_later(START, self._give_up, late)
        try:
            await self._hear(child.channel, timer)
            how = await child.end()
        finally:
            timer.cancel()
            child.kill()
            self._child = None
            for question in self._open.values():
                if not question.done():
                    question.set_result(None)
            counts, self.counts, self.in_flight = self.counts, [], 0
            self._ended(counts)
        return f"it was killed, as {self._given_up}" if self._given_up is not None else how

    async def _hear(self, channel: Channel, timer: asyncio.TimerHandle) -> None:
        """Take what the worker says until it hangs up, or says what cannot be understood."""
        try:
            while (message := await channel.receive()) is not None:
                if ID in message:
                    self._answered(message)
                    continue
                match Say(message[SAY]):
                    case Say.SERVES:
                        timer.cancel()
                        self._serves()
                    case Say.FAILED:
                        self.problems = tuple(message[PROBLEMS])
                    case Say.ENDED:
                        self.counts = message[COUNTS]
        except (ChannelError, KeyError, ValueError) as error:
            self._give_up(f"the line to it is broken: {error}")

    def _answered(self, message: Mapping[str, Any]) -> None:
        question = self._open.get(message[ID])
        if question is not None and not question.done():  # else it comes too late
            question.set_result(message[ANSWER])

    def _serves(self) -> None:
        if self.state is State.STARTING:
            self.state = State.SERVING
        self._has_served = True
        self._heard = asyncio.get_running_loop().time()
        self.settled.set()

    def _give_up(self, why: str) -> None:
        self._given_up = why
        self.kill()
