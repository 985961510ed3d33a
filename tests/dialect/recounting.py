"""What a transcript tells, as texts: for the law that it holds every text that a grammar finds in the request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.dialect.base import Reading
from gateway.policy.transcript import Made, Returned, Said, Transcript


def assert_nothing_is_left_out(reading: Reading, transcript: Transcript) -> None:
    told = list(_told(transcript))
    for segment in reading.segments:
        escaped = orjson.dumps(segment.text).decode()[1:-1]
        assert any(segment.text in text or escaped in text for text in told), segment


def said(transcript: Transcript) -> list[tuple[str, str]]:
    """The texts that somebody wrote, each with role, trust, kind and message."""
    return [
        (turn.text, f"{turn.role}/{turn.trust.name.lower()}/{turn.kind}/{turn.message}")
        for turn in transcript.turns
        if isinstance(turn, Said)
    ]


def made(transcript: Transcript) -> list[Made]:
    return [turn for turn in transcript.turns if isinstance(turn, Made)]


def returned(transcript: Transcript) -> list[tuple[str, str | None]]:
    """What calls returned, with the name of the tool."""
    return [
        (turn.text, turn.call.name if turn.call else None) for turn in transcript.turns if isinstance(turn, Returned)
    ]


def _told(transcript: Transcript) -> Iterator[str]:
    for turn in transcript.turns:
        if isinstance(turn, Made):
            yield from (turn.call.name, *_leaves(turn.call.arguments))
        else:
            yield turn.text
    for tool in transcript.tools:
        yield from (tool.name, tool.description, *_leaves(tool.schema))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from _leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)
