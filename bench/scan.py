"""How long a text takes that the rules have never seen, without any network around it."""

from __future__ import annotations

import random
import statistics
import time

from bench.corpus import code, prose, records
from gateway import resources
from gateway.detect.pack import parse_pack
from gateway.detect.rule import Scope
from gateway.detect.ruleset import RuleSet, build
from gateway.segment import Direction, Role, Trust

TEXTS = 60
"""Texts that are timed; a third of each kind."""


def default_rules() -> RuleSet:
    """All shipped packs, with the pre-filter."""
    rules = [rule for name in resources.pack_names() for rule in parse_pack(resources.pack_text(name), name)]
    return build(rules, key=b"bench").accelerated()


def cold_scan(size: int) -> float:
    """The median time, in milliseconds, to scan a text of `size` characters: prose, JSON and code in turn."""
    rules = default_rules()
    scope = Scope(Direction.REQUEST, Role.TOOL, Trust.UNTRUSTED)
    chance = random.Random(7)
    rules.scan(prose(chance, size), scope)
    times: list[float] = []
    for number in range(TEXTS):
        text = (prose, records, code)[number % 3](chance, size)
        started = time.perf_counter()
        rules.scan(text, scope)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)
