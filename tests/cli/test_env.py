"""`lockgate env` and `lockgate exec`: a real command, its environment, its signals, its traffic."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.trust import folder
from gateway.trust.authority import pem
from gateway.trust.bundle import OVERRIDE
from gateway.trust.leaf import Leaves
from gateway.trust.variables import VARIABLES
from tests.trust.machine import ROOT, roots
from tests.trust.proxy import Seen, proxy
from tests.trust.times import clock

NOW = clock()()
LOCKGATE = [sys.executable, "-c", "from gateway.cli import main; main()"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What a user's shell has, with settings of its own that lead elsewhere."""
    elsewhere = {"https_proxy": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9", "no_proxy": "*"}
    named = roots(tmp_path / "roots.pem", ROOT)
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), OVERRIDE: str(named), **elsewhere}


def config(folder: Path, port: int) -> str:
    path = folder / "lockgate.toml"
    path.write_text(f'[proxy]\nlisten = "127.0.0.1:{port}"\nca_dir = "ca"\n')
    return str(path)


def agents(folder: Path) -> str:
    path = config(folder, 8081)
    with Path(path).open("a") as file:
        file.write(f'[agents.research]\nkey_env = "RESEARCH_KEY"\n[agents.hashed]\nkey_sha256 = "{"0" * 64}"\n')
    return path


def lockgate(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LOCKGATE, *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def serving(tmp_path: Path) -> Iterator[Seen]:
    authority = folder.ensure(tmp_path / "ca", (), NOW)
    with proxy(Leaves(authority, timedelta(days=1))) as seen:
        yield seen


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
        path = agents(tmp_path)
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
        done = lockgate(environ, "env", "--config", agents(tmp_path), "--agent", name)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {why}\n")

    def test_a_machine_without_roots_is_told_of(self, tmp_path: Path, environ: dict[str, str]) -> None:
        path = config(tmp_path, 8081)
        lockgate(environ, "env", "--config", path)
        inside = environ | {OVERRIDE: str(tmp_path / "ca" / "bundle.pem")}
        roots(tmp_path / "ca" / "bundle.pem", (tmp_path / "ca" / "ca.pem").read_text())
        done = lockgate(inside, "env", "--config", path)
        assert done.returncode == 0
        assert "this machine has no root certificates; agents will trust the gateway alone" in done.stderr


class TestExec:
    def test_the_command_has_what_env_prints_and_all_that_was_there(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        script = "import json, os; print(json.dumps(dict(os.environ)))"
        with listening() as port:
            path = config(tmp_path, port)
            told = json.loads(lockgate(environ, "env", "-c", path, "--format", "json").stdout)
            done = lockgate(environ | {"MINE": "kept"}, "exec", "-c", path, "--", sys.executable, "-c", script)
        assert done.stderr == ""
        within = json.loads(done.stdout)
        assert within | told == within
        assert within["MINE"] == "kept"
        assert {variable.name for variable in VARIABLES} == set(told)

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            (("true",), 0),
            (("sh", "-c", "exit 7"), 7),
            (("sh", "-c", "kill -TERM $$"), -signal.SIGTERM),
            (("sh", "-c", "kill -PIPE $$; exit 3"), -signal.SIGPIPE),  # Python ignores it, what it runs must not
            (("sh", "-c", "kill -XFSZ $$; exit 3"), -signal.SIGXFSZ),
        ],
    )
    def test_its_end_is_the_command_s(
        self, tmp_path: Path, environ: dict[str, str], command: tuple[str, ...], code: int
    ) -> None:
        with listening() as port:
            assert lockgate(environ, "exec", "-c", config(tmp_path, port), "--", *command).returncode == code

    def test_a_signal_reaches_the_command(self, tmp_path: Path, environ: dict[str, str]) -> None:
        script = 'trap "echo stopped; exit 3" TERM; echo ready; while :; do sleep 0.01; done'
        with listening() as port:
            command = [*LOCKGATE, "exec", "-c", config(tmp_path, port), "sh", "-c", script]
            with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                process.terminate()
                assert process.stdout.readline() == "stopped\n"
                assert process.wait(timeout=60) == 3

    def test_what_looks_like_an_option_of_ours_is_the_command_s(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with listening() as port:
            done = lockgate(
                environ, "exec", "-c", config(tmp_path, port), "echo", "--config", "x", "--help", "--", "-c"
            )
        assert done.stdout == "--config x --help -- -c\n"

    @pytest.mark.parametrize(
        ("command", "code", "why"),
        [("no-such-command", 127, "no such file or directory"), ("./roots.pem", 126, "permission denied")],
    )
    def test_a_command_that_cannot_be_run_is_named(
        self,
        tmp_path: Path,
        environ: dict[str, str],
        command: str,
        code: int,
        why: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with listening() as port:
            done = lockgate(environ, "exec", "-c", config(tmp_path, port), "--", command)
        assert done.returncode == code
        assert done.stderr == f"error: {command}: cannot be run: {why}\n"

    def test_without_a_gateway_nothing_is_run(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with listening() as port:
            pass  # a port that nobody listens on
        done = lockgate(environ, "exec", "-c", config(tmp_path, port), "--", "echo", "run")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"no gateway can be reached at 127.0.0.1:{port} ([proxy] listen): connection refused" in done.stderr
        assert "start it with `lockgate run` and the same --config" in done.stderr


URL = "https://api.example.com/"
PYTHON = "import sys, {0}; sys.stdout.write({1})"


class TestTraffic:
    """Real clients, started by `lockgate exec` and told nothing else, come through the proxy and trust it."""

    @pytest.mark.parametrize(
        "command",
        [
            ("curl", "--silent", "--show-error", URL),
            (sys.executable, "-c", PYTHON.format("urllib.request", f"urllib.request.urlopen('{URL}').read().decode()")),
            (sys.executable, "-c", PYTHON.format("requests", f"requests.get('{URL}').text")),
            (sys.executable, "-c", PYTHON.format("httpx2", f"httpx2.get('{URL}').text")),
        ],
        ids=["curl", "urllib", "requests", "httpx2"],
    )
    def test_an_https_client_trusts_the_gateway(
        self, tmp_path: Path, environ: dict[str, str], command: tuple[str, ...]
    ) -> None:
        with serving(tmp_path) as seen:
            done = lockgate(environ, "exec", "-c", config(tmp_path, seen.port), "--", *command)
        assert (done.stdout, done.stderr) == ("trusted", "")
        assert seen.hosts == ["api.example.com"]

    def test_a_client_that_is_not_told_does_not_trust_it(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with serving(tmp_path) as seen:
            forgetful = ("env", "-u", "CURL_CA_BUNDLE", "-u", "SSL_CERT_FILE", "curl", "--silent", "--show-error", URL)
            done = lockgate(environ, "exec", "-c", config(tmp_path, seen.port), *forgetful)
        assert done.returncode == 60
        assert "certificate" in done.stderr
