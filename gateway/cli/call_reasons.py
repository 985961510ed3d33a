"""Why a call is held, in the one form in which `lockgate scan` and `lockgate explain` give it.

By what is found in its texts, as in any answer of a model, and by the policy for tools.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from gateway.dialect.families import FAMILIES
from gateway.exchange.gate import Gate
from gateway.exchange.whole import inspect
from gateway.policy.call import CallReason
from gateway.segment import Direction
from gateway.verdict import Effect, Verdict
from gateway.wire.media import content_type

CHAT: Final = FAMILIES["openai"].endpoint("POST", "/v1/chat/completions")
JSON: Final = content_type((("content-type", "application/json"),))


def answer(name: str, arguments: str) -> bytes:
    """The answer of a model that wants this call; `arguments` as the model wrote them."""
    function = {"name": name, "arguments": arguments}
    tool_call = {"id": "call_0", "type": "function", "function": function}
    message = {"role": "assistant", "content": None, "tool_calls": [tool_call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return orjson.dumps({"object": "chat.completion", "choices": [choice]})


def verdict_on(gate: Gate, body: bytes) -> Verdict:
    """The verdict on the texts of an answer."""
    return inspect(gate, CHAT, Direction.ANSWER, body, JSON).verdict


def of_call(reason: CallReason) -> dict[str, Any]:
    """A reason of the policy for tools. `effect` is what it would be if it were enforced."""
    return {
        "rule": reason.rule,
        "effect": named(reason.effect),
        "argument": reason.argument,
        "words": reason.words,
        "sources": list(reason.sources),
    }


def of_texts(gate: Gate, verdict: Verdict) -> Iterator[dict[str, Any]]:
    """The findings in the texts of a call, in the same form; the words are the rule's own."""
    for rule, effect in dict.fromkeys((one.rule, one.effect) for one in verdict.reasons if not one.shadow):
        known = gate.rules.rules.get(rule)
        why = known.why if known is not None else ""
        yield {"rule": rule, "effect": named(effect), "argument": "", "words": why, "sources": []}


def named(effect: Effect) -> str:
    return effect.name.lower()
