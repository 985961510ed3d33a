"""Who may approve, as the supervisor follows it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.app.roll import Roll
from gateway.approve.roster import Roster
from gateway.config import Config, load, secrets

ENVIRON = {"A": "alice's", "B": "bob's", "ADMIN": "admin's", "OTHER": "another's"}
ALICE = '[approvers.alice]\ntoken_env = "A"\n'
BOB = '[approvers.bob]\ntoken_env = "B"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lockgate.toml"
    write(path, ALICE)
    return path


def write(path: Path, text: str | None) -> None:
    """Put that text into the file, or take the file away."""
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


def followed(path: Path | None) -> tuple[Roll, Roster]:
    config, roster = load(path) if path is not None else Config(), Roster()
    return Roll(path, ENVIRON, config, secrets(config, ENVIRON), roster), roster


def known(roster: Roster) -> list[str]:
    return [person.name for token in ENVIRON.values() if (person := roster.holder(token)) is not None]


async def test_it_begins_with_what_the_gateway_began_with(path: Path) -> None:
    made, roster = followed(path)
    await made.look()
    assert known(roster) == ["alice"]


async def test_a_change_is_taken_up(path: Path) -> None:
    made, roster = followed(path)
    write(path, BOB)
    await made.look()
    assert known(roster) == ["bob"]


async def test_it_is_read_once_it_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, roster = followed(path)
    write(path, "")
    waits: list[float] = []

    async def writing(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            write(path, ALICE + BOB)

    monkeypatch.setattr(asyncio, "sleep", writing)
    await made.look()
    assert len(waits) == 2
    assert known(roster) == ["alice", "bob"]


@pytest.mark.parametrize("text", ["[approvers", '[approvers.bob]\ntoken_env = "UNSET"\n', None])
async def test_what_cannot_be_used_changes_nothing(path: Path, text: str | None) -> None:
    made, roster = followed(path)
    write(path, text)
    await made.look()
    assert known(roster) == ["alice"]


async def test_the_token_of_admin_is_that_of_the_start(path: Path) -> None:
    write(path, '[admin]\ntoken_env = "ADMIN"\n')
    made, roster = followed(path)
    write(path, '[admin]\ntoken_env = "OTHER"\n' + BOB)
    await made.look()
    assert known(roster) == ["bob", "admin"]


async def test_where_files_are_not_followed_only_an_order_loads_them(path: Path) -> None:
    write(path, "[rules]\nreload = false\n" + ALICE)
    made, roster = followed(path)
    write(path, "[rules]\nreload = false\n" + BOB)
    await made.look()
    assert known(roster) == ["alice"]
    await made.load()
    assert known(roster) == ["bob"]


async def test_without_a_file_there_is_nothing_to_follow() -> None:
    made, roster = followed(None)
    await made.look()
    await made.load()
    assert roster.is_empty
