"""Recorded MCP conversations through the machine: what goes on is as it came, or as `expected` beside it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.detect.memory import VerdictMemory
from gateway.detect.pack import parse_pack
from gateway.detect.ruleset import build
from gateway.dialect.mcp_door import Door
from gateway.dialect.mcp_family import mcp
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

FOLDER = TRANSCRIPTS / "mcp"
CASES = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir())
TYPES = {".sse": "text/event-stream", ".json": "application/json"}
RULES = build(parse_pack(PACK, "test pack"), key=KEY)


def exchange() -> Exchange:
    gate = Gate(RULES, PROFILES["balanced"], Hierarchy(Mode.DELIMIT, KEY), VerdictMemory(100))
    return Exchange(gate, mcp(Door("n", "http://h/mcp")), id="id-1", upstream="mcp/n", principal="default")


def passed(case: Path) -> tuple[bytes, bytes]:
    """What goes to the server and what to the client. The answer comes in small pieces."""
    one = exchange()
    sent = (case / "request.json").read_bytes()
    headers = (("Content-Type", "application/json"),)
    asked = RequestStarted("POST", "/mcp", headers, has_body=True), LimitsTaken(), RequestData(sent, last=True)
    up = only(feed(one, *asked), StartUpstream)
    (answer,) = case.glob("response.*")
    data = answer.read_bytes()
    commands = feed(
        one,
        AnswerStarted(200, (("Content-Type", TYPES[answer.suffix]),)),
        *(AnswerData(data[at : at + 50], last=False) for at in range(0, len(data), 50)),
        AnswerData(b"", last=True),
    )
    streamed = b"".join(command.data for command in commands if isinstance(command, SendAnswer))
    return up.body or b"", streamed or only(commands, Respond).body


@pytest.mark.parametrize("case", CASES)
def test_it_passes_as_expected(case: str) -> None:
    folder = FOLDER / case
    up, out = passed(folder)
    assert up == (folder / "request.json").read_bytes()
    (expected,) = list(folder.glob("expected.*")) or list(folder.glob("response.*"))
    assert out == expected.read_bytes()


def test_some_are_edited() -> None:
    assert len(list(FOLDER.glob("*/expected.*"))) >= 6
