"""What agents have read is remembered while they work, and forgotten when they have been quiet."""

from __future__ import annotations

import pytest

from gateway.policy.provenance.chains import Memory
from gateway.serve import reads
from gateway.serve.reads import QUIET, Reads

READ = Memory(reads=3, secrets=1, keepers=("read_file",))


def test_what_was_read_is_each_agents_own() -> None:
    known = Reads(lambda: 0.0)
    known.remember("bot", READ)
    assert known.recall("bot") == READ
    assert known.recall("other") == Memory()


def test_it_is_forgotten_once_the_agent_was_quiet() -> None:
    now = [0.0]
    known = Reads(lambda: now[0])
    known.remember("bot", READ)
    now[0] = QUIET - 1
    assert known.recall("bot") == READ
    now[0] = QUIET
    assert known.recall("bot") == Memory()


def test_only_so_many_agents_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST", 1)
    known = Reads(lambda: 0.0)
    known.remember("one", READ)
    known.remember("two", READ)
    assert (known.recall("one"), known.recall("two")) == (Memory(), READ)
