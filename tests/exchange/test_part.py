"""What is remembered of parts, and for how long."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.exchange.part import Outcome, PartMemory, namer
from gateway.segment import Span, Uninspected
from gateway.verdict import Effect, Finding, Severity, Verdict
from gateway.wire.document import Patch

CLEAN = Outcome(Verdict(Effect.ALLOW, Effect.ALLOW), (), 1)
FOUND = Finding("r", "pii.email", Severity.NOTICE, Span(0, 1), 2, "[X]", "00ff")


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    memory = PartMemory(capacity=2)
    memory.remember(b"a", CLEAN)
    memory.remember(b"b", CLEAN)
    assert memory.recall(b"a") is CLEAN
    memory.remember(b"c", CLEAN)
    assert [memory.recall(name) for name in (b"a", b"b", b"c")] == [CLEAN, None, CLEAN]


@pytest.mark.parametrize(
    ("outcome", "lasts"),
    [
        (CLEAN, True),
        (replace(CLEAN, findings=(FOUND,)), True),
        (replace(CLEAN, findings=(replace(FOUND, fingerprint=""),)), False),
        (replace(CLEAN, patches=(Patch(0, 0, b""),) * 256), True),
        (replace(CLEAN, patches=(Patch(0, 0, b""),) * 200, findings=(FOUND,) * 57), False),
        (replace(CLEAN, uninspected=(Uninspected("image"),) * 257), False),
    ],
)
def test_what_a_rule_failed_in_and_what_weighs_much_does_not_last(outcome: Outcome, lasts: bool) -> None:
    assert outcome.lasts() is lasts


def test_a_name_depends_on_the_key_the_reader_and_the_bytes() -> None:
    names = {
        namer(key, reader).name(raw) for key in (b"1", b"2") for reader in ("a", "ab") for raw in (b"", b"c", b"bc")
    }
    assert len(names) == 12
    assert namer(b"1", "a").name(b"c") == namer(b"1", "a").name(b"c")
