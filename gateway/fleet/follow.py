"""Keeps this gateway's pushed packs as the fleet wants them, and moves the push on where it is this worker's turn.

The packs are files in the gateway's state folder, where they hold over restarts and without the store; the reloading of
files takes them up as it does an operator's edit. A set that cannot be loaded is not written: the last good one stays.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway import private_file
from gateway.errors import OperatorError, StoreError
from gateway.fleet.push import UNDER_WAY, Member, Push, digest, moved, shown
from gateway.state.members import Members
from gateway.state.store import Registers

LOOK: Final = 1.0
"""Seconds between two looks."""

REGISTER: Final = "fleet"
KEY: Final = "push"
FOLDER: Final = "pushed"

type Trial = Callable[[Mapping[str, str]], Awaitable[None]]
"""Raises OperatorError where these pushed packs cannot be loaded beside all the others."""


class Follower:
    """Call `look` now and then. `problem` says why this gateway does not serve by what it should; `push` is the last
    that was seen. `gateway` names the gateway that this worker is of."""

    def __init__(self, registers: Registers, members: Members, folder: Path, gateway: str, trial: Trial) -> None:
        self.push: Push | None = None
        self.problem: str | None = None
        self.gateway = gateway
        self._registers = registers
        self._members = members
        self._folder = folder
        self._trial = trial
        self._refused: str | None = None
        self._revision = -1
        self._version = 0

    async def follow(self) -> None:
        """Look again and again, until cancelled, whatever goes wrong: a gateway that does not look cannot go back."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 -- the outer boundary of this task: told, and tried again
                self.problem = f"the push cannot be followed: {type(error).__name__}: {error}"
            await asyncio.sleep(LOOK)

    def status(self) -> dict[str, object]:
        """How the fleet stands, for an operator; JSON values only."""
        found = members(self._members.known)
        told: dict[str, object] = {
            "gateway": self.gateway,
            "problem": self.problem,
            "members": {
                name: {"rules": one.rules, "config": one.config, "pushed": one.pushed, "problem": one.problem}
                for name, one in sorted(found.items())
            },
        }
        return told | {"push": shown(self.push, found, time.time_ns()) if self.push is not None else None}

    async def look(self) -> None:
        """Take up what the fleet wants, and judge how it goes. A store that is away is for the next look."""
        with suppress(StoreError):
            (revision,) = await self._registers.revisions([REGISTER])
            if revision != self._revision:
                await self._read()
                self._revision = revision
            if self.push is None:
                return
            await self._take_up(self.push.wanted(self.gateway))
            if self.push.stage in UNDER_WAY:
                await self._move(self.push)

    async def _read(self) -> None:
        entry = (await self._registers.read(REGISTER)).get(KEY)
        if entry is None:
            return
        try:
            self.push, self._version = Push.decode(entry.value), entry.version
        except (ValueError, RecursionError) as error:
            self.problem = f"the push in the store is of another version: {error}"

    async def _take_up(self, wanted: Mapping[str, str]) -> None:
        if wanted == kept(self._folder):
            self.problem = self._refused = None
            return
        asked = digest(wanted)
        if asked == self._refused:
            return
        try:
            check_names(wanted)
            await self._trial(wanted)
            _write(self._folder, wanted)
        except OperatorError as error:
            self.problem, self._refused = error.problems[0], asked
        except OSError as error:
            self.problem = f"`{self._folder}` cannot be written: {error.strerror or error}"
        else:
            self.problem = self._refused = None

    async def _move(self, push: Push) -> None:
        """The first member does this, of those that follow pushes and tell of it as this version does; where two take
        themselves for it, the second's write is at an old version and fails."""
        found = members(self._members.known)
        if self._members.me != min(found, default=None):
            return
        after = moved(push, found, time.time_ns())
        if after is not push:
            await self._registers.write(REGISTER, KEY, after.encode(), version=self._version)
            self._revision = -1


def members(known: Mapping[str, Mapping[str, object]]) -> dict[str, Member]:
    """The members of a fleet, by the names of their workers."""
    return {name: member for name, about in known.items() if (member := Member.of(about)) is not None}


def kept(folder: Path) -> dict[str, str]:
    """The pushed packs that this gateway keeps, by file name."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        with suppress(OSError, UnicodeDecodeError):
            found[path.name] = path.read_bytes().decode()  # with line ends as they are
    return found


def check_names(packs: Iterable[str]) -> None:
    """Raise OperatorError for a name that is none of a pack: it becomes a file here, whoever wrote it to the store."""
    for name in packs:
        if not _NAME.fullmatch(name):
            form = "letters, digits, `.`, `_` and `-`, then `.toml`"
            raise OperatorError((f"{name!r} is no name of a pack; accepted: {form}",))


_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.toml")


def _write(folder: Path, wanted: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in folder.glob("*.toml"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    known = kept(folder)
    for name, text in wanted.items():
        if known.get(name) != text:
            private_file.replace(folder / name, text.encode())
