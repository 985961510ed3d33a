"""Words expanded (Bash manual 3.5): each into its readings, each reading into the arguments that it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice, product
from typing import Final

from gateway.policy.commands.evaluate.arithmetic import evaluate
from gateway.policy.commands.evaluate.braces import braced
from gateway.policy.commands.evaluate.parameter import Parameters
from gateway.policy.commands.evaluate.value import MAX_READINGS, Arg, Piece, Scope, Value
from gateway.policy.commands.grammar.cursor import Unreadable
from gateway.policy.commands.grammar.tree import Arithmetic, Array, Literal, Parameter, Part, Process, Script, Word
from gateway.policy.commands.grammar.words import UNKNOWN, UNKNOWN_NUMBER

MAX_PIECES: Final = 50_000
"""Pieces of all words of a command together, in all their readings."""
CHARACTERS: Final = 32
"""Characters that count as one more piece: a variable that is doubled again and again grows beyond any bound."""

type Written = Callable[[Script], str | None]
"""What a script writes, which is followed by this; None where that cannot be told."""

_WILD: Final = re.compile(r"[*?\[]")


class Expansion:
    """Expands words in a scope. `notice` is told of values that are evaluated in ways that can run code."""

    def __init__(self, scope: Scope, written: Written, notice: Callable[[str], None], count: list[int]) -> None:
        self._scope = scope
        self._written = written
        self._notice = notice
        self._count = count
        self._parameters = Parameters(scope, self.texts, self.number, notice)

    def arguments(self, words: Iterable[Word]) -> list[list[Arg]]:
        """The readings of a list of words. Beyond the bound, some are left out and the first word is not known."""
        readings: list[list[list[Arg]]] = [self._word(one) for word in words for one in braced(word)]
        some = [[arg for args in chosen for arg in args] for chosen in islice(product(*readings), MAX_READINGS + 1)]
        if len(some) > MAX_READINGS:
            self._notice("a command has more readings than are followed")
        return some[:MAX_READINGS]

    def one(self, word: Word) -> list[Arg]:
        """The readings of a word that becomes one argument: the target of a redirect, a here-document."""
        return [_whole(pieces) for pieces in self._readings(word)]

    def texts(self, word: Word) -> list[Value]:
        """The readings of a word that is assigned: neither split nor in braces."""
        if len(word.parts) == 1 and isinstance(word.parts[0], Array):
            readings = self.arguments(word.parts[0].words)
            return [Value(tuple(a.text for a in args), all(a.is_known for a in args)) for args in readings]
        return [Value((arg.text,), arg.is_known) for arg in self.one(word)]

    def number(self, word: Word) -> int | None:
        """The value of an expression, or None."""
        values = self.texts(word)
        if len(values) != 1 or not values[0].is_known:
            return None
        return evaluate(values[0].items[0], self._variable)

    def _variable(self, name: str) -> str | None:
        values = self._scope.values(name)
        if len(values) != 1 or not values[0].is_known:
            return None
        text = " ".join(values[0].items[:1])
        if "$(" in text or "`" in text:
            self._notice("arithmetic evaluates a variable that holds a command")
            return None
        return text

    def _word(self, word: Word) -> list[list[Arg]]:
        return [self._fields(pieces) for pieces in self._readings(word)]

    def _readings(self, word: Word) -> list[tuple[Piece, ...]]:
        readings: list[list[tuple[Piece, ...]]] = [self._part(part) for part in word.parts]
        some: list[tuple[Piece, ...]] = []
        for chosen in islice(product(*readings), MAX_READINGS):
            pieces = tuple(piece for pieces in chosen for piece in pieces)
            self._count[0] += len(pieces) + 1 + sum(len(piece.text) for piece in pieces) // CHARACTERS
            if self._count[0] > MAX_PIECES:
                raise Unreadable("it is longer than is followed")
            some.append(pieces)
        return some

    def _part(self, part: Part) -> list[tuple[Piece, ...]]:
        match part:
            case Literal():
                return [(Piece(part.text, part.is_quoted),)]
            case Parameter():
                return self._parameters.pieces(part)
            case Arithmetic():
                number = self.number(part.expression)
                return [(Piece(str(number) if number is not None else UNKNOWN_NUMBER, is_known=number is not None),)]
            case Process():
                self._written(part.script)
                return [(Piece("/dev/fd/63", is_quoted=True),)]
            case Array():  # as the argument of `declare`: its words, joined
                readings = self.arguments(part.words)
                return [
                    (Piece(" ".join(a.text for a in args), is_known=all(a.is_known for a in args)),)
                    for args in readings
                ]
            case _:
                return [(self._substituted(part.script, is_quoted=part.is_quoted),)]

    def _substituted(self, script: Script, *, is_quoted: bool) -> Piece:
        text = self._written(script)
        if text is None:
            return Piece(UNKNOWN, is_quoted, is_known=False)
        return Piece(text.replace("\0", "").rstrip("\n"), is_quoted, is_split=not is_quoted)

    def _fields(self, pieces: tuple[Piece, ...]) -> list[Arg]:
        """The arguments that the pieces become, split at the blanks that came out of expansions."""
        ifs = self._scope.values("IFS")[-1]
        blanks = (ifs.items[0] if ifs.items else " ") if ifs.is_known else " \t\n"
        args: list[Arg] = []
        field: list[Piece] = []
        for piece in pieces:
            parts = re.split(f"[{re.escape(blanks)}]+", piece.text) if piece.is_split and blanks else [piece.text]
            for place, text in enumerate(parts):
                if place:
                    args.extend(_field(field))
                    field = []
                field.append(Piece(text, piece.is_quoted, piece.is_known, piece.is_split, piece.is_wild))
            if piece.ends:
                args.extend(_field(field))
                field = []
        return [*args, *_field(field)]


def _field(pieces: list[Piece]) -> list[Arg]:
    """One argument; none where nothing is left and nothing was quoted."""
    return (
        [_whole(tuple(pieces))]
        if any(piece.text or (piece.is_quoted and not piece.is_split) for piece in pieces)
        else []
    )


def _is_wild(piece: Piece) -> bool:
    return piece.is_wild or (not piece.is_quoted and piece.is_known and _WILD.search(piece.text) is not None)


def _whole(pieces: tuple[Piece, ...]) -> Arg:
    text = "".join(piece.text for piece in pieces)
    return Arg(
        text,
        is_known=all(piece.is_known for piece in pieces),
        is_pattern=any(map(_is_wild, pieces)),
        bare="".join(piece.text for piece in pieces if piece.is_known),
        is_plain=not any(piece.is_quoted for piece in pieces),
    )
