"""Recorded A2A conversations through the machine: what goes on is as it came, or as `expected` beside it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.detect.memory import VerdictMemory
from gateway.detect.pack import parse_pack
from gateway.detect.ruleset import build
from gateway.dialect.a2a_card import Door
from gateway.dialect.a2a_family import a2a
from gateway.exchange.events import (
    AnswerData,
    AnswerStarted,
    LimitsTaken,
    RequestData,
    RequestStarted,
    Respond,
    SendAnswer,
    StartUpstream,
)
from gateway.exchange.gate import Gate
from gateway.exchange.machine import Exchange
from gateway.policy.hierarchy import Hierarchy, Mode
from gateway.policy.profile import PROFILES
from tests.dialect.laws import TRANSCRIPTS
from tests.end_to_end.running import PACK
from tests.exchange.gates import KEY
from tests.exchange.test_machine import feed, only

FOLDER = TRANSCRIPTS / "a2a"
CASES = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
TYPES = {".sse": "text/event-stream", ".json": "application/json"}
RULES = build(parse_pack(PACK, "test pack"), key=KEY)
JSON = (("Content-Type", "application/json"),)
DOOR = Door("n", "http://agent.example", "http://gateway.example/n")


def passed(case: Path, step: int) -> tuple[bytes, bytes]:
    """What goes to the agent and what to the client. The answer comes in pieces of `step` bytes."""
    gate = Gate(RULES, PROFILES["balanced"], Hierarchy(Mode.DELIMIT, KEY), VerdictMemory(100))
    one = Exchange(gate, a2a(DOOR), id="id-1", upstream="n", principal="default")
    method, target = (case / "line").read_text().split()
    body = case / "request.json"
    sent = body.read_bytes() if body.exists() else b""
    asked = RequestStarted(method, target, JSON, has_body=bool(sent)), LimitsTaken()
    up = only(feed(one, *asked, *((RequestData(sent, last=True),) if sent else ())), StartUpstream)
    assert up.body == sent
    (answer,) = case.glob("response.*")
    data = answer.read_bytes()
    commands = feed(
        one,
        AnswerStarted(200, (("Content-Type", TYPES[answer.suffix]),)),
        *(AnswerData(data[at : at + step], last=False) for at in range(0, len(data), step)),
        AnswerData(b"", last=True),
    )
    streamed = b"".join(command.data for command in commands if isinstance(command, SendAnswer))
    return up.body or b"", streamed or only(commands, Respond).body


@pytest.mark.parametrize("step", [7, 100_000])
@pytest.mark.parametrize("case", CASES)
def test_it_passes_as_expected(case: str, step: int) -> None:
    folder = FOLDER / case
    _, out = passed(folder, step)
    (expected,) = list(folder.glob("expected.*")) or list(folder.glob("response.*"))
    assert out == expected.read_bytes()


def test_some_are_edited() -> None:
    assert len(list(FOLDER.glob("*/expected.*"))) >= 10
