"""What a piece of a request's target may stand for: percent-escapes undone, and text out of base64, base32 and hex.

Data that is carried out is seldom spelt as it is. Whoever receives it knows the code and where it begins; here neither
is known, so each code is tried at each place where its groups may begin, and whatever stretch of text comes out is a
reading. Noise gives none that is long enough, and one that happens to is only scanned.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_plus

LAYERS: Final = 4
"""How many codes on top of one another are undone; as many as a path is decoded (see `paths`)."""
MIN_RUN: Final = 16
"""Characters of a code from which it is tried: eight letters in hex, ten in base32, twelve in base64."""
MIN_TEXT: Final = 8
"""Characters of text that count as a reading: a short password or a telephone number."""

# UTF-8 without control characters (RFC 3629, section 4), but for those that text has. By bytes, as most of what is
# decoded is noise, and to replace in it what is no UTF-8 takes five times as long.
_LETTER: Final = (
    rb"[\t\n\r -~]|\xc2[\xa0-\xbf]|[\xc3-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_TEXT: Final = re.compile(rb"(?:%b){%d,}" % (_LETTER, MIN_TEXT))

_DIGITS: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")


def _base64(letters: str) -> bytes:
    # A single letter left over is six bits, which make no byte.
    whole = letters[:-1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(whole.replace("-", "+").replace("_", "/") + "=" * (-len(whole) % 4))


def _base32(letters: str) -> bytes:
    # As a number: `base64.b32decode` works letter by letter, and takes ten times as long.
    bits = 5 * len(letters)
    return (int(letters.upper().translate(_DIGITS), 32) >> bits % 8).to_bytes(bits // 8)


def _hex(letters: str) -> bytes:
    return binascii.unhexlify(letters[: len(letters) & ~1])


@dataclass(frozen=True, slots=True)
class _Code:
    """A code: runs of its letters, how many of them make a group, and how they become bytes."""

    run: re.Pattern[str]
    group: int
    decode: Callable[[str], bytes]


_CODES: Final = (
    _Code(re.compile(rf"[A-Za-z0-9+/]{{{MIN_RUN},}}"), 4, _base64),  # RFC 4648, section 4
    _Code(re.compile(rf"[A-Za-z0-9_-]{{{MIN_RUN},}}"), 4, _base64),  # section 5
    _Code(re.compile(rf"[A-Za-z2-7]{{{MIN_RUN},}}"), 8, _base32),  # section 6, in the case that names are sent in
    _Code(re.compile(rf"[0-9A-Fa-f]{{{MIN_RUN},}}"), 2, _hex),  # section 8
)


def readings(raw: str) -> tuple[str, ...]:
    """The text itself and all that it may stand for, each once, the text first."""
    found = {raw: None}
    newest = [raw]
    for _ in range(LAYERS):
        newest = [text for known in newest for text in _one_layer_below(known) if text not in found]
        found.update(dict.fromkeys(newest))
    return tuple(found)


def hidden_texts(raw: str) -> Iterator[str]:
    """The stretches of text that come out of runs of a code, one layer down."""
    tried: set[tuple[int, str]] = set()
    for code in _CODES:
        for run in code.run.findall(raw):
            if (code.group, run) not in tried:
                tried.add((code.group, run))
                # One search in all of them, apart by a byte that no text has.
                decoded = b"\0".join([code.decode(run[start:]) for start in range(code.group)])
                yield from (text.decode() for text in _TEXT.findall(decoded))


def _one_layer_below(raw: str) -> Iterator[str]:
    if "%" in raw:
        yield unquote(raw)
    if "+" in raw:
        yield unquote_plus(raw)
    yield from hidden_texts(raw)
