"""`lockgate exec`: a real command, its environment, its identity, its signals, its traffic."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from time import time

import pytest

from gateway.cli.launcher import TOKEN_VARIABLE
from gateway.launch import Isolation, key_of, launch_of
from gateway.trust.variables import VARIABLES
from tests.cli.shell import AGENTS, LOCKGATE, SECRET, config, listening, lockgate, serving, shell


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return shell(tmp_path)


def inside(environ: dict[str, str], *options: str) -> dict[str, str]:
    """The environment of a command that is run with these options."""
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    done = lockgate(environ, "exec", *options, "--", sys.executable, "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    within: dict[str, str] = json.loads(done.stdout)
    return within


class TestExec:
    def test_the_command_has_what_env_prints_and_all_that_was_there(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        with listening() as port:
            path = config(tmp_path, port)
            told = json.loads(lockgate(environ, "env", "-c", path, "--format", "json").stdout)
            within = inside(environ | {"MINE": "kept"}, "-c", path)
        shown = f"http://default:{within[TOKEN_VARIABLE]}@127.0.0.1:{port}"
        proxied = {name: shown if value == f"http://127.0.0.1:{port}" else value for name, value in told.items()}
        assert within | proxied == within
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


class TestIdentity:
    """In whose name a command runs."""

    @pytest.mark.parametrize("agent", [None, "research", "hashed"])
    def test_it_shows_a_token_for_its_agent_whether_or_not_the_key_is_at_hand(
        self, agent: str | None, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        with listening() as port:
            named = () if agent is None else ("--agent", agent)
            within = inside(environ, "-c", config(tmp_path, port, AGENTS), *named)
        token = within[TOKEN_VARIABLE]
        assert within["HTTPS_PROXY"] == f"http://{agent or 'default'}:{token}@127.0.0.1:{port}"
        said = launch_of(key_of(SECRET), token, time())
        assert said is not None
        assert (said.agent, said.isolation, said.expires - said.issued) == (
            agent or "default",
            Isolation.NONE,
            86400,
        )

    def test_the_lifetime_is_what_was_asked_for(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with listening() as port:
            within = inside(environ, "-c", config(tmp_path, port), "--lifetime", "90m")
        said = launch_of(key_of(SECRET), within[TOKEN_VARIABLE], time())
        assert said is not None
        assert said.expires - said.issued == 5400

    @pytest.mark.parametrize(
        ("lifetime", "why"),
        [
            ("59s", "--lifetime: `59s` is no lifetime of a token; accepted: from 1m to 30d"),
            ("31d", "--lifetime: `31d` is no lifetime of a token; accepted: from 1m to 30d"),
            ("24", "--lifetime: `24` is no duration; accepted: a number with a unit"),
        ],
    )
    def test_a_lifetime_that_is_none_is_refused(
        self, lifetime: str, why: str, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        done = lockgate(environ, "exec", "-c", config(tmp_path, 8081), "--lifetime", lifetime, "--", "true")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {why}")

    def test_it_is_not_handed_what_could_vouch_for_others(self, tmp_path: Path, environ: dict[str, str]) -> None:
        own = {"SECRET": SECRET.decode(), "RESEARCH_KEY": "key", "ADMIN": "token", TOKEN_VARIABLE: "stale"}
        with listening() as port:
            path = Path(config(tmp_path, port, f'[admin]\ntoken_env = "ADMIN"\n{AGENTS}'))
            path.write_text(path.read_text().replace('secret_file = "secret"', 'secret_env = "SECRET"'))
            within = inside(environ | own, "-c", str(path), "--agent", "research")
        assert not {"SECRET", "RESEARCH_KEY", "ADMIN"} & set(within)
        assert launch_of(key_of(SECRET), within[TOKEN_VARIABLE], time()) is not None

    def test_where_the_secret_cannot_be_read_an_agent_shows_its_key(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        with listening() as port:
            path = config(tmp_path, port, AGENTS)
            (tmp_path / "secret").unlink()
            within = inside(environ | {"RESEARCH_KEY": "k/:@ey"}, "-c", path, "--agent", "research")
        assert within["HTTPS_PROXY"] == f"http://research:k%2F%3A%40ey@127.0.0.1:{port}"
        assert TOKEN_VARIABLE not in within
        assert not (tmp_path / "secret").exists()  # a new one would sign what no gateway believes

    def test_where_neither_is_at_hand_it_says_what_to_do(self, tmp_path: Path, environ: dict[str, str]) -> None:
        path = config(tmp_path, 8081, AGENTS)
        (tmp_path / "secret").chmod(0o644)
        done = lockgate(environ, "exec", "-c", path, "--agent", "research", "--", "true")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "error: agents.research.key_env: the environment variable RESEARCH_KEY is not set\n"
            f"error: {tmp_path / 'secret'}: others may read the secret file (mode 0644); accepted: 0600; to sign a "
            "token instead, run as the gateway's user with its --config\n"
        )

    def test_a_command_without_agent_runs_without_a_token_and_is_told_so(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        with listening() as port:
            path = config(tmp_path, port)
            (tmp_path / "secret").unlink()
            done = lockgate(environ, "exec", "-c", path, "--", "sh", "-c", 'echo "$HTTPS_PROXY"')
        assert done.stdout == f"http://127.0.0.1:{port}\n"
        assert done.stderr.startswith("warning: the command has no token to show the gateway: ")

    def test_an_agent_that_is_not_configured_is_refused(self, tmp_path: Path, environ: dict[str, str]) -> None:
        done = lockgate(environ, "exec", "-c", config(tmp_path, 8081), "--agent", "nobody", "--", "true")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "error: agents.nobody: there is no such agent; accepted: none is configured\n"


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
