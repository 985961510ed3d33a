"""A conversation in neutral terms: what an agent says, and what it hears back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fakes.script import Call

KEY = "test-key"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: the user's `text`, or a tool `call` of the model with its `result`."""

    text: str = ""
    call: Call | None = None
    result: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation so far. `with_tools` offers the model one tool, `weather`."""

    turns: tuple[Turn, ...]
    system: str | None = None
    with_tools: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What an agent heard: text, tool calls (arguments as an object), and the provider's own reason for the end."""

    text: str
    calls: tuple[tuple[str, Any], ...]
    finish: str


def ask(text: str) -> Talk:
    return Talk((Turn(text),))


SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DESCRIPTION = "Looks up the weather."
