"""Checks the audit files of a folder, and says what was done to them. It needs the key, and changes nothing.

Workers, and servers behind pipes, have each a chain in a folder of their own below it. `gateway.audit` says what cannot
be found.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway import chain
from gateway.audit import HEAD, files, lines_back, worker_folder
from gateway.chain import Line, Position


class What(StrEnum):
    """What was done to the files."""

    CHANGED = "changed"  # the seal does not fit
    INSERTED = "inserted"  # the seal does not fit, and the lines around it follow each other
    DROPPED = "dropped"  # lines are missing before this one
    REORDERED = "reordered"  # the line belongs further up
    REPEATED = "repeated"  # the line stands there twice
    TRUNCATED = "truncated"  # the end is missing
    UNREADABLE = "unreadable"  # no JSON
    WRONG_KEY = "wrong key"  # not one line fits the key


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` counts from 1; 0 is the file as a whole."""

    file: str
    line: int
    what: What
    detail: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and what is wrong. `last` is where the chain ends, `workers` the most that a start spoke of."""

    files: int
    lines: int
    problems: tuple[Problem, ...]
    last: Position | None
    workers: int = 0

    @property
    def is_intact(self) -> bool:
        return not self.problems


def verify(folder: Path, key: bytes) -> Report:
    """Check every line, the ties between them, and the head. Raises OSError where a file cannot be read."""
    present = files(folder)
    check = _Check(key)
    count = 0
    for path in present:
        with path.open("rb") as file:
            for number, data in enumerate(file, start=1):
                check.read(_Place(path.name, number), data)
                count += 1
    head = folder / HEAD
    check.finish(head.read_bytes() if head.exists() else None)
    if count and not check.fitting:
        problems: tuple[Problem, ...] = (Problem(present[0].name, 0, What.WRONG_KEY, "no line fits this key"),)
    else:
        problems = tuple(check.problems)
    return Report(len(present), count, problems, check.last, check.workers)


def chains(folder: Path) -> tuple[Path, ...]:
    """The folders that have a chain: this one, and those below it. This one alone where there is none at all."""
    found = {path.parent for name in (HEAD, "audit-*.jsonl") for path in folder.rglob(name)}
    return tuple(sorted(found)) or (folder,)


def verify_all(folder: Path, key: bytes) -> Mapping[Path, Report]:
    """Check each chain of a folder. Raises OSError where a file cannot be read.

    A worker's chain that is gone is a problem of the folder itself: each start of the others says how many there were.
    """
    reports = {one: verify(one, key) for one in chains(folder)}
    most = max((report.workers for one, report in reports.items() if one.parent == folder), default=0)
    gone = [one for number in range(1, most + 1) if not files(one := worker_folder(folder, number))]
    if not gone:
        return reports
    own = reports.pop(folder, Report(0, 0, (), None))
    missing = (Problem(one.name, 0, What.DROPPED, "the chain of this worker is missing") for one in gone)
    return {folder: replace(own, problems=(*own.problems, *missing)), **reports}


def tail(folder: Path, count: int) -> tuple[str, ...]:
    """The last lines of all chains, oldest first, as they stand in the files; nothing is checked."""
    backwards = heapq.merge(*map(_back, chains(folder)), key=lambda timed: timed[0], reverse=True)
    return tuple(reversed([line for _, (_, line) in zip(range(count), backwards, strict=False)]))


def _back(folder: Path) -> Iterator[tuple[str, str]]:
    """Time and text of each line, the last first. A line that says no time stands where it stands."""
    time = "9"  # later than any year that has four digits
    for path in reversed(files(folder)):
        for data in lines_back(path):
            time = _time(data) or time
            yield time, data.rstrip(b"\n").decode("utf-8", "replace")


def _time(data: bytes) -> str | None:
    """When a line was written: ISO 8601 in UTC and of one length, so that texts are in the order of times."""
    try:
        time = json.loads(data)["time"]
    except (ValueError, KeyError, TypeError):
        return None
    return time if isinstance(time, str) else None


@dataclass(frozen=True, slots=True)
class _Place:
    file: str
    line: int

    def problem(self, what: What, detail: str) -> Problem:
        return Problem(self.file, self.line, what, detail)


_NOWHERE: Final = _Place("", 0)


@dataclass(slots=True)
class _Check:
    """The walk along the lines: where the last good one was, and what was found on the way."""

    key: bytes
    problems: list[Problem] = field(default_factory=list)
    last: Position | None = None
    fitting: int = 0
    workers: int = 0
    _place: _Place = _NOWHERE
    _bad: list[int] = field(default_factory=list)  # indices of problems: lines since the last good one that do not fit
    _reached: dict[str, int] = field(default_factory=dict)  # the highest number seen of each chain
    _first: tuple[_Place, Line] | None = None
    _pruned: list[tuple[object, ...]] = field(default_factory=list)

    def read(self, place: _Place, data: bytes) -> None:
        """Take the next line, its end included."""
        self._place = place
        line = chain.read_line(self.key, data.removesuffix(b"\n"))
        if not data.endswith(b"\n"):
            self._found(What.TRUNCATED, "the end of the line is missing")
        if line is not None:
            self.fitting += 1
            self._follow(line)
            self._bad.clear()
        elif data.endswith(b"\n"):
            self._bad.append(len(self.problems))
            is_json = _is_json(data)
            self._found(*((What.CHANGED, "the seal does not fit") if is_json else (What.UNREADABLE, "this is no JSON")))

    def finish(self, head: bytes | None) -> None:
        """Hold the ends against what is known of them."""
        self._check_first()
        if head is None:
            if self.last is not None:
                self.problems.append(Problem(HEAD, 0, What.DROPPED, "the head is missing"))
            return
        known = chain.read_head(self.key, head)
        if known is None:
            self.problems.append(Problem(HEAD, 0, What.CHANGED, "the seal does not fit"))
        elif not self._has(known):
            self._place = replace(self._place, file=self._place.file or HEAD)
            self._found(What.TRUNCATED, f"the head names line {known.seq} of chain {known.chain}, which is missing")

    def _follow(self, line: Line) -> None:
        here = line.position
        reached = self._reached.get(here.chain, -1)
        if self.last is None:
            self._first = (self._place, line) if not self._bad else None
        elif line.prev == self.last.mac:
            for index in self._bad:
                if self.problems[index].what is What.CHANGED:
                    self.problems[index] = replace(self.problems[index], what=What.INSERTED)
        elif here == self.last:
            return self._found(What.REPEATED, "the line before stands here again")
        elif here.seq <= reached:
            return self._found(What.REORDERED, f"line {here.seq} comes after line {reached} of chain {here.chain}")
        elif not self._fills_gap(line):
            self._found(What.DROPPED, f"what stood before line {here.seq} of chain {here.chain} is missing")
        self._take(line)
        return None

    def _take(self, line: Line) -> None:
        self.last = line.position
        self._reached[line.position.chain] = line.position.seq
        event = line.record.get("event")
        if event == chain.START:
            self.workers = max(self.workers, line.record.get(chain.WORKERS, 0))
            self._check_start(line)
        elif event == chain.PRUNED:
            first = line.record["first"]
            self._pruned.append((first["chain"], first["seq"], first["prev"]))

    def _fills_gap(self, line: Line) -> bool:
        """Whether the lines that do not fit stand in the place of just those that are missing before this one."""
        assert self.last is not None
        before = chain.position_in(line.record, "previous") if line.record.get("event") == chain.START else None
        name, seq = (before.chain, before.seq) if before else (line.position.chain, line.position.seq - 1)
        return bool(self._bad) and (name, seq) == (self.last.chain, self.last.seq + len(self._bad))

    def _check_start(self, line: Line) -> None:
        """A start names the head it found; lines up to there were written, so they must have come before."""
        head = chain.position_in(line.record, "head")
        previous = chain.position_in(line.record, "previous")
        if head is None or (previous is not None and previous.chain == head.chain and previous.seq >= head.seq):
            return
        if not self._has(head):
            self._found(What.TRUNCATED, f"line {head.seq} of chain {head.chain} was written and is missing before this")

    def _check_first(self) -> None:
        """The oldest line is the first ever written, or the one that a pruning left as the first."""
        if self._first is None:
            return
        place, line = self._first
        if line.prev != chain.GENESIS and (line.position.chain, line.position.seq, line.prev) not in self._pruned:
            self.problems.append(place.problem(What.DROPPED, "what stood before the first line is missing"))

    def _has(self, known: Position) -> bool:
        """Whether that line was seen, or was the last one before the first that is kept."""
        is_pruned = self._first is not None and self._first[1].prev == known.mac
        return is_pruned or self._reached.get(known.chain, -1) >= known.seq

    def _found(self, what: What, detail: str) -> None:
        self.problems.append(self._place.problem(what, detail))


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
