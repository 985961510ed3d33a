"""`lockgate env`: what it prints, and what a shell makes of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from gateway.trust import folder
from gateway.trust.authority import pem
from gateway.trust.bundle import OVERRIDE
from tests.cli.shell import AGENTS, NOW, config, lockgate, shell
from tests.trust.machine import ROOT, roots


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return shell(tmp_path)


class TestEnv:
    def test_it_makes_the_authority_and_names_files_that_are_there(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        done = lockgate(environ, "env", "--config", config(tmp_path, 8081), "--format", "json")
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert told["HTTPS_PROXY"] == "http://127.0.0.1:8081"
        assert told["NODE_EXTRA_CA_CERTS"] == str(tmp_path / "ca" / "ca.pem")
        (certificate,) = folder.certificates(tmp_path / "ca", NOW)
        assert Path(told["NODE_EXTRA_CA_CERTS"]).read_text() == pem(certificate)
        assert Path(told["SSL_CERT_FILE"]).read_text() == pem(certificate) + ROOT

    def test_a_shell_takes_it_up(self, tmp_path: Path, environ: dict[str, str]) -> None:
        made = lockgate(environ, "env", "--config", config(tmp_path, 8081)).stdout
        script = f'{made}printf "%s %s %s" "$https_proxy" "$ALL_PROXY" "$no_proxy"'
        told = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, text=True, check=True).stdout
        assert told == "http://127.0.0.1:8081 http://127.0.0.1:8081 localhost,127.0.0.1,::1"

    def test_a_port_that_is_not_known_yet_is_refused(self, tmp_path: Path, environ: dict[str, str]) -> None:
        done = lockgate(environ, "env", "--config", config(tmp_path, 0))
        assert (done.returncode, done.stdout) == (2, "")
        assert "proxy.listen: agents cannot be told a port that is not known yet" in done.stderr
        assert not (tmp_path / "ca").exists()

    def test_without_a_proxy_there_is_nothing_to_tell(self, tmp_path: Path, environ: dict[str, str]) -> None:
        path = config(tmp_path, 8081)
        Path(path).write_text("[proxy]\nenabled = false\n")
        done = lockgate(environ, "env", "--config", path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "proxy.enabled: there is no proxy to send agents through" in done.stderr

    def test_an_agent_shows_its_key_to_the_proxy(self, tmp_path: Path, environ: dict[str, str]) -> None:
        path = config(tmp_path, 8081, AGENTS)
        environ |= {"RESEARCH_KEY": "k/:@ey"}
        done = lockgate(environ, "env", "--config", path, "--agent", "research", "--format", "json")
        assert json.loads(done.stdout)["https_proxy"] == "http://research:k%2F%3A%40ey@127.0.0.1:8081"

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("nobody", "agents.nobody: there is no such agent; accepted: `research`, `hashed`"),
            ("research", "agents.research.key_env: the environment variable RESEARCH_KEY is not set"),
            ("hashed", "agents.hashed: its key is not known here; accepted: an agent with `key_env`"),
        ],
    )
    def test_an_agent_whose_key_is_not_at_hand_is_refused(
        self, name: str, why: str, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        done = lockgate(environ, "env", "--config", config(tmp_path, 8081, AGENTS), "--agent", name)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {why}\n")

    def test_a_machine_without_roots_is_told_of(self, tmp_path: Path, environ: dict[str, str]) -> None:
        path = config(tmp_path, 8081)
        lockgate(environ, "env", "--config", path)
        inside = environ | {OVERRIDE: str(tmp_path / "ca" / "bundle.pem")}
        roots(tmp_path / "ca" / "bundle.pem", (tmp_path / "ca" / "ca.pem").read_text())
        done = lockgate(inside, "env", "--config", path)
        assert done.returncode == 0
        assert "this machine has no root certificates; agents will trust the gateway alone" in done.stderr
