"""The conversations that are sent: agent work in many turns, of prose, JSON and code, with no two requests alike.

A template is a chat body of a given size with one mark in each turn. Filling all marks anew gives a conversation in
which every turn is unseen (cold); filling only the last one gives the next request of a known conversation (warm).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MARK = b"@@@@@@@@@@@@"
"""Twelve bytes that stand for a serial number, so that every filling has the template's length."""

VOCABULARY = """
the a report order customer table value service region request window result total average change release branch deploy
metric latency budget quarter invoice shipment summary draft review thread question answer schedule and or but because
while with from into about between after before over under it they we you is was are were has shows needs takes gives
moves keeps finds reads writes calls returns fails passes starts ends grows falls
"""
WORDS = VOCABULARY.split()
_OVERHEAD = 450
"""Bytes of a turn's three messages beside their texts."""

LETTERS = str.maketrans("0123456789abcdef", "klmnopqrstabcdef")
"""A serial number is written in letters: long numbers could be taken for telephone numbers."""


@dataclass(frozen=True, slots=True)
class Template:
    """A chat body. `marks` is the number of turns that can be filled."""

    body: bytes
    marks: int

    def cold(self, serial: int) -> bytes:
        """A body in which every turn is new."""
        parts = self.body.split(MARK)
        filled = [parts[0]]
        for place, part in enumerate(parts[1:]):
            filled += (_serial(serial << 16 | place), part)
        return b"".join(filled)

    def warm(self, serial: int) -> bytes:
        """A body in which only the last turn is new."""
        head, _, tail = self.body.rpartition(MARK)
        return head + _serial(serial) + tail


def _serial(number: int) -> bytes:
    return f"{number:012x}".translate(LETTERS).encode()


def template(size: int, seed: int, *, stream: bool = False) -> Template:
    """A conversation whose JSON body has about `size` bytes."""
    chance = random.Random(seed)
    messages: list[dict[str, Any]] = [{"role": "system", "content": f"[{MARK.decode()}] " + prose(chance, 80)}]
    question = {"role": "user", "content": f"[{MARK.decode()}] "}
    while (room := size - len(_body([*messages, question], stream)) - _OVERHEAD) > 100:
        messages += _turn(chance, len(messages), min(room, 6000))
    question["content"] += prose(chance, max(40, size - len(_body([*messages, question], stream))))
    body = _body([*messages, question], stream)
    return Template(body, body.count(MARK))


def prose(chance: random.Random, size: int) -> str:
    """Sentences of plain words, about `size` characters."""
    sentences: list[str] = []
    while sum(map(len, sentences)) < size:
        sentences.append(" ".join(chance.choices(WORDS, k=chance.randint(6, 18))).capitalize() + ". ")
    return "".join(sentences)[:size]


def records(chance: random.Random, size: int) -> str:
    """A JSON array of records, as a tool returns it, about `size` characters."""
    rows: list[dict[str, object]] = []
    while len(json.dumps(rows)) < size:
        name = "-".join(chance.choices(WORDS, k=2))
        count, share = chance.randint(1, 900), chance.random()
        rows.append({"name": name, "count": count, "share": round(share, 4), "note": prose(chance, 60)})
    return json.dumps(rows, indent=1)


def code(chance: random.Random, size: int) -> str:
    """Lines that look like a program, about `size` characters."""
    lines: list[str] = []
    while sum(map(len, lines)) < size:
        name, other, third = chance.sample(WORDS[:40], 3)
        lines.append(f"def {name}_{other}({third}: int) -> int:\n    # {prose(chance, 40)}\n    return {third} * 3\n\n")
    return "".join(lines)[:size]


def _turn(chance: random.Random, number: int, room: int) -> list[dict[str, Any]]:
    """The model asks for a tool, the tool answers, the model comments: three messages in at most about `room` bytes."""
    made: Callable[[random.Random, int], str] = (prose, records, code)[number // 3 % 3]
    call_id = f"call_{number:04d}"
    function = {"name": "lookup", "arguments": json.dumps({"query": f"[{MARK.decode()}] " + prose(chance, 30)})}
    call = {"id": call_id, "type": "function", "function": function}
    result = f"[{MARK.decode()}] " + made(chance, max(40, int(room * 0.55)))
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": result},
        {"role": "assistant", "content": f"[{MARK.decode()}] " + prose(chance, max(40, room // 8))},
    ]


def _body(messages: list[dict[str, Any]], stream: bool) -> bytes:
    """The body, written as the SDKs of OpenAI and Anthropic write it."""
    body = {"model": "gpt", "messages": messages, **({"stream": True} if stream else {})}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
