"""`lockgate stop`: who is said to have decided, and that no stop is claimed which no gateway would see."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import cli
from gateway.errors import ConfigError


@pytest.mark.parametrize("fault", [KeyError("getpwuid(): uid not found: 10001"), OSError("No username set")])
def test_a_user_without_a_name_may_stop_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception) -> None:
    def nameless() -> str:
        raise fault

    monkeypatch.setattr(getpass, "getuser", nameless)
    path = tmp_path / "lockgate.toml"
    path.write_text('[gateway]\nstate_dir = "state"\n')
    (tmp_path / "state").mkdir()
    result = CliRunner().invoke(cli.app, ["stop", "--why", "a drill", "--config", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"by uid {os.getuid()}@" in result.output
    assert ": a drill" in result.output


@pytest.mark.parametrize("command", ["stop", "resume", "stops"])
def test_where_no_gateway_ever_ran_nothing_is_claimed(tmp_path: Path, command: str) -> None:
    """As for an operator who forgot the --config: files in a folder that nobody looks at stop nothing."""
    path = tmp_path / "lockgate.toml"
    path.write_text('[gateway]\nstate_dir = "state"\n')
    result = CliRunner().invoke(cli.app, [command, "--config", str(path)])
    assert isinstance(result.exception, ConfigError)
    assert "no gateway keeps its state in" in str(result.exception)
    assert not (tmp_path / "state").exists()
