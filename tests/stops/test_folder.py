"""The files of stops: kept, merged between writers, and read so that no doubt lets anything through."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.stops.decision import EVERYTHING, Decision, Over, Scope
from gateway.stops.folder import FILE, FLAG, Folder, StopsError

AGENT = Scope(Over.AGENT, "research")


def stop(scope: Scope, at: int = 1) -> Decision:
    return Decision(scope, True, "why", "ops", at)


def test_nothing_is_stopped_where_there_are_no_files(tmp_path: Path) -> None:
    stops = Folder(tmp_path / "absent").load()
    assert (stops.active, stops.here) == ((), None)


def test_what_is_kept_is_found_by_the_next_process(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "state")
    before = folder.stamp()
    folder.keep([stop(AGENT)])
    folder.keep([stop(EVERYTHING)])
    assert Folder(tmp_path / "state").load().active == (stop(AGENT), stop(EVERYTHING))
    assert folder.stamp() != before
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o077 == 0


def test_older_news_do_not_undo_what_is_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.keep([stop(AGENT, 5)])
    stamp = folder.stamp()
    folder.keep([Decision(AGENT, False, "", "ops", 4)])
    assert folder.load().active == (stop(AGENT, 5),)
    assert folder.stamp() == stamp, "a file that says the same is not written again"


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", '{"stops": [1]}', '{"stops": [{"scope": "all"}]}'])
def test_a_file_that_cannot_be_read_stops_this_gateway(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    why = Folder(tmp_path).load().against("default", "openai")
    assert why is not None
    assert FILE in why
    assert "cannot be read" in why


def test_a_decision_sets_an_unreadable_file_aside(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    Folder(tmp_path).keep([stop(AGENT)])
    assert Folder(tmp_path).load().active == (stop(AGENT),)
    assert (tmp_path / f"{FILE}.unreadable").read_text() == "{"


@pytest.mark.parametrize(("text", "why"), [("maintenance\n", "maintenance"), ("", "the file `"), ("\xff\n", "")])
def test_the_flag_stops_while_it_is_there(tmp_path: Path, text: str, why: str) -> None:
    flag = tmp_path / FLAG
    flag.write_text(text, encoding="latin-1")
    told = Folder(tmp_path).load().against("default", "openai")
    assert told is not None
    assert told.startswith(f"this gateway is stopped: {why}")
    flag.unlink()
    assert Folder(tmp_path).load().against("default", "openai") is None


def test_a_flag_that_is_no_file_stops_too(tmp_path: Path) -> None:
    (tmp_path / FLAG).mkdir()
    assert Folder(tmp_path).load().here is not None


def test_what_root_decides_can_be_read_by_whom_the_folder_belongs_to(tmp_path: Path) -> None:
    """As `sudo lockgate stop` beside a gateway of another user, which must be able to read it, and to write later."""
    state = tmp_path / "state"
    state.mkdir()
    if os.geteuid() == 0:
        os.chown(state, 10001, 10001)
    Folder(state).keep([stop(AGENT)])
    assert {(path.stat().st_uid, path.stat().st_gid) for path in state.iterdir()} == {
        (state.stat().st_uid, state.stat().st_gid)
    }


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "stops.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StopsError, match=r"cannot be written"):
        Folder(tmp_path).keep([stop(AGENT)])
    assert not (tmp_path / "elsewhere").exists()


def test_who_holds_the_lock_for_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stops.folder.PATIENCE", 0.05)
    with (tmp_path / "stops.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StopsError, match=r"another process has held its lock for 0.05 s"):
            Folder(tmp_path).keep([stop(AGENT)])
    Folder(tmp_path).keep([stop(AGENT)])
    assert Folder(tmp_path).load().active == (stop(AGENT),)


def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(StopsError, match=r"cannot be written"):
        Folder(tmp_path / "state").keep([stop(AGENT)])


def test_writers_in_many_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from gateway.stops.decision import Decision, Over, Scope\n"
        "from gateway.stops.folder import Folder\n"
        "for number in range(10):\n"
        "    scope = Scope(Over.AGENT, f'{sys.argv[2]}-{number}')\n"
        "    Folder(Path(sys.argv[1])).keep([Decision(scope, True, '', 'test', 1)])\n"
    )
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name], cwd=root, env=dict(os.environ))
        for name in "abcd"
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(Folder(tmp_path).load().active) == 40
