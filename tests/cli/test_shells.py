"""Variables as each shell reads them, whatever is in them."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.options import ShellForm
from gateway.cli.shells import rendered
from gateway.errors import ConfigError

HOSTILE = [
    *("", "plain", "a b", "'", "''", '"', "\\", "\\'", "'\\''", "$(id)", "`id`", "${HOME}", "a;id", "a\nid", "a&id"),
    *("#", "!", "~", "*", "a'\\\n$(id)'b", "\u2019; id; \u2018", "\u201a\u201b", "ünï", "%PATH%", "\t", "\r\n"),
]
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def sourced(text: str) -> str:
    """What a POSIX shell has for X once it has read the text."""
    script = f'{text}printf %s "$X"'
    return subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("value", HOSTILE)
def test_a_posix_shell_reads_what_was_meant(value: str) -> None:
    assert sourced(rendered({"X": value}, ShellForm.SH)) == value


@settings(max_examples=30, deadline=None)
@given(values)
def test_a_posix_shell_reads_any_value(value: str) -> None:
    assert sourced(rendered({"X": value}, ShellForm.SH)) == value


def fish(text: str) -> str:
    """The single-quoted string of fish (Language, Quotes): a backslash escapes itself and a quote."""
    found = re.fullmatch(r"set -gx X '((?:[^'\\]|\\.)*)'\n", text, re.DOTALL)
    assert found is not None, text
    return re.sub(r"\\(['\\])", r"\1", found[1])


def powershell(text: str) -> str:
    """The verbatim string of PowerShell: any of five characters is a quote, and two of them are one."""
    quote = "['\u2018\u2019\u201a\u201b]"
    found = re.fullmatch(rf"\$env:X = '((?:(?!{quote}).|{quote}{{2}})*)'\n", text, re.DOTALL)
    assert found is not None, text
    return re.sub(rf"{quote}({quote})", r"\1", found[1])


@given(values)
def test_fish_and_powershell_read_any_value_by_their_grammar(value: str) -> None:
    assert fish(rendered({"X": value}, ShellForm.FISH)) == value
    assert powershell(rendered({"X": value}, ShellForm.POWERSHELL)) == value


@pytest.mark.parametrize("value", HOSTILE)
def test_no_hostile_value_ends_a_string_early(value: str) -> None:
    assert fish(rendered({"X": value}, ShellForm.FISH)) == value
    assert powershell(rendered({"X": value}, ShellForm.POWERSHELL)) == value


@given(st.dictionaries(st.text(max_size=5), values, max_size=3))
def test_json_is_one_object(variables: dict[str, str]) -> None:
    text = rendered(variables, ShellForm.JSON)
    assert json.loads(text) == variables
    assert text.isascii()


def test_a_plain_value_is_bare_in_an_env_file() -> None:
    variables = {"A": "http://[::1]:8081", "B": "/var/lib/a-b_c/ca.pem", "C": "localhost,127.0.0.1,::1", "D": ""}
    assert rendered(variables, ShellForm.DOTENV) == "".join(f"{name}={value}\n" for name, value in variables.items())


@pytest.mark.parametrize("value", [value for value in HOSTILE if value not in {"", "plain", "%PATH%"}])
def test_a_value_that_readers_of_env_files_take_in_different_ways_is_refused(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rendered({"X": value}, ShellForm.DOTENV)
    assert "X: " in caught.value.problems[0]
    assert "not all readers of .env files take alike; accepted: another --format" in caught.value.problems[0]
