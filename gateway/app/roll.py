"""Keeps who may approve in step with the configuration, in a process that follows no rules: the supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway import config as configuration
from gateway.approve.roster import Roster
from gateway.config import Config, Secrets
from gateway.errors import ConfigError
from gateway.reload import carried

_SETTLE: Final = 0.05
"""Seconds for which a file must have been left alone before it is read: editors empty files before they write them."""

type _Stamp = tuple[int, int, int] | None


class Roll:
    """`roster` is what is kept in step, from the configuration at `path` (None: there is no file to follow).

    A file that is wrong changes nothing here; the workers say what is wrong.
    """

    def __init__(
        self, path: Path | None, environ: Mapping[str, str], config: Config, secrets: Secrets, roster: Roster
    ) -> None:
        self._path = path
        self._environ = environ
        self._config = config
        self._roster = roster
        self._stamp = _stamp_of(path)
        roster.take(config.people, secrets.approver)

    async def look(self) -> None:
        """Take up what was changed since the last look, where the configuration says that files are followed."""
        if not self._config.rules.reload or _stamp_of(self._path) == self._stamp:
            return
        while (stamp := _stamp_of(self._path)) != self._stamp:
            self._stamp = stamp
            await asyncio.sleep(_SETTLE)
        await self.load()

    async def load(self) -> None:
        """Load the file again, whether or not it changed."""
        if self._path is None:
            return
        try:
            fresh = await asyncio.to_thread(configuration.load, self._path)
            self._config, _ = carried(self._config, fresh)
            self._roster.take(self._config.people, configuration.secrets(self._config, self._environ).approver)
        except ConfigError:
            return


def _stamp_of(path: Path | None) -> _Stamp:
    """What tells whether a file was changed, without reading it; None where it cannot be told."""
    try:
        stat = path.stat() if path is not None else None
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat is not None else None
