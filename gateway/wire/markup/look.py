"""Whether a text is shown: what an element takes from those around it and from its own style.

It errs towards shown. Text that counts as shown is read and judged like any other; text that counts as hidden may be
cut for that alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from gateway.wire.markup.css import Declared


class Hiding(StrEnum):
    """The ways to keep a text from being seen that are told apart."""

    COMMENT = "comment"
    ZERO_SIZE = "zero_size"  # letters without size
    OFF_SCREEN = "off_screen"
    SAME_COLOUR = "same_colour"  # letters in the colour of their ground, or in none
    NOT_DISPLAYED = "not_displayed"  # display: none, the attribute `hidden`, closed dialogs
    TEMPLATE = "template"
    INVISIBLE = "invisible"  # visibility, opacity
    COLLAPSED = "collapsed"  # a box without height or width
    CLIPPED = "clipped"  # a box cut down to nothing, as for readers of screens


type Colour = tuple[int, int, int]

_WHITE: Final = (255, 255, 255)
_BLACK: Final = (0, 0, 0)
_NAMES: Final[dict[str, Colour]] = {
    "white": _WHITE,
    "black": _BLACK,
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "floralwhite": (255, 250, 240),
    "mintcream": (245, 255, 250),
    "azure": (240, 255, 255),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "lime": (0, 255, 0),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
    "yellow": (255, 255, 0),
}
"""Colours by name, of those that pages put on one another (CSS Color 4, 6.1)."""

MOST_ALIKE: Final = 12
"""How far two colours may differ in each part, of 255, and still be one to the eye: a contrast below 1.1 on white."""
FAR_OFF: Final = -500.0
"""Pixels beyond the edge from which a text is off any screen that starts there; `-9999px` and its likes are usual."""
SMALLEST: Final = 2.0
"""Pixels below which letters cannot be read, and boxes hold none."""
FAINTEST: Final = 0.05
"""Opacity up to which nothing is seen."""

_LENGTH: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(px|pt|pc|em|rem|ex|ch|vw|vh|%|in|cm|mm|q)?\Z")
_PIXELS: Final[dict[str | None, float]] = {
    **dict.fromkeys(("px", None), 1.0),
    **dict.fromkeys(("em", "rem"), 16.0),
    **dict.fromkeys(("ex", "ch"), 8.0),
    **dict.fromkeys(("%", "vw", "vh"), 10.0),
    **dict.fromkeys(("in",), 96.0),
    **dict.fromkeys(("cm",), 37.8),
    **dict.fromkeys(("mm",), 3.78),
    **dict.fromkeys(("q",), 0.945),
    **dict.fromkeys(("pt",), 4 / 3),
    **dict.fromkeys(("pc",), 16.0),
}
"""Pixels of a unit, roughly where it depends on the page (CSS Values 4, 6)."""
_RELATIVE: Final = frozenset({"em", "%", "ex", "ch"})
_OF_THE_BOX: Final = frozenset({"%", "vw", "vh"})
"""Units of what menus and galleries are moved by, which come back when they are opened."""
_SIZE_WORDS: Final = frozenset({"xx-small", "x-small", "small", "medium", "large", "x-large", "xx-large", "initial"})
_FONT_SIZE: Final = re.compile(r"(?<![\w.#-])((?:\d+\.?\d*|\.\d+)(?:px|pt|em|rem|%)?)(?=[\s/])")
_HEX: Final = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\Z")
_FUNCTION: Final = re.compile(r"(?:rgb|hsl)a?\(\s*([^()]{1,80})\)\Z")
_CLIPPED: Final = re.compile(
    r"rect\(\s*0?[01]?(?:px)?[,\s]+0?[01]?(?:px)?[,\s]+0?[01]?(?:px)?[,\s]+0?[01]?(?:px)?\s*\)"
    r"|inset\(\s*(?:[5-9]\d|100)(?:\.\d+)?%|circle\(\s*0(?:px|%)?[\s)]"
)
_MOVED: Final = re.compile(r"translate(?:x|y|3d)?\(\s*([^(),]{1,20})(?:,\s*([^(),]{1,20}))?")
_SHRUNK: Final = re.compile(r"scale(?:x|y|3d)?\(\s*0(?:\.0*)?\s*[,)]")
_TRANSPARENT: Final = re.compile(r"opacity\(\s*0(?:\.0*)?%?\s*\)")


@dataclass(frozen=True, slots=True)
class Look:
    """How the text directly inside an element is shown.

    Each place where something hides it is named by the number of the element that does: `gone` for what no descendant
    can undo, the others until one does. `colour` is that of the letters and `ground` the one behind them, each None
    where it is not known; `coloured` is the element that gave the colour.
    """

    gone: tuple[Hiding, int] | None = None
    unseen: int | None = None
    tiny: int | None = None
    clear: int | None = None
    colour: Colour | None = _BLACK
    coloured: int = 0
    ground: Colour | None = _WHITE

    @property
    def is_uncoloured(self) -> bool:
        """Whether nothing is known of its colours, so that there is nothing to forget."""
        return self.colour is None and self.ground is None and self.clear is None

    @property
    def hidden(self) -> tuple[Hiding, int] | None:
        """How the text is hidden, and by which element; None where it is shown."""
        if self.gone is not None:
            return self.gone
        if self.tiny is not None:
            return Hiding.ZERO_SIZE, self.tiny
        if self.clear is not None:
            return Hiding.SAME_COLOUR, self.clear
        if self.colour is not None and self.ground is not None and _alike(self.colour, self.ground):
            return Hiding.SAME_COLOUR, self.coloured
        return (Hiding.INVISIBLE, self.unseen) if self.unseen is not None else None


def _alike(one: Colour, other: Colour) -> bool:
    return all(abs(first - second) <= MOST_ALIKE for first, second in zip(one, other, strict=True))


def gone(look: Look, way: Hiding, number: int) -> Look:
    """The look inside an element that hides whatever it holds."""
    return look if look.gone else replace(look, gone=(way, number))


def styled(look: Look, style: Declared, number: int, *, certain: bool) -> Look:
    """The look inside element `number` with that style, in one with `look`.

    `certain` is whether no rule that was not understood, or not seen, can have coloured it.
    """
    way = _gone(style)
    if way is not None:
        look = gone(look, way, number)
    unseen, tiny = look.unseen, look.tiny
    if (visibility := style.get("visibility")) is not None and visibility not in ("inherit", "unset"):
        unseen = number if visibility in ("hidden", "collapse") else None
    size = _font_size(style)
    if size is not None and not (size[1] in _RELATIVE and tiny is not None):
        tiny = number if size[0] < SMALLEST else None
    look = _coloured(look, style, number, certain=certain)
    return replace(look, unseen=unseen, tiny=tiny, ground=_ground(look, style, certain=certain))


def _gone(style: Declared) -> Hiding | None:
    """How the style hides a whole box, if it does."""
    if style.get("display") == "none" or style.get("content-visibility") == "hidden":
        return Hiding.NOT_DISPLAYED
    if _is_off_screen(style):
        return Hiding.OFF_SCREEN
    if _CLIPPED.search(style.get("clip", "") + " " + style.get("clip-path", "")):
        return Hiding.CLIPPED
    if _is_collapsed(style):
        return Hiding.COLLAPSED
    opacity = _length(style.get("opacity", ""))
    if (opacity is not None and _opaque(opacity) <= FAINTEST) or _TRANSPARENT.search(style.get("filter", "")):
        return Hiding.INVISIBLE
    return None


def _opaque(value: tuple[float, str | None]) -> float:
    return value[0] / 100 if value[1] == "%" else value[0]


def _is_off_screen(style: Declared) -> bool:
    names = ["text-indent", "margin-left", "margin-top"]
    if style.get("position") in ("absolute", "fixed", "relative", "sticky"):
        names += ["left", "right", "top", "bottom"]
    moved = _MOVED.search(style.get("transform", ""))
    values = [style.get(name, "") for name in names] + [one or "" for one in (moved.groups() if moved else ())]
    lengths = [length for length in map(_length, values) if length is not None]
    return any(number * _PIXELS[unit] <= FAR_OFF for number, unit in lengths if unit not in _OF_THE_BOX)


def _is_collapsed(style: Declared) -> bool:
    if _SHRUNK.search(style.get("transform", "")):
        return True
    if not any(style.get(name, "").startswith(("hidden", "clip")) for name in ("overflow", "overflow-x", "overflow-y")):
        return False
    sides = (_pixels(style.get(name, "")) for name in ("width", "height", "max-width", "max-height"))
    return any(side is not None and 0 <= side < SMALLEST for side in sides)


def _length(value: str) -> tuple[float, str | None] | None:
    found = _LENGTH.match(value)
    return (float(found[1]), found[2]) if found else None


def _pixels(value: str) -> float | None:
    length = _length(value)
    return None if length is None else length[0] * _PIXELS[length[1]]


def _font_size(style: Declared) -> tuple[float, str | None] | None:
    """The size in pixels and its unit."""
    value = style.get("font-size", "")
    if value in _SIZE_WORDS:
        return 16.0, "px"
    if not value and (short := _FONT_SIZE.search(f"{style.get('font', '')} ")):
        value = short[1]
    length = _length(value)
    if length is None:
        return None
    number, unit = length
    return number * (_PIXELS["em"] / 100 if unit == "%" else _PIXELS[unit]), unit


def _coloured(look: Look, style: Declared, number: int, *, certain: bool) -> Look:
    if "text" in (style.get("background-clip"), style.get("-webkit-background-clip")):
        return replace(look, clear=None, colour=None)  # letters cut out of their ground are seen by it
    value = style.get("color", "")
    parsed = (_BLACK, 0.0) if value == "transparent" else _colour(value)
    if parsed is None:
        known = certain and value in ("", "inherit", "unset", "currentcolor")
        return look if known else replace(look, colour=None)
    colour, alpha = parsed
    return replace(look, clear=None if alpha > FAINTEST else number, colour=colour, coloured=number)


def _ground(look: Look, style: Declared, *, certain: bool) -> Colour | None:
    value = style.get("background-color", "") or style.get("background", "")
    image = style.get("background-image", "none")
    if image not in ("none", "") or any(mark in value for mark in ("url(", "gradient(", "image(", "var(")):
        return None
    for word in (value, *value.split()):
        parsed = _colour(word)
        if parsed is not None:
            colour, alpha = parsed
            return colour if alpha > 1 - FAINTEST else look.ground if alpha <= FAINTEST else None
    known = value in ("", "none", "transparent", "inherit", "initial", "unset", "0 0")
    return look.ground if known and certain else None


def _colour(value: str) -> tuple[Colour, float] | None:
    """A colour with its opacity, None for what is not read as one."""
    if value in _NAMES:
        return _NAMES[value], 1.0
    if found := _HEX.match(value):
        digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])
        red, green, blue, *alpha = bytes.fromhex(digits)
        return (red, green, blue), alpha[0] / 255 if alpha else 1.0
    if found := _FUNCTION.match(value):
        return _mixed(value.startswith("hsl"), re.split(r"[\s,/]+", found[1].strip()))
    return None


def _mixed(is_hsl: bool, parts: list[str]) -> tuple[Colour, float] | None:
    lengths = [_length(part.removesuffix("deg")) for part in parts]
    if len(lengths) not in (3, 4) or None in lengths:
        return None
    numbers = [length for length in lengths if length is not None]
    alpha = _opaque(numbers[3]) if len(numbers) == 4 else 1.0
    if is_hsl:  # only the ends of lightness say a colour without more ado
        light = numbers[2][0]
        shade = 255 if light >= 100 else 0 if light <= 0 else None
        return None if shade is None else ((shade, shade, shade), alpha)
    red, green, blue = (round(number * 2.55 if unit == "%" else number) for number, unit in numbers[:3])
    return (red, green, blue), alpha
