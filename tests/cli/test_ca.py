"""`lockgate ca`, as a user calls it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.errors import ConfigError
from gateway.trust import folder
from gateway.trust.authority import LIFETIME, der, fingerprint, pem
from gateway.trust.bundle import OVERRIDE
from tests.trust.machine import ROOT, roots
from tests.trust.times import clock

NOW = clock()()


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, str(roots(tmp_path / "roots.pem", ROOT)))


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "lockgate.toml"
    path.write_text('[proxy]\nca_dir = "ca"\nname_constraints = ["example.com", "10.0.0.0/8"]\n')
    return str(path)


def ca(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ("ca", *arguments), catch_exceptions=True)


def trusted(tmp_path: Path) -> tuple[x509.Certificate, ...]:
    return folder.certificates(tmp_path / "ca", NOW)


class TestExport:
    def test_the_first_one_makes_the_authority_with_its_limits(self, config: str, tmp_path: Path) -> None:
        result = ca("export", "--config", config)
        (certificate,) = trusted(tmp_path)
        assert result.stdout == pem(certificate)
        found = folder.current(tmp_path / "ca", NOW)
        assert found is not None
        assert list(map(str, found.permitted)) == ["example.com", "10.0.0.0/8"]

    def test_its_forms_are_all_that_is_trusted_the_newest_in_der_and_all_with_the_roots(
        self, config: str, tmp_path: Path
    ) -> None:
        ca("export", "--config", config)
        ca("rotate", "--config", config)
        newest, earlier = trusted(tmp_path)
        assert ca("export", "--config", config, "--format", "pem").stdout == pem(newest) + pem(earlier)
        assert ca("export", "--config", config, "--format", "der").stdout_bytes == der(newest)
        assert ca("export", "--config", config, "--format", "bundle").stdout == pem(newest) + pem(earlier) + ROOT

    def test_a_file_is_for_others_to_read_and_holds_no_key(self, config: str, tmp_path: Path) -> None:
        to = tmp_path / "lockgate.crt"
        result = ca("export", "--config", config, "--output", str(to))
        assert (result.exit_code, result.stdout) == (0, "")
        assert to.read_text() == pem(trusted(tmp_path)[0])
        umask = os.umask(0)
        os.umask(umask)
        assert stat.S_IMODE(to.stat().st_mode) == 0o666 & ~umask
        assert "KEY" not in to.read_text()

    def test_a_file_that_cannot_be_written_is_named(self, config: str, tmp_path: Path) -> None:
        for to, why in ((tmp_path, "Is a directory"), (tmp_path / "none" / "file", "No such file or directory")):
            result = ca("export", "--config", config, "--output", str(to))
            assert isinstance(result.exception, ConfigError)
            assert result.exception.problems == (f"{to}: the file to write to cannot be used: {why}",)


class TestShow:
    def test_it_tells_all_that_an_agent_trusts(self, config: str, tmp_path: Path) -> None:
        ca("export", "--config", config)
        ca("rotate", "--config", config)
        newest, earlier = trusted(tmp_path)
        lines = ca("show", "--config", config).stdout.splitlines()
        assert lines[0] == f"folder       {tmp_path / 'ca'}"
        assert lines[1] == f"in force     {newest.subject.rfc4514_string()}"
        assert lines[2] == f"  sha-256    {fingerprint(newest)}"
        assert lines[3].startswith(f"  valid      {newest.not_valid_before_utc:%Y-%m-%d} to ")
        assert lines[3].endswith(f", {LIFETIME.days - 1} days left")
        assert lines[4] == "  signs for  example.com, 10.0.0.0/8"
        assert lines[5] == f"earlier      {earlier.subject.rfc4514_string()}"
        assert lines[6] == f"  sha-256    {fingerprint(earlier)}"

    def test_its_fingerprint_is_openssl_s(self, config: str, tmp_path: Path) -> None:
        ca("export", "--config", config, "--output", str(tmp_path / "ca.crt"))
        command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(tmp_path / "ca.crt")]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert told.strip().partition("=")[2] == fingerprint(trusted(tmp_path)[0])

    def test_one_that_signs_for_all_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        ca("export")
        assert "  signs for  all names" in ca("show").stdout.splitlines()

    def test_it_makes_none(self, config: str, tmp_path: Path) -> None:
        result = ca("show", "--config", config)
        assert isinstance(result.exception, ConfigError)
        assert "there is no certificate authority yet; `lockgate ca export` makes one" in str(result.exception)
        assert not (tmp_path / "ca").exists()


class TestRotate:
    def test_it_tells_the_new_one_and_what_is_left_to_do(self, config: str, tmp_path: Path) -> None:
        ca("export", "--config", config)
        result = ca("rotate", "--config", config)
        newest, earlier = trusted(tmp_path)
        assert f"{newest.subject.rfc4514_string()}, SHA-256 {fingerprint(newest)}" in result.stdout
        assert "first restart the agents, which read what to trust when they start, then the gateway" in result.stdout
        assert (tmp_path / "ca" / "ca.pem").read_text() == pem(newest) + pem(earlier)


def test_each_command_starts_without_what_it_does_not_need() -> None:
    script = "import sys, gateway.cli; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
