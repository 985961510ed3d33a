"""Files for their owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import private_file
from gateway.errors import ConfigError

WHAT = "the file"


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_and_its_folder_are_made_for_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    private_file.create(path, b"text")
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert private_file.read(path, WHAT) == "text"


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    private_file.create(path, b"first")
    private_file.create(path, b"second")
    assert private_file.read(path, WHAT) == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_is_replaced_whole_and_for_whom_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    private_file.replace(path, b"new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
    private_file.replace(path, b"public", 0o644)
    assert (path.read_text(), mode(path)) == ("public", 0o644)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    link = tmp_path / "link"
    link.symlink_to("target")
    private_file.replace(link, b"new")
    assert not link.is_symlink()
    assert (tmp_path / "target").read_text() == "precious"


def test_what_cannot_be_replaced_leaves_no_draft_behind(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError):
        private_file.replace(tmp_path / "folder", b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_what_cannot_be_written_leaves_no_draft_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):
        private_file.create(tmp_path / "file", b"text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o602])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(bits)
    with pytest.raises(ConfigError) as caught:
        private_file.read(path, WHAT)
    assert caught.value.problems == (f"{path}: others may read the file (mode {bits:04o}); accepted: 0600",)


def test_a_fault_of_the_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        private_file.read(tmp_path / "none", WHAT)
    assert caught.value.problems == (f"{tmp_path / 'none'}: the file cannot be used: No such file or directory",)
