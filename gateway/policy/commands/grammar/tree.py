"""The tree of a shell text: words made of parts, commands made of words."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Literal(Struct, frozen=True):
    """Characters that stand for themselves. Unquoted ones may be patterns, braces and tildes."""

    text: str
    is_quoted: bool = False


class Parameter(Struct, frozen=True):
    """`$name` and `${name…}`. `operator` is what follows the name, such as `:-`, `//` or `:`; `words` its operands.

    `index` is what stands in brackets after the name. `operator` is `#` with `is_length` for `${#name}`.
    """

    name: str
    source: str
    operator: str = ""
    words: tuple[Word, ...] = ()
    index: str | None = None
    is_length: bool = False
    is_indirect: bool = False
    is_quoted: bool = False


class Substitution(Struct, frozen=True):
    """`$( )` and backticks: what the script writes takes its place."""

    script: Script
    is_quoted: bool = False


class Process(Struct, frozen=True):
    """`<( )` and `>( )`: a file that is a pipe from, or to, the script."""

    script: Script
    is_input: bool


class Arithmetic(Struct, frozen=True):
    """`$(( ))` with its expression, in which words are expanded first."""

    expression: Word
    is_quoted: bool = False


class Array(Struct, frozen=True):
    """`( )` after `name=`."""

    words: tuple[Word, ...]


type Part = Literal | Parameter | Substitution | Process | Arithmetic | Array


class Word(Struct, frozen=True):
    """One word, before it is expanded."""

    parts: tuple[Part, ...] = ()

    @property
    def plain(self) -> str | None:
        """The word's text if nothing in it is quoted or expanded: what a reserved word must be."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Literal) and not self.parts[0].is_quoted:
            return self.parts[0].text
        return None


class Assignment(Struct, frozen=True):
    """`name=word`, `name+=word`, `name[index]=word`."""

    name: str
    value: Word
    is_added: bool = False
    index: str | None = None


class Redirection(Struct, frozen=True):
    """A redirect of a command, filled in until the line ends: only then comes a here-document. `body` is
    the text of a here-document or here-string, and `target` then its delimiter."""

    operator: str
    target: Word
    descriptor: str = ""
    body: Word | None = None


class Simple(Struct, frozen=True):
    """Assignments and words, in the order in which they are written."""

    assignments: tuple[Assignment, ...] = ()
    words: tuple[Word, ...] = ()
    redirections: Sequence[Redirection] = ()


class Pipeline(Struct, frozen=True):
    """Commands, each fed with what the one before it writes."""

    commands: tuple[Command, ...]


class Way(StrEnum):
    """How the parts of a compound command are gone through."""

    GROUP = "group"  # once, in this shell
    SUBSHELL = "subshell"  # once, in a copy of it
    CHOICE = "choice"  # if and case: some of them
    LOOP = "loop"  # while and until: any number of times
    EACH = "each"  # for and select: once for each word


class Compound(Struct, frozen=True):
    """A compound command: its scripts, and the words it is given (`for name in words`, `case word`, `[[ words ]]`)."""

    way: Way
    scripts: tuple[Script, ...] = ()
    words: tuple[Word, ...] = ()
    name: str = ""
    has_words: bool = True  # false for `for name; do`: the arguments of the shell
    redirections: Sequence[Redirection] = ()


class Function(Struct, frozen=True):
    """A definition."""

    name: str
    body: Command


type Command = Simple | Pipeline | Compound | Function


class Item(Struct, frozen=True):
    """A command of a list. `is_sure` is false after `&&` and `||`, `is_apart` true before `&`."""

    command: Command
    is_sure: bool = True
    is_apart: bool = False


class Script(Struct, frozen=True):
    """A list of commands."""

    items: tuple[Item, ...] = ()
