"""The forms of a text that rules look at, each with the way back to the places in the text as it came.

`text` is the text itself. `folded` is what a reader, or a model, makes of it: JSON escapes decoded, compatibility forms
and look-alike letters as plain lower-case letters, nothing invisible, and one space for any white space. Rules
of `text` look at the text with its escapes undone as well. A view is a transducer that reads from left to right, so a
stream gives the same characters for any cut. Another view is a class with these methods and a row in `VIEWS`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Protocol

from gateway.confusables import CONFUSABLES
from gateway.detect.unescaped import Unescaped

type Piece = tuple[str, Sequence[int], Sequence[int]]
"""Characters of a view, and for each where its origin starts and ends, in code points from the stream's start."""


class Growing(Protocol):
    """A view of a text that arrives in pieces."""

    @property
    def held(self) -> int:
        """How many code points at the end of what came have given no character yet, and may still."""
        ...

    def feed(self, piece: str) -> Piece: ...

    def finish(self) -> Piece: ...


class View(Protocol):
    """A form of a text."""

    def of(self, text: str) -> str:
        """The characters of the view, by the fastest way."""
        ...

    def origins(self, text: str, found: Sequence[tuple[int, int]], /) -> Sequence[tuple[int, int]]:
        """Where ranges of the view, none of them empty, lie in the text."""
        ...

    def growing(self) -> Growing: ...


def addressed(view: View, text: str) -> Piece:
    """The view of a whole text, with the origin of each character."""
    growing = view.growing()
    first, starts, ends = growing.feed(text)
    last, more_starts, more_ends = growing.finish()
    return first + last, [*starts, *more_starts], [*ends, *more_ends]


class _Text:
    """The text as it came."""

    def of(self, text: str) -> str:
        return text

    def origins(self, _text: str, found: Sequence[tuple[int, int]], /) -> Sequence[tuple[int, int]]:
        return found

    def growing(self) -> Growing:
        return _GrowingText()


class _GrowingText:
    held = 0

    def __init__(self) -> None:
        self._read = 0

    def feed(self, piece: str) -> Piece:
        start = self._read
        self._read += len(piece)
        return piece, range(start, self._read), range(start + 1, self._read + 1)

    def finish(self) -> Piece:
        return "", (), ()


_KEPT: Final = 65_536
"""Most code points whose folded form is remembered; all of Unicode would cost a hundred megabytes."""
_TAGS: Final = range(0xE0020, 0xE007F)
"""Tag characters, U+E0020 to U+E007E: invisible, each spells the ASCII character 0xE0000 below (Unicode 16, 23.9)."""
_BLANK: Final = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters by category that are drawn as nothing (Default_Ignorable_Code_Point)."""


class _Folded(dict[int, str]):
    """The folded form of each code point, worked out when it is first met."""

    def __missing__(self, code_point: int) -> str:
        folded = _fold_character(code_point)
        if len(self) < _KEPT:
            self[code_point] = folded
        return folded


def _fold_character(code_point: int) -> str:
    if code_point in _TAGS:
        code_point -= 0xE0000
    if code_point == 0x2800:  # the braille pattern without dots is a blank
        return " "
    decomposed = unicodedata.normalize("NFKD", chr(code_point))
    bare = "".join(character for character in decomposed if unicodedata.category(character) not in ("Mn", "Me"))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bare).casefold())
    return "".join(_fold_plain(character) for character in folded)


def _fold_plain(character: str) -> str:
    """What remains of a character in normal form: a space, nothing, a look-alike, or itself."""
    if character.isspace():
        return " "
    if character == "\\" or character in _BLANK or unicodedata.category(character) in ("Cc", "Cf", "Mn", "Me"):
        return ""
    return CONFUSABLES.get(character, character)


_FOLDED: Final = _Folded()
_ASCII: Final = bytes(ord(_FOLDED[index] or " ") for index in range(128)) + bytes(range(128, 256))
_GONE: Final = bytes(index for index in range(128) if not _FOLDED[index])
_SLICE: Final = 128
"""Characters that are looked at together: looking for rare ones takes ten times as long as knowing that none is."""
_RARE: Final = re.compile("[^\x00-\x7f\u4e00-\u9fff]+")
"""Runs of characters that folding may change: those of ASCII have a table, and no ideograph has another form."""


def _folded_run(run: re.Match[str]) -> str:
    characters = run[0]
    return _FOLDED[ord(characters)] if len(characters) == 1 else characters.translate(_FOLDED)


def _single_spaced(text: bytes) -> bytes:
    """The text with one space for each run of them, which is the only white space left in it.

    Measured, four times as fast as `re.sub`.
    """
    words = text.split()
    before = b" " if text[:1] == b" " else b""
    after = b" " if words and text[-1:] == b" " else b""
    return before + b" ".join(words) + after


# JSON escapes. A backslash means nothing to a rule and vanishes, so that JSON inside JSON reads like JSON. `\r`, `\b`
# and `\f` count only before another escape or a capital: before a small letter they are rather the start of a word.
_BREAK: Final = re.compile(r"\\[rbf](?=[\\A-Z])")
_CODE: Final = re.compile(
    r"\\u([Dd][89ABab][0-9A-Fa-f]{2})\\{1,4}u([Dd][C-Fc-f][0-9A-Fa-f]{2})"  # a surrogate pair
    r"|\\u([0-9A-Fa-f]{4})"
)
_ESCAPE: Final = re.compile(rf"(?:{_CODE.pattern})|\\[nt]|{_BREAK.pattern}|\\")
_UNFINISHED: Final = re.compile(
    r"\\(?:[rbf]|u[0-9A-Fa-f]{0,3}|u[Dd][89ABab][0-9A-Fa-f]{2}(?:\\{1,4}(?:u(?:[Dd](?:[C-Fc-f][0-9A-Fa-f]?)?)?)?)?)?\Z"
)
_LONGEST: Final = 15  # code points of an unfinished escape: half a pair, four backslashes, and all but the last digit
_PLAIN: Final = re.compile(r"[!-\[\]-~]+(?: [!-\[\]-~]+)*")
"""A run of printable ASCII with single spaces, in which each character gives exactly one."""


def _decoded(found: re.Match[str]) -> str:
    """The character of a `\\uXXXX` escape or of a pair of them; half a pair is U+FFFD, a backslash is nothing."""
    if found[1]:
        return chr(0x10000 + ((int(found[1], 16) & 0x3FF) << 10) + (int(found[2], 16) & 0x3FF))
    code_point = int(found[3], 16)
    return "\ufffd" if 0xD800 <= code_point < 0xE000 else chr(code_point).replace("\\", "")


def _meant(escape: re.Match[str]) -> str:
    """What an escape stands for: a character, a space for the end of a line, or nothing for a bare backslash."""
    if escape[1] or escape[3]:
        return _decoded(escape)
    return " " if len(escape[0]) > 1 else ""


class _FoldedView:
    """The text as it is read, see the module."""

    def of(self, text: str) -> str:
        if "\\" in text:
            # In this order no step makes an escape that the text did not hold.
            text = _BREAK.sub(" ", text)
            text = text.replace("\\n", " ").replace("\\t", " ")
            if "\\u" in text:
                text = _CODE.sub(_decoded, text)
        if not text.isascii():
            slices = [text[start : start + _SLICE] for start in range(0, len(text), _SLICE)]
            text = "".join([part if part.isascii() else _RARE.sub(_folded_run, part) for part in slices])
        plain = text.encode("utf-8").translate(_ASCII, _GONE)  # leaves alone what is longer than a byte
        return (_single_spaced(plain) if b"  " in plain else plain).decode("utf-8")

    def origins(self, text: str, found: Sequence[tuple[int, int]], /) -> Sequence[tuple[int, int]]:
        _, starts, ends = addressed(self, text)
        return [(starts[first], ends[last - 1]) for first, last in found]

    def growing(self) -> Growing:
        return _GrowingFolded()


class _GrowingFolded:
    def __init__(self) -> None:
        self._tail = ""  # what may be the beginning of an escape
        self._read = 0  # code points before the tail
        self._spaced = False  # the last character given was a space
        self._text: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []

    @property
    def held(self) -> int:
        return len(self._tail)

    def feed(self, piece: str) -> Piece:
        raw = self._tail + piece
        unfinished = _UNFINISHED.search(raw, max(0, len(raw) - _LONGEST)) if "\\" in raw else None
        done = unfinished.start() if unfinished else len(raw)
        return self._taken(raw, done)

    def finish(self) -> Piece:
        return self._taken(self._tail, len(self._tail))

    def _taken(self, raw: str, done: int) -> Piece:
        """Give the first `done` characters of `raw`; the rest is only looked at."""
        at = 0
        for escape in _ESCAPE.finditer(raw):
            if escape.start() >= done:
                break
            self._stretch(raw, at, escape.start())
            at = escape.end()
            for character in _meant(escape):
                self._give(_FOLDED[ord(character)], escape.start(), at)
        self._stretch(raw, at, done)
        self._tail = raw[done:]
        self._read += done
        given = "".join(self._text), self._starts, self._ends
        self._text, self._starts, self._ends = [], [], []
        return given

    def _stretch(self, raw: str, start: int, end: int) -> None:
        """Give characters that are no escapes."""
        at = start
        while at < end:
            plain = _PLAIN.match(raw, at, end)
            if plain:
                self._text.append(plain[0].lower())
                self._starts.extend(range(self._read + at, self._read + plain.end()))
                self._ends.extend(range(self._read + at + 1, self._read + plain.end() + 1))
                self._spaced = False
                at = plain.end()
            else:
                self._give(_FOLDED[ord(raw[at])], at, at + 1)
                at += 1

    def _give(self, characters: str, start: int, end: int) -> None:
        for character in characters:
            if character == " " and self._spaced:
                continue
            self._spaced = character == " "
            self._text.append(character)
            self._starts.append(self._read + start)
            self._ends.append(self._read + end)


VIEWS: Final[dict[str, View]] = {"text": _Text(), "folded": _FoldedView()}
"""The views that a rule may name."""
UNESCAPED: Final = Unescaped()
"""Looked at by the rules of `text` too, wherever it differs from the text."""


def readings(name: str, text: str) -> tuple[tuple[View, str], ...]:
    """What the rules of a view look at: the view, and for `text` also what its escapes stand for."""
    view = VIEWS[name]
    plain = view, view.of(text)
    if name == "text" and "\\" in text:
        unescaped = UNESCAPED.of(text)
        if len(unescaped) < len(text):
            return plain, (UNESCAPED, unescaped)
    return (plain,)


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def scrubbed(text: str) -> str:
    """The text with each lone surrogate as U+FFFD: they have no UTF-8 form, which the pre-filter reads."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text
