"""The authority's folder: made once, by one of many; renewed; and never used when something is wrong with it."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from gateway import private_file
from gateway.errors import ConfigError
from gateway.trust import folder
from gateway.trust.authority import LIFETIME, Authority, made, pem
from gateway.trust.name import subtree
from tests.trust.times import clock

NOW = clock()()


def problem(where: Path, *permitted: str) -> str:
    with pytest.raises(ConfigError) as caught:
        folder.ensure(where, tuple(map(subtree, permitted)), NOW)
    (line,) = caught.value.problems
    return line


def test_it_is_made_on_the_first_run_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    where = tmp_path / "state" / "ca"
    assert folder.current(where, NOW) is None
    assert folder.certificates(where, NOW) == ()
    first = folder.ensure(where, (), NOW)
    assert folder.ensure(where, (), NOW).certificate == first.certificate
    assert folder.certificates(where, NOW) == (first.certificate,)
    (file,) = where.iterdir()
    assert file.name == "authority-1.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(where.stat().st_mode) == 0o700


START = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.trust import folder
sys.stdin.read()  # until all are there
made = {call}(Path(sys.argv[1]), (), datetime.now(UTC))
print(getattr(made, "certificate", made).serial_number)
"""


def together(where: Path, *calls: str) -> list[str]:
    """The serial numbers that processes end up with that make these calls at the same time."""
    commands = [[sys.executable, "-c", START.format(call=call), str(where)] for call in calls]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for command in commands
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    return [process.communicate(timeout=60)[0].strip() for process in started]


def trusted(where: Path) -> set[str]:
    return {str(certificate.serial_number) for certificate in folder.certificates(where, NOW)}


def test_processes_that_start_together_have_one_authority(tmp_path: Path) -> None:
    serials = together(tmp_path / "ca", *["folder.ensure"] * 6)
    assert set(serials) == {str(folder.ensure(tmp_path / "ca", (), NOW).certificate.serial_number)}
    assert [file.name for file in (tmp_path / "ca").iterdir()] == ["authority-1.pem"]


def test_starts_and_rotations_at_once_lose_no_certificate(tmp_path: Path) -> None:
    first = folder.ensure(tmp_path, (), NOW).certificate.serial_number
    serials = together(tmp_path, *["folder.rotate", "folder.ensure"] * 3)
    current = folder.current(tmp_path, NOW)
    assert current is not None
    assert str(current.certificate.serial_number) in serials
    assert trusted(tmp_path) == {*serials[::2], str(first)}
    assert {*serials} <= trusted(tmp_path)


def late(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> None:
    """Let a call of `current` look just before `before` happens."""
    real = folder.current

    def look(where: Path, now: datetime) -> Authority | None:
        monkeypatch.setattr(folder, "current", real)
        found = real(where, now)
        before()
        return found

    monkeypatch.setattr(folder, "current", look)


def test_the_loser_of_a_race_reads_the_winner_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late(monkeypatch, lambda: folder.ensure(tmp_path, (), NOW))
    loser = folder.ensure(tmp_path, (), NOW)
    assert folder.certificates(tmp_path, NOW) == (loser.certificate,)


def test_the_loser_of_a_race_does_not_take_other_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late(monkeypatch, lambda: folder.ensure(tmp_path, (), NOW))
    assert "may sign for all names, and proxy.name_constraints asks for a.b;" in problem(tmp_path, "a.b")


def test_one_that_is_rotated_out_while_it_is_read_gives_way_to_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.ensure(tmp_path, (), NOW)
    real = private_file.read

    def read(path: Path, what: str) -> str:
        monkeypatch.setattr(private_file, "read", real)
        folder.rotate(tmp_path, (), NOW)
        return real(path, what)

    monkeypatch.setattr(private_file, "read", read)
    found = folder.current(tmp_path, NOW)
    assert found is not None
    assert found.certificate == folder.certificates(tmp_path, NOW)[0]


class TestRotate:
    def test_the_new_one_signs_and_the_old_one_stays_trusted_without_its_key(self, tmp_path: Path) -> None:
        old = folder.ensure(tmp_path, (), NOW)
        new = folder.rotate(tmp_path, (), NOW)
        assert folder.ensure(tmp_path, (), NOW).certificate == new != old.certificate
        assert folder.certificates(tmp_path, NOW) == (new, old.certificate)
        assert (tmp_path / "authority-1.pem").read_text() == pem(old.certificate)
        assert stat.S_IMODE((tmp_path / "authority-1.pem").stat().st_mode) == 0o600

    def test_an_expired_one_is_trusted_no_longer(self, tmp_path: Path) -> None:
        folder.ensure(tmp_path, (), NOW - LIFETIME / 2)
        new = folder.rotate(tmp_path, (), NOW)
        assert folder.certificates(tmp_path, NOW + LIFETIME / 2) == (new,)

    def test_it_is_how_limits_change(self, tmp_path: Path) -> None:
        folder.ensure(tmp_path, (), NOW)
        wanted = (subtree("example.com"),)
        folder.rotate(tmp_path, wanted, NOW)
        assert folder.ensure(tmp_path, wanted, NOW).permitted == wanted

    def test_it_makes_the_first_one_too(self, tmp_path: Path) -> None:
        assert folder.rotate(tmp_path, (), NOW) == folder.ensure(tmp_path, (), NOW).certificate

    def test_it_changes_nothing_where_a_file_is_broken(self, tmp_path: Path) -> None:
        folder.ensure(tmp_path, (), NOW)
        text = (tmp_path / "authority-1.pem").read_text()
        (tmp_path / "authority-2.pem").write_text("garbage")
        (tmp_path / "authority-2.pem").chmod(0o600)
        with pytest.raises(ConfigError) as caught:
            folder.rotate(tmp_path, (), NOW)
        assert "authority-2.pem: the certificate authority cannot be used: holds no cert" in caught.value.problems[0]
        assert {file.name for file in tmp_path.iterdir()} == {"authority-1.pem", "authority-2.pem"}
        assert (tmp_path / "authority-1.pem").read_text() == text


class TestRefused:
    def test_a_key_that_others_may_read(self, tmp_path: Path) -> None:
        folder.ensure(tmp_path, (), NOW)
        (tmp_path / "authority-1.pem").chmod(0o640)
        assert "others may read the certificate authority (mode 0640); accepted: 0600" in problem(tmp_path)

    @pytest.mark.parametrize("mode", [0o770, 0o702])
    def test_a_folder_that_others_may_write_to(self, tmp_path: Path, mode: int) -> None:
        where = tmp_path / "ca"
        folder.ensure(where, (), NOW)
        where.chmod(mode)
        assert f"others may write to the folder of the certificate authority (mode {mode:04o})" in problem(where)

    def test_a_folder_that_others_may_write_to_before_there_is_a_key_in_it(self, tmp_path: Path) -> None:
        where = tmp_path / "ca"
        where.mkdir()
        where.chmod(0o777)
        assert "others may write to the folder" in problem(where)
        assert list(where.iterdir()) == []

    @pytest.mark.parametrize("text", ["", "garbage", made((), NOW).text()[:300], pem(made((), NOW).certificate)])
    def test_a_broken_file_rather_than_an_older_one(self, tmp_path: Path, text: str) -> None:
        folder.ensure(tmp_path, (), NOW)
        file = tmp_path / "authority-2.pem"
        file.write_text(text)
        file.chmod(0o600)
        found = problem(tmp_path)
        assert found.startswith(f"{file}: the certificate authority cannot be used: holds no ")
        assert found.endswith("; move the file out of the folder, then make a new authority by `lockgate ca rotate`")

    def test_one_that_expired(self, tmp_path: Path) -> None:
        folder.ensure(tmp_path, (), NOW - LIFETIME)
        assert f"it expired at {NOW:%Y-%m-%d %H:%M:%S UTC}; make a new one by `lockgate ca rotate`" in problem(tmp_path)

    def test_one_from_the_future(self, tmp_path: Path) -> None:
        folder.ensure(tmp_path, (), NOW + LIFETIME)
        assert "it is not valid before" in problem(tmp_path)

    def test_one_with_other_limits_than_configured(self, tmp_path: Path) -> None:
        folder.ensure(tmp_path, (subtree("example.com"), subtree("10.0.0.0/8")), NOW)
        assert problem(tmp_path).endswith(
            "the certificate authority may sign for 10.0.0.0/8, example.com, and proxy.name_constraints asks for all "
            "names; take that back, or make a new one by `lockgate ca rotate`"
        )
        assert "asks for example.com;" in problem(tmp_path, "example.com")
        folder.ensure(tmp_path, (subtree("10.0.0.0/8"), subtree("example.com")), NOW)

    def test_what_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert "the folder of the certificate authority cannot be used: Not a directory" in problem(tmp_path / "file")
