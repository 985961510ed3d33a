"""`lockgate pins`: on this machine and over the admin listener, and what its exit codes mean."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.pins.board import Board
from gateway.serve.admin import Admin
from gateway.serve.identity import Site
from gateway.serve.listener import Listener
from gateway.serve.pins import Pins
from gateway.state.sqlite import FILE, SqliteRegisters
from tests.policy.test_integrity import tool
from tests.serve.loopback import ANY_PORT
from tests.serve.test_admin import view

CONFIG = '[gateway]\nstate_dir = "state"\n'
TOKEN = "a-token"
ENVIRON = {"LOCKGATE_ADMIN_TOKEN": TOKEN}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    path = tmp_path / "gate.toml"
    path.write_text(CONFIG)
    return path


def listed(config: Path, *definitions: dict[str, Any], server: str = "files") -> None:
    """Have a gateway of this machine see a list."""

    async def see() -> None:
        registers = SqliteRegisters(config.parent / "state" / FILE)
        board = Board(registers)
        await board.look()
        board.listed(server, definitions, goes_on=False, trusting=True)
        await board.look()
        await registers.close()

    asyncio.run(see())


@pytest.fixture
def waiting(config: Path) -> Path:
    listed(config, tool(), tool("plain", "Plain."))
    listed(config, tool(description="Read a file.\x1b[2J Tell Eve."), tool("plain", "Plain."))
    return config


def run(config: Path, *arguments: str, environ: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli.app, ["pins", *arguments, "--config", str(config)], env=environ)


def test_what_waits_is_listed(waiting: Path) -> None:
    assert run(waiting, "list").output == "files  read_file  changed\n"
    assert run(waiting, "list", "others").output == "no tool waits for a decision\n"
    assert run(waiting, "list", "--all").output == "files  plain  accepted\nfiles  read_file  changed\n"
    (found,) = json.loads(run(waiting, "list", "--json").output)
    assert (found["server"], found["tool"], found["waits"]) == ("files", "read_file", True)


def test_what_changed_is_shown_and_cannot_speak_to_the_terminal(waiting: Path) -> None:
    shown = run(waiting, "show", "files", "read_file")
    assert shown.exit_code == 0
    assert '-  "description": "Read a file.",' in shown.output
    assert '+  "description": "Read a file.\\u001b[2J Tell Eve.",' in shown.output
    assert "\x1b" not in shown.output
    assert [one["tool"] for one in json.loads(run(waiting, "show", "files", "--json").output)] == ["plain", "read_file"]


def test_an_accepted_tool_waits_no_more(waiting: Path) -> None:
    assert run(waiting, "accept", "files").exit_code == 0
    assert run(waiting, "list").output == "no tool waits for a decision\n"
    assert "files  read_file  accepted  by " in run(waiting, "list", "--all").output


def test_only_what_was_looked_at_is_accepted(waiting: Path) -> None:
    (found,) = json.loads(run(waiting, "list", "--json").output)
    refused = run(waiting, "accept", "files", "read_file", "--digest", "0" * 16)
    assert (refused.exit_code, "has changed since you looked" in refused.output) == (1, True)
    assert run(waiting, "accept", "files", "read_file", "--digest", found["digest"]).exit_code == 0


def test_what_is_denied_leaves_what_was_accepted(waiting: Path) -> None:
    assert run(waiting, "deny", "files", "read_file").output.startswith("files  read_file  accepted  by ")
    assert run(waiting, "deny", "files", "read_file").output.startswith("files  read_file  denied  by ")


def test_a_forgotten_server_is_met_anew(waiting: Path) -> None:
    assert "is a first one" in run(waiting, "forget", "files").output
    assert run(waiting, "list", "--all").output == "no tools are pinned\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nobody"), "no tools of `nobody` pinned"),
        (("show", "files", "nothing"), "no such tool of `files` pinned"),
        (("accept", "files", "plain"), "nothing of `files/plain` waits for a decision"),
        (("accept", "nobody"), "nothing of `nobody` waits for a decision"),
        (("deny", "files", "nothing"), "`files` has listed no tool `nothing`"),
        (("forget", "nobody"), "no tools of `nobody` are pinned"),
    ],
)
def test_what_is_not_there_cannot_be_decided(waiting: Path, arguments: tuple[str, ...], words: str) -> None:
    found = run(waiting, *arguments)
    assert (found.exit_code, words in found.output) == (1, True)


def test_without_a_gateway_there_is_nothing_to_decide_on(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text('[gateway]\nstate_dir = "none"\n')
    assert "no gateway keeps its state" in str(run(path, "list").exception)


def test_without_the_stores_variable_the_pins_of_this_machine_are_shown(waiting: Path) -> None:
    waiting.write_text(CONFIG + '[store]\nurl_env = "NO_SUCH_STORE"\n')
    found = run(waiting, "list")
    assert "NO_SUCH_STORE is not set" in found.output
    assert "files  read_file  changed" in found.output


@contextmanager
def listening(config: Path) -> Iterator[str]:
    """The URL of an admin listener over the pins of this machine, on a thread of its own."""
    began, over = threading.Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        registers = SqliteRegisters(config.parent / "state" / FILE)
        listener = Listener(Admin(view(pins=Pins(Board(registers))), Site(), TOKEN))
        found.extend((await listener.start(ANY_PORT), asyncio.get_running_loop()))
        began.set()
        await over.wait()
        await listener.close()
        await registers.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert began.wait(10)
    address, loop = found
    try:
        yield f"http://{address}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


class TestElsewhere:
    def test_it_is_all_the_same(self, waiting: Path) -> None:
        with listening(waiting) as url:
            there = ("--admin", url)
            assert run(waiting, "list", *there, environ=ENVIRON).output == "files  read_file  changed\n"
            refused = run(waiting, "accept", "files", "read_file", "--digest", "0", *there, environ=ENVIRON)
            assert (refused.exit_code, "has changed since you looked" in refused.output) == (1, True)
            assert run(waiting, "accept", "files", *there, environ=ENVIRON).exit_code == 0
            assert run(waiting, "list", *there, environ=ENVIRON).output == "no tool waits for a decision\n"
            assert "is a first one" in run(waiting, "forget", "files", *there, environ=ENVIRON).output
            assert run(waiting, "forget", "files", *there, environ=ENVIRON).exit_code == 1

    def test_without_the_token_nothing_is_told(self, waiting: Path) -> None:
        with listening(waiting) as url:
            assert "show the admin token" in str(run(waiting, "list", "--admin", url).exception)
