"""Commands of the shell (POSIX.1-2024, XCU 2.10, with the additions of Bash 5.2), by recursive descent."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.policy.commands.grammar.cursor import Cursor, Unreadable
from gateway.policy.commands.grammar.reader import Reader
from gateway.policy.commands.grammar.tree import (
    Array,
    Assignment,
    Command,
    Compound,
    Function,
    Item,
    Literal,
    Pipeline,
    Redirection,
    Script,
    Simple,
    Way,
    Word,
)
from gateway.policy.commands.grammar.words import Words

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([^]\n]*)\])?(\+?)=")
_FUNCTION: Final = re.compile(r"([^\s;&|<>()$`'\"\\={}#!]+)[ \t]*\([ \t]*\)")
_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_CASE_END: Final = re.compile(r";;&|;;|;&")


def parse(text: str, depth: int = 0) -> tuple[Script, str]:
    """The tree of a text, and why it is none ("" if it is): then the tree holds the commands before the fault."""
    cursor = Cursor(text.replace("\r\n", "\n"), depth)
    parser = Parser(cursor)
    try:
        script = parser.script("")
    except Unreadable as fault:
        return Script(tuple(parser.read)), str(fault)
    return script, ""


def _scripts(cursor: Cursor, end: str) -> Script:
    return Parser(cursor).script(end)


class Parser(Reader):
    """Reads commands at a cursor. `read` are the commands of the list that were read to their end."""

    def __init__(self, cursor: Cursor) -> None:
        super().__init__(cursor, _scripts)
        self.read: list[Item] = []

    def script(self, end: str) -> Script:
        """The list up to `end`, which is read: `)`, `}`, or nothing for the end of the text."""
        self._list(self.read)
        if end == "":
            if not self._cursor.is_done:
                raise Unreadable("a command ends where none may end")
        elif end == "}":
            self._expect("}")
        elif not self._cursor.take(end):
            raise Unreadable("a parenthesis is not closed")
        self._take_bodies()
        return Script(tuple(self.read))

    # Lists and pipelines

    def _list(self, items: list[Item]) -> None:
        self._newlines()
        while self._begins_command():
            self._and_or(items)
            self._blanks()
            if self._cursor.peek() == "&" and self._cursor.peek(2) != "&&":
                self._cursor.at += 1
                items[-1] = Item(items[-1].command, items[-1].is_sure, is_apart=True)
            elif self._cursor.peek() == ";" and not _CASE_END.match(self._cursor.text, self._cursor.at):
                self._cursor.at += 1
            elif self._cursor.peek() != "\n":
                return
            self._newlines()

    def _inner(self, *ends: str) -> Script:
        """A list inside a compound command, up to one of the words, which is left."""
        items: list[Item] = []
        with self._cursor.nested():
            self._list(items)
        if self._reserved() not in ends:
            raise Unreadable("a compound command is not closed")
        return Script(tuple(items))

    def _and_or(self, items: list[Item]) -> None:
        items.append(Item(self._pipeline()))
        self._blanks()
        while self._cursor.take("&&") or self._cursor.take("||"):
            self._newlines()
            items.append(Item(self._pipeline(), is_sure=False))
            self._blanks()

    def _pipeline(self) -> Command:
        self._blanks()
        while self._reserved() in ("!", "time"):
            self._word()
            while self._reserved() in ("-p", "--"):
                self._word()
            if not self._begins_command():
                return Simple()
        commands = [self._command()]
        self._blanks()
        while self._cursor.peek() == "|" and self._cursor.peek(2) != "||":
            self._cursor.at += 1
            self._cursor.take("&")
            self._newlines()
            commands.append(self._command())
            self._blanks()
        return commands[0] if len(commands) == 1 else Pipeline(tuple(commands))

    # Commands

    def _command(self) -> Command:
        self._blanks()
        reserved = self._reserved()
        if reserved == "coproc":
            return self._coprocess()
        if self._cursor.peek() == "(" or reserved in _COMPOUND:
            with self._cursor.nested():
                compound: Command = self._parenthesis() if self._cursor.peek() == "(" else _COMPOUND[reserved](self)
            return self._redirected(compound)
        if found := _FUNCTION.match(self._cursor.text, self._cursor.at):
            self._cursor.at = found.end()
            return self._function(found[1])
        return self._simple()

    def _redirected(self, command: Command) -> Command:
        redirections: list[Redirection] = []
        self._blanks()
        while self._redirection(redirections):
            self._blanks()
        if not redirections:
            return command
        inner = Script((Item(command),))
        return Compound(Way.GROUP, (inner,), redirections=redirections)

    def _simple(self) -> Command:
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        start = self._cursor.at
        while True:
            self._blanks()
            if self._redirection(redirections):
                continue
            if (assignment := self._assignment(may_start=not words or _declares(words))) is not None:
                if words:
                    words.append(_spelt(assignment))
                else:
                    assignments.append(assignment)
                continue
            word = self._words.word()
            if not word.parts:
                break
            words.append(word)
        if self._cursor.at == start or not (assignments or words or redirections):
            raise Unreadable("a command is missing")
        return Simple(tuple(assignments), tuple(words), redirections)

    def _assignment(self, *, may_start: bool) -> Assignment | None:
        found = _ASSIGNMENT.match(self._cursor.text, self._cursor.at) if may_start else None
        if found is None:
            return None
        self._cursor.at = found.end()
        value = Word((self._array(),)) if self._cursor.peek() == "(" else self._words.word()
        return Assignment(found[1], value, bool(found[3]), found[2])

    def _array(self) -> Array:
        self._cursor.take("(")
        words: list[Word] = []
        with self._cursor.nested():
            self._newlines()
            while not self._cursor.take(")"):
                if self._cursor.peek() == "[" and (
                    found := re.compile(r"\[[^]]*\]=").match(self._cursor.text, self._cursor.at)
                ):
                    self._cursor.at = found.end()
                word = self._words.word()
                if not word.parts:
                    raise Unreadable("an array is not closed")
                words.append(word)
                self._newlines()
        return Array(tuple(words))

    # Compound commands

    def _parenthesis(self) -> Compound:
        cursor = self._cursor
        if cursor.peek(2) == "((":
            start = cursor.at
            try:
                return self._arithmetic()
            except Unreadable:  # two subshells, then
                cursor.at = start
        cursor.take("(")
        return Compound(Way.SUBSHELL, (_scripts(cursor, ")"),))

    def _arithmetic(self) -> Compound:
        """`(( … ))`, which starts nothing by itself: its words are kept for what is in them."""
        cursor = self._cursor
        end = cursor.text.find("))", cursor.at)
        inner = cursor.text[cursor.at + 2 : end]
        if end < 0 or re.search(r"[;|]\s|\n", inner) or (inner.count("(") != inner.count(")")):
            raise Unreadable("arithmetic is not closed")
        cursor.at = end + 2
        return Compound(Way.GROUP, words=(Words(Cursor(inner, cursor.depth), _scripts).body(),))

    def _group(self) -> Compound:
        self._word()
        script = self._inner("}")
        self._word()
        return Compound(Way.GROUP, (script,))

    def _choice(self) -> Compound:
        scripts: list[Script] = []
        word = "if"
        while word != "fi":
            self._word()
            scripts.append(self._inner("then") if word != "else" else self._inner("fi"))
            if word != "else":
                self._word()
                scripts.append(self._inner("elif", "else", "fi"))
            word = self._reserved()
        self._word()
        return Compound(Way.CHOICE, tuple(scripts))

    def _loop(self) -> Compound:
        self._word()
        head = self._inner("do")
        return Compound(Way.LOOP, (head, self._body()))

    def _body(self) -> Script:
        """`do … done`, or the braces that Bash takes in their place."""
        self._newlines()
        opening = self._reserved()
        if opening not in ("do", "{"):
            raise Unreadable("a loop has no body")
        self._word()
        script = self._inner("done" if opening == "do" else "}")
        self._word()
        return script

    def _each(self) -> Compound:
        self._word()
        self._blanks()
        if self._cursor.peek(2) == "((":
            head = self._arithmetic_head()
            return Compound(Way.LOOP, (self._body_after_head(),), head)
        name = self._cursor.match(_NAME)
        if not name:
            raise Unreadable("a loop has no name")
        self._newlines()
        words: list[Word] = []
        has_words = self._reserved() == "in"
        if has_words:
            self._word()
            self._blanks()
            while (word := self._words.word()).parts:
                words.append(word)
                self._blanks()
        return Compound(Way.EACH, (self._body_after_head(),), tuple(words), name, has_words)

    def _body_after_head(self) -> Script:
        self._blanks()
        self._cursor.take(";")
        return self._body()

    def _arithmetic_head(self) -> tuple[Word, ...]:
        end = self._cursor.text.find("))", self._cursor.at)
        if end < 0:
            raise Unreadable("arithmetic is not closed")
        inner = self._cursor.text[self._cursor.at + 2 : end]
        self._cursor.at = end + 2
        return (Words(Cursor(inner, self._cursor.depth), _scripts).body(),)

    def _case(self) -> Compound:
        self._word()
        self._blanks()
        words = [self._words.word()]
        self._newlines()
        if self._reserved() != "in":
            raise Unreadable("a case has no patterns")
        self._word()
        self._newlines()
        scripts: list[Script] = []
        while self._reserved() != "esac":
            words.extend(self._patterns())
            items: list[Item] = []
            self._list(items)
            scripts.append(Script(tuple(items)))
            self._newlines()
            if not self._cursor.match(_CASE_END) and self._reserved() != "esac":
                raise Unreadable("a case is not closed")
            self._newlines()
        self._word()
        return Compound(Way.CHOICE, tuple(scripts), tuple(words))

    def _patterns(self) -> list[Word]:
        self._cursor.take("(")
        patterns: list[Word] = []
        while True:
            self._blanks()
            pattern = self._words.word(in_pattern=True)
            if not pattern.parts:
                raise Unreadable("a case has a pattern that is none")
            patterns.append(pattern)
            self._blanks()
            if self._cursor.take(")"):
                return patterns
            if not self._cursor.take("|"):
                raise Unreadable("a case has a pattern that is not closed")

    def _test(self) -> Compound:
        self._word()
        words: list[Word] = []
        while self._reserved() != "]]":
            self._newlines()
            word = self._words.word(in_pattern=True)
            if word.parts:
                words.append(word)
            elif self._cursor.is_done:
                raise Unreadable("a test is not closed")
            elif self._cursor.peek() in "()<>|&!":
                self._cursor.at += 1
            elif self._cursor.peek() == ";":
                raise Unreadable("a test is not closed")
            self._newlines()
        self._word()
        return Compound(Way.GROUP, words=tuple(words))

    def _definition(self) -> Function:
        self._word()
        self._blanks()
        name = self._words.word().plain
        if name is None:
            raise Unreadable("a function has no name")
        self._blanks()
        if self._cursor.take("("):
            self._blanks()
            self._expect(")")
        return self._function(name)

    def _function(self, name: str) -> Function:
        self._newlines()
        with self._cursor.nested():
            return Function(name, self._command())

    def _coprocess(self) -> Command:
        self._word()
        self._blanks()
        start = self._cursor.at
        name = self._words.word().plain
        self._blanks()
        if name is None or name in _COMPOUND or not (self._cursor.peek() == "(" or self._reserved() in _COMPOUND):
            self._cursor.at = start  # it has no name
        with self._cursor.nested():
            return Compound(Way.SUBSHELL, (Script((Item(self._command()),)),))


_COMPOUND: Final[dict[str, Callable[[Parser], Command]]] = {
    "{": Parser._group,
    "if": Parser._choice,
    "while": Parser._loop,
    "until": Parser._loop,
    "for": Parser._each,
    "select": Parser._each,
    "case": Parser._case,
    "[[": Parser._test,
    "function": Parser._definition,
}

_DECLARING: Final = frozenset(("declare", "typeset", "export", "readonly", "local", "alias", "env"))


def _declares(words: list[Word]) -> bool:
    """Whether what follows may be assignments with arrays."""
    return words[0].plain in _DECLARING and words[0].plain != "env"


def _spelt(assignment: Assignment) -> Word:
    """An assignment as the argument of `declare` and its kin; an array as its words, joined by blanks."""
    head = f"{assignment.name}{'+' if assignment.is_added else ''}="
    return Word((Literal(head), *assignment.value.parts))
