"""`lockgate doctor` on a machine with one real runtime; the others are scripts that fail in their own way."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from gateway.cli.doctor import RUNTIMES, examine
from gateway.errors import ConfigError
from gateway.trust.bundle import OVERRIDE
from tests.trust.machine import ROOT, roots

TRUSTS = "comes through the proxy, and trusts it"
DISTRUSTS = "comes through the proxy, and does NOT trust it"
STAYS_AWAY = "does NOT come through the proxy"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lockgate.toml"
    path.write_text('[proxy]\nca_dir = "ca"\n')
    return path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs that this machine has; curl is among them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    curl = shutil.which("curl")
    assert curl is not None
    (folder / "curl").symlink_to(curl)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv(OVERRIDE, str(roots(tmp_path / "roots.pem", ROOT)))
    return folder


def program(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The table that was printed: what is told of each row's name."""
    rows = (re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines())
    return {row[0]: "  ".join(row[1:]) for row in rows if len(row) > 1 and row[0] not in {"runtime", "host"}}


def test_a_runtime_that_trusts_the_gateway_is_well(
    config: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(config, []) == 0
    assert told(capsys) == {"curl": TRUSTS}


def test_each_way_to_fail_is_told_with_a_way_out(
    config: Path, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(programs, "wget", f'for url; do :; done; exec curl -s --cacert {tmp_path}/roots.pem "$url"')
    program(programs, "node", "exit 0")
    program(programs, "deno", "echo failed; exit 1")
    assert examine(config, []) == 1
    advice = {runtime.name: runtime.advice for runtime in RUNTIMES}
    assert told(capsys) == {
        "curl": TRUSTS,
        "wget": f"{DISTRUSTS}  {advice['wget']}",
        "node fetch": f"{STAYS_AWAY}  {advice['node fetch']}",
        "deno": f"{STAYS_AWAY}  {advice['deno']}",
    }


def test_what_counts_is_what_arrives_and_not_how_the_runtime_ends(
    config: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(programs, "git", 'curl -s "$2"; exit 128')
    assert examine(config, []) == 0
    assert told(capsys)["git"] == TRUSTS


def test_a_library_that_is_not_installed_is_left_out(
    config: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(programs, "python3", "exit 86")
    assert examine(config, []) == 0
    assert told(capsys) == {"curl": TRUSTS}


def test_one_that_hangs_is_ended(
    config: Path, programs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs / "curl").unlink()
    program(programs, "ruby", "while :; do :; done")
    monkeypatch.setattr(sys.modules[examine.__module__], "_PATIENCE", 0.05)
    assert examine(config, []) == 1
    assert told(capsys)["ruby"].startswith(STAYS_AWAY)


def test_a_limited_authority_is_tried_within_its_limits(
    config: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text('[proxy]\nca_dir = "ca"\nname_constraints = ["10.0.0.0/8", "example.com"]\n')
    assert examine(config, []) == 0
    assert told(capsys) == {"curl": TRUSTS}
    config.write_text('[proxy]\nca_dir = "other"\nname_constraints = ["10.0.0.0/8"]\n')
    with pytest.raises(ConfigError) as caught:
        examine(config, [])
    assert caught.value.problems == (
        "proxy.name_constraints: has no domain to try; give the command of an agent instead",
    )


class TestCommand:
    def test_it_is_run_as_it_is_and_each_host_is_told(
        self, config: Path, programs: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert examine(config, ["curl", "-s", "https://a.invalid/", "http://b.invalid/"]) == 0
        output = capfd.readouterr().out
        assert "{}{}" in output
        assert "ended with 0, and asked the proxy for 2 hosts" in output
        assert re.search(rf"a\.invalid +{TRUSTS}", output)
        assert re.search(r"b\.invalid +comes through the proxy, without TLS", output)

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (("--cacert", "roots.pem", "https://a.invalid/"), DISTRUSTS),
            (("https://example.com/",), "comes through the proxy, and is not among its name_constraints"),
            (("--version",), "asked the proxy for 0 hosts"),
        ],
    )
    def test_one_that_does_not_come_or_does_not_trust_is_a_problem(
        self,
        config: Path,
        programs: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...],
        why: str,
    ) -> None:
        config.write_text('[proxy]\nca_dir = "ca"\nname_constraints = ["invalid"]\n')
        monkeypatch.chdir(config.parent)
        assert examine(config, ["curl", "-s", *arguments]) == 1
        assert why in capfd.readouterr().out

    def test_one_that_is_not_there_is_named(self, config: Path, programs: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            examine(config, ["no-such-agent"])
        assert caught.value.problems == ("no-such-agent: cannot be run: no such file or directory",)
