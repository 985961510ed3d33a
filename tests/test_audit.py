"""The audit files: what is written, and that a failure to write is never silent."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import audit
from gateway.audit import AuditError, Writer, files, lines_back, worker_folder
from gateway.chain import GENESIS
from gateway.verify import What, verify

KEY = b"k" * 32
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path, clock: Clock) -> Iterator[Writer]:
    writer = opened(tmp_path, clock)
    yield writer
    writer.close()


def opened(folder: Path, clock: Clock, *, fsync: bool = False) -> Writer:
    return Writer(folder, KEY, keep=timedelta(days=2), fsync=fsync, now=clock)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in files(folder) for line in path.read_text().splitlines()]


def events(folder: Path) -> list[Any]:
    return [line["record"].get("event", line["record"].get("n")) for line in lines(folder)]


class TestLines:
    def test_each_is_numbered_timed_and_tied_to_the_one_before(self, tmp_path: Path, writer: Writer) -> None:
        writer.append({"n": 1, "text": "é\n"})
        start, line = lines(tmp_path)
        assert line == {
            "v": 1,
            "chain": start["chain"],
            "seq": 1,
            "time": "2026-11-20T12:00:00.000+00:00",
            "record": {"n": 1, "text": "é\n"},
            "prev": start["mac"],
            "mac": line["mac"],
        }
        assert (start["record"], start["seq"], start["prev"]) == ({"event": "start"}, 0, GENESIS)

    def test_files_are_for_the_owner_alone(self, tmp_path: Path, clock: Clock) -> None:
        folder = tmp_path / "state" / "audit"
        opened(folder, clock).close()
        assert folder.stat().st_mode & 0o077 == 0
        assert files(folder)[0].stat().st_mode & 0o077 == 0

    def test_a_chain_ends_with_its_end_and_the_next_names_it(self, tmp_path: Path, clock: Clock) -> None:
        for _ in range(2):
            opened(tmp_path, clock).close()
        first, end, second, last = lines(tmp_path)
        assert end["record"] == {"event": "end"}
        position = {"chain": first["chain"], "seq": 1, "mac": end["mac"]}
        assert second["record"] == {"event": "start", "previous": position, "head": position}
        assert second["chain"] != first["chain"]
        assert (second["seq"], second["prev"], last["seq"]) == (0, end["mac"], 1)
        assert verify(tmp_path, KEY).is_intact

    def test_writers_in_many_threads_keep_one_chain(self, tmp_path: Path, writer: Writer) -> None:
        def write() -> None:
            for n in range(50):
                writer.append({"n": n})
                writer.flush()

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report = verify(tmp_path, KEY)
        assert (report.is_intact, report.lines) == (True, 201)


class TestDays:
    def test_a_new_day_gets_a_new_file_and_the_chain_goes_on(
        self, tmp_path: Path, writer: Writer, clock: Clock
    ) -> None:
        writer.append({"n": 1})
        clock.now += timedelta(days=1)
        writer.append({"n": 2})
        assert [path.name for path in files(tmp_path)] == ["audit-2026-11-20.jsonl", "audit-2026-11-21.jsonl"]
        assert [line["seq"] for line in lines(tmp_path)] == [0, 1, 2]
        assert verify(tmp_path, KEY).is_intact

    def test_a_clock_set_back_does_not_disorder_the_files(self, tmp_path: Path, clock: Clock) -> None:
        opened(tmp_path, clock).close()
        clock.now -= timedelta(days=3)
        opened(tmp_path, clock).close()
        assert [path.name for path in files(tmp_path)] == ["audit-2026-11-20.jsonl"]
        assert verify(tmp_path, KEY).is_intact

    def test_old_files_go_and_a_record_says_what_is_the_first_that_was_kept(
        self, tmp_path: Path, writer: Writer, clock: Clock
    ) -> None:
        for n in range(4):
            writer.append({"n": n})
            clock.now += timedelta(days=1)
        assert [path.name[6:16] for path in files(tmp_path)] == ["2026-11-21", "2026-11-22", "2026-11-23"]
        pruned = next(line for line in lines(tmp_path) if line["record"].get("event") == "pruned")
        first = lines(tmp_path)[0]
        assert pruned["record"] == {
            "event": "pruned",
            "files": ["audit-2026-11-20.jsonl"],
            "first": {"chain": first["chain"], "seq": first["seq"], "prev": first["prev"]},
        }
        assert verify(tmp_path, KEY).is_intact

    def test_when_all_are_old_the_record_itself_is_the_first(
        self, tmp_path: Path, writer: Writer, clock: Clock
    ) -> None:
        writer.append({"n": 1})
        clock.now += timedelta(days=9)
        writer.append({"n": 2})
        assert events(tmp_path) == ["pruned", 2]
        assert verify(tmp_path, KEY).is_intact

    def test_a_changed_first_line_does_not_stop_the_pruning(self, tmp_path: Path, writer: Writer, clock: Clock) -> None:
        clock.now += timedelta(days=1)
        writer.append({"n": 1})
        writer.append({"n": 2})
        path = files(tmp_path)[1]
        path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":7'))
        clock.now += timedelta(days=2)
        writer.append({"n": 3})
        assert events(tmp_path) == [7, 2, "pruned", 3]
        assert [problem.what for problem in verify(tmp_path, KEY).problems] == [What.CHANGED]

    def test_a_start_after_a_long_time_prunes_too(self, tmp_path: Path, clock: Clock) -> None:
        opened(tmp_path, clock).close()
        clock.now += timedelta(days=9)
        opened(tmp_path, clock).close()
        assert events(tmp_path) == ["start", "pruned", "end"]
        assert verify(tmp_path, KEY).is_intact


class TestCrash:
    def crash(self, writer: Writer) -> None:
        """End as a killed process does: no end record, no head, the lock gone."""
        writer._stop.set()
        writer._flusher.join()
        os.close(writer._file)
        os.close(writer._lock)

    def test_the_chain_goes_on_and_is_intact(self, tmp_path: Path, clock: Clock) -> None:
        writer = opened(tmp_path, clock)
        writer.append({"n": 1})
        self.crash(writer)
        assert verify(tmp_path, KEY).is_intact
        opened(tmp_path, clock).close()
        assert events(tmp_path) == ["start", 1, "start", "end"]
        assert verify(tmp_path, KEY).is_intact

    def test_a_crash_between_a_start_and_its_head_is_no_problem(self, tmp_path: Path, clock: Clock) -> None:
        opened(tmp_path, clock).close()
        head = (tmp_path / "head.json").read_bytes()
        self.crash(opened(tmp_path, clock))
        (tmp_path / "head.json").write_bytes(head)
        opened(tmp_path, clock).close()
        assert verify(tmp_path, KEY).is_intact

    def test_a_torn_line_is_cut_off_and_noted(self, tmp_path: Path, clock: Clock) -> None:
        self.crash(opened(tmp_path, clock))
        with files(tmp_path)[0].open("ab") as file:
            file.write(b'{"chain":"half')
        opened(tmp_path, clock).close()
        assert lines(tmp_path)[1]["record"]["torn"] == 14
        assert verify(tmp_path, KEY).is_intact

    def test_an_empty_file_is_no_obstacle(self, tmp_path: Path, clock: Clock) -> None:
        opened(tmp_path, clock).close()
        (tmp_path / "audit-2026-11-21.jsonl").touch()
        opened(tmp_path, clock).close()
        assert lines(tmp_path)[2]["prev"] == lines(tmp_path)[1]["mac"]
        assert verify(tmp_path, KEY).is_intact

    def test_a_last_line_that_was_tampered_with_does_not_stop_the_gateway(self, tmp_path: Path, clock: Clock) -> None:
        opened(tmp_path, clock).close()
        path = files(tmp_path)[0]
        path.write_bytes(path.read_bytes().replace(b'"end"', b'"enD"'))
        opened(tmp_path, clock).close()
        assert not verify(tmp_path, KEY).is_intact


class TestFailure:
    def test_a_second_writer_is_refused(self, tmp_path: Path, writer: Writer, clock: Clock) -> None:
        with pytest.raises(AuditError, match="another gateway writes to the audit folder"):
            opened(tmp_path, clock)

    def test_a_folder_that_cannot_be_used_is_named(self, tmp_path: Path, clock: Clock) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(AuditError, match=r"the audit folder `.*file` cannot be written: .*exists"):
            opened(tmp_path / "file", clock)
        (tmp_path / "audit-2026-11-20.jsonl").mkdir()
        with pytest.raises(AuditError, match=r"cannot be written: .*[Ii]s a directory"):
            opened(tmp_path, clock)

    def test_a_failed_write_is_raised_and_leaves_no_part_behind(
        self, tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
            with pytest.raises(AuditError, match="only 10 of"):
                writer.append({"n": 1})
            patch.setattr(os, "write", no_space)
            with pytest.raises(AuditError, match="No space left"):
                writer.append({"n": 2})
        writer.append({"n": 3})
        assert events(tmp_path) == ["start", 3]
        assert verify(tmp_path, KEY).is_intact

    def test_a_part_that_cannot_be_taken_back_is_never_built_upon(
        self, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = opened(tmp_path, clock)
        real = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
            patch.setattr(os, "ftruncate", no_space)
            with pytest.raises(AuditError):
                writer.append({"n": 1})
        with pytest.raises(AuditError, match="only 10 of"):
            writer.append({"n": 2})
        with pytest.raises(AuditError):
            writer.close()

    def test_a_disk_that_does_not_keep_what_it_was_given_stops_the_writing(
        self, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit, "_FLUSH_S", 0.01)
        writer = opened(tmp_path, clock, fsync=True)
        monkeypatch.setattr(os, "fsync", no_space)
        writer.append({"n": 1})
        for _ in range(500):
            if writer._failure is not None:
                break
            writer._stop.wait(0.01)
        with pytest.raises(AuditError, match="No space left"):
            writer.append({"n": 2})
        with pytest.raises(AuditError):
            writer.close()

    def test_nothing_is_written_after_the_end(self, tmp_path: Path, clock: Clock) -> None:
        writer = opened(tmp_path, clock)
        writer.close()
        with pytest.raises(AuditError, match="closed"):
            writer.append({"n": 1})


def no_space(*args: object) -> int:
    raise OSError(28, "No space left on device")


def test_the_head_follows_within_a_second(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_FLUSH_S", 0.01)
    writer = opened(tmp_path, clock, fsync=True)
    writer.append({"n": 1})
    for _ in range(500):
        if json.loads((tmp_path / "head.json").read_text())["head"]["seq"] == 1:
            break
        writer._stop.wait(0.01)
    assert json.loads((tmp_path / "head.json").read_text())["head"]["mac"] == lines(tmp_path)[-1]["mac"]
    writer.close()


def test_lines_come_back_from_the_last(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n\ntwo\nhalf")
    assert list(lines_back(path)) == [b"half", b"two\n", b"\n", b"one\n"]
    path.write_bytes(b"")
    assert list(lines_back(path)) == []


class TestWorkers:
    def test_a_start_says_how_many_there_are(self, tmp_path: Path, clock: Clock) -> None:
        own = worker_folder(tmp_path, 2)
        Writer(own, KEY, keep=timedelta(days=2), fsync=False, workers=3, now=clock).close()
        assert own.name == "worker-2"
        assert lines(own)[0]["record"] == {"event": "start", "workers": 3}
        assert verify(own, KEY).workers == 3

    def test_who_claims_the_folder_above_keeps_other_gateways_out_and_no_worker(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        claim = audit.claim(tmp_path / "audit")
        try:
            opened(worker_folder(tmp_path / "audit", 1), clock).close()
            with pytest.raises(AuditError, match="another gateway writes"):
                opened(tmp_path / "audit", clock)
            with pytest.raises(AuditError, match="another gateway writes"):
                audit.claim(tmp_path / "audit")
        finally:
            os.close(claim)
        opened(tmp_path / "audit", clock).close()

    def test_a_folder_that_cannot_be_claimed_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(AuditError, match="cannot be written"):
            audit.claim(tmp_path / "file")
