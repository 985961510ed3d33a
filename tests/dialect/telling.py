"""Laws that hold for every dialect's transcripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gateway.dialect.base import Dialect
from gateway.policy.call import Call
from gateway.policy.transcript import Made, Returned, Said, Transcript
from gateway.wire.document import Document


def assert_no_text_is_left_out(dialect: Dialect, document: Document) -> None:
    """Each text that the grammar finds stands in the transcript: said, made, returned or defined."""
    transcript = dialect.transcript(document)
    told = list(texts(transcript))
    for segment in dialect.request(document).segments:
        stands = any(segment.text in text for text in told) or _is_value(segment.text, transcript)
        assert stands, f"left out: {segment.text!r} at {segment.place.path}"


def _is_value(text: str, transcript: Transcript) -> bool:
    """Whether a text is the JSON of arguments; the grammar reads those without a text of their own as they stand."""
    try:
        return json.loads(text) in [call.arguments for call in made(transcript)]
    except ValueError:
        return False


def assert_turns_are_in_order(transcript: Transcript) -> None:
    """Within a list of messages, turns come in its order, and a result never before its call."""
    made: list[Call] = []
    for turn in transcript.turns:
        if isinstance(turn, Made):
            made.append(turn.call)
        elif isinstance(turn, Returned) and turn.call is not None:
            assert turn.call in made


def texts(transcript: Transcript) -> Iterator[str]:
    """Every text of a transcript."""
    for turn in transcript.turns:
        if isinstance(turn, Said | Returned):
            yield turn.text
        else:
            yield from (turn.call.name, *strings(turn.call.arguments))
    for tool in transcript.tools:
        yield from (tool.name, tool.description, *strings(tool.schema))


def strings(value: Any) -> Iterator[str]:
    """The strings, keys and numbers of a value, each as a text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from strings(member)
    else:
        yield json.dumps(value)


def said(transcript: Transcript) -> list[tuple[str, str]]:
    """What was said, shortly: role/trust/kind and the text."""
    return [
        (f"{turn.role}/{turn.trust.name.lower()}/{turn.kind}", turn.text)
        for turn in transcript.turns
        if isinstance(turn, Said)
    ]


def returned(transcript: Transcript) -> list[tuple[str, str | None]]:
    """What was returned, with the id of its call."""
    return [
        (turn.text, None if turn.call is None else turn.call.id)
        for turn in transcript.turns
        if isinstance(turn, Returned)
    ]


def made(transcript: Transcript) -> list[Call]:
    return [turn.call for turn in transcript.turns if isinstance(turn, Made)]
