"""What is told of commands: a table of plain ones, and one of attempts to hide."""

from __future__ import annotations

import pytest

from gateway.policy.commands.report import Program
from gateway.policy.commands.shell import as_argv, read_argv, read_shell
from tests.policy.commands.shell_rows import HIDDEN, PLAIN
from tests.policy.commands.told import told


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in PLAIN], ids=[row[0] for row in PLAIN])
def test_a_plain_command_is_told(text: str, expected: list[str]) -> None:
    assert set(expected) <= told(read_shell(text))


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in HIDDEN], ids=[row[0] for row in HIDDEN])
def test_what_is_hidden_is_told(text: str, expected: list[str]) -> None:
    assert set(expected) <= told(read_shell(text))
