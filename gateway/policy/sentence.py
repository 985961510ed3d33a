"""Where the sentence around a hit begins and ends, so that an instruction is cut out whole and the rest stays."""

from __future__ import annotations

import re
from typing import Final

from gateway.segment import Span

REACH: Final = 400
"""How far, in code points, a cut may grow on either side of a hit. Longer than nearly every sentence; text without any
end of sentence (tables, minified data) loses no more than this."""

_ENDS: Final = r"[.!?…](?=[\s\"')\]]|$)|[。！？]|\n|\\n"
_END: Final = re.compile(_ENDS)
# Inside JSON a string's quotes are borders too: a cut may not swallow the structure around it.
_END_IN_JSON: Final = re.compile(_ENDS + r'|(?<!\\)"')


def around(text: str, span: Span) -> Span:
    """The sentences that `span` touches: from the end of the one before to the end of the last, terminator included."""
    in_json = text.lstrip()[:1] in ("{", "[")
    end_of = _END_IN_JSON if in_json else _END
    start = max(0, span.start - REACH)
    for border in end_of.finditer(text, start, span.start):
        start = border.end()
    while start < span.start and text[start].isspace():
        start += 1
    stop = min(len(text), span.end + REACH)
    border_after = end_of.search(text, max(span.start, span.end - 1), stop)
    if border_after is None:
        return Span(start, stop)
    # A line's end and a closing quote belong to what stays.
    stays = border_after[0] in ("\n", "\\n", '"')
    return Span(start, max(span.end, border_after.start() if stays else border_after.end()))
