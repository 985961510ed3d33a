"""What is told of commands: a table of plain ones, and one of attempts to hide."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.commands.report import How, Program, Touched
from gateway.policy.commands.shell import MAX_ARGUMENTS, as_argv, read_argv, read_shell
from tests.policy.commands.shell_rows import HIDDEN, MORE, PLAIN
from tests.policy.commands.told import told


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in PLAIN], ids=[row[0] for row in PLAIN])
def test_a_plain_command_is_told(text: str, expected: list[str]) -> None:
    assert set(expected) <= told(read_shell(text))


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in HIDDEN], ids=[row[0] for row in HIDDEN])
def test_what_is_hidden_is_told(text: str, expected: list[str]) -> None:
    assert set(expected) <= told(read_shell(text))


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in MORE], ids=[row[0] for row in MORE])
def test_what_is_rare_is_told(text: str, expected: list[str]) -> None:
    assert set(expected) <= told(read_shell(text))


def test_a_plain_command_is_told_and_no_more() -> None:
    report = read_shell("rm -rf build")
    assert report.programs == (Program("rm", ("-rf", "build")),)
    assert report.touched == (Touched("build", How.DELETE, "rm"),)
    assert report.is_parsed
    assert (report.opaque, report.suspicious, report.remotes, report.redirects) == ((), (), (), ())


def test_the_way_to_a_program_is_told() -> None:
    [*_, last] = read_shell("sudo sh -c 'echo / | xargs rm'").programs
    assert last == Program("rm", ("/",), via=("sudo", "sh -c", "xargs"))


@pytest.mark.parametrize(
    ("name", "base"),
    [("/bin/rm", "rm"), ("rm", "rm"), ("C:\\Windows\\cmd.EXE", "cmd"), ("./a.sh", "a.sh"), (".exe", ".exe")],
)
def test_a_program_has_a_base(name: str, base: str) -> None:
    assert Program(name).base == base


def test_a_list_of_arguments_is_not_expanded() -> None:
    assert told(read_argv(["cat", "$HOME", "*.txt", "a b"])) == {
        "runs cat $HOME *.txt a b",
        "reads $HOME",
        "reads *.txt",
        "reads a b",
    }


def test_a_shell_in_a_list_of_arguments_is_followed() -> None:
    assert "deletes /" in told(read_argv(["sh", "-c", "r''m -rf /"]))


@pytest.mark.parametrize("arguments", [["a"] * (MAX_ARGUMENTS + 1), ["a" * 100_000], ["sudo"] * 1000])
def test_a_list_beyond_the_bounds_is_not_parsed(arguments: list[str]) -> None:
    report = read_argv(arguments)
    assert report.opaque
    assert not report.is_parsed


@pytest.mark.parametrize(
    ("value", "expected"),
    [(["a", "b"], ("a", "b")), ([], None), ("a b", None), (["a", 1], None), ({"a": 1}, None), (None, None)],
)
def test_a_value_is_a_list_of_arguments_only_if_all_are_texts(value: Any, expected: tuple[str, ...] | None) -> None:
    assert as_argv(value) == expected
