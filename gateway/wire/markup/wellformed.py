"""XML that every parser reads alike: what is not, is refused.

Readers of XML that go on where it is broken do so in different ways, and entities that a document declares itself may
hold any text, or fetch it from elsewhere (OWASP: XML External Entity Prevention).
"""

from __future__ import annotations

import re
from typing import Final

from gateway.errors import Malformed
from gateway.wire.charset import codec_of

_NAME: Final = r"[^\s<>/=\"'!?&;][^\s<>/=\"'&;]*+"
_TOKEN: Final = re.compile(
    r"(?:[^<&]++|&(?:[a-zA-Z]{1,8}|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)++"
    r"|<!--(?:[^-]|-(?!-))*+-->"
    r"|<!\[CDATA\[(?:[^\]]|\](?!\]>))*+\]\]>"
    rf"|<\?{_NAME}(?:[^?]|\?(?!>))*+\?>"
    r"|<!DOCTYPE(?:[^<>\[\]\"']|\"[^\"]*+\"|'[^']*+')++>"
    rf"|</(?P<end>{_NAME})\s*+>"
    rf"|<(?P<start>{_NAME})(?:\s++{_NAME}\s*+=\s*+(?:\"[^<\"]*+\"|'[^<']*+'))*+\s*+(?P<closed>/)?>"
)
_ENTITY: Final = re.compile(r"<!ENTITY\b|<!DOCTYPE(?:[^<>\[]|<(?!!DOCTYPE))*+\[", re.IGNORECASE)
"""Each type is read up to the next one only, which is found by itself: otherwise many would cost the square of them."""
_DECLARATION: Final = re.compile(r"\ufeff?<\?xml\s[^>?]{0,200}?encoding\s*=\s*[\"']([^\"']{1,40})[\"']")


def refuse_entities(text: str) -> None:
    """Raise Malformed for a document that declares entities of its own, or may do so."""
    if "<!" in text and _ENTITY.search(text):
        raise Malformed("the XML declares entities or a type of its own")


def refuse_broken(text: str, codec: str) -> None:
    """Raise Malformed for XML that is not well-formed as far as its tags go, or that names another encoding."""
    refuse_entities(text)
    declared = _DECLARATION.match(text)
    if declared and codec_of(b"", declared[1]) != codec and not text.isascii():
        raise Malformed(f"the XML says that it is `{declared[1]}`, and its Content-Type says otherwise")
    open_: list[str] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise Malformed(f"the XML is not well-formed at character {at}")
        at = token.end()
        if token["start"] and not token["closed"]:
            open_.append(token["start"])
        elif token["end"] and (not open_ or open_.pop() != token["end"]):
            raise Malformed(f"the XML has an end tag at character {token.start()} that closes nothing")
    if open_:
        raise Malformed("the XML has elements that do not end")
