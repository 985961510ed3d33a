"""Follows the configuration and the rule packs: an edited file is live at once, a broken one changes nothing.

A reload reads, checks and compiles on a thread, then hands over one frozen value. The rules work at once; their
pre-filter, which takes seconds to compile, follows in a second value. Whoever holds an older value keeps it to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from watchfiles import awatch

from gateway import config as configuration
from gateway.config import Config, Secrets
from gateway.detect.pack import parse_pack
from gateway.detect.rule import Rule
from gateway.detect.ruleset import RuleSet, build
from gateway.errors import ConfigError, OperatorError, RuleError
from gateway.exchange.hidden import CATEGORIES as HIDDEN
from gateway.policy.egress.encoded import CATEGORIES as UNRULED
from gateway.record import log
from gateway.resources import pack_folder, pack_text
from gateway.shelf import Shelf
from gateway.verdict import Effect

NEEDS_RESTART: Final = (
    "gateway.listen",
    "gateway.workers",
    "gateway.secret_env",
    "gateway.secret_file",
    "gateway.state_dir",
    "gateway.parent_proxy_env",
    "proxy.enabled",
    "proxy.listen",
    "proxy.hop",
    "proxy.ca_dir",
    "proxy.name_constraints",
    "proxy.leaf_lifetime",
    "admin.listen",
    "admin.token_env",
    "store.url",
    "store.url_env",
    "store.ca_file",
    "store.prefix",
    "store.timeout",
    "rules.reload",
    "audit.enabled",
    "audit.folder",
    "audit.keep",
    "audit.fsync",
    "log.level",
    "log.format",
)
"""Keys whose change waits for a restart: sockets, open files, and what every key is derived from."""

_DEBOUNCE_MS: Final = 50
_STEP_MS: Final = 50
_LOOK_MS: Final = 1000
"""The files are looked at that often too: some network and bind mounts tell of no change, and folders come and go."""
_SETTLE_S: Final = 0.05
"""Editors empty a file, or move it away, before they write it; nothing is read until it has been left alone so long."""

_SETTLE_TRIES: Final = 20

type _Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What exchanges work with: everything that was read, checked together."""

    config: Config
    secrets: Secrets
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class Status:
    """How the last reload went, for an operator. `problems` are those of the last try; empty if it was taken."""

    digest: str = ""
    loaded_at: datetime | None = None
    problems: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
    is_accelerated: bool = False


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What the files say: the configuration, and the packs as (file, text)."""

    config: Config
    packs: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Loader:
    """Loads the configuration at `path` (None: the defaults) and its packs, and follows them.

    `key` keys the fingerprints of findings. `swap` is called on the event loop with each value after the first. `shelf`
    keeps compiled pre-filters between runs. `origin` is the configuration that the gateway began with, where that was
    before: a worker that is started again must not take up what its fellows still wait to be restarted for. `pushed` is
    the folder of the packs that the fleet pushed, which come after all others.
    """

    path: Path | None
    environ: Mapping[str, str]
    key: bytes
    swap: Callable[[Loaded], None]
    shelf: Shelf | None = None
    origin: Config | None = None
    pushed: Path | None = None
    status: Status = Status()
    _current: Loaded | None = None
    _inputs: _Inputs | None = None  # what was tried last, taken or not
    _stamp: _Stamp = ()
    _folders: tuple[Path, ...] = ()
    _serving_pushed: Mapping[str, str] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _acceleration: asyncio.Task[None] | None = None

    @property
    def serving_pushed(self) -> dict[str, str]:
        """The pushed packs that are in force, by file name."""
        return dict(self._serving_pushed)

    def load(self) -> Loaded:
        """The first load. Raises OperatorError with every problem in the configuration and the packs."""
        self._stamp = self._look()
        self._inputs = self._read()
        loaded = self._compiled(self._inputs)
        restored = self.shelf.restored(loaded.rules) if self.shelf is not None else None
        taken = self._take(loaded if restored is None else replace(loaded, rules=restored))
        self.status = replace(self.status, is_accelerated=restored is not None)
        return taken

    async def watch(self) -> None:
        """Compile the pre-filter of what was loaded, then follow the files until cancelled.

        Returns at once where the configuration says not to reload. Call it after `load`.
        """
        assert self._current is not None, "watch() comes after load()"
        if not self.status.is_accelerated:
            self._accelerate(self._current)
        if not self._current.config.rules.reload:
            return
        while True:
            await self._check()
            folders = self._places()
            try:
                await self._follow(folders)
            except OSError as error:
                log().warning("files cannot be watched, and are looked at instead", error=str(error))
                await asyncio.sleep(_LOOK_MS / 1000)

    async def reload_now(self) -> Status:
        """Load again whether or not anything changed."""
        async with self._turn:
            self._inputs = None
            await self._reload()
        return self.status

    async def _follow(self, folders: tuple[Path, ...]) -> None:
        """Check after every change in these folders, until they are no longer the ones to follow."""
        # Folders are watched, not files: editors put a new file in the place of the old one.
        changes = awatch(
            *folders,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        async with aclosing(changes):
            while self._places() == folders:
                await anext(changes)
                await self._check()

    async def _check(self) -> None:
        async with self._turn:
            await self._reload_if_changed()

    async def _reload_if_changed(self) -> None:
        if await asyncio.to_thread(self._look) != self._stamp:
            self._stamp = await self._settled()
            await self._reload()

    async def _settled(self) -> _Stamp:
        """How the files look once nobody writes to them any more, or has done so for long enough."""
        stamp = await asyncio.to_thread(self._look)
        for _ in range(_SETTLE_TRIES):
            await asyncio.sleep(_SETTLE_S)
            before, stamp = stamp, await asyncio.to_thread(self._look)
            if stamp == before:
                break
        return stamp

    async def _reload(self) -> None:
        tried, self._inputs = self._inputs, None
        try:
            self._inputs = await asyncio.to_thread(self._read)
            if self._inputs == tried:  # touched, or saved unchanged; what was said of it still holds
                return
            fresh = await asyncio.to_thread(self._compiled, self._inputs)
            if self._current is not None:
                # Rules that were there before keep their pre-filter while the new one is made.
                fresh = replace(fresh, rules=fresh.rules.sieved(self._current.rules.prefilters))
        except OperatorError as error:
            self._refuse(error.problems)
        else:
            taken = self._take(fresh)
            self.swap(taken)
            log().info("reloaded", ruleset=self.status.digest, needs_restart=list(self.status.needs_restart))
            self._accelerate(taken)

    def _refuse(self, problems: tuple[str, ...]) -> None:
        if problems != self.status.problems:
            log().error("not reloaded, the last good configuration and rules stay", problems=list(problems))
        self.status = replace(self.status, problems=problems)

    def _take(self, fresh: Loaded) -> Loaded:
        """Make the fresh value the current one, but for the keys that need a restart."""
        waiting: tuple[str, ...] = ()
        before = self._current.config if self._current is not None else self.origin
        if before is not None:
            config, waiting = carried(before, fresh.config)
            fresh = replace(fresh, config=config)
        self._current = fresh
        packs = self._inputs.packs if self._inputs is not None else ()
        self._serving_pushed = {
            Path(source).name: text for source, text in packs if self.pushed and Path(source).parent == self.pushed
        }
        self.status = Status(fresh.rules.digest, datetime.now(UTC), needs_restart=waiting)
        return fresh

    def _accelerate(self, loaded: Loaded) -> None:
        self._acceleration = asyncio.create_task(self._accelerated(loaded))
        self._acceleration.add_done_callback(_told)

    async def _accelerated(self, loaded: Loaded) -> None:
        rules = await asyncio.to_thread(self._with_prefilter, loaded.rules)
        if self._current is loaded and rules is not loaded.rules:
            self._current = replace(loaded, rules=rules)
            self.status = replace(self.status, is_accelerated=True)
            self.swap(self._current)

    def _with_prefilter(self, rules: RuleSet) -> RuleSet:
        """The rules with a pre-filter of their own: from the shelf, or compiled and put there. Runs on a thread."""
        if self.shelf is None:
            return rules.accelerated()
        restored = self.shelf.restored(rules)
        if restored is not None:
            return restored
        with self.shelf.turn():
            restored = self.shelf.restored(rules)  # by who had the turn before
            if restored is not None:
                return restored
            accelerated = rules.accelerated()
            self.shelf.store(accelerated)
        return accelerated

    def _read(self) -> _Inputs:
        config = configuration.load(self.path) if self.path else Config()
        self._folders = config.rules.folders
        return _Inputs(config, (*_packs(config), *_pushed(self.pushed)))

    async def tried(self, pushed: Mapping[str, str]) -> None:
        """See whether these packs could be loaded in place of the pushed ones. Raises OperatorError where not."""

        def compile_them() -> None:
            config = configuration.load(self.path) if self.path else Config()
            self._compiled(_Inputs(config, (*_packs(config), *pushed.items())))

        await asyncio.to_thread(compile_them)

    def _compiled(self, inputs: _Inputs) -> Loaded:
        problems: list[str] = []
        secrets: Secrets | None = None
        try:
            secrets = configuration.secrets(inputs.config, self.environ)
        except ConfigError as error:
            problems += error.problems
        rules: list[Rule] = []
        for source, text in inputs.packs:
            try:
                rules += parse_pack(text, source)
            except RuleError as error:
                problems += error.problems
        if problems or secrets is None:
            raise OperatorError(tuple(problems))
        return Loaded(inputs.config, secrets, _built(rules, inputs.config, self.key))

    def _places(self) -> tuple[Path, ...]:
        """The folders to watch. One that is missing is found by looking."""
        own = (self.path.absolute().parent,) if self.path else ()
        shipped = pack_folder()
        wanted = (*own, *self._all_folders(), *((shipped,) if shipped else ()))
        return tuple(dict.fromkeys(folder for folder in wanted if folder.is_dir()))

    def _all_folders(self) -> tuple[Path, ...]:
        return (*self._folders, self.pushed) if self.pushed is not None else self._folders

    def _look(self) -> _Stamp:
        """What tells whether a file was changed, without reading it."""
        own = (self.path,) if self.path else ()
        shipped = pack_folder()
        folders = (*self._all_folders(), *((shipped,) if shipped else ()))
        return tuple(_stamps((*own, *(path for folder in folders for path in sorted(folder.glob("*.toml"))))))


def carried(old: Config, new: Config) -> tuple[Config, tuple[str, ...]]:
    """The new configuration with the old values of the keys that need a restart, and the keys that wait for one."""
    waiting: list[str] = []
    for key in NEEDS_RESTART:
        table, _, name = key.partition(".")
        before, after = getattr(old, table), getattr(new, table)
        if getattr(before, name) != getattr(after, name):
            waiting.append(key)
            kept = after.model_copy(update={name: getattr(before, name)})
            new = new.model_copy(update={table: kept})
    return new, tuple(waiting)


def _packs(config: Config) -> Iterator[tuple[str, str]]:
    shipped = pack_folder()
    for name in config.rules.packs:
        yield str(shipped / f"{name}.toml") if shipped else f"{name}.toml", pack_text(name)
    for folder in config.rules.folders:
        if not folder.is_dir():
            raise ConfigError((f"rules.folders: `{folder}` is no folder; make it, or take it out",))
        for path in sorted(folder.glob("*.toml")):
            yield str(path), _text(path)


def _pushed(folder: Path | None) -> Iterator[tuple[str, str]]:
    """The packs that the fleet pushed, if there are any."""
    if folder is not None and folder.is_dir():
        for path in sorted(folder.glob("*.toml")):
            yield str(path), _text(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not UTF-8 text"
        raise RuleError((f"{path}: cannot be read: {reason.lower()}",)) from error


def _built(rules: list[Rule], config: Config, key: bytes) -> RuleSet:
    table = config.rules
    of_rules = {name: effect for name, effect in table.effects.items() if name not in UNRULED}
    return build(rules, key=key, shadow=table.shadow, disabled=table.disabled, effects=_by_rule(rules, of_rules))


def _by_rule(rules: Iterable[Rule], effects: Mapping[str, Effect]) -> dict[str, Effect]:
    """The operator's effects by rule id. A category stands for its rules; a rule's id wins, then the longer category.

    Those of hidden text are for the profile. What is neither is left as it is, for the rule set to refuse.
    """
    found: dict[str, Effect] = {}
    unused = set(effects) - HIDDEN
    for rule in rules:
        names = [rule.id, rule.category]
        while "." in names[-1]:
            names.append(names[-1].rpartition(".")[0])
        known = [name for name in names if name in effects]
        unused.difference_update(known)
        if known:
            found[rule.id] = effects[known[0]]
    return found | {name: effects[name] for name in unused}


def _stamps(paths: Iterable[Path]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            yield str(path), 0, 0, 0
        else:
            yield str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino


def _told(task: asyncio.Task[None]) -> None:
    """Without a pre-filter the rules work, only slower; so this is no reason to stop."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log().error("the pre-filter could not be compiled, rules run without it", error=repr(error))
