"""What else an argument's value is held to: how large it may be, which values it may have, how it must be spelt.

A time or memory limit that a tool is asked to keep is a number with a `max`. Expressions come compiled, by whoever
knows how to keep them to a time limit.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Any, Final, Protocol

from msgspec import Struct

from gateway.policy.tools.globs import fits
from gateway.policy.tools.urls import listed

MAX_BITS: Final = 8192
"""Bits of a number: below what Python turns into text (4300 digits, `sys.int_info.default_max_str_digits`)."""

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
_NAMED: Final = re.compile(r"[^@<>]*<(?:mailto:)?([^<>]*)>")


class Fitting(Protocol):
    """An expression that a whole text fits, or does not."""

    source: str

    def fits(self, text: str) -> bool: ...


class ValuePolicy(Struct, frozen=True):
    """What a value is held to; None and empty tuples are no limit.

    `allow` and `deny` are texts with `*` and `?`, compared whole and, where denied or `of_recipients`, whatever the
    case; a text that names several recipients is held to them one by one. `least` and `most` hold for numbers, and for
    text that is one; `max_length` counts code points, `max_size` bytes of UTF-8.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    one_of: tuple[str | int | float | bool, ...] = ()
    least: int | float | None = None
    most: int | float | None = None
    max_length: int | None = None
    max_size: int | None = None
    pattern: Fitting | None = None
    of_recipients: bool = False

    def fault(self, value: Any) -> str | None:
        """Why a value may not be given, or None. The words hold nothing of it."""
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            return "is a number that is too long to be compared"
        return self._range_fault(value) or self._text_fault("" if value is None else _written(value), value)

    def _range_fault(self, value: Any) -> str | None:
        if self.least is None and self.most is None:
            return None
        number = number_of(value)
        if number is None:
            return "is no number"
        if self.least is not None and number < Decimal(str(self.least)):
            return f"is less than {self.least}"
        if self.most is not None and number > Decimal(str(self.most)):
            return f"is more than {self.most}"
        return None

    def _text_fault(self, text: str, value: Any) -> str | None:
        if self.max_length is not None and len(text) > self.max_length:
            return f"is longer than {self.max_length} characters"
        if self.max_size is not None and len(text.encode("utf-8", "surrogatepass")) > self.max_size:
            return f"is larger than {self.max_size} bytes"
        if self.one_of and not any(
            value == one and isinstance(value, bool) is isinstance(one, bool) for one in self.one_of
        ):
            return f"is not {listed(map(_written, self.one_of))}"
        return self._spelling_fault(text)

    def _spelling_fault(self, text: str) -> str | None:
        for one in recipients(text) if self.of_recipients else (text,):
            if (fault := self._listing_fault(one)) is not None:
                return fault
        if self.pattern is not None and not self.pattern.fits(text):
            return f"does not fit `{self.pattern.source}`"
        return None

    def _listing_fault(self, text: str) -> str | None:
        folded = _folded(text)
        for denied in self.deny:
            if fits(_folded(denied), folded):
                return f"is denied by `{denied}`"
        if self.of_recipients and self.allow and text.count("@") > 1:
            return "holds several addresses that cannot be told apart"
        compared = _folded if self.of_recipients else str
        if self.allow and not any(fits(compared(allowed), compared(text)) for allowed in self.allow):
            return f"is not {listed(self.allow)}"
        return None


def recipients(text: str) -> tuple[str, ...]:
    """Those whom a text names: addresses apart by commas, semicolons or lines, each without the name before it.

    A name that holds an address itself stays with it, so that neither passes for the other.
    """
    pieces = [piece.strip() for piece in re.split("[,;\\n]", text)]
    found = [_NAMED.fullmatch(piece) for piece in pieces]
    return tuple(named[1] if named else piece for named, piece in zip(found, pieces, strict=True))


def number_of(value: Any) -> Decimal | None:
    """The number that a value is or spells; None for what is none, a boolean and what is not finite among that."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    number = Decimal(str(value).strip())
    return number if number.is_finite() else None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
