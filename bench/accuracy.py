"""How exact limits are: five gateways and one limit, through delays, wrong clocks, partitions, outages and crashes.

    .venv/bin/python -m bench.accuracy

Simulated (bench/simulated.py), with the code that runs in a gateway; each run prints the same table, which is in
docs/capacity.md. What a scenario allowed is held against one counter that everybody could ask without delay: the same
requests at the same times, and nothing ever fails.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from bench.simulated import Clock, Delay, Gateway, JumpingLoop, Link, Server, Traffic
from gateway.state.limit import SECOND_NS, Claim, Limit, Rate, Unit
from gateway.state.memory import MemoryCounters

GATEWAYS: Final = 5
QUANTITY: Final = 600
BURST: Final = 60
WINDOW: Final = 60.0
"""Seconds: the limit is `QUANTITY` in that time."""

DURATION: Final = 300.0
BREAKS: Final = 90.0
"""Seconds from the start at which it happens, and before which all is well."""

RETURNS: Final = 180.0
"""Seconds from the start at which it is over."""

LIMIT: Final = Limit("requests", "requests/a", Unit.REQUESTS, Rate(QUANTITY, round(WINDOW * SECOND_NS), BURST))

type Demand = Callable[[int, float], float]
"""Requests a second that come to the gateway of that number at that time."""


def nearby(random: Random) -> float:
    """A network of one site: a fifth of a millisecond, seldom a few (lognormal)."""
    return random.lognormvariate(math.log(0.0002), 0.7)


def far(random: Random) -> float:
    """Two sites: 8 ms, and one way in a hundred takes as long as to miss the time-out."""
    return 0.06 if random.random() < 0.01 else random.lognormvariate(math.log(0.008), 0.3)


def twice(_: int, at: float) -> float:
    """Twice the limit, over all gateways alike, with waves."""
    return 2 * QUANTITY / WINDOW / GATEWAYS * (1 + 0.4 * math.sin(at / 7))


def lopsided(number: int, at: float) -> float:
    """Twice the limit: most of it at one gateway, and half the time at none of the others."""
    whole = 2 * QUANTITY / WINDOW
    return 0.7 * whole if number == 0 else 0.6 * whole / (GATEWAYS - 1) * (int(at / 5) % 2)


def half(*_: float) -> float:
    """Half the limit."""
    return QUANTITY / 2 / WINDOW / GATEWAYS


class World:
    """Gateways, and the traffic through them. `gateways` may grow."""

    def __init__(self, scenario: Scenario, seed: str) -> None:
        self.random = Random(seed)
        self.traffic = Traffic()
        self.server = Server(Clock())
        self.scenario = scenario
        self.gateways = [self._gateway(number) for number in range(GATEWAYS)]

    def _gateway(self, number: int) -> Gateway:
        link = Link(self.server, self.scenario.delay, Random(f"link {number} {self.scenario.name}"))
        return Gateway(f"gateway-{number}", link, self.scenario.clock(number))

    async def run(self) -> Traffic:
        loads = []
        for number, gateway in enumerate(self.gateways):
            await gateway.start()
            loads.append(asyncio.create_task(self._load(number)))
        happens = asyncio.create_task(self.scenario.happens(self))
        await asyncio.sleep(DURATION)
        await happens
        for task in loads:
            task.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        for gateway in self.gateways:
            gateway.crash()
        return self.traffic

    async def join(self) -> None:
        """One more gateway, that takes over from the first the requests that come to it."""
        late = self._gateway(len(self.gateways))
        await late.start()
        self.gateways[0], late = late, self.gateways[0]
        self.gateways.append(late)

    async def _load(self, number: int) -> None:
        async with asyncio.TaskGroup() as requests:
            random = Random(f"load {number} {self.scenario.name}")
            while True:
                at = asyncio.get_running_loop().time()
                await asyncio.sleep(random.expovariate(max(self.scenario.demand(number, at), 0.2)))
                requests.create_task(self._request(number))

    async def _request(self, number: int) -> None:
        """Ask the gateway; where it is gone, the next one, as a balancer does."""
        loop = asyncio.get_running_loop()
        gateway = next(one for one in self.gateways[number:] + self.gateways if one.is_running)
        self.traffic.asked.append(loop.time())
        taken = await gateway.guard.take([Claim(LIMIT)], f"{number} {len(self.traffic.asked)}")
        if taken.allowed:
            self.traffic.allowed.append(loop.time())


type Happening = Callable[[World], Coroutine[None, None, None]]


async def nothing(_: World) -> None: ...


async def partition(world: World) -> None:
    """Two of five gateways cannot reach the store for two minutes."""
    await asyncio.sleep(BREAKS)
    for gateway in world.gateways[:2]:
        gateway.link.is_cut = True
    await asyncio.sleep(RETURNS - BREAKS)
    for gateway in world.gateways[:2]:
        gateway.link.is_cut = False


async def outage(world: World) -> None:
    await asyncio.sleep(BREAKS)
    world.server.is_up = False
    await asyncio.sleep(RETURNS - BREAKS)
    world.server.is_up = True


async def loss(world: World) -> None:
    await asyncio.sleep(BREAKS)
    world.server.is_up = False
    world.server.empty()
    await asyncio.sleep(RETURNS - BREAKS)
    world.server.is_up = True


async def restart(world: World) -> None:
    """Away for half a second, and back with nothing."""
    await asyncio.sleep(BREAKS)
    world.server.is_up = False
    world.server.empty()
    await asyncio.sleep(0.5)
    world.server.is_up = True


async def flapping(world: World) -> None:
    await asyncio.sleep(BREAKS)
    for _ in range(8):
        world.server.is_up = False
        await asyncio.sleep(10)
        world.server.is_up = True
        await asyncio.sleep(1.5)


async def crash(world: World) -> None:
    """A gateway is gone, and a second later the store."""
    await asyncio.sleep(BREAKS - 1)
    world.gateways[1].crash()
    await outage_now(world)


async def outage_now(world: World) -> None:
    await asyncio.sleep(1)
    world.server.is_up = False
    await asyncio.sleep(RETURNS - BREAKS)
    world.server.is_up = True


async def late(world: World) -> None:
    await asyncio.sleep(BREAKS)
    world.server.is_up = False
    await asyncio.sleep(10)
    await world.join()
    await asyncio.sleep(RETURNS - BREAKS - 10)
    world.server.is_up = True


def step(seconds: float) -> Happening:
    async def steps(world: World) -> None:
        await asyncio.sleep(BREAKS)
        world.server.clock.ahead += seconds

    return steps


def right(_: int) -> Clock:
    return Clock(ahead=1_700_000_000)


def wrong(number: int) -> Clock:
    """Up to ten minutes apart, and gaining or losing up to 200 millionths."""
    return Clock(1_700_000_000 + 300 * (number - 2), 100e-6 * (number - 2))


EXACT: Final = QUANTITY + BURST
"""The most requests in a window that a limit lets through where it is exact."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is tried. `bound` is the most requests that are to pass in a window, `why` where more or less comes from."""

    name: str
    why: str
    happens: Happening = nothing
    demand: Demand = twice
    delay: Delay = nearby
    clock: Callable[[int], Clock] = right
    bound: int = EXACT


SCENARIOS: Final = (
    Scenario("twice as much is asked for", "exact"),
    Scenario("half as much", "nothing is refused", demand=half),
    Scenario("most of it at one gateway, in gusts", "exact", demand=lopsided),
    Scenario(
        "two sites; of 100 ways one takes too long",
        "a take whose answer is late counts twice, there and here; what is asked in vain is decided by a share",
        delay=far,
    ),
    Scenario("gateways' clocks 10 min apart and drifting", "only the store's clock counts", clock=wrong),
    Scenario("the store's clock steps 2 s ahead", "what 2 s bring back is there at once", step(2), bound=EXACT + 20),
    Scenario("the store's clock steps 2 s back", "for 2 s nothing comes back", step(-2)),
    Scenario(
        "2 of 5 gateways are cut off for 90 s",
        "they take 2/5 of the limit, of which the others know nothing",
        partition,
        bound=EXACT * (GATEWAYS + 2) // GATEWAYS,
    ),
    Scenario("the store is away for 90 s", "who has less to do leaves some of its share", outage),
    Scenario("… with most of it at one gateway", "a fifth of the limit is all the busy one has", outage, lopsided),
    Scenario("… and comes back empty", "it is told what was used just now", loss, bound=EXACT + BURST),
    Scenario(
        "the store restarts in 0.5 s, empty",
        "what was used before is forgotten: a burst more",
        restart,
        bound=EXACT + BURST,
    ),
    Scenario("the store is away for 10 s, back for 1.5 s, 8 times", "shares, and each return charges", flapping),
    Scenario("a gateway crashes, and 1 s later the store", "its share is nobody's until the store is back", crash),
    Scenario(
        "a gateway starts while the store is away",
        "it knows of no other, and takes the whole for its share",
        late,
        bound=2 * EXACT,
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """`most` requests in any window; `share`, the least of any window against one counter; what each allowed in all."""

    most: int
    share: float
    allowed: int
    exact: int


def simulate(scenario: Scenario) -> Result:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        world = World(scenario, scenario.name)
        traffic = runner.run(world.run())
        exact = runner.run(one_counter(traffic.asked))
    return Result(
        most_in_a_window(traffic.allowed), least_share(traffic.allowed, exact), len(traffic.allowed), len(exact)
    )


async def one_counter(asked: Sequence[float]) -> list[float]:
    """What one counter allows of the same."""
    now = 0
    counters = MemoryCounters(lambda: now)

    async def allows(at: float) -> bool:
        nonlocal now
        now = round(at * SECOND_NS)
        return (await counters.take([Claim(LIMIT)], "")).allowed

    return [at for at in asked if await allows(at)]


def most_in_a_window(times: Sequence[float]) -> int:
    return max(bisect_left(times, at + WINDOW) - index for index, at in enumerate(times))


def least_share(times: Sequence[float], exact: Sequence[float]) -> float:
    """The least that any window has of what it has in `exact`."""

    def within(all_of: Sequence[float], start: float) -> int:
        return bisect_left(all_of, start + WINDOW) - bisect_left(all_of, start)

    return min(within(times, start) / within(exact, start) for start in range(int(DURATION - WINDOW)))


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for line in table():
        print(line)


def table() -> list[str]:
    return [*HEAD, *(row(scenario, simulate(scenario)) for scenario in SCENARIOS)]


HEAD: Final = (
    "| scenario | most in a minute (bound) | least, of one counter's | in all | where it comes from |",
    "| --- | --- | --- | --- | --- |",
)


def row(scenario: Scenario, result: Result) -> str:
    numbers = f"{result.most} ({scenario.bound}) | {result.share:.1%} | {result.allowed / result.exact:.1%}"
    return f"| {scenario.name} | {numbers} | {scenario.why} |"


if __name__ == "__main__":
    main()
