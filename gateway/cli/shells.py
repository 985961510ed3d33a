"""Variables as a shell, a file or a program reads them, in a spelling that no value can break out of."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Final

from gateway.cli.options import ShellForm
from gateway.errors import ConfigError


def rendered(variables: Mapping[str, str], form: ShellForm) -> str:
    """The text that sets them. Raises ConfigError where a value has no safe spelling in that form."""
    if form is ShellForm.JSON:
        return json.dumps(variables, indent=2) + "\n"
    return "".join(_LINES[form](name, value) + "\n" for name, value in variables.items())


def _sh(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str) -> str:
    """In single quotes, a backslash escapes itself and a quote (fish, Quotes)."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{escaped}'"


def _powershell(name: str, value: str) -> str:
    """A quote within quotes is doubled, and typographic ones are quotes as well (about_Quoting_Rules; the tokenizer's
    IsSingleQuote)."""
    return f"$env:{name} = '{_POWERSHELL_QUOTES.sub(r'\g<0>\g<0>', value)}'"


def _dotenv(name: str, value: str) -> str:
    """Bare: there is no quoting that Docker (which knows none), Compose, Node.js and systemd read alike."""
    if not _PLAIN.fullmatch(value):
        problem = f"{name}: `{value}` has characters that not all readers of .env files take alike"
        raise ConfigError((f"{problem}; accepted: another --format",))
    return f"{name}={value}"


_POWERSHELL_QUOTES: Final = re.compile("['\u2018\u2019\u201a\u201b]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:,@%+\[\]-]*")
_LINES: Final[Mapping[ShellForm, Callable[[str, str], str]]] = {
    ShellForm.SH: _sh,
    ShellForm.FISH: _fish,
    ShellForm.POWERSHELL: _powershell,
    ShellForm.DOTENV: _dotenv,
}
