"""Parameters expanded (Bash manual 3.5.3): defaults, lengths, slices, patterns, indirection, arrays."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.policy.commands.evaluate.pattern import MAX_LENGTH, compiled, pattern
from gateway.policy.commands.evaluate.value import ABSOLUTE, MAX_READINGS, MAX_VALUE, Piece, Scope, Value
from gateway.policy.commands.grammar.cursor import Unreadable
from gateway.policy.commands.grammar.tree import Literal, Parameter, Word

_CASES: Final[dict[str, Callable[[str], str]]] = {
    "^": lambda text: text[:1].upper() + text[1:],
    "^^": str.upper,
    ",": lambda text: text[:1].lower() + text[1:],
    ",,": str.lower,
    "@U": str.upper,
    "@u": lambda text: text[:1].upper() + text[1:],
    "@L": str.lower,
}
_SPECIAL: Final = frozenset("@*#?$!-_0123456789")


class Parameters:
    """Expands parameters in a scope, with the texts of operands and the numbers of expressions from above."""

    def __init__(
        self,
        scope: Scope,
        texts: Callable[[Word], list[Value]],
        number: Callable[[Word], int | None],
        notice: Callable[[str], None],
    ) -> None:
        self._scope = scope
        self._texts = texts
        self._number = number
        self._notice = notice

    def pieces(self, part: Parameter) -> list[tuple[Piece, ...]]:
        """The readings of the parameter, each as the pieces that it becomes."""
        return [_pieces(part, value) for value in self._readings(part)[:MAX_READINGS]]

    def _readings(self, part: Parameter) -> list[Value]:
        unknown = Value((part.source,), is_known=False)
        if part.is_indirect:
            values = self._indirect(part) or [unknown]
        else:
            values = [self._indexed(part, value) or unknown for value in self._scope.values(part.name)]
        is_set = part.is_indirect or self._scope.is_set(part.name)
        if part.is_length:
            return [_length(part, value) if value.is_known else unknown for value in values]
        operator = part.operator.lstrip(":") if part.operator != ":" else ":"
        if operator[:1] in tuple("-=?+") and operator:
            return self._default(part, values, is_set=is_set)
        if not operator or operator in "@*":
            return [value if value.is_known else unknown for value in values]
        return [self._changed(part, value) or unknown for value in values]

    def _indirect(self, part: Parameter) -> list[Value]:
        names = self._scope.values(part.name)
        if part.operator in ("@", "*") or not all(name.is_known and len(name.items) == 1 for name in names):
            return []
        return [value for name in names for value in self._scope.values(name.items[0])]

    def _indexed(self, part: Parameter, value: Value) -> Value | None:
        if not value.is_known:
            return None
        if part.index is None:
            return value if part.name in ("@", "*") or len(value.items) == 1 else Value(value.items[:1] or ("",))
        if part.index in ("@", "*"):
            return value
        place = self._number(Word((Literal(part.index, is_quoted=True),)))
        if place is None:
            return None
        items = value.items
        return Value((items[place] if -len(items) <= place < len(items) else "",))

    def _default(self, part: Parameter, values: list[Value], *, is_set: bool) -> list[Value]:
        """`-`, `=`, `?` and `+`: where it cannot be told whether the variable is set, both readings."""
        others = self._texts(part.words[0])
        kind = part.operator[-1]
        found: list[Value] = []
        for value in values:
            is_empty = value.is_known and not "".join(value.items)
            is_there = None if not value.is_known else not is_empty if part.operator[0] == ":" else is_set
            if kind == "+":
                found += others if is_there is not False else []
                found += [Value(("",))] if is_there is not True else []
            else:
                found += [value] if is_there is not False else []
                found += others if is_there is not True else []
        if kind == "=":
            self._scope.assign(part.name, tuple(found), is_sure=False)
        return list(dict.fromkeys(found))

    def _changed(self, part: Parameter, value: Value) -> Value | None:
        """The value after an operator that changes it, or None where that cannot be told."""
        if part.operator == ":":
            return self._slice(part, value)
        if not value.is_known:
            return None
        if change := _CASES.get(part.operator):
            return Value(tuple(change(item) for item in value.items)) if not part.words[0].parts else None
        if part.operator == "@P":
            self._notice("a variable is expanded as a prompt, which runs what is in it")
            return None
        if part.operator in ("@Q", "@E", "@A", "@a", "@K", "@k") or any(len(i) > MAX_LENGTH for i in value.items):
            return None
        return self._matched(part, value)

    def _slice(self, part: Parameter, value: Value) -> Value | None:
        start = self._number(part.words[0])
        length = self._number(part.words[1]) if len(part.words) > 1 else None
        if start is None or (len(part.words) > 1 and length is None):
            return None
        if part.name in ABSOLUTE and part.name not in self._scope.variables:
            return Value(("/",)) if (start, length) == (0, 1) else None
        if not value.is_known:
            return None
        if part.name in ("@", "*") or part.index in ("@", "*"):
            # The positional parameters count from one.
            items = (part.source, *value.items) if part.name in ("@", "*") else value.items
            return Value(items[_cut(start, length, len(items))])
        return Value(tuple(item[_cut(start, length, len(item))] for item in value.items))

    def _matched(self, part: Parameter, value: Value) -> Value | None:
        expression = self._pattern(part.words[0])
        if expression is None:
            return None
        operator = part.operator
        if operator[0] == "/":
            replacement = self._texts(part.words[1]) if len(part.words) > 1 else [Value(("",))]
            if len(replacement) != 1 or not replacement[0].is_known:
                return None
            items = tuple(_replaced(operator, expression, replacement[0].items[0], item) for item in value.items)
            return _bounded(items)
        return Value(tuple(_trimmed(operator, expression, item) for item in value.items))

    def _pattern(self, word: Word) -> re.Pattern[str] | None:
        pieces: list[tuple[str, bool]] = []
        for part in word.parts:
            if isinstance(part, Literal):
                pieces.append((part.text, part.is_quoted))
                continue
            values = self._texts(Word((part,)))
            if len(values) != 1 or not values[0].is_known:
                return None
            pieces.append((" ".join(values[0].items), bool(getattr(part, "is_quoted", True))))
        return compiled(pattern(pieces))


def _pieces(part: Parameter, value: Value) -> tuple[Piece, ...]:
    is_list = part.name == "@" or part.index == "@"
    if not value.is_known:
        return (Piece(" ".join(value.items) or part.source, part.is_quoted, is_known=False),)
    if part.is_quoted and is_list:
        return tuple(
            Piece(item, is_quoted=True, ends=place + 1 < len(value.items)) for place, item in enumerate(value.items)
        )
    return (Piece(" ".join(value.items), part.is_quoted, is_split=not part.is_quoted, is_wild=value.is_pattern),)


def _length(part: Parameter, value: Value) -> Value:
    if part.index in ("@", "*") or part.name in ("@", "*"):
        return Value((str(len(value.items)),))
    return Value((str(len("".join(value.items[:1]))),))


def _cut(start: int, length: int | None, size: int) -> slice:
    low = start if start >= 0 else max(size + start, 0)
    if length is None:
        return slice(low, None)
    return slice(low, low + length if length >= 0 else max(size + length, low))


def _replaced(operator: str, expression: re.Pattern[str], replacement: str, text: str) -> str:
    if operator == "/#":
        found = expression.match(text)
        return replacement + text[found.end() :] if found else text
    if operator == "/%":
        return re.sub(f"(?:{expression.pattern})\\Z", lambda _: replacement, text, count=1, flags=re.DOTALL)
    if not expression.pattern:
        return text
    return expression.sub(lambda _: replacement, text, count=0 if operator == "//" else 1)


def _trimmed(operator: str, expression: re.Pattern[str], text: str) -> str:
    """Without the shortest (`#`, `%`) or longest (`##`, `%%`) beginning or end that the pattern takes."""
    ends = range(len(text) + 1)
    places = ends if operator in ("#", "%%") else reversed(ends)
    for place in places:
        if operator[0] == "#" and expression.fullmatch(text, 0, place):
            return text[place:]
        if operator[0] == "%" and expression.fullmatch(text, place):
            return text[:place]
    return text


def _bounded(items: tuple[str, ...]) -> Value:
    if sum(map(len, items)) > MAX_VALUE:
        raise Unreadable("a variable grows beyond the bounds")
    return Value(items)
