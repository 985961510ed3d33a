"""`lockgate approvals`: on this machine and over the admin listener, and what its exit codes mean."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.approve import desk
from gateway.approve.decision import Decision
from gateway.cli import approvals
from gateway.errors import ConfigError, OperatorError, StoreError
from gateway.policy.call import Answer, Question
from gateway.state.sqlite import FILE, SqliteRegisters
from tests.approve.setting import ALICE, SECRET, TICKET, Clock, Setting, modifying, question
from tests.serve.test_approvals import listening


class Now(Clock):
    """The real time: the command line has no other."""

    def __call__(self) -> float:
        return time.time()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lockgate.toml"
    path.write_text('[gateway]\nstate_dir = "state"\n')
    (tmp_path / "state").mkdir()
    return path


def with_setting[V](config: Path, work: Callable[[Setting], Coroutine[Any, Any, V]]) -> V:
    """What a gateway does that keeps its state there."""

    async def run() -> V:
        registers = SqliteRegisters(config.parent / "state" / FILE)
        try:
            return await work(Setting(registers, TICKET, Now()))
        finally:
            await registers.close()

    return asyncio.run(run())


def asks(config: Path, asked: Question | None = None) -> Answer:
    return with_setting(config, lambda setting: setting.ask(asked))


def command(config: Path, *arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(
        cli.app, ["approvals", *arguments, "--config", str(config)], input=given, catch_exceptions=True
    )


def done(config: Path, *arguments: str, given: str | None = None) -> str:
    result = command(config, *arguments, given=given)
    assert result.exit_code == 0, result.output
    return result.output


def asked_id(config: Path, asked: Question | None = None) -> str:
    ticket = asks(config, asked).ticket
    assert ticket is not None
    return ticket


class TestHere:
    def test_from_the_list_to_the_approval(self, config: Path) -> None:
        assert done(config, "list") == "no call waits for an approval\n"
        id_ = asked_id(config)
        assert id_ in done(config, "list")
        assert "because    it sends [tier]" in done(config, "show", id_)
        approved = done(config, "approve", id_.upper(), "--why", "fine")
        assert f"{id_}  approved: research calls send_mail" in approved
        answer = asks(config)
        assert answer.is_approved
        assert answer.by is not None
        assert "@" in answer.by
        assert done(config, "list") == "no call waits for an approval\n"
        assert id_ in done(config, "list", "--all")

    def test_as_json(self, config: Path) -> None:
        id_ = asked_id(config)
        (listed,) = json.loads(done(config, "list", "--json"))
        assert listed == json.loads(done(config, "show", id_, "--json"))
        assert listed["id"] == id_

    def test_a_denial_is_told_to_the_model(self, config: Path) -> None:
        done(config, "deny", asked_id(config), "--why", "not to them")
        assert "a person denied this call: not to them" in asks(config).words

    @pytest.mark.parametrize(
        ("options", "lasts"),
        [((), "session"), (("--once",), "once"), (("--session",), "session"), (("--target",), "target")],
    )
    def test_how_long_it_holds(self, config: Path, options: tuple[str, ...], lasts: str) -> None:
        id_ = asked_id(config, modifying(target="a"))
        done(config, "approve", id_, *options)
        assert json.loads(done(config, "show", id_, "--json"))["lasts"] == lasts

    def test_one_way_at_a_time(self, config: Path) -> None:
        result = command(config, "approve", "abc123", "--once", "--session")
        assert isinstance(result.exception, OperatorError)
        assert "give one of --once, --session and --target, or none" in str(result.exception)

    @pytest.mark.parametrize("way", ["text", "file", "stdin"])
    def test_edited_arguments(self, config: Path, way: str) -> None:
        id_ = asked_id(config, question({"to": "a", "auth": SECRET}))
        edited = '{"to": "b", "auth": "[SECRET]"}'
        (config.parent / "edited.json").write_text(edited)
        value = {"text": edited, "file": f"@{config.parent / 'edited.json'}", "stdin": "@-"}[way]
        done(config, "approve", id_, "--arguments", value, given=edited)
        assert asks(config, question({"to": "a", "auth": SECRET})).arguments == {"to": "b", "auth": SECRET}

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ("{", "--arguments: not JSON: "),
            ("@/nowhere/at/all", "--arguments: /nowhere/at/all: cannot be read: no such file or directory"),
        ],
    )
    def test_arguments_that_are_none(self, config: Path, value: str, problem: str) -> None:
        result = command(config, "approve", "abc123", "--arguments", value)
        assert isinstance(result.exception, OperatorError)
        assert str(result.exception).startswith(problem)

    def test_what_cannot_be_taken_is_1_with_its_reason(self, config: Path) -> None:
        for arguments, problem in (
            (("show", "zzzzzz"), "error: there is no `zzzzzz`; see `lockgate approvals list`"),
            (("deny", "zzzzzz"), "error: there is no `zzzzzz`"),
        ):
            result = command(config, *arguments)
            assert (result.exit_code, result.output.startswith(problem)) == (1, True), result.output
        id_ = asked_id(config)
        result = command(config, "approve", id_, "--session")
        assert (result.exit_code, "asked each time" in result.output) == (1, True)
        done(config, "deny", id_)
        result = command(config, "approve", id_)
        assert (result.exit_code, "is denied by" in result.output) == (1, True)

    def test_where_no_gateway_ever_ran_nothing_is_claimed(self, config: Path) -> None:
        (config.parent / "state").rmdir()
        result = command(config, "approve", "abc123")
        assert isinstance(result.exception, ConfigError)
        assert "no gateway keeps its state in" in str(result.exception)

    def test_a_store_that_cannot_be_used_is_an_error(self, config: Path) -> None:
        (config.parent / "state" / FILE).mkdir()
        result = command(config, "list")
        assert isinstance(result.exception, StoreError)
        assert "it is no file" in str(result.exception)

    def test_a_user_without_a_name_is_a_number(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def nameless(_: int) -> None:
            raise KeyError("getpwuid(): uid not found")

        monkeypatch.setattr(pwd, "getpwuid", nameless)
        assert f"  by         uid {os.getuid()}@" in done(config, "deny", asked_id(config))

    def test_the_environment_does_not_say_who_decides(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Else one user could be the two that four eyes are of."""
        for name in ("LOGNAME", "USER", "USERNAME", "LNAME"):
            monkeypatch.setenv(name, "mallory")
        assert "mallory" not in done(config, "deny", asked_id(config))


class Interrupting:
    """Raises as Ctrl-C does, once so many lines were printed."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.lines: list[str] = []

    def __call__(self, *texts: object, **_: object) -> None:
        self.lines += [str(text) for text in texts]
        self._count -= 1
        if not self._count:
            raise KeyboardInterrupt


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "LOOK", 0.01)


@contextmanager
def admin(config: Path) -> Iterator[tuple[str, Callable[[Coroutine[Any, Any, Any]], Any], Setting]]:
    """A gateway elsewhere: its URL, what runs something in its loop, and its setting."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def made() -> tuple[Any, Any, Any]:
        registers = SqliteRegisters(config.parent / "elsewhere" / FILE)
        setting = Setting(registers, TICKET, Now())
        served = listening(setting)
        return registers, setting, (served, await served.__aenter__())

    registers, setting, (served, at) = run(made())
    try:
        yield f"http://{at}", run, setting
    finally:
        run(served.__aexit__(None, None, None))
        run(registers.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class TestElsewhere:
    @pytest.fixture(autouse=True)
    def token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(approvals.TOKEN, "alice-token")

    def test_from_the_list_to_the_approval(self, config: Path) -> None:
        with admin(config) as (url, run, setting):
            id_ = run(setting.ask()).ticket
            assert id_ in done(config, "list", "--admin", url)
            assert "because    it sends [tier]" in done(config, "show", id_, "--admin", url)
            done(config, "approve", id_, "--arguments", '{"to": "b"}', "--once", "--admin", url)
            answer = run(setting.ask())
            assert answer.arguments == {"to": "b"}
            assert answer.by.startswith("alice (")

    def test_a_denial(self, config: Path) -> None:
        with admin(config) as (url, run, setting):
            id_ = run(setting.ask()).ticket
            done(config, "deny", id_, "--why", "no", "--admin", url)
            assert "a person denied this call: no" in run(setting.ask()).words

    def test_what_cannot_be_taken_is_1_with_its_reason(self, config: Path) -> None:
        with admin(config) as (url, run, setting):
            id_ = run(setting.ask()).ticket
            for arguments, problem in (
                (("show", "zzzzzz"), "error: there is no `zzzzzz`"),
                (("approve", id_, "--session"), "error: `" + id_ + "` is asked each time"),
            ):
                result = command(config, *arguments, "--admin", url)
                assert (result.exit_code, result.output.startswith(problem)) == (1, True), result.output

    def test_a_wrong_token_is_an_error_that_says_so(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(approvals.TOKEN, "wrong")
        with admin(config) as (url, _, _setting):
            for arguments in (("list",), ("show", "zzzzzz"), ("watch",)):
                result = command(config, *arguments, "--admin", url)
                assert isinstance(result.exception, ConfigError), result.output
                assert "show your token" in str(result.exception)
                assert "LOCKGATE_APPROVER_TOKEN, LOCKGATE_ADMIN_TOKEN)" in str(result.exception)

    def test_where_nobody_listens(self, config: Path) -> None:
        for arguments in (("list",), ("watch",)):
            result = command(config, *arguments, "--admin", "http://127.0.0.1:1")
            assert isinstance(result.exception, ConfigError)
            assert "no answer from an admin listener" in str(result.exception)

    def test_an_id_is_no_path(self, config: Path) -> None:
        result = command(config, "show", "../status", "--admin", "http://127.0.0.1:1")
        assert isinstance(result.exception, OperatorError)
        assert "is no id of a ticket" in str(result.exception)


@pytest.mark.usefixtures("soon")
class TestWatching:
    @pytest.mark.parametrize("as_json", [False, True])
    def test_here(self, config: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
        id_ = asked_id(config)
        printed = Interrupting(1)
        monkeypatch.setattr("builtins.print", printed)
        assert approvals.watch(config, None, as_json=as_json) == 0
        shown = printed.lines[0]
        assert json.loads(shown)["id"] == id_ if as_json else shown.startswith(f"{id_}  pending, ")

    def test_elsewhere_with_what_becomes_of_it(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(approvals.TOKEN, "alice-token")
        with admin(config) as (url, run, setting):
            id_ = run(setting.ask()).ticket
            printed = Interrupting(2)

            def printing(*texts: object, **more: object) -> None:
                if not printed.lines:
                    run(setting.desk.decide(id_, Decision(False, why="no"), ALICE))
                printed(*texts, **more)

            monkeypatch.setattr("builtins.print", printing)
            assert approvals.watch(config, url, as_json=False) == 0
        assert printed.lines[0].startswith(f"{id_}  pending, ")
        assert printed.lines[1] == f"{id_}  denied by alice: no"

    def test_a_fault_of_the_store_elsewhere_ends_it(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(approvals.TOKEN, "alice-token")
        with admin(config) as (url, _, _setting):
            (config.parent / "elsewhere" / FILE).mkdir(parents=True)
            result = command(config, "watch", "--admin", url)
        assert isinstance(result.exception, ConfigError)
        assert "it is no file" in str(result.exception)
