"""Finds what is encoded in a target and cannot be read there, by how much of it there is.

A code that gives text is read (see `target`); this is about the rest: data that was encrypted or packed first, and any
text at all that hides in a host name, where nobody has a reason to encode one.

How much is told in bits, summed over the runs of letters and digits that are no words: their length times the bits of
the smallest alphabet that has all of them. An identifier is as random as a secret, so what is held against the sum is
the largest identifier that is in use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Final

from gateway.policy.egress.decoding import hidden_texts
from gateway.policy.egress.target import Target, segment, undotted
from gateway.segment import Segment, Span
from gateway.verdict import Finding, Severity

HOST_CATEGORY: Final = "egress.encoded_data.host"
REST_CATEGORY: Final = "egress.encoded_data.rest"
CATEGORIES: Final = frozenset({"egress", "egress.encoded_data", HOST_CATEGORY, REST_CATEGORY})
"""The categories that no rule of a pack has, and that an operator may give an effect all the same."""

MAX_HOST_BITS: Final = 306
"""A name needs one identifier: an account, a commit (160 bits), a UUID, a SHA-256 digest. The largest in use is the
content identifier of IPFS, version 1: 59 letters and digits in a label, at 5.17 bits each. A full label is 325."""

MAX_REST_BITS: Final = 4096
"""A path and query hold one signature and some identifiers. The largest in use is that of RSA with 4096 bits."""

MIN_SHARE: Final = 0.4
"""Characters of hidden text for each of the code that make it text and no accident: hex gives 0.5, base32 0.62, base64
0.75. In noise a byte is printable with odds of 3 in 8, so 16 in a row, as a commit would need, have 1 in 7 million."""

MIN_HOST_TEXT: Final = 12
"""Characters of hidden text that are no accident in a name: what the shortest run in base64 may hold."""

_RUN: Final = re.compile(r"[A-Za-z0-9]+")
_ALPHABETS: Final = tuple(
    (re.compile(letters), math.log2(size))
    for letters, size in (
        ("[0-9]+", 10),
        ("[0-9a-f]+|[0-9A-F]+", 16),
        ("[0-9a-z]+|[0-9A-Z]+", 36),
        ("[0-9A-Za-z]+", 62),
    )
)
_MIN_WORD: Final = 25
"""Letters without a digit from which they are no word: the longest in names are compounds of two or three."""
_MIN_REST: Final = 16
"""Characters of a run in a path or query that count; those of words, dates and versions are shorter."""


def encoded_data(target: Target, fingerprint: Callable[[str], str]) -> list[tuple[Segment, tuple[Finding, ...]]]:
    """Host, and path with query, as segments with the findings in them; only those that have one.

    `fingerprint` is a keyed hash of what was found. The effects are the profile's, by category.
    """
    rest = f"{target.path}?{target.query}" if target.query else target.path
    found = (
        ("host", target.host, HOST_CATEGORY, any(map(_is_encoded_host, target.hosts))),
        ("target", rest, REST_CATEGORY, _unread_bits(rest) > MAX_REST_BITS),
    )
    return [
        (segment((place,), text), (_finding(category, text, fingerprint),))
        for place, text, category, is_encoded in found
        if is_encoded
    ]


def _is_encoded_host(host: str) -> bool:
    if sum(map(_bits, _RUN.findall(host))) > MAX_HOST_BITS:
        return True
    return any(_hidden(spelling) >= MIN_HOST_TEXT for spelling in (*host.split("."), *undotted(host)))


def _hidden(code: str) -> int:
    """How many characters of text are hidden in a text that is mostly a code; 0 if they are an accident."""
    longest = max(map(len, hidden_texts(code)), default=0)
    return longest if longest >= MIN_SHARE * len(code) else 0


def _unread_bits(text: str) -> float:
    return sum(_bits(run) for run in _long_runs(text) if not _hidden(run))


def _long_runs(text: str) -> Iterator[str]:
    return (run for run in _RUN.findall(text) if len(run) >= _MIN_REST)


def _bits(run: str) -> float:
    """How much a run of letters and digits can hold, or nothing if it may be a word."""
    if run.isalpha() and len(run) < _MIN_WORD:
        return 0.0
    return len(run) * next(bits for letters, bits in _ALPHABETS if letters.fullmatch(run))


def _finding(category: str, text: str, fingerprint: Callable[[str], str]) -> Finding:
    return Finding(
        rule=category.replace(".", "-").replace("_", "-"),
        category=category,
        severity=Severity.CRITICAL,
        span=Span(0, len(text)),
        score=int(Severity.CRITICAL),
        replacement="[ENCODED]",
        fingerprint=fingerprint(text),
    )
