"""What a test tells the fake upstream to answer: plain values, in terms that hold for every API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the model makes. `arguments` is the JSON text of an object, as the chat APIs spell it."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"

    def parsed(self) -> dict[str, object]:
        """The arguments as the object that Anthropic, Gemini and Ollama carry."""
        arguments = json.loads(self.arguments)
        assert isinstance(arguments, dict)
        return arguments


@dataclass(frozen=True, slots=True)
class Say:
    """The model answers `text`, makes `calls`, or both.

    `others` are the texts of further choices, for a request that asks for several. `thinking` is reasoning that is
    signed where the API signs it. In a stream, each event carries `step` characters, and `gap` seconds pass between
    events. `pause_after` holds the stream for good after that many events, until the client goes away.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    others: tuple[str, ...] = ()
    thinking: str = ""
    step: int = 5
    gap: float = 0.0
    pause_after: int | None = None

    def choices(self, count: int) -> Iterator[Say]:
        """`count` answers of one choice each; the last text is repeated where `others` has too few."""
        texts = (self.text, *self.others)
        for index in range(count):
            yield replace(self, text=texts[min(index, len(texts) - 1)], others=())


@dataclass(frozen=True, slots=True)
class Fail:
    """An error answer in the API's own shape. `headers` are added to it."""

    status: int
    message: str = "scripted failure"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer byte for byte: `chunks` go out one by one, `gap` seconds apart.

    `delay` is the time before the head. `cut` closes the connection without ending the message.
    """

    chunks: tuple[bytes, ...] = (b"",)
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    delay: float = 0.0
    gap: float = 0.0
    cut: bool = False


type Answer = Say | Fail | Raw


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came. `target` is the path and query as written; `headers` keep order, case and repeats."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case; None without one."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


type Script = Answer | list[Answer] | Callable[[Seen], Answer]
"""One answer for every request, answers in turn (the last one stays), or a function of the request."""


@dataclass(slots=True)
class Reel:
    """Plays a script: gives the answer for each request in turn."""

    script: Script = field(default_factory=Say)
    _turn: int = 0

    def answer(self, seen: Seen) -> Answer:
        if callable(self.script):
            return self.script(seen)
        if not isinstance(self.script, list):
            return self.script
        self._turn += 1
        return self.script[min(self._turn, len(self.script)) - 1]
