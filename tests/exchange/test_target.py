"""What leaves with a request before its body is judged by where it goes, whatever was judged before it."""

from __future__ import annotations

from gateway.dialect.families import FAMILIES
from gateway.exchange.target import judge_target
from gateway.verdict import Effect
from tests.exchange.gates import gate

TOKEN = "tok_" + "abcd1234"
TARGET = f"/v1/models?key={TOKEN}"


def test_a_key_that_one_api_takes_in_its_query_is_no_key_to_another_that_gets_the_same_target() -> None:
    one = gate()
    assert judge_target(one, FAMILIES["gemini"], "", TARGET, ()).total.effect is Effect.ALLOW
    found = judge_target(one, FAMILIES["openai"], "", TARGET, ()).total
    assert found.effect is Effect.BLOCK
    assert [finding.rule for finding in found.findings] == ["token"]


def test_a_key_in_the_query_stays_one_after_another_api_has_refused_the_same_target() -> None:
    one = gate()
    assert judge_target(one, FAMILIES["openai"], "", TARGET, ()).total.effect is Effect.BLOCK
    assert judge_target(one, FAMILIES["gemini"], "", TARGET, ()).total.effect is Effect.ALLOW
