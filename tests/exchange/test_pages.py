"""Golden transcripts: small pages as sites serve them, through the shipped packs (tests/transcripts/http)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from gateway.detect.memory import VerdictMemory
from gateway.detect.pack import parse_pack
from gateway.detect.ruleset import RuleSet, build
from gateway.dialect.families import FAMILIES
from gateway.exchange.content import inspect
from gateway.exchange.gate import Gate
from gateway.policy.hierarchy import Hierarchy, Mode
from gateway.policy.profile import PROFILES
from gateway.resources import pack_text
from gateway.segment import Direction
from gateway.wire.media import parse
from tests.exchange.gates import KEY

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts" / "http"
LABELS = {".html": "text/html; charset=utf-8", ".xml": "application/xml"}


@cache
def shipped() -> RuleSet:
    packs = ("injection", "pii", "secrets")
    return build([rule for name in packs for rule in parse_pack(pack_text(name), name)], key=KEY)


def gate(profile: str) -> Gate:
    return Gate(shipped(), PROFILES[profile], Hierarchy(Mode.OFF, KEY), VerdictMemory(100))


CASES = sorted(TRANSCRIPTS.rglob("answer.*"))


def passed(path: Path, profile: str = "balanced") -> bytes:
    endpoint = FAMILIES["http"].fallback
    outcome = inspect(gate(profile), endpoint, Direction.ANSWER, path.read_bytes(), parse(LABELS[path.suffix]))
    return outcome.body


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_a_page_goes_on_as_the_transcript_says(path: Path) -> None:
    golden = path.with_name("balanced" + path.suffix)
    assert passed(path).decode() == (golden if golden.exists() else path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_the_profile_that_watches_changes_nothing(path: Path) -> None:
    assert passed(path, "monitor") == path.read_bytes()


def test_the_transcripts_are_there() -> None:
    assert {path.parent.name for path in CASES} == {"article", "docs", "drawing", "feed", "shop"}
