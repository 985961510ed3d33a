"""Forms in one line (application/x-www-form-urlencoded): their text as a server decodes it (WHATWG URL, 5.1).

Names, equals signs and ampersands are structure. They are in the text, since what a value is often shows by its name,
but only values can be edited.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.errors import Malformed
from gateway.wire.passage import Passage, Weaver, in_form

# A border of pairs, a border in a pair, a run of escapes, a plus sign, or what stands for itself.
_PIECE: Final = re.compile(r"(&)|(=)|((?:%[0-9a-fA-F]{2})++)|(\+)|[^&=%+]++|%")


_OTHER_CHARSET: Final = re.compile(r"(?:\A|&)_charset_=(?!(?:utf-8)?(?:&|\Z))", re.IGNORECASE)


def passage(text: str, codec: str) -> Passage:
    """The pairs, one a line. Raises Malformed for another encoding than UTF-8, which servers guess."""
    if codec not in ("utf-8", "ascii") or _OTHER_CHARSET.search(text):
        raise Malformed("a form in another charset; send it in UTF-8")
    weaver = Weaver()
    in_name = True
    for piece in _PIECE.finditer(text):
        start, end = piece.span()
        if piece[1]:
            weaver.add("\n", start, end, fixed=True)
            in_name = True
        elif piece[2]:
            weaver.add("=", start, end, fixed=in_name)
            in_name = False
        elif piece[3]:
            _unescape(weaver, piece[3], start, fixed=in_name)
        else:
            weaver.add(" " if piece[4] else piece[0], start, end, fixed=in_name)
    return weaver.passage(in_form)


def _unescape(weaver: Weaver, escapes: str, start: int, *, fixed: bool) -> None:
    try:
        characters = unquote_to_bytes(escapes).decode()
    except UnicodeDecodeError:
        raise Malformed("the form has escapes that are not UTF-8") from None
    for character in characters:
        end = start + 3 * len(character.encode())
        weaver.add(character, start, end, fixed=fixed)
        start = end
