"""Follows the stops and takes them: this machine's files, and the register that gateways share.

Looking is cheap (two `stat`s, one number from the store) and done four times a second, so that a stop from any side
holds everywhere within a second, and no message can be missed. What one side knows and the other does not is carried
over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from gateway.errors import StoreError
from gateway.state.store import Registers
from gateway.stops.decision import LATEST_NS, Decision, Scope, Stops
from gateway.stops.folder import Folder, Stamp, StopsError

REGISTER: Final = "stops"
LOOK: Final = 0.25
"""Seconds between two looks."""

type Changed = Callable[[Stops], None]


class Switch:
    """The stops that hold here. `registers` None: nothing is shared beyond this machine's files.

    `changed` is called with each new value, in the loop that runs `follow` or `decide`. `fault` says why a look failed.
    """

    def __init__(
        self,
        folder: Folder,
        registers: Registers | None,
        changed: Changed,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.fault: str | None = None
        self._folder = folder
        self._registers = registers
        self._changed = changed
        self._now = now
        self._stamp: Stamp = folder.stamp()
        self._revision = -1
        self.stops = folder.load()

    async def follow(self) -> None:
        """Look again and again, until cancelled, whatever goes wrong: a switch that is not looked at stops nothing."""
        # So that `lockgate stop` sees that a gateway lives here. Where it cannot be made, the decision will say so.
        with suppress(OSError):
            self._folder.make()
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 -- the outer boundary of this task: told, and tried again
                self.fault = f"the stops cannot be followed: {type(error).__name__}: {error}"
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Take up what the files and the register say, and carry over what either does not know."""
        faults = []
        try:
            self._look_at_files()
        except StopsError as error:
            faults.append(str(error))
        if self._registers is not None:
            try:
                await self._look_at_register(self._registers)
            except (StoreError, StopsError) as error:
                faults.append(str(error))
        self.fault = "; ".join(faults) or None

    async def decide(self, scope: Scope, *, stopped: bool, why: str, by: str) -> Decision:
        """Stop or resume. When this returns, the decision is on this machine's disk, and it holds in this process.

        Other gateways take it from the register; where that cannot be reached now, `look` tries again, and `fault` says
        so. Raises StopsError where the disk fails; a stop then holds in this process all the same.
        """
        known = self.stops.decisions.get(scope)
        # Later than what it replaces, whatever the clock of the machine says on which that was decided.
        at = min(max(self._now(), known.at_ns + 1 if known is not None else 0), LATEST_NS)
        decision = Decision(scope, stopped, why, by, at)
        try:
            self._folder.keep([decision])
        finally:
            if stopped:
                self._take([decision])
        self._take([decision])
        self._revision = -1
        await self.look()
        return decision

    def _look_at_files(self) -> None:
        stamp = self._folder.stamp()
        if stamp != self._stamp:
            found = self._folder.load()
            self._set(Stops(self.stops.decisions, found.here).merged(found.decisions.values()))
            self._stamp = stamp

    async def _look_at_register(self, registers: Registers) -> None:
        (revision,) = await registers.revisions([REGISTER])
        if revision == self._revision:
            return
        shared = await registers.read(REGISTER)
        theirs = {key: decision for key, entry in shared.items() if (decision := _decoded(entry.value)) is not None}
        self._take(theirs.values())
        # Also what this process knew already: the disk may not have taken it then. It writes only what is new to it.
        if theirs:
            self._folder.keep(theirs.values())
        for scope, decision in self.stops.decisions.items():
            known = theirs.get(str(scope))
            if known is None or known.rank < decision.rank:
                entry = shared.get(str(scope))
                version = entry.version if entry is not None else 0
                await registers.write(REGISTER, str(scope), decision.encode(), version=version)
        if unread := sorted(shared.keys() - theirs.keys() - {str(scope) for scope in self.stops.decisions}):
            raise StopsError(f"the register of stops holds what this version cannot read: {', '.join(unread)}")
        self._revision = revision  # if we wrote, or another did meanwhile, it is another one at the next look

    def _take(self, decisions: Iterable[Decision]) -> None:
        self._set(self.stops.merged(decisions))

    def _set(self, stops: Stops) -> None:
        if stops != self.stops:
            self._changed(stops)
            self.stops = stops  # what could not be carried out is tried again at the next look


def _decoded(value: bytes) -> Decision | None:
    """A decision of the register; None for what another version may have written there, which becomes a fault."""
    with suppress(ValueError):
        return Decision.decode(value)
    return None


def told_stops(switch: Switch) -> dict[str, object]:
    """What is stopped, for an operator; JSON values only. `fault` says why decisions may not reach other gateways."""
    return {
        "here": switch.stops.here,
        "active": [
            {
                "scope": str(decision.scope),
                "why": decision.why,
                "by": decision.by,
                "at": datetime.fromtimestamp(decision.at_ns / 1e9, UTC).isoformat(timespec="seconds"),
            }
            for decision in switch.stops.active
        ],
        "fault": switch.fault,
    }
