"""What a transcript tells, turn by turn with its message, and the law that it holds every text that a grammar finds."""

from __future__ import annotations

import orjson

from gateway.dialect.base import Reading
from gateway.policy.transcript import Made, Returned, Said, Transcript
from tests.dialect.telling import texts


def assert_nothing_is_left_out(reading: Reading, transcript: Transcript) -> None:
    """Each text stands in the transcript as it is, or as JSON spells it: results that are objects are told as such."""
    told = list(texts(transcript))
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
