"""What all readings of commands share: blanks, plain words, redirects, and here-documents at the ends of lines."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.grammar.cursor import Cursor, Unreadable
from gateway.policy.commands.grammar.tree import (
    Literal,
    Redirection,
    Word,
)
from gateway.policy.commands.grammar.words import BLANKS, Scripts, Words

_COMMENT: Final = re.compile(r"#[^\n]*")
_REDIRECTION: Final = re.compile(
    r"(?P<fd>[0-9]+|\{[A-Za-z_]\w*\})?(?P<op>&>>|&>|<<<|<<-|<<|<&|<>|<(?!\()|>>|>&|>\||>(?!\())"
)
_ENDS: Final = frozenset(("then", "elif", "else", "fi", "do", "done", "esac", "}"))
_PLAIN_WORD: Final = re.compile(r"[^ \t\n;&|<>()\\'\"$`]++(?![\\'\"$`])")


class Reader:
    """Reads at a cursor. What commands stand in words is read by `scripts`."""

    def __init__(self, cursor: Cursor, scripts: Scripts) -> None:
        self._cursor = cursor
        self._scripts = scripts
        self._words = Words(cursor, scripts)
        self._bodies: list[tuple[list[Redirection], int, bool, bool]] = []

    # Redirects and here-documents

    def _redirection(self, into: list[Redirection]) -> bool:
        found = _REDIRECTION.match(self._cursor.text, self._cursor.at)
        if found is None:
            return False
        self._cursor.at = found.end()
        self._blanks()
        start = self._cursor.at
        target = self._words.word()
        if not target.parts:
            raise Unreadable("a redirect has no target")
        operator = found["op"]
        body = target if operator == "<<<" else None
        into.append(Redirection(operator, target, found["fd"] or "", body))
        if operator in ("<<", "<<-"):
            is_literal = bool(re.search(r"['\"\\]", self._cursor.text[start : self._cursor.at]))
            self._bodies.append((into, len(into) - 1, is_literal, operator == "<<-"))
        return True

    def _take_bodies(self) -> None:
        """Reads the here-documents that were announced on the line that ends here."""
        for redirections, place, is_literal, is_indented in self._bodies:
            known = redirections[place]
            delimiter = "".join(part.text for part in known.target.parts if isinstance(part, Literal))
            text = self._document(delimiter, is_indented=is_indented)
            if is_literal:
                body = Word((Literal(text, is_quoted=True),))
            else:
                with self._cursor.nested():
                    body = Words(Cursor(text, self._cursor.depth), self._scripts).body()
            redirections[place] = Redirection(known.operator, known.target, known.descriptor, body)
        self._bodies.clear()

    def _document(self, delimiter: str, *, is_indented: bool) -> str:
        lines: list[str] = []
        cursor = self._cursor
        while not cursor.is_done:
            end = cursor.text.find("\n", cursor.at)
            line = cursor.text[cursor.at : end if end >= 0 else len(cursor.text)]
            cursor.at = end + 1 if end >= 0 else len(cursor.text)
            line = line.lstrip("\t") if is_indented else line
            if line == delimiter:
                break
            lines.append(line + "\n")
        return "".join(lines)

    # Blanks and words

    def _blanks(self) -> None:
        self._cursor.match(BLANKS)
        if self._cursor.peek() == "#":
            self._cursor.match(_COMMENT)

    def _newlines(self) -> None:
        self._blanks()
        while self._cursor.take("\n"):
            self._take_bodies()
            self._blanks()

    def _expect(self, text: str) -> None:
        if not self._cursor.take(text):
            raise Unreadable(f"`{text}` is missing")

    def _reserved(self) -> str:
        """The word that comes next, if it is plain; it is left."""
        self._blanks()
        start = self._cursor.at
        found = _PLAIN_WORD.match(self._cursor.text, start)
        return found[0] if found else ""

    def _word(self) -> None:
        """Reads the plain word that comes next."""
        self._blanks()
        self._cursor.match(_PLAIN_WORD)

    def _begins_command(self) -> bool:
        self._blanks()
        if self._cursor.is_done or self._cursor.peek() in tuple(")\n;&|"):
            return self._cursor.peek(2) == "&>"
        return self._reserved() not in _ENDS
