"""One command with its arguments: which program, function or alias it is, under every reading of its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from gateway.policy.commands.evaluate.pattern import matches
from gateway.policy.commands.evaluate.value import Arg, Scope, Stream, arg
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.known import NAMES, effects, known_name
from gateway.policy.commands.programs.network import urls
from gateway.policy.commands.report import Program

if TYPE_CHECKING:
    from gateway.policy.commands.evaluate.walk import Walk

_VARIABLE: Final = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]{0,40}|[0-9@*])[^\w]?.*", re.DOTALL)
_INVISIBLE: Final = frozenset(("Cf", "Cc", "Co", "Cn", "Cs"))


class Invoker:
    """Runs commands for a walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk

    def run(
        self, arguments: Sequence[Arg], scope: Scope, stream: Stream, via: tuple[str, ...], *, is_sure: bool
    ) -> str | None:
        """Follows a command, and gives what it writes, or None."""
        if not arguments:
            return ""
        name, rest = arguments[0], arguments[1:]
        invocation = Invocation(name.text, tuple(rest), scope, stream, via, is_sure, self._walk)
        if not name.is_known:
            self._unknown(name, invocation)
            return None
        if name.is_pattern and not name.text.startswith("["):
            self._pattern(invocation)
            return None
        if name.text in scope.aliases:
            line = scope.aliases[name.text] + "".join(f" {quoted(argument)}" for argument in rest)
            self._walk.text(line, _without_alias(scope, name.text), stream, (*via, "an alias"), is_sure=False)
        if (body := scope.functions.get(name.text)) is not None:
            return self._walk.call(body, scope, rest, stream, (*via, "a function"))
        for other in self._look_alikes(name.text):
            self._started(invocation.named(other), is_resolved=False)
        return self._started(invocation, is_resolved=True)

    def _started(self, invocation: Invocation, *, is_resolved: bool) -> str | None:
        program = Program(
            invocation.name,
            tuple(argument.text for argument in invocation.args),
            is_resolved,
            all(argument.is_known for argument in invocation.args),
            invocation.via,
        )
        self._walk.notes.program(program)
        self._walk.notes.count_command()
        written: object = None
        if not effects(program.base):
            text = invocation.scope.text(invocation.name) if "/" in invocation.name else None
            if text is not None:  # a script that the command wrote
                return invocation.text(arg(text), "a script")
            invocation.scope.forget_files()
            urls(invocation)  # whatever it is, a URL is there to be reached
        for effect in effects(program.base):
            written = effect(invocation.named(known_name(program.base)))
        return written if isinstance(written, str) else None

    def _unknown(self, name: Arg, invocation: Invocation) -> None:
        self._walk.notes.hide(_said(name.text))
        if name.bare:
            self._started(invocation.named(name.bare), is_resolved=False)
            return
        self._walk.notes.program(
            Program(
                name.text,
                tuple(argument.text for argument in invocation.args),
                is_resolved=False,
                are_resolved=all(argument.is_known for argument in invocation.args),
                via=invocation.via,
            )
        )
        if name.is_plain and invocation.args:  # if it is empty, the next word is the program
            self.run(invocation.args, invocation.scope, invocation.stream, invocation.via, is_sure=False)

    def _pattern(self, invocation: Invocation) -> None:
        self._walk.notes.hide("the program is a pattern")
        self._walk.notes.suspect("the program is a pattern")
        folder, slash, spelt = invocation.name.rpartition("/")
        self._walk.notes.program(Program(invocation.name, is_resolved=False, via=invocation.via))
        for known in NAMES:
            if matches(spelt, known):
                self._started(invocation.named(f"{folder}{slash}{known}"), is_resolved=False)

    def _look_alikes(self, name: str) -> Iterator[str]:
        """Names that this one may be taken for: by eye, or by a file system that minds no case."""
        if not name.isascii():
            self._walk.notes.suspect("the name of a program has letters that look like others")
            plain = unicodedata.normalize("NFKC", name)
            plain = "".join(letter for letter in plain if unicodedata.category(letter) not in _INVISIBLE)
            if plain != name:
                yield plain
        elif name != name.lower() and name.lower().rpartition("/")[2] in NAMES:
            yield name.lower()


def quoted(argument: Arg) -> str:
    """The argument as a word of the shell."""
    return "'" + argument.text.replace("'", "'\\''") + "'"


def _without_alias(scope: Scope, name: str) -> Scope:
    inner = scope.copy()
    inner.aliases.pop(name)
    return inner


def _said(spelling: str) -> str:
    if found := _VARIABLE.fullmatch(spelling):
        return f"the program is the value of `${found[1]}`"
    if spelling.startswith("$("):
        return "the program is what a command writes"
    return "the name of the program is not known"
