"""Whether what a model is told of a tool says no more than what its server said of it.

Clients shorten descriptions, drop parts of schemas and spell those anew for their provider (Gemini's types are in upper
case, OpenAI's strict mode wants every field required), and the gateway itself cuts sentences out; so the two are never
compared as they stand. What must be the same is what could steer a model: no word may come from elsewhere, names of
fields and values included, and the words must stand in the order in which they stood, but for a few places where
something was left out.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct

from gateway.policy.decide import REMOVED
from gateway.policy.transcript import Defined

MOST_JOINTS: Final = 8
"""Places in all texts where two words stand beside each other that did not: where a client or the gateway cut."""

_LONGEST_NAME: Final = 8
"""Words up to which a text without blanks is a name: as many as the address of JSON Schema 2020-12 has."""

_WORD: Final = re.compile(r"[a-z]+|\d+|[^\W\d_a-z]+", re.IGNORECASE)
_MARK: Final = re.compile(rf"{re.escape(REMOVED)}|\[[A-Z_]{{2,40}}\]")
"""What the gateway leaves in the place of what it cut out or redacted."""
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_AROUND: Final = """
mcp server tool from the a an of in by truncated args arguments input params parameters
"""
"""What clients put around a description, or make titles with."""

_KEYWORDS: Final = """
schema defs definitions ref id type types properties property required additional items enum const any one all of not
format default nullable title description minimum maximum min max length pattern unique strict
object array string number integer boolean null true false ordering prefix exclusive multiple examples example
http https json org draft 07 04 06 2019 2020 09 12 date time uri email uuid function parameters input dependent schemas
pattern if then else read only write deprecated comment
"""
"""Names and values of JSON Schema (drafts 4 to 2020-12) and OpenAPI 3.0, whose readers are programs."""

_ANYWHERE: Final = frozenset((_AROUND + _KEYWORDS).split())


class _Said(Struct, frozen=True):
    """The words of a definition, and which stand beside each other."""

    words: frozenset[str]
    pairs: frozenset[tuple[str, str]]


def says_no_more(defined: Defined, definition: str, server: str) -> bool:
    """Whether a tool that was named to a model is the one with that canonical definition, shortened at most. The name
    of the server may stand in it as well."""
    if not definition:
        return False
    said = _said(definition)
    known = said.words | _ANYWHERE | frozenset(_words(server)) | frozenset(_words(defined.name))
    joints = 0
    for text in (defined.description, *_texts(defined.schema)):
        words = list(_words(_MARK.sub(" ", text)))
        strange = [number for number, word in enumerate(words) if word not in known]
        if not all(_is_cut_off(words[number - 1 : number + 1], said) for number in strange):
            return False
        if len(words) > _LONGEST_NAME or len(text.split()) > 1:
            joints += sum(pair not in said.pairs for pair in pairwise(words))
    return joints <= MOST_JOINTS


def _is_cut_off(end: list[str], said: _Said) -> bool:
    """Whether the second of two words is the beginning of one that stood behind the first."""
    return len(end) > 1 and any(first == end[0] and second.startswith(end[1]) for first, second in said.pairs)


@lru_cache(maxsize=512)
def _said(definition: str) -> _Said:
    texts = [list(_words(text)) for text in _texts(json.loads(definition))]
    return _Said(
        frozenset(word for words in texts for word in words),
        frozenset(pair for words in texts for pair in pairwise(words)),
    )


def _words(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKC", text)
    return (found[0].casefold() for found in _WORD.finditer(_CAPITAL.sub(" ", plain)))


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value, names of members included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from _texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
