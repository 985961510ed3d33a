"""The commands, as a user calls them."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import __version__, audit, cli, keys
from gateway.app import AUDIT_KEY

SECRET = "a secret of sixteen and more characters"


def lockgate(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments, catch_exceptions=True)


def config(folder: Path, text: str = "") -> str:
    path = folder / "lockgate.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("run",),
        ("demo",),
        ("check",),
        ("scan",),
        ("explain",),
        ("env",),
        ("exec",),
        ("doctor",),
        ("ca",),
        ("ca", "show"),
        ("ca", "export"),
        ("ca", "rotate"),
        ("rules",),
        ("rules", "list"),
        ("rules", "test"),
        ("audit",),
        ("audit", "verify"),
        ("audit", "tail"),
        ("approvals",),
        ("approvals", "list"),
        ("approvals", "show"),
        ("approvals", "approve"),
        ("approvals", "deny"),
        ("approvals", "watch"),
    ],
)
def test_every_command_has_help(arguments: tuple[str, ...]) -> None:
    result = lockgate(*arguments, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(("command", "table"), [("run", "[gateway]"), ("stop", "[agents.NAME]"), ("stop", "[admin]")])
def test_help_names_tables_as_the_configuration_does(command: str, table: str) -> None:
    """typer reads help as markup, in which a name in brackets is a style."""
    assert table in lockgate(command, "--help").output


def test_the_version_is_told() -> None:
    assert lockgate("--version").output == f"lockgate {__version__}\n"


def test_a_wrong_address_is_a_usage_error() -> None:
    result = lockgate("run", "--listen", "here")
    assert result.exit_code == 2
    assert "host:port" in result.output


# --- main


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lockgate", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_operator_errors_are_lines_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = config(tmp_path, "[gateway]\nlisten = 5\nmax_reqest = 1\n")
    assert called(monkeypatch, "run", "--config", wrong) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"error: {wrong}:") for line in lines)
    assert "did you mean `max_request`?" in lines[1]


def test_other_errors_of_ours_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCKGATE_SECRET", SECRET)
    path = config(tmp_path, '[gateway]\nlisten = "127.0.0.1:0"\nsecret_env = "LOCKGATE_SECRET"\nstate_dir = "state"\n')
    writer = audit.Writer(tmp_path / "state" / "audit", b"k", keep=timedelta(days=1))
    try:
        assert called(monkeypatch, "run", "--config", path) == 2
    finally:
        writer.close()
    assert "another gateway writes" in capsys.readouterr().err


# --- check


def test_check_shows_what_would_be_served(tmp_path: Path) -> None:
    result = lockgate("check", "--config", config(tmp_path, '[rules]\nprofile = "monitor"\n'))
    assert result.exit_code == 0, result.output
    assert "profile monitor" in result.output
    assert "not protected: profile `monitor`" in result.output
    assert "/v1/chat/completions" in result.output


def test_check_shows_who_may_go_where(tmp_path: Path) -> None:
    text = """
    [proxy]
    anonymous = "refuse"
    [mcp.tracker]
    url = "https://tracker.example.com/mcp"
    [agents.research]
    key_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
    addresses = ["10.1.0.0/16"]
    profile = "strict"
    [limits.slow]
    requests = 1
    agents = ["research"]
    [egress.git]
    hosts = ["git.example.com"]
    action = "tunnel"
    agents = ["research"]
    """
    shown = [
        " ".join(line.split()) for line in lockgate("check", "--config", config(tmp_path, text)).output.splitlines()
    ]
    for line in (
        "mcp/tracker mcp https://tracker.example.com/mcp the client's",
        "research key, 10.1.0.0/16 strict slow by tier",
        "default everybody else balanced by tier",
        "proxy at 127.0.0.1:8081, who shows no key is refused",
        "egress.git tunnel git.example.com 443 all all research public",
        "upstreams.ollama inspect 127.0.0.1 11434 all all all public",
    ):
        assert line in shown


def test_check_says_that_there_is_no_proxy(tmp_path: Path) -> None:
    shown = lockgate("check", "--config", config(tmp_path, "[proxy]\nenabled = false\n")).output
    assert "no proxy" in shown
    assert "egress." not in shown


def test_check_tells_every_problem_at_once(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.toml").write_text("nonsense = 1\n", encoding="utf-8")
    text = '[rules]\nfolders = ["rules"]\n[admin]\ntoken_env = "NOT_SET"\n[gateway]\nsecret_env = "NOT_SET_EITHER"\n'
    result = lockgate("check", "--config", config(tmp_path, text))
    assert result.exit_code == 1
    assert "own.toml" in result.output
    assert "environment variable NOT_SET is not set" in result.output


def test_check_asks_for_the_secret_that_is_named(tmp_path: Path) -> None:
    result = lockgate("check", "--config", config(tmp_path, '[gateway]\nsecret_env = "NOT_SET"\n'))
    assert result.exit_code == 1
    assert "NOT_SET" in result.output


def test_check_tells_of_workers_that_share_no_store(tmp_path: Path) -> None:
    result = lockgate("check", "--config", config(tmp_path, "[gateway]\nworkers = 2\n"))
    assert result.exit_code == 1
    assert "gateway.workers: 2 workers need one store for what they count; add `url = " in result.output


def test_check_of_a_broken_file_tells_where(tmp_path: Path) -> None:
    result = lockgate("check", "--config", config(tmp_path, "[gateway]\nlisten = \n"))
    assert result.exit_code == 1
    assert "lockgate.toml:2: not TOML" in result.output


def test_check_without_a_file_checks_the_defaults() -> None:
    assert lockgate("check").exit_code == 0


# --- rules


def test_rules_are_listed_for_people_and_for_programs() -> None:
    shown, parsed = lockgate("rules", "list"), json.loads(lockgate("rules", "list", "--json").output)
    assert {"id", "category", "severity", "source", "why"} <= set(parsed[0])
    assert all(rule["id"] in shown.output for rule in parsed)


def test_the_shipped_rules_prove_themselves() -> None:
    result = lockgate("rules", "test")
    assert result.exit_code == 0
    assert "0 problems" in result.output


PACK = """
[[rule]]
id = "own"
why = "a test"
category = "secret.test"
severity = "critical"
words = ["sesame"]
hits = ["sesame", "{hit}"]
misses = ["nothing", "else"]
"""


def test_a_proof_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(PACK.format(hit="open sesame"), encoding="utf-8")
    assert lockgate("rules", "test", str(tmp_path)).exit_code == 0
    (tmp_path / "good.toml").write_text(PACK.format(hit="poppy"), encoding="utf-8")
    (tmp_path / "more.toml").write_text("x = 1", encoding="utf-8")
    result = lockgate("rules", "test", str(tmp_path))
    assert result.exit_code == 1
    assert "rule `own`: number 2 of `hits` is not hit" in result.output
    assert "unknown key `x`" in result.output


def test_a_folder_without_packs_is_an_error(tmp_path: Path) -> None:
    assert "no *.toml in" in str(lockgate("rules", "test", str(tmp_path)).exception)
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    assert "cannot be read" in str(lockgate("rules", "test", str(tmp_path)).exception)


# --- audit


def audited(folder: Path) -> str:
    """A configuration whose gateway wrote two records."""
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    (folder / "secret").chmod(0o600)
    writer = audit.Writer(folder / "audit", keys.derive(SECRET.encode(), AUDIT_KEY), keep=timedelta(days=1))
    writer.append({"number": 1})
    writer.append({"number": 2})
    writer.close()
    return config(folder, '[gateway]\nstate_dir = "."\n')


def test_an_untouched_audit_is_intact(tmp_path: Path) -> None:
    result = lockgate("audit", "verify", "--config", audited(tmp_path))
    assert result.exit_code == 0, result.output
    assert "4 lines: intact" in result.output


def test_a_dropped_line_is_found(tmp_path: Path) -> None:
    path = audited(tmp_path)
    (file,) = (tmp_path / "audit").glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:1] + lines[2:]))
    result = lockgate("audit", "verify", "--config", path)
    assert result.exit_code == 1
    assert "dropped" in result.output


def test_the_chains_of_workers_are_checked_each_and_shown_together(tmp_path: Path) -> None:
    path = audited(tmp_path)
    key = keys.derive(SECRET.encode(), AUDIT_KEY)
    for number in (1, 2):
        folder = audit.worker_folder(tmp_path / "audit", number)
        audit.Writer(folder, key, keep=timedelta(days=1), workers=2).close()
    result = lockgate("audit", "verify", "--config", path)
    assert result.exit_code == 0, result.output
    assert [line.rpartition("/")[2] for line in result.stdout.splitlines()] == [
        "audit: 1 files, 4 lines: intact",
        "worker-1: 1 files, 2 lines: intact",
        "worker-2: 1 files, 2 lines: intact",
    ]
    assert len(lockgate("audit", "tail", "--config", path, "-n", "9").output.splitlines()) == 8
    shutil.rmtree(tmp_path / "audit" / "worker-1")
    result = lockgate("audit", "verify", "--config", path)
    assert result.exit_code == 1
    assert "worker-1:0: dropped: the chain of this worker is missing" in result.output


def test_the_last_lines_are_shown(tmp_path: Path) -> None:
    lines = lockgate("audit", "tail", "--config", audited(tmp_path), "-n", "2").output.splitlines()
    assert [json.loads(line)["record"] for line in lines] == [{"number": 2}, {"event": "end"}]


def test_no_secret_is_made_to_check_with(tmp_path: Path) -> None:
    path = audited(tmp_path)
    (tmp_path / "secret").unlink()
    assert "there is no secret at" in str(lockgate("audit", "verify", "--config", path).exception)
    assert not (tmp_path / "secret").exists()


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    result = lockgate("audit", "tail", "--folder", str(tmp_path / "none"))
    assert "is no folder" in str(result.exception)


def test_a_secret_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audited(tmp_path)
    monkeypatch.setenv("LOCKGATE_SECRET", SECRET)
    path = config(tmp_path, '[gateway]\nstate_dir = "."\nsecret_env = "LOCKGATE_SECRET"\n')
    assert lockgate("audit", "verify", "--config", path).exit_code == 0


# --- demo


def test_the_demo_keeps_its_promises() -> None:
    result = lockgate("demo")
    assert result.exit_code == 0, result.output
    assert "✗" not in result.output
    assert "chain intact" in result.output
    assert max(map(len, result.output.splitlines())) <= 100
