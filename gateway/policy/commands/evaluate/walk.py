"""Follows the commands of a tree: what runs, with which arguments, fed with what, and what of its output is known.

Where the course is not known (a condition, a loop, a job in the background) every way is followed, and a variable keeps
what it held before as a reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.policy.commands.evaluate.expand import Expansion
from gateway.policy.commands.evaluate.invoke import Invoker
from gateway.policy.commands.evaluate.notes import Notes
from gateway.policy.commands.evaluate.redirects import redirected
from gateway.policy.commands.evaluate.value import TERMINAL, UNSET, Arg, Scope, Stream, Value
from gateway.policy.commands.grammar.cursor import MAX_DEPTH, Unreadable
from gateway.policy.commands.grammar.parser import parse
from gateway.policy.commands.grammar.tree import Assignment, Command, Compound, Function, Pipeline, Script, Simple, Way
from gateway.policy.commands.programs.variables import check_assignment

MAX_TURNS: Final = 64
"""Turns of a loop over known words that are followed; of any other loop two, for what one leaves to the next."""


class Walk:
    """Follows commands into `notes`. `via` is the way that led here; `is_sure` whether what runs surely does."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.depth = 0
        self._pieces = [0]
        self.invoker = Invoker(self)
        self._called: set[int] = set()
        self._defined: list[tuple[Command, Scope, tuple[str, ...]]] = []

    def text(
        self, text: str, scope: Scope, stream: Stream, via: tuple[str, ...], *, is_sure: bool = True
    ) -> str | None:
        """Follows a text that is read as commands in turn."""
        self.notes.count_text(text)
        script, fault = parse(text, self.depth)
        if fault:
            self.notes.hide(f"a text that is read as a command cannot be read: {fault}")
        written = self.script(script, scope, stream, via, is_sure=is_sure)
        return None if fault else written

    def script(
        self, script: Script, scope: Scope, stream: Stream, via: tuple[str, ...], *, is_sure: bool = True
    ) -> str | None:
        """Follows a list of commands, and gives what it writes, or None where that cannot be told."""
        if self.depth >= MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels")
        self.depth += 1
        written: str | None = ""
        for item in script.items:
            inner = scope.copy() if item.is_apart else scope
            one = self.command(item.command, inner, stream, via, is_sure=is_sure and item.is_sure)
            if item.is_apart:
                self._leak(inner, scope)
            is_told = one == "" or (one is not None and item.is_sure)
            written = written + one if written is not None and is_told and one is not None else None
        self.depth -= 1
        return written

    def command(
        self, command: Command, scope: Scope, stream: Stream, via: tuple[str, ...], *, is_sure: bool
    ) -> str | None:
        """Follows one command."""
        match command:
            case Simple():
                return self._simple(command, scope, stream, via, is_sure=is_sure)
            case Pipeline():
                return self._pipeline(command, scope, stream, via)
            case Function():
                if command.name in scope.functions and not is_sure:
                    self._defined.append((scope.functions[command.name], scope.copy(), via))
                scope.functions[command.name] = command.body
                self._defined.append((command.body, scope.copy(), via))
                return ""
            case Compound():
                return self._compound(command, scope, stream, via, is_sure=is_sure)

    def call(
        self, body: Command, scope: Scope, arguments: Sequence[Arg], stream: Stream, via: tuple[str, ...]
    ) -> str | None:
        """Follows a function that is called. Its variables are those of the shell."""
        if self.depth >= MAX_DEPTH:
            raise Unreadable("a function calls itself too often")
        self.depth += 1
        self._called.add(id(body))
        kept = {name: scope.variables.get(name) for name in _POSITIONAL}
        scope.give(tuple(arguments))
        written = self.command(body, scope, stream, via, is_sure=False)
        for name, values in kept.items():
            scope.variables.pop(name, None)
            if values is not None:
                scope.variables[name] = values
        self.depth -= 1
        return written

    def finish(self) -> None:
        """Follows the functions that were defined and never called: something else may call them."""
        for body, scope, via in self._defined:
            if id(body) not in self._called:
                self._called.add(id(body))
                scope.variables["@"] = scope.variables["*"] = (Value(("$@",), is_known=False),)
                scope.variables.update({str(n): (Value((f"${n}",), is_known=False),) for n in range(1, 10)})
                self.command(body, scope, TERMINAL, via, is_sure=False)

    def expansion(self, scope: Scope, via: tuple[str, ...]) -> Expansion:
        """What expands words in this scope."""

        def written(script: Script) -> str | None:
            return self.script(script, scope.copy(), TERMINAL, (*via, "$( )"))

        return Expansion(scope, written, self.notes.hide, self._pieces)

    def _simple(
        self, command: Simple, scope: Scope, stream: Stream, via: tuple[str, ...], *, is_sure: bool
    ) -> str | None:
        self.notes.count_command()
        expansion = self.expansion(scope, via)
        stream, sink = redirected(command.redirections, expansion, scope, self.notes, stream)
        inner = scope if not command.words else scope.copy()
        for assignment in command.assignments:
            self._assign(assignment, expansion, inner, via, is_sure=is_sure, is_passed=bool(command.words))
        readings = expansion.arguments(command.words) if command.words else []
        outputs: list[str | None] = []
        for arguments in readings:
            is_one = is_sure and len(readings) == 1
            # Builtins change the shell itself, so they get its scope; assignments before them last only as long.
            kept = scope if not command.assignments else inner
            outputs.append(self.invoker.run(arguments, kept, stream, via, is_sure=is_one))
        written = outputs[0] if len(outputs) == 1 else None
        if not outputs:  # `$(< file)` is the file
            reads = any(one.operator in ("<", "<<<", "<<", "<<-") for one in command.redirections)
            written = stream.text if reads and not command.assignments else ""
        return sink.take(written, scope, is_sure=is_sure)

    def _assign(
        self,
        assignment: Assignment,
        expansion: Expansion,
        scope: Scope,
        via: tuple[str, ...],
        *,
        is_sure: bool,
        is_passed: bool,
    ) -> None:
        values = tuple(expansion.texts(assignment.value))
        if assignment.is_added or assignment.index is not None:
            values = tuple(_added(old, new, assignment) for old in scope.values(assignment.name) for new in values)
        scope.assign(assignment.name, values, is_sure=is_sure)
        check_assignment(assignment.name, values, self, scope, via, is_passed=is_passed)

    def _pipeline(self, command: Pipeline, scope: Scope, stream: Stream, via: tuple[str, ...]) -> str | None:
        written: str | None = None
        for place, one in enumerate(command.commands):
            inner = scope.copy()
            fed = stream if place == 0 else Stream(written, "a pipe")
            written = self.command(one, inner, fed, via, is_sure=True)
            self._leak(inner, scope)
        return written

    @staticmethod
    def _leak(inner: Scope, scope: Scope) -> None:
        """What a copy of the shell did to its variables stays a reading: some run the last of a pipe in place."""
        for name, values in inner.variables.items():
            if scope.variables.get(name) != values and name not in UNSET:
                scope.assign(name, values, is_sure=False)

    def _compound(
        self, command: Compound, scope: Scope, stream: Stream, via: tuple[str, ...], *, is_sure: bool
    ) -> str | None:
        expansion = self.expansion(scope, via)
        stream, sink = redirected(command.redirections, expansion, scope, self.notes, stream)
        written: str | None = ""
        match command.way:
            case Way.EACH:
                written = self._each(command, expansion, scope, stream, via, is_sure=is_sure)
            case Way.GROUP | Way.SUBSHELL:
                for word in command.words:
                    expansion.one(word)
                inner = scope if command.way is Way.GROUP else scope.copy()
                for script in command.scripts:
                    written = self.script(script, inner, stream, via, is_sure=is_sure)
                if inner is not scope:
                    self._leak(inner, scope)
            case _:
                for word in command.words:
                    expansion.one(word)
                written = self._some(command, scope, stream, via)
        return sink.take(written, scope, is_sure=is_sure)

    def _each(
        self,
        command: Compound,
        expansion: Expansion,
        scope: Scope,
        stream: Stream,
        via: tuple[str, ...],
        *,
        is_sure: bool,
    ) -> str | None:
        readings = expansion.arguments(command.words)
        if not command.has_words:
            readings = [[Arg(item, value.is_known) for item in value.items] for value in scope.values("@")]
        body = command.scripts[0]
        turns = readings[0]
        is_plain = is_sure and len(readings) == 1 and all(a.is_known and not a.is_pattern for a in turns)
        if is_plain and len(turns) <= MAX_TURNS:
            written: str | None = ""
            for turn in turns:
                scope.assign(command.name, (Value((turn.text,)),))
                one = self.script(body, scope, stream, via, is_sure=True)
                written = written + one if written is not None and one is not None else None
            return written
        values = tuple(Value((a.text,), a.is_known, a.is_pattern) for reading in readings for a in reading)
        scope.assign(command.name, values or (Value(("",)),), is_sure=False)
        self._repeated(command.scripts, scope, stream, via)
        return None

    def _some(self, command: Compound, scope: Scope, stream: Stream, via: tuple[str, ...]) -> str | None:
        if command.way is Way.LOOP:
            self._repeated(command.scripts, scope, stream, via)
            return None
        outputs = [self.script(script, scope, stream, via, is_sure=False) for script in command.scripts]
        return None if any(outputs) or None in outputs else ""

    def _repeated(self, scripts: tuple[Script, ...], scope: Scope, stream: Stream, via: tuple[str, ...]) -> None:
        """Follows a loop that runs any number of times: what it changes is not known in its later turns, and after."""
        before = dict(scope.variables)
        for script in scripts:
            self.script(script, scope, stream, via, is_sure=False)
        for name in [name for name, values in scope.variables.items() if before.get(name) != values]:
            scope.assign(name, (Value((f"${name}",), is_known=False),), is_sure=False)
        for script in scripts:
            self.script(script, scope, stream, via, is_sure=False)


_POSITIONAL: Final = ("@", "*", "#", *(str(place) for place in range(1, 10)))


def _added(old: Value, new: Value, assignment: Assignment) -> Value:
    """The variable after `+=`, or after one item of an array is set."""
    is_known = old.is_known and new.is_known
    if assignment.index is not None or (len(old.items) > 1 or len(new.items) > 1):
        items = old.items if old.is_known else ()
        place = int(assignment.index) if assignment.index and assignment.index.isdecimal() else len(items)
        if place <= len(items):
            return Value((*items[:place], *new.items, *items[place + len(new.items) :]), new.is_known)
        return Value((*items, *new.items), is_known=False)
    text = "".join(old.items if old.is_known else ()) + "".join(new.items)
    if len(text) > 64 * 1024:
        raise Unreadable("a variable grows beyond the bounds")
    return Value((text,), is_known)
