"""Which parts of a user's text are quoted material, and so data: fences, document tags, configured delimiters.

A user who pastes an e-mail between fences did not write the e-mail. What stands inside is judged, and wrapped, like a
tool result. The borders stay with the user's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Final

from gateway.segment import Span

TAGS: Final = (
    "document",
    "documents",
    "document_content",
    "data",
    "context",
    "file",
    "file_content",
    "attachment",
    "email",
    "message",
    "webpage",
    "page",
    "search_results",
    "search_result",
    "result",
    "results",
    "tool_result",
    "function_results",
    "transcript",
    "quote",
    "source",
    "content",
    "text",
)
"""Tags that prompts put around material: Anthropic's prompt guide ("Use XML tags") and what agents commonly write."""

# Fences are those of CommonMark 0.31, 4.5. What a quantifier took it keeps: nothing that follows could match in it, and
# giving it back one by one makes a long run of marks cost its square.
_FENCE: Final = re.compile(r"^[ ]{0,3}+(`{3,}+|~{3,}+)[^\n]*+\n", re.MULTILINE)
_CLOSING: Final = re.compile(r"^[ ]{0,3}+(`{3,}+|~{3,}+)[ \t]*+$", re.MULTILINE)
_TAG: Final = re.compile(rf"<({'|'.join(TAGS)})(?:\s[^<>]{{0,200}}+)?>", re.IGNORECASE)
# Lower case by ASCII alone, so that offsets stay those of the text.
_LOWER: Final = str.maketrans({letter: letter.lower() for letter in ascii_uppercase})


def quoted_spans(text: str, delimiters: Sequence[tuple[str, str]] = ()) -> tuple[Span, ...]:
    """The quoted parts of `text`, in order, without overlaps, borders not included. An open quote runs to the end."""
    if "```" not in text and "~~~" not in text and "<" not in text and not delimiters:
        return ()
    spans = sorted((*_fenced(text), *_tagged(text), *_delimited(text, delimiters)), key=lambda span: span.start)
    kept: list[Span] = []
    for span in spans:
        if span.start == span.end:
            continue
        if kept and span.start < kept[-1].end:
            kept[-1] = Span(kept[-1].start, max(kept[-1].end, span.end))
        else:
            kept.append(span)
    return tuple(kept)


def _fenced(text: str) -> Iterator[Span]:
    position = 0
    while opening := _FENCE.search(text, position):
        # As many of the same mark, or more.
        closings = (closing for closing in _CLOSING.finditer(text, opening.end()) if closing[1].startswith(opening[1]))
        closing = next(closings, None)
        end = closing.start() if closing else len(text)
        yield Span(opening.end(), end)
        position = closing.end() if closing else len(text)


def _tagged(text: str) -> Iterator[Span]:
    lower: str | None = None
    position = 0
    while opening := _TAG.search(text, position):
        lower = lower if lower is not None else text.translate(_LOWER)
        closing = lower.find(f"</{opening[1].lower()}>", opening.end())
        end = closing if closing >= 0 else len(text)
        yield Span(opening.end(), end)
        position = end


def _delimited(text: str, delimiters: Sequence[tuple[str, str]]) -> Iterator[Span]:
    for opening, closing in delimiters:
        position = 0
        while (start := text.find(opening, position)) >= 0:
            start += len(opening)
            end = text.find(closing, start)
            end = end if end >= 0 else len(text)
            yield Span(start, end)
            position = end + len(closing)
