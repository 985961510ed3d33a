"""The texts of a page: what is shown, what is hidden and how, what stands in attributes, comments and scripts.

Whatever a reader of the page, or of its source, might take for a sentence is in one of them:

- all text in the order of the source, as programs see it that know nothing of style;
- where something is hidden, the shown text alone, in which the words on both sides of the hidden ones meet;
- where there are tags that no browser knows, all text with these spelt out, since models know other tags;
- the values of attributes; scripts and style sheets; comments; and the hidden text, by the way in which it is hidden.

Text in one line of the page is joined whatever elements it is split over, and blocks are lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.segment import Span
from gateway.wire.markup import names
from gateway.wire.markup.css import Declared, Sheet
from gateway.wire.markup.look import Hiding, Look, gone, styled
from gateway.wire.markup.references import weave
from gateway.wire.markup.tokens import Attribute, Syntax
from gateway.wire.markup.tree import MOST_STEPS, Move, Step, steps
from gateway.wire.passage import Escape, Passage, Weaver, in_bare_value, in_markup, in_script

MOST_PAGES: Final = 500
"""Pages within pages (frames, the items of a feed) that are read as pages; the text of others is one text each."""
DEEPEST: Final = 4
"""How deep pages within pages are read as pages: a frame in an item of a feed is at two."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text of a page. Where it is hidden, `parts` are the texts of the single elements or comments in it."""

    passage: Passage
    hiding: Hiding | None = None
    parts: tuple[Span, ...] = ()


def read(text: str, syntax: Syntax, *, keep_lines: bool = False) -> list[Reading]:
    """All texts of a page, none of them empty. With `keep_lines` the ends of its lines mean something, as in prose.

    Raises OverLimit for markup that would take too long.
    """
    return _Page(text, syntax, keep_lines=keep_lines).readings()


@dataclass(slots=True)
class _Hidden:
    """What is hidden in one way: its text, where each part begins, and which element the last one belongs to."""

    weaver: Weaver = field(default_factory=Weaver)
    starts: list[int] = field(default_factory=list)
    last: int = -1

    def begin(self, number: int, at: int) -> None:
        if number != self.last:
            self.weaver.border(at)
            self.starts.append(self.weaver.length)
            self.last = number

    def reading(self, way: Hiding, escape: Escape, within: Passage | None) -> Reading:
        passage = self.weaver.passage(escape, within)
        ends = [*self.starts[1:], self.weaver.length]
        return Reading(passage, way, tuple(map(Span, self.starts, ends)))


@dataclass(slots=True)
class _Budget:
    """How many pages within the page may still be read, and how many steps they may have, the outermost included."""

    pages: int = MOST_PAGES
    steps: int = MOST_STEPS


class _Page:
    def __init__(
        self,
        text: str,
        syntax: Syntax,
        within: Passage | None = None,
        depth: int = 0,
        budget: _Budget | None = None,
        *,
        keep_lines: bool = False,
    ) -> None:
        self._text = text
        self._xml = syntax is Syntax.XML
        self._within = within
        self._keep_lines = keep_lines
        self._depth = depth
        self._budget = budget or _Budget()
        self._steps = steps(text, syntax, self._budget.steps)
        self._budget.steps -= len(self._steps)
        self._sheet = Sheet(self._text[step.start : step.end] for step in self._steps if _is_style(step))
        self._certain = self._sheet.is_whole and not any(map(self._links_sheet, self._steps))
        self._looks = [Look() if self._certain else Look(colour=None, ground=None)]
        self._last_look: Look | None = None
        self._last_hiding: tuple[Hiding, int] | None = None
        self._number = 0
        self._styles: dict[tuple[object, ...], Declared] = {}
        self._all = Weaver()
        self._flows = [self._all]  # all that runs through the whole page, from where it begins
        self._shown: Weaver | None = None  # begins as a copy of all text where the first hidden text comes
        self._spelt: Weaver | None = None  # likewise, where the first strange tag comes
        self._quoted, self._bare, self._raw, self._data = Weaver(), Weaver(), Weaver(), Weaver()
        self._hidden: dict[Hiding, _Hidden] = {}
        self._pages: list[Reading] = []

    def readings(self) -> list[Reading]:
        for step in self._steps:
            self._take(step)
        texts = [
            (self._all, in_markup),
            (self._shown, in_markup),
            (self._spelt, in_markup),
            (self._quoted, in_markup),
            (self._bare, in_bare_value),
            (self._raw, in_script),
            (self._data, in_script),
        ]
        found = [Reading(weaver.passage(escape, self._within)) for weaver, escape in texts if weaver and weaver.length]
        found += [hidden.reading(way, in_markup, self._within) for way, hidden in self._hidden.items()]
        return found + self._pages

    def _take(self, step: Step) -> None:
        match step.move:
            case Move.OPEN:
                self._open(step)
            case Move.CLOSE | Move.STRAY:
                self._tag(step)
                if step.attributes:
                    self._attributes(step)
                if step.move is Move.CLOSE:
                    self._looks.pop()
            case Move.TEXT | Move.LITERAL:
                self._characters(step)
            case Move.RAW:
                self._script(step)
            case Move.COMMENT:
                self._comment(step)
            case _:  # a declaration
                _line(self._bare, self._text[step.start : step.end], step.start, step.end)

    # --- elements --------------------------------------------------------------------------------------------------

    def _open(self, step: Step) -> None:
        self._tag(step)
        self._number += 1
        self._looks.append(self._look(step))
        self._attributes(step)

    def _look(self, step: Step) -> Look:
        look = self._looks[step.inside]
        values: dict[str, str] = {}
        for attribute in step.attributes:
            if attribute.name in _LOOKED_AT and attribute.name not in values:
                values[attribute.name] = self._value(attribute)
        style = self._style(step.name, values) if values or self._sheet else {}
        if style or not (self._certain or look.is_uncoloured):
            look = styled(look, style, self._number, certain=self._certain)
        if "hidden" in values or (step.name == "dialog" and "open" not in values):
            look = gone(look, Hiding.NOT_DISPLAYED, self._number)
        return gone(look, Hiding.TEMPLATE, self._number) if step.name == "template" and not self._xml else look

    def _style(self, name: str, values: dict[str, str]) -> Declared:
        marks = (name, *values.items())
        style = self._styles.get(marks)
        if style is None:
            hints = dict(self._hints(name, values))
            own = self._sheet.of(name, values.get("class", "").split(), values.get("id"), values.get("style"))
            style = self._styles[marks] = hints | dict(own)
        return style

    def _links_sheet(self, step: Step) -> bool:
        """Whether it brings rules that are not seen here."""
        return step.name == "link" and any("stylesheet" in self._value(one).lower() for one in step.attributes)

    def _hints(self, name: str, values: dict[str, str]) -> Iterable[tuple[str, str]]:
        """What attributes of old say of colours (HTML, 15.3)."""
        if "bgcolor" in values and name in names.TABLES_AND_BODY:
            yield "background-color", values["bgcolor"].lower()
        if "color" in values and name == "font":
            yield "color", values["color"].lower()

    def _value(self, attribute: Attribute) -> str:
        if not attribute.valued:
            return ""
        weaver = Weaver()
        weave(weaver, self._text, attribute.start, attribute.end, in_value=True)
        return weaver.passage(str).text.strip()

    def _tag(self, step: Step) -> None:
        """What a tag is to the text: a border, nothing, or a word of its own."""
        if self._breaks(step.name):
            for weaver in self._flows:
                weaver.border(step.start)
        elif step.end > step.start and not self._xml and names.is_strange(step.name):
            if self._spelt is None:
                self._spelt = self._begun()
            slash = "/" if self._text.startswith("</", step.start) else ""
            tag = f"<{slash}{step.name}>"
            # An edit takes the whole tag out; not one with attributes, which are texts of their own.
            self._spelt.add(tag, step.start, step.end if len(tag) == step.end - step.start else step.start)

    def _breaks(self, name: str) -> bool:
        return name not in names.INLINE if self._xml else name in names.BLOCKS

    def _begun(self) -> Weaver:
        """A text that is the same as all text up to here, and goes its own way from here on."""
        weaver = self._all.copy()
        self._flows.append(weaver)
        return weaver

    def _part(self, way: Hiding) -> _Hidden:
        part = self._hidden.get(way)
        if part is None:
            part = self._hidden[way] = _Hidden()
            self._flows.append(part.weaver)
        return part

    def _attributes(self, step: Step) -> None:
        if not self._xml and names.is_strange(step.name) and not all(one.quoted for one in step.attributes):
            self._bare.add(f"{step.name} ", step.start, step.start)  # the first word of what its attributes may spell
        for attribute in step.attributes:
            if attribute.start == attribute.end:
                continue
            if attribute.name == "srcdoc" and self._page_within(Move.TEXT, attribute.start, attribute.end):
                continue
            if attribute.quoted:
                weave(self._quoted, self._text, attribute.start, attribute.end, in_value=True)
                self._quoted.border(attribute.end)
            else:
                weave(self._bare, self._text, attribute.start, attribute.end, in_value=True)
                self._bare.border(attribute.end)

    def _hiding(self, look: Look) -> tuple[Hiding, int] | None:
        """How a look hides text; most texts in a row have one look."""
        if look is not self._last_look:
            self._last_look, self._last_hiding = look, look.hidden
        return self._last_hiding

    # --- text ------------------------------------------------------------------------------------------------------

    def _characters(self, step: Step) -> None:
        source = self._text[step.start : step.end]
        if self._xml and ("<" in source or "&" in source) and self._page_within(step.move, step.start, step.end):
            return
        flows: list[Weaver] = [self._all]
        hidden = self._hiding(self._looks[step.inside])
        if hidden and not source.isspace():
            if self._shown is None:
                self._shown = self._begun()
            part = self._part(hidden[0])
            part.begin(hidden[1], step.start)
            flows.append(part.weaver)
        elif self._shown is not None:
            flows.append(self._shown)
        if self._spelt is not None:
            flows.append(self._spelt)
        keep_lines = self._keep_lines or step.name in names.KEEP_LINES
        for weaver in flows:
            self._weave(weaver, step.move, step.start, step.end, keep_lines=keep_lines)

    def _weave(self, weaver: Weaver, move: Move, start: int, end: int, *, keep_lines: bool) -> None:
        if move is Move.TEXT:
            weave(weaver, self._text, start, end, one_line=not keep_lines)
        else:
            weaver.add(self._text[start:end], start, end)

    def _comment(self, step: Step) -> None:
        source = self._text[step.start : step.end]
        if not any(map(str.isalnum, source)):
            return  # a mark that programs put between parts of a page, such as `<!--$-->`
        self._number += 1
        part = self._part(Hiding.COMMENT)
        part.begin(self._number, step.start)
        part.weaver.add(source, step.start, step.end)

    def _script(self, step: Step) -> None:
        source = self._text[step.start : step.end]
        is_json = source.lstrip()[:1] in ("{", "[")
        _line(self._data if is_json else self._raw, source, step.start, step.end)

    # --- pages within the page -------------------------------------------------------------------------------------

    def _page_within(self, move: Move, start: int, end: int) -> bool:
        """Read a text as a page, if it looks like one and there may be more of them."""
        if self._depth >= DEEPEST or self._budget.pages <= 0:
            return False
        weaver = Weaver()
        self._weave(weaver, move, start, end, keep_lines=True)
        passage = weaver.passage(in_markup if move is Move.TEXT else str, self._within)
        if not names.LOOKS_LIKE_A_PAGE.search(passage.text):
            return False
        self._budget.pages -= 1
        self._pages += _Page(passage.text, Syntax.HTML, passage, self._depth + 1, self._budget).readings()
        return True


_LOOKED_AT: Final = frozenset({"style", "class", "id", "hidden", "open", "color", "bgcolor"})


def _is_style(step: Step) -> bool:
    return step.move is Move.RAW and step.name == "style"


def _line(weaver: Weaver, text: str, start: int, end: int) -> None:
    weaver.add(text, start, end)
    weaver.border(end)
