"""Words of the shell: quotes, escapes and expansions, read but not yet expanded (Bash manual 3.1.2 and 3.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.policy.commands.grammar.cursor import Cursor, Unreadable
from gateway.policy.commands.grammar.quoting import ansi_c
from gateway.policy.commands.grammar.tree import (
    Arithmetic,
    Literal,
    Parameter,
    Part,
    Process,
    Script,
    Substitution,
    Word,
)

type Scripts = Callable[[Cursor, str], Script]
"""Reads the commands up to a closing word, which is read too; to the end of the text where that is empty."""

UNKNOWN: Final = "$(…)"
UNKNOWN_NUMBER: Final = "$((…))"
"""How substitutions and numbers are spelt that are not known. In a text that is read again they are not known still."""

BLANKS: Final = re.compile(r"(?:[ \t]|\\\n)+")
_METAS: Final = " \t\n;&|<>()"
_PLAIN: Final = re.compile(r"[^ \t\n;&|<>()\\'\"$`]+")
_SINGLE: Final = re.compile(r"[^']*")
_ANSI: Final = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL)
_IN_DOUBLE: Final = re.compile(r'[^"\\$`]+')
_IN_BODY: Final = re.compile(r"[^\\$`]+")
_BACKTICKS: Final = re.compile(r"(?:[^`\\]|\\.)*", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!_-]")
_SHORT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!_-]")
_OPERATOR: Final = re.compile(r":[-=?+]|[-=?+]|##?|%%?|//|/[#%]?|\^\^?|,,?|@[A-Za-z]|:|[*@]")
_UNTIL_BRACE: Final = re.compile(r"[^}\\'\"$`:/]+")


class Words:
    """Reads words at a cursor. What commands stand in them is read by `scripts`."""

    def __init__(self, cursor: Cursor, scripts: Scripts) -> None:
        self._cursor = cursor
        self._scripts = scripts

    def word(self, *, in_pattern: bool = False) -> Word:
        """The word that starts here; without parts if none does. In a pattern, `@(a|b)` is part of it."""
        cursor = self._cursor
        parts: list[Part] = []
        while not cursor.is_done:
            if cursor.peek(2) in ("<(", ">("):
                parts.append(self._process())
            elif cursor.peek() == "(" and parts and self._opens_group(parts, in_pattern=in_pattern):
                parts.append(Literal(self._balanced()))
            elif cursor.peek() in _METAS:
                break
            else:
                parts.extend(self._unquoted(_PLAIN))
        return _joined(parts)

    def body(self) -> Word:
        """The rest of the text as a here-document is read: no quotes, but expansions and escapes."""
        parts: list[Part] = []
        while not self._cursor.is_done:
            parts.extend(self._in_double(_IN_BODY, quote=""))
        return _joined(parts)

    @staticmethod
    def _opens_group(parts: list[Part], *, in_pattern: bool) -> bool:
        last = parts[-1]
        if not isinstance(last, Literal) or last.is_quoted or last.text[-1:] not in tuple("?*+@!"):
            return False
        # A bang alone negates a command, unless extended patterns are on; this errs towards the command.
        return in_pattern or len(parts) > 1 or last.text not in ("!", "@", "?", "*", "+")

    def _balanced(self) -> str:
        """A group in parentheses, as it is written."""
        cursor = self._cursor
        start, depth = cursor.at, 0
        while not cursor.is_done:
            depth += {"(": 1, ")": -1}.get(cursor.peek(), 0)
            cursor.at += 1
            if depth == 0:
                return cursor.text[start : cursor.at]
        raise Unreadable("a group in a pattern is not closed")

    def _unquoted(self, plain: re.Pattern[str]) -> list[Part]:
        cursor = self._cursor
        if text := cursor.match(plain):
            return [Literal(text)]
        if cursor.take("\\\n"):
            return []
        if cursor.take("\\"):
            text = cursor.peek()
            cursor.at += len(text)
            return [Literal(text or "\\", is_quoted=True)]
        if cursor.take("'"):
            return [Literal(self._closed(_SINGLE, "'"), is_quoted=True)]
        if cursor.take("$'"):
            return [Literal(ansi_c(self._closed(_ANSI, "'")), is_quoted=True)]
        if cursor.take('$"') or cursor.take('"'):
            return self._double()
        return [self._expansion(is_quoted=False)]

    def _closed(self, pattern: re.Pattern[str], end: str) -> str:
        text = self._cursor.match(pattern)
        if not self._cursor.take(end):
            raise Unreadable("a quotation is not closed")
        return text

    def _double(self) -> list[Part]:
        parts: list[Part] = []
        with self._cursor.nested():
            while not self._cursor.take('"'):
                if self._cursor.is_done:
                    raise Unreadable("a quotation is not closed")
                parts.extend(self._in_double(_IN_DOUBLE, quote='"'))
        return parts or [Literal("", is_quoted=True)]

    def _in_double(self, plain: re.Pattern[str], quote: str) -> list[Part]:
        """What stands within double quotes, or in a here-document (`quote` is empty), up to the next change."""
        cursor = self._cursor
        if text := cursor.match(plain):
            return [Literal(text, is_quoted=True)]
        if cursor.take("\\\n"):
            return []
        if cursor.take("\\"):
            if cursor.peek() and cursor.peek() in "$`\\" + quote:
                cursor.at += 1
                return [Literal(cursor.text[cursor.at - 1], is_quoted=True)]
            return [Literal("\\", is_quoted=True)]
        return [self._expansion(is_quoted=True)]

    def _process(self) -> Process:
        is_input = self._cursor.take("<(")
        if not is_input:
            self._cursor.take(">(")
        with self._cursor.nested():
            return Process(self._scripts(self._cursor, ")"), is_input)

    def _expansion(self, *, is_quoted: bool) -> Part:
        cursor = self._cursor
        if cursor.take("`"):
            return self._backticks(is_quoted=is_quoted)
        start = cursor.at
        for unknown in (UNKNOWN, UNKNOWN_NUMBER):
            if cursor.take(unknown):
                return Parameter("_", unknown, is_quoted=is_quoted)
        cursor.at += 1  # the dollar sign
        if cursor.peek(2) == "((" and (expression := self._arithmetic()) is not None:
            return Arithmetic(expression, is_quoted)
        if cursor.take("("):
            with cursor.nested():
                return Substitution(self._scripts(cursor, ")"), is_quoted)
        if cursor.take("["):  # the old spelling of arithmetic
            return Arithmetic(self._inner(self._closed(re.compile(r"[^]]*"), "]")), is_quoted)
        if cursor.take("{"):
            return self._braced(start, is_quoted=is_quoted)
        if name := cursor.match(_SHORT_NAME):
            return Parameter(name, f"${name}", is_quoted=is_quoted)
        return Literal("$", is_quoted)

    def _backticks(self, *, is_quoted: bool) -> Part:
        inner = self._closed(_BACKTICKS, "`")
        escaped = r'\\([$`\\"])' if is_quoted else r"\\([$`\\])"
        with self._cursor.nested():
            inner_cursor = Cursor(re.sub(escaped, r"\1", inner), self._cursor.depth)
            return Substitution(self._scripts(inner_cursor, ""), is_quoted)

    def _arithmetic(self) -> Word | None:
        """The expression of `$((…))`, or None where the parentheses turn out to be those of a command."""
        cursor = self._cursor
        depth = 0
        for found in re.compile(r"[()]").finditer(cursor.text, cursor.at):
            depth += 1 if found[0] == "(" else -1
            if depth == 1 and found[0] == ")":
                if cursor.text.startswith("))", found.start()):
                    inner = cursor.text[cursor.at + 2 : found.start()]
                    cursor.at = found.start() + 2
                    return self._inner(inner)
                return None
        return None

    def _inner(self, text: str) -> Word:
        with self._cursor.nested():
            return Words(Cursor(text.replace('"', ""), self._cursor.depth), self._scripts).body()

    def _braced(self, start: int, *, is_quoted: bool) -> Part:
        cursor = self._cursor
        with cursor.nested():
            if cursor.peek() in ("|", " ", "\t", "\n"):  # `${ command; }` of Bash 5.3 and other shells
                cursor.take("|")
                return Substitution(self._scripts(cursor, "}"), is_quoted)
            is_length = bool(re.compile(r"#(?:[A-Za-z0-9_@*?$!-]|#\})").match(cursor.text, cursor.at)) and cursor.take(
                "#"
            )
            is_indirect = bool(re.compile(r"![A-Za-z0-9_@*#]").match(cursor.text, cursor.at)) and cursor.take("!")
            name = cursor.match(_NAME)
            if not name:
                raise Unreadable("an expansion has no name")
            index = self._closed(re.compile(r"[^]]*"), "]") if cursor.take("[") else None
            operator = cursor.match(_OPERATOR)
            words = self._operands(operator, is_quoted=is_quoted)
            source = cursor.text[start : cursor.at]
            return Parameter(name, source, operator, words, index, is_length, is_indirect, is_quoted)

    def _operands(self, operator: str, *, is_quoted: bool) -> tuple[Word, ...]:
        """What follows the operator, up to the brace, which is read: two words after `/` and `:`."""
        divider = {"/": "/", ":": ":"}.get(operator[:1] if operator in ("/", "//", "/#", "/%", ":") else "", "")
        # In quotes, a default keeps its single quotes, a pattern does not (POSIX XCU 2.6.2).
        is_default = operator.lstrip(":")[:1] in tuple("-=?+")
        words: list[Word] = []
        parts: list[Part] = []
        while not self._cursor.take("}"):
            if self._cursor.is_done:
                raise Unreadable("an expansion is not closed")
            if divider and not words and self._cursor.take(divider):
                words.append(_joined(parts))
                parts = []
            elif is_quoted and is_default and self._cursor.take("'"):
                parts.append(Literal("'", is_quoted=True))
            elif self._cursor.peek() in (":", "/"):
                parts.append(Literal(self._cursor.peek()))
                self._cursor.at += 1
            else:
                parts.extend(self._unquoted(_UNTIL_BRACE))
        return (*words, _joined(parts)) if operator else ()


def _joined(parts: list[Part]) -> Word:
    """The word with neighbouring characters as one part."""
    kept: list[Part] = []
    for part in parts:
        last = kept[-1] if kept else None
        if isinstance(part, Literal) and isinstance(last, Literal) and part.is_quoted == last.is_quoted:
            kept[-1] = Literal(last.text + part.text, part.is_quoted)
        else:
            kept.append(part)
    return Word(tuple(kept))
