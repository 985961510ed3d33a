"""Whatever is done to the audit files without the key is found, and named."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import HEAD, Writer, files
from gateway.verify import Problem, What, chains, tail, verify, verify_all

KEY = b"k" * 32
FIRST, SECOND = "audit-2026-11-20.jsonl", "audit-2026-11-21.jsonl"


def write(folder: Path) -> None:
    """Two runs over two days: the first and the start of the second in one file, the rest in the other."""
    now = [datetime(2026, 11, 20, 12, tzinfo=UTC)]
    for run in range(2):
        writer = Writer(folder, KEY, keep=timedelta(days=9), fsync=False, now=lambda: now[0])
        now[0] += timedelta(days=run)
        for n in range(3):
            writer.append({"run": run, "n": n})
        writer.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    write(folder)
    assert verify(folder, KEY).is_intact
    return folder


@contextmanager
def copy(original: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(original, Path(folder) / "audit"))


def edited(original: Path, change: Callable[[list[bytes]], list[bytes]], name: str = FIRST) -> list[Problem]:
    """The problems of a folder in which the lines of one file were changed."""
    with copy(original) as folder:
        path = folder / name
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
        return list(verify(folder, KEY).problems)


def test_intact_files_have_no_problem(original: Path) -> None:
    report = verify(original, KEY)
    assert (report.files, report.lines, report.problems) == (2, 10, ())
    assert report.last is not None
    assert report.last.seq == 4


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda all_: [*all_[:2], all_[2].replace(b'"n":1', b'"n":7'), *all_[3:]], [(3, What.CHANGED)]),
        (lambda all_: [*all_[:2], b"{}\n", b"{}\n", *all_[4:]], [(3, What.CHANGED), (4, What.CHANGED)]),
        (lambda all_: [*all_[:4], b"{}\n", *all_[5:]], [(5, What.CHANGED)]),
        (lambda all_: [b"{}\n", *all_[1:]], [(1, What.CHANGED)]),
        (lambda all_: [*all_[:2], b"{}\n", *all_[2:]], [(3, What.INSERTED)]),
        (lambda all_: [*all_[:2], b"not json\n", *all_[2:]], [(3, What.UNREADABLE)]),
        (lambda all_: [*all_[:2], b"\xff\n", *all_[3:]], [(3, What.UNREADABLE)]),
        (lambda all_: [*all_[:2], *all_[3:]], [(3, What.DROPPED)]),
        (lambda all_: [*all_[:2], b"{}\n", *all_[4:]], [(3, What.CHANGED), (4, What.DROPPED)]),
        (lambda all_: all_[1:], [(1, What.DROPPED)]),
        (lambda all_: [*all_[:3], all_[2], *all_[3:]], [(4, What.REPEATED)]),
        (lambda all_: [*all_[:4], all_[1], *all_[4:]], [(5, What.REORDERED)]),
        (lambda all_: [*all_[:1], all_[2], all_[1], *all_[3:]], [(2, What.DROPPED), (3, What.REORDERED)]),
        (lambda all_: [*all_[:-1], all_[-1].rstrip(b"\n")], [(6, What.TRUNCATED)]),
    ],
)
def test_what_was_done_is_named_with_its_line(
    original: Path, change: Callable[[list[bytes]], list[bytes]], expected: list[tuple[int, What]]
) -> None:
    problems = edited(original, change)
    assert [(problem.line, problem.what) for problem in problems if problem.file == FIRST] == expected
    assert len(problems) == len(expected)


def test_a_cut_tail_is_found_by_the_head(original: Path) -> None:
    (problem,) = edited(original, lambda all_: all_[:-2], SECOND)
    assert (problem.file, problem.line, problem.what) == (SECOND, 2, What.TRUNCATED)
    assert "the head names line 4" in str(problem)


def test_a_torn_tail_is_found(original: Path) -> None:
    problems = edited(original, lambda all_: [*all_[:-1], all_[-1][:20]], SECOND)
    assert [problem.what for problem in problems] == [What.TRUNCATED, What.TRUNCATED]


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_a_missing_file_is_found(original: Path, name: str) -> None:
    with copy(original) as folder:
        (folder / name).unlink()
        (problem,) = verify(folder, KEY).problems
        assert problem.what is (What.DROPPED if name == FIRST else What.TRUNCATED)


def test_missing_lines_with_the_head_left_are_found(original: Path) -> None:
    with copy(original) as folder:
        for path in files(folder):
            path.unlink()
        (problem,) = verify(folder, KEY).problems
        assert (problem.file, problem.what) == (HEAD, What.TRUNCATED)


def test_a_missing_or_changed_head_is_found(original: Path) -> None:
    with copy(original) as folder:
        (folder / HEAD).write_bytes((folder / HEAD).read_bytes().replace(b'"seq":4', b'"seq":2'))
        assert [str(problem) for problem in verify(folder, KEY).problems] == [
            "head.json:0: changed: the seal does not fit"
        ]
        (folder / HEAD).unlink()
        assert [problem.what for problem in verify(folder, KEY).problems] == [What.DROPPED]


def test_a_tail_cut_before_a_restart_is_found_though_the_head_is_new(original: Path) -> None:
    for cut in (2, 4):
        with copy(original) as folder:
            path = folder / SECOND
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-cut]))
            Writer(folder, KEY, keep=timedelta(days=9999), fsync=False).close()
            (problem,) = verify(folder, KEY).problems
            assert problem.what is What.TRUNCATED
            assert "line 4 of chain" in problem.detail


def test_a_whole_chain_cut_before_a_restart_is_found(original: Path) -> None:
    with copy(original) as folder:
        (folder / SECOND).unlink()
        path = folder / FIRST
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        Writer(folder, KEY, keep=timedelta(days=9999), fsync=False).close()
        assert [problem.what for problem in verify(folder, KEY).problems] == [What.TRUNCATED]


def test_a_wrong_key_is_one_problem_and_not_one_for_each_line(original: Path) -> None:
    (problem,) = verify(original, b"other").problems
    assert (problem.file, problem.what) == (FIRST, What.WRONG_KEY)


def test_an_empty_folder_has_no_lines_and_no_problem(tmp_path: Path) -> None:
    report = verify(tmp_path, KEY)
    assert (report.lines, report.is_intact, report.last) == (0, True, None)


class TestLaws:
    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def test_any_changed_byte_is_found(self, original: Path, data: st.DataObject) -> None:
        with copy(original) as folder:
            path = folder / data.draw(st.sampled_from([FIRST, SECOND, HEAD]))
            content = bytearray(path.read_bytes())
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
            path.write_bytes(content)
            assert not verify(folder, KEY).is_intact

    @settings(max_examples=80, deadline=None)
    @given(data=st.data())
    def test_any_dropped_repeated_or_swapped_line_is_found(self, original: Path, data: st.DataObject) -> None:
        lines = [(name, line) for name in (FIRST, SECOND) for line in (original / name).read_bytes().splitlines(True)]
        wrong = list(lines)
        first, second = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
        match data.draw(st.sampled_from(["drop", "repeat", "swap"])):
            case "drop":
                del wrong[first]
            case "repeat":
                wrong.insert(second, lines[first])
            case _:
                wrong[first], wrong[second] = (lines[first][0], lines[second][1]), (lines[second][0], lines[first][1])
        with copy(original) as folder:
            for name in (FIRST, SECOND):
                (folder / name).write_bytes(b"".join(line for file, line in wrong if file == name))
            assert not verify(folder, KEY).is_intact

    @settings(max_examples=80, deadline=None)
    @given(data=st.data())
    def test_any_cut_tail_is_found(self, original: Path, data: st.DataObject) -> None:
        with copy(original) as folder:
            path = folder / SECOND
            path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, path.stat().st_size - 1))])
            assert not verify(folder, KEY).is_intact


def test_the_tail_spans_files_and_is_oldest_first(original: Path) -> None:
    lines = [line for name in (FIRST, SECOND) for line in (original / name).read_text().splitlines()]
    for count in (0, 1, 6, 10, 99):
        assert tail(original, count) == tuple(lines[max(len(lines) - count, 0) :])


@dataclass
class Ticking:
    """A clock that is set."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


class TestSeveralChains:
    """Two workers, each with a chain of its own, and a server behind pipes."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for place, workers, offset in (("worker-1", 2, 0), ("worker-2", 2, 1), ("mcp-files/1", None, 2)):
            clock = Ticking(datetime(2026, 11, 20, 12, 0, offset, tzinfo=UTC))
            folder = tmp_path / place
            writer = Writer(folder, KEY, keep=timedelta(days=9), fsync=False, workers=workers, now=clock)
            for n in range(3):
                clock.now += timedelta(seconds=10)
                writer.append({"at": f"{place} {n}"})
            clock.now += timedelta(seconds=10)
            writer.close()
        return tmp_path

    def test_each_is_checked(self, folder: Path) -> None:
        assert chains(folder) == (folder / "mcp-files" / "1", folder / "worker-1", folder / "worker-2")
        reports = verify_all(folder, KEY)
        assert [(report.lines, report.problems) for report in reports.values()] == [(5, ()), (5, ()), (5, ())]

    def test_a_problem_is_that_of_its_chain(self, folder: Path) -> None:
        (file,) = files(folder / "worker-2")
        file.write_bytes(file.read_bytes().replace(b"worker-2 1", b"worker-2 7"))
        reports = verify_all(folder, KEY)
        assert [problem.what for problem in reports[folder / "worker-2"].problems] == [What.CHANGED]
        assert reports[folder / "worker-1"].is_intact

    @pytest.mark.parametrize("empties", [True, False])
    def test_the_chain_of_a_worker_that_is_gone_is_missed_by_the_others(self, folder: Path, empties: bool) -> None:
        shutil.rmtree(folder / "worker-1")
        if empties:
            (folder / "worker-1").mkdir()
        (problem,) = verify_all(folder, KEY)[folder].problems
        assert (problem.file, problem.what) == ("worker-1", What.DROPPED)
        assert problem.detail == "the chain of this worker is missing"

    def test_one_chain_alone_misses_no_other(self, folder: Path) -> None:
        assert list(verify_all(folder / "worker-2", KEY)) == [folder / "worker-2"]
        assert verify_all(folder / "worker-2", KEY)[folder / "worker-2"].is_intact

    def test_the_last_lines_are_in_the_order_of_time(self, folder: Path) -> None:
        said = [json.loads(line)["record"].get("at", "end") for line in tail(folder, 9)]
        order = [f"{place} {n}" for n in range(3) for place in ("worker-1", "worker-2", "mcp-files/1")]
        assert said == [*order[3:], "end", "end", "end"]

    def test_a_line_that_says_no_time_stays_where_it_stands(self, folder: Path) -> None:
        (file,) = files(folder / "worker-2")
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join([*lines[:3], b"[1]\n", b"{}\n", *lines[3:], b'{"time":5}\n', b"torn"]))
        shown = tail(folder, 100)
        assert shown[-2:] == ('{"time":5}', "torn")
        assert shown[shown.index("[1]") + 1] == "{}"
        own = [line for line in shown if "worker-2" in line or line in ("[1]", "{}")]
        assert own.index("[1]") == 2
        assert len(shown) == 19

    def test_a_folder_without_a_chain_is_as_it_was(self, tmp_path: Path) -> None:
        assert list(verify_all(tmp_path, KEY)) == [tmp_path]
        assert tail(tmp_path, 3) == ()
