"""`lockgate stop`: who is said to have decided."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import cli


@pytest.mark.parametrize("fault", [KeyError("getpwuid(): uid not found: 10001"), OSError("No username set")])
def test_a_user_without_a_name_may_stop_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception) -> None:
    def nameless() -> str:
        raise fault

    monkeypatch.setattr(getpass, "getuser", nameless)
    path = tmp_path / "lockgate.toml"
    path.write_text('[gateway]\nstate_dir = "state"\n')
    result = CliRunner().invoke(cli.app, ["stop", "--why", "a drill", "--config", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"by uid {os.getuid()}@" in result.output
    assert ": a drill" in result.output
