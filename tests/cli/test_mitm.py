"""`lockgate mitm`, as a user calls it, and `lockgate run --mitm`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import app, cli, keys
from gateway.app import HOP_KEY
from gateway.errors import ConfigError

SECRET = "a secret of sixteen and more characters"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, arguments, env={"LOCKGATE_SECRET": SECRET})


def test_path_is_the_file_of_the_addon() -> None:
    file = Path(run("mitm", "path").output.strip())
    assert file.name == "lockgate.py"
    assert "addons = [Steer(" in file.read_text()


def test_env_is_what_the_gateway_goes_by(tmp_path: Path) -> None:
    config = tmp_path / "lockgate.toml"
    config.write_text('[gateway]\nsecret_env = "LOCKGATE_SECRET"\nstate_dir = "s"\n[proxy]\nhop = "127.0.0.1:8083"\n')
    found = json.loads(run("mitm", "env", "--config", str(config), "--format", "json").output)
    confdir = tmp_path / "s" / "ca" / "mitmproxy"
    assert found == {
        "LOCKGATE_HOP": "127.0.0.1:8083",
        "LOCKGATE_HOP_KEY": keys.derive(SECRET.encode(), HOP_KEY).hex(),
        "LOCKGATE_HOP_CA": str(confdir),
    }
    assert (confdir / "mitmproxy-ca.pem").exists()


def test_env_without_a_hop_says_what_to_add() -> None:
    raised = run("mitm", "env").exception
    assert isinstance(raised, ConfigError)
    assert raised.problems == (
        'proxy.hop: is needed for a mitmproxy of your own; add `hop = "127.0.0.1:8083"` under [proxy]',
    )


def test_run_takes_modes_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(app, "run", lambda *arguments: ran.append(arguments))
    run("run", "--mitm", "regular", "--mitm", "socks5@1080")
    run("run")
    assert ran == [(None, None, ("regular", "socks5@1080")), (None, None, ())]
