"""Values while a command is evaluated: what is known of a variable, of a piece of a word, and of an argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gateway.policy.commands.grammar.tree import Command


class Value(Struct, frozen=True):
    """What a variable may hold: one item, or those of an array. Where it is not known, its spelling stands for it."""

    items: tuple[str, ...]
    is_known: bool = True
    is_pattern: bool = False  # it stands for all that the pattern matches, quoted or not


class Piece(Struct, frozen=True):
    """Part of an expanded word. `is_split` where blanks in it part the word, `ends` where the word ends after it."""

    text: str
    is_quoted: bool = True
    is_known: bool = True
    is_split: bool = False
    is_wild: bool = False  # a pattern, even in quotes
    ends: bool = False


class Arg(Struct, frozen=True):
    """An argument as a program gets it. `bare` is what it is if all that is not known in it is empty.

    `is_plain` where no part of it was quoted: such an argument is none at all, if what is not known is empty.
    """

    text: str
    is_known: bool = True
    is_pattern: bool = False
    bare: str = ""
    is_plain: bool = False


def arg(text: str) -> Arg:
    """An argument that is known."""
    return Arg(text, bare=text)


class Stream(Struct, frozen=True):
    """What a command reads: its text, or None where that is not known. `source` says where from, in words."""

    text: str | None
    source: str


TERMINAL: Final = Stream(None, "standard input")
"""What a command reads that nothing is fed to."""

UNSET: Final[Mapping[str, tuple[Value, ...]]] = {
    "IFS": (Value((" \t\n",)),),
    "HOME": (Value(("~",)),),
    "PWD": (Value((".",)),),
    "SHELL": (Value(("sh",)),),
    "BASH": (Value(("bash",)),),
    "@": (Value(()),),
    "*": (Value(()),),
    "#": (Value(("0",)),),
    "?": (Value(("0",)),),
    **{str(digit): (Value(("",)),) for digit in range(1, 10)},
}
"""What variables are that nobody set: those of every shell, by a text that means the same to a policy."""
ABSOLUTE: Final = frozenset(("HOME", "PWD", "OLDPWD", "PATH", "SHELL", "BASH", "MAIL", "TMPDIR", "HISTFILE"))
"""Variables of the system that begin with a slash: `${HOME:0:1}` is a way to spell one."""

MAX_READINGS: Final = 8
"""Readings of one variable or word that are followed; what has more counts as not known besides."""
MAX_VALUE: Final = 64 * 1024
"""Characters of one value."""


class Scope:
    """Variables, functions and aliases of a shell, and texts of files that the command itself wrote."""

    def __init__(self) -> None:
        self.variables: dict[str, tuple[Value, ...]] = {}
        self.functions: dict[str, Command] = {}
        self.aliases: dict[str, str] = {}
        self._files: dict[str, str | None] = {}

    def copy(self) -> Scope:
        """A shell of its own that begins as this one; what it writes to files stays written."""
        other = Scope()
        other.variables = dict(self.variables)
        other.functions = dict(self.functions)
        other.aliases = dict(self.aliases)
        other._files = self._files
        return other

    def text(self, path: str) -> str | None:
        """What is in a file, if the command itself wrote it and nothing may have changed it since."""
        return self._files.get(path.removeprefix("./"))

    def write(self, path: str, text: str | None) -> None:
        """Notes what is in a file now; None where that is not known."""
        self._files[path.removeprefix("./")] = text

    def forget_files(self) -> None:
        """Notes that any file may have been changed."""
        self._files.clear()

    def values(self, name: str) -> tuple[Value, ...]:
        """The readings of a variable."""
        return self.variables.get(name) or UNSET.get(name) or (Value((f"${name}",), is_known=False),)

    def is_set(self, name: str) -> bool:
        return name in self.variables or name in UNSET

    def assign(self, name: str, values: tuple[Value, ...], *, is_sure: bool = True) -> None:
        """Sets a variable; where it is not sure that this happens, what it was stays a reading."""
        known = values if is_sure else tuple(dict.fromkeys((*values, *self.values(name))))
        if len(known) > MAX_READINGS:
            known = (*known[:MAX_READINGS], Value((f"${name}",), is_known=False))
        self.variables[name] = known

    def give(self, arguments: tuple[Arg, ...]) -> None:
        """Sets the positional parameters."""
        items = tuple(argument.text for argument in arguments)
        is_known = all(argument.is_known for argument in arguments)
        self.variables["@"] = self.variables["*"] = (Value(items, is_known),)
        self.variables["#"] = (Value((str(len(items)),)),)
        for place in range(1, 10):
            at = arguments[place - 1] if place <= len(arguments) else arg("")
            self.variables[str(place)] = (Value((at.text,), at.is_known),)
