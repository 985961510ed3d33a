"""Which element each piece of a page stands in: tokens become steps, in which every start has its end.

These are the rules of tree construction (HTML, 13.2.6) that decide where an element ends: tags that are left out, tags
that are ignored, tables that put out what does not belong in them, SVG and MathML. What they do with formatting
elements whose tags cross is not followed: such an element ends here with its end tag. Where a page is too broken to
tell, text counts as outside the element, and so as visible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct

from gateway.errors import OverLimit
from gateway.wire.markup.tokens import Attribute, Sort, Syntax, Token, Tokenizer


class Move(StrEnum):
    OPEN = "open"
    CLOSE = "close"  # of the element that was opened last
    STRAY = "stray"  # a tag that opens and closes nothing
    TEXT = "text"
    LITERAL = "literal"  # text without references: CDATA
    RAW = "raw"  # the content of a script, a style sheet, a frame
    COMMENT = "comment"
    DECLARATION = "declaration"


class Step(Struct, frozen=True, gc=False):
    """`start` and `end` are as in the token; a CLOSE without an end tag of its own has an empty range.

    `inside` is the number of open elements around it, counted from the root, that decide how it is shown: fewer than
    are open where a table puts it out.
    """

    move: Move
    name: str
    start: int
    end: int
    inside: int
    attributes: tuple[Attribute, ...] = ()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOID: Final = _words(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
)
RAW: Final = _words("iframe noembed noframes plaintext script style textarea title xmp")
READ_AS_TEXT: Final = _words("textarea title xmp plaintext")
"""Those of `RAW` whose content is shown; only the first two of them know references."""
_REFERENCES: Final = _words("textarea title")
_TABLE_PARTS: Final = _words("caption col colgroup tbody td tfoot th thead tr")
_IN_TABLE: Final = _TABLE_PARTS | _words("table style script template input form")
_PUTS_OUT: Final = _words("table tbody tfoot thead tr")
_HEADINGS: Final = _words("h1 h2 h3 h4 h5 h6")
_ENDS_P: Final = _HEADINGS | _words(
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form header "
    "hgroup hr li dd dt main menu nav ol p plaintext pre listing search section summary table ul xmp"
)
_FORMATTING: Final = _words("a b big code em font i nobr s small strike strong tt u")
_SPECIAL: Final = (
    _ENDS_P
    | VOID
    | RAW
    | _TABLE_PARTS
    | _words("applet body button colgroup frameset head html marquee noscript object select template")
) - _words("dialog search plaintext keygen")
_LOOSE: Final = _words("address div p")
"""Special elements through which a list item looks for the item that it ends."""
_SCOPE: Final = _words("applet caption html table td th marquee object template")
_INTEGRATION: Final = _words("foreignobject desc title mi mo mn ms mtext annotation-xml")
"""Elements of SVG and MathML in which HTML stands."""
_BREAKS_OUT: Final = _HEADINGS | _words(
    "b big blockquote body br center code dd div dl dt em embed head hr i img li listing menu meta nobr ol p pre ruby "
    "s small span strong strike sub sup table tt u ul var"
)
# What each of these ends, as far as the table goes.
_CELLS: Final = _words("td th caption colgroup")
_ROWS: Final = _CELLS | {"tr"}
_ENDS_IN_TABLE: Final = {
    "td": _CELLS,
    "th": _CELLS,
    "tr": _ROWS,
    **dict.fromkeys(("tbody", "thead", "tfoot", "caption", "colgroup"), _ROWS | _words("tbody thead tfoot")),
}
_ENDS_BEFORE: Final = {
    "option": _words("option"),
    "optgroup": _words("option optgroup"),
    **dict.fromkeys(_HEADINGS, _HEADINGS),
    **dict.fromkeys(("rb", "rt", "rtc", "rp"), _words("rb rt rp")),
}
"""What each of these ends, if it was opened last."""

MOST_STEPS: Final = 1_000_000
"""Steps and attributes of one page: measured, four seconds. The largest pages of standards and of source code have a
third of that; the whole standard of HTML on one page has as many."""

_ENDING: Final = _ENDS_P | _ENDS_IN_TABLE.keys() | _ENDS_BEFORE.keys() | _words("button a nobr table li dd dt")
"""Those that may end another when they start."""


def steps(text: str, syntax: Syntax, most: int = MOST_STEPS) -> list[Step]:
    """The page from start to end. Every OPEN has its CLOSE, and they nest. Raises OverLimit for more than `most`."""
    return _Tree(text, syntax).steps(most)


class _Tree:
    """The open elements, root first, with the places of each name and of those that bound a search."""

    def __init__(self, text: str, syntax: Syntax) -> None:
        self._text = text
        self._tokens = Tokenizer(text, syntax)
        self._xml = syntax is Syntax.XML
        self._open: list[str] = []
        self._foreign: list[bool] = []
        self._at: defaultdict[str, list[int]] = defaultdict(list)
        self._scopes: list[int] = []
        self._special: list[int] = []
        self._firm: list[int] = []  # special, and not loose
        self._kept: dict[tuple[str, bool], list[list[int]]] = {}
        self._seen: set[str] = set()
        self._steps: list[Step] = []

    def steps(self, most: int) -> list[Step]:
        tokens, take = self._tokens, self._steps.append
        attributes = 0
        for token in tokens:
            attributes += len(token.attributes)
            if len(self._steps) + attributes > most:
                raise OverLimit(f"the markup has more than {MOST_STEPS} tags, attributes and texts between them")
            match token.sort:
                case Sort.START:
                    self._start(token)
                case Sort.END:
                    self._end(token)
                case Sort.COMMENT:
                    take(Step(Move.COMMENT, "", token.start, token.end, len(self._open)))
                case Sort.DECLARATION:
                    take(Step(Move.DECLARATION, "", token.start, token.end, len(self._open)))
                case _:
                    take(self._characters(token))
            tokens.foreign = self._xml or self._is_foreign
        self._close_from(0)
        return self._steps

    @property
    def _is_foreign(self) -> bool:
        return bool(self._foreign) and self._foreign[-1]

    def _characters(self, token: Token) -> Step:
        current = self._open[-1] if self._open else ""
        move = Move.LITERAL if token.sort is Sort.CDATA else Move.TEXT
        if current in ("script", "style") or (token.sort is Sort.RAW and current not in READ_AS_TEXT):
            move = Move.RAW
        elif token.sort is Sort.RAW and current not in _REFERENCES:
            move = Move.LITERAL
        return Step(move, current, token.start, token.end, self._inside(token))

    def _inside(self, token: Token) -> int:
        """How many elements are around it. A table puts text and foreign elements out, in front of itself."""
        if not self._open or self._open[-1] not in _PUTS_OUT or self._xml or token.name in _IN_TABLE:
            return len(self._open)
        if token.sort is Sort.TEXT and self._text[token.start : token.end].isspace():
            return len(self._open)
        tables = self._at["table"]
        return tables[-1] if tables and not self._is_foreign else len(self._open)

    # --- start tags ------------------------------------------------------------------------------------------------

    def _start(self, token: Token) -> None:
        if self._is_foreign and self._breaks_out(token):
            self._close_from(self._last_html())
        if self._xml or self._is_foreign or token.name in ("svg", "math"):
            holds_html = token.name in _INTEGRATION and not self._xml
            self._opened(token, empty=token.closed, foreign=not holds_html)
        elif self._is_ignored(token.name):
            self._stray(token)
        else:
            self._close_from(self._implied(token.name))
            self._opened(token, empty=token.name in VOID, foreign=False)
            if token.name in RAW:
                self._tokens.raw = token.name

    def _stray(self, token: Token) -> None:
        self._steps.append(Step(Move.STRAY, token.name, token.start, token.end, len(self._open), token.attributes))

    def _breaks_out(self, token: Token) -> bool:
        if self._xml:
            return False
        if token.name == "font":
            return any(attribute.name in ("color", "face", "size") for attribute in token.attributes)
        return token.name in _BREAKS_OUT

    def _last_html(self) -> int:
        """The number of elements up to the last one in which HTML stands."""
        place = len(self._foreign)
        while place and self._foreign[place - 1]:
            place -= 1
        return place

    def _opened(self, token: Token, *, empty: bool, foreign: bool) -> None:
        self._steps.append(Step(Move.OPEN, token.name, token.start, token.end, self._inside(token), token.attributes))
        self._push(token.name, foreign=foreign)
        if empty:
            self._close_from(len(self._open) - 1)

    def _is_ignored(self, name: str) -> bool:
        if name in ("html", "body"):
            if name in self._seen:
                return True
            self._seen.add(name)
            return False
        if name == "form":
            return bool(self._at["form"]) and not self._at["template"]
        return name == "head" or (name in _TABLE_PARTS and not self._at["table"] and not self._at["template"])

    def _implied(self, name: str) -> int:
        """How many elements stay open when a tag of that name starts."""
        ended = len(self._open)
        if name not in _ENDING:
            return ended
        if self._open and self._open[-1] in _ENDS_BEFORE.get(name, ()):
            ended -= 1
        if name in _ENDS_P:
            ended = min(ended, self._in_scope("p", bound="button"))
        if name in ("button", "a", "nobr"):
            ended = min(ended, self._in_scope(name))
        if name in _ENDS_IN_TABLE:
            ended = min(ended, *(self._in_table(one) for one in _ENDS_IN_TABLE[name]))
        if name == "table" and self._open and self._open[-1] in _PUTS_OUT:
            ended = min(ended, self._in_table("table"))
        if name in ("li", "dd", "dt") and self._firm:
            last = self._firm[-1]
            if self._open[last] in (("li",) if name == "li" else ("dd", "dt")):
                ended = min(ended, last)
        return ended

    def _in_scope(self, name: str, bound: str | None = None) -> int:
        """The place of the last such element in scope (HTML, 13.2.4.2), or the number of all that are open."""
        place = self._last(name)
        border = max(self._scopes[-1] if self._scopes else -1, self._last(bound) if bound else -1)
        return place if place >= border and place >= 0 else len(self._open)

    def _in_table(self, name: str) -> int:
        place = self._last(name)
        border = max(self._last("template"), self._last("table"))
        return place if place >= border and place >= 0 else len(self._open)

    def _last(self, name: str) -> int:
        places = self._at[name]
        return places[-1] if places else -1

    # --- end tags --------------------------------------------------------------------------------------------------

    def _end(self, token: Token) -> None:
        place = self._ended(token.name)
        if place >= len(self._open):
            self._stray(token)
        else:
            self._close_from(place + 1)
            self._close_from(place, token)

    def _ended(self, name: str) -> int:
        """The place of the element that an end tag closes, or the number of all that are open, for none."""
        place, none = self._last(name), len(self._open)
        if name in _HEADINGS and not self._xml:  # any of them ends the last one, whichever that is
            return max((one for one in map(self._in_scope, _HEADINGS) if one < none), default=none)
        if place < 0 or name in ("html", "body"):
            return none
        if self._xml or name == "template" or self._foreign[place]:
            return place
        if name == "p":
            return self._in_scope(name, bound="button")
        if name == "table" or name in _TABLE_PARTS:
            return self._in_table(name)
        if name in _SPECIAL or name in _FORMATTING or name in _INTEGRATION:
            return self._in_scope(name)
        return place if not self._special or place > self._special[-1] else none

    # --- the stack -------------------------------------------------------------------------------------------------

    def _push(self, name: str, *, foreign: bool) -> None:
        place = len(self._open)
        self._open.append(name)
        self._foreign.append(foreign)
        for places in self._lists(name, foreign):
            places.append(place)

    def _close_from(self, place: int, token: Token | None = None) -> None:
        """Close all elements from that place on, the last one by the tag."""
        while len(self._open) > place:
            name, foreign = self._open.pop(), self._foreign.pop()
            for places in self._lists(name, foreign):
                places.pop()
            start, end, attributes = (token.start, token.end, token.attributes) if token else (0, 0, ())
            self._steps.append(Step(Move.CLOSE, name, start, end, len(self._open), attributes))

    def _lists(self, name: str, foreign: bool) -> list[list[int]]:
        """Where the places of such an element are kept."""
        lists = self._kept.get((name, foreign))
        if lists is None:
            lists = self._kept[name, foreign] = [self._at[name], *(() if self._xml else self._bounds(name, foreign))]
        return lists

    def _bounds(self, name: str, foreign: bool) -> Iterator[list[int]]:
        integration = not foreign and name in _INTEGRATION and name != "title"
        if (name in _SCOPE and not foreign) or integration:
            yield self._scopes
        if (name in _SPECIAL and not foreign) or integration:
            yield self._special
            if name not in _LOOSE:
                yield self._firm
