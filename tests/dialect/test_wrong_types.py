"""Values of a wrong JSON type: every dialect reads them or refuses them, and none fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.dialect.anthropic import MESSAGES
from gateway.dialect.base import Dialect, StreamReader
from gateway.dialect.gemini import GENERATE
from gateway.dialect.ollama import OLLAMA
from gateway.dialect.openai import CHAT, RESPONSES
from gateway.dialect.openai_batch import BATCH
from gateway.errors import LockgateError
from gateway.policy.call import Change
from gateway.segment import Path
from gateway.wire.document import Document, parse
from gateway.wire.frames import Framing
from tests.dialect.laws import REFUSAL, TRANSCRIPTS

WRONG: list[Any] = [
    "jsonPath",
    ["jsonPath"],
    {"jsonPath": "x", "type": ["x"]},
    [{"text": {"a": "b"}}],
    7,
    1.5,
    None,
    True,
]
BODIES: list[tuple[str, Dialect]] = [
    ("anthropic", MESSAGES),
    ("gemini", GENERATE),
    ("ollama", OLLAMA),
    ("openai_batch", BATCH),
    ("openai_chat", CHAT),
    ("openai_responses", RESPONSES),
]


def payloads(folder: str, side: str) -> list[list[Any]]:
    """The JSON payloads of each transcript of one side."""
    found: list[list[Any]] = []
    for file in sorted(TRANSCRIPTS.glob(f"{folder}/*/{side}.*")):
        text = file.read_text()
        lines = [text] if file.suffix == ".json" else text.splitlines()
        pieces = [line.removeprefix("data: ").strip() for line in lines]
        found.append([json.loads(piece) for piece in pieces if piece.startswith("{")])
    return found


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from paths(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from paths(member, (*path, index))


def changed(value: Any, path: Path, wrong: Any) -> Any:
    if not path:
        return wrong
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], wrong)
    return copy


def attempt(read: Callable[..., object], *given: object) -> bool:
    """Whether it was read; refused is the other way."""
    try:
        read(*given)
    except LockgateError:
        return False
    return True


@pytest.mark.parametrize(("folder", "dialect"), BODIES, ids=[folder for folder, _ in BODIES])
def test_a_body_with_a_wrong_type_is_read_or_refused(folder: str, dialect: Dialect) -> None:
    tried = 0
    for side, read in (("request", dialect.request), ("response", dialect.answer)):
        for value in (value for transcript in payloads(folder, side) for value in transcript):
            for number, path in enumerate(paths(value)):
                document = parse(json.dumps(changed(value, path, WRONG[number % len(WRONG)])).encode())
                attempt(read, document)
                attempt(dialect.instruct, document, "RULES")
                tried += 1
    assert tried > 20


@pytest.mark.parametrize(("folder", "dialect"), BODIES, ids=[folder for folder, _ in BODIES])
def test_calls_among_wrong_types_are_found_or_refused(folder: str, dialect: Dialect) -> None:
    for value in (value for transcript in payloads(folder, "request") for value in transcript):
        for number, path in enumerate(paths(value)):
            document = parse(json.dumps(changed(value, path, WRONG[number % len(WRONG)])).encode())
            attempt(dialect.transcript, document)
            attempt(dialect.hosted, document)
    for value in (value for transcript in payloads(folder, "response") for value in transcript):
        for number, path in enumerate(paths(value)):
            document = parse(json.dumps(changed(value, path, WRONG[number % len(WRONG)])).encode())
            attempt(refused, dialect, document)


def refused(dialect: Dialect, document: Document) -> None:
    """Every call of an answer refused; it is JSON still, without a call."""
    changes = {called.key: Change(refusal="no") for called in dialect.calls(document)}
    left = parse(dialect.changed(document, changes))
    assert dialect.calls(left) == ()


@pytest.mark.parametrize(("folder", "dialect"), BODIES, ids=[folder for folder, _ in BODIES])
def test_a_stream_with_a_wrong_type_is_read_or_refused_and_can_still_be_ended(folder: str, dialect: Dialect) -> None:
    for stream in payloads(folder, "response"):
        for position, value in enumerate(stream):
            for number, path in enumerate(paths(value)):
                reader = dialect.stream(Framing.SSE)
                for event in (*stream[:position], changed(value, path, WRONG[(number + position) % len(WRONG)])):
                    document = parse(json.dumps(event).encode())
                    if not attempt(reader.read, None, document, document.raw):
                        break
                    reader.sent(None, document, document.raw)
                reader.ending(REFUSAL)


@pytest.mark.parametrize(("folder", "dialect"), BODIES, ids=[folder for folder, _ in BODIES])
def test_a_stream_with_a_wrong_type_can_be_changed_where_it_is_read(folder: str, dialect: Dialect) -> None:
    for stream in payloads(folder, "response"):
        for position, value in enumerate(stream):
            for number, path in enumerate(paths(value)):
                wrong = changed(value, path, WRONG[(number + position) % len(WRONG)])
                documents = [
                    parse(json.dumps(one).encode()) for one in (*stream[:position], wrong, *stream[position + 1 :])
                ]
                attempt(rewritten, dialect.stream(Framing.SSE), documents)


def rewritten(reader: StreamReader, documents: list[Document]) -> None:
    """All events, and then, with each call refused, what leaves in their place."""
    called = [one for document in documents for one in reader.read(None, document, document.raw).called]
    changes = {one.key: Change(refusal="no") for one in (*called, *reader.unfinished())}
    for document in documents:
        for _, data in reader.changed(None, document, document.raw, changes):
            parse(data)
        reader.sent(None, document, document.raw)
