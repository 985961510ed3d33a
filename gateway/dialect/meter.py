"""How what a request costs is told: from the request before it is answered, and from the answer.

A meter is a table of where an API has these: the model, the most that may be written, and the counts of an answer. It
knows no prices and no limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from gateway.dialect import estimate, usage
from gateway.dialect.spelling import resolved
from gateway.dialect.usage import Shape, Usage
from gateway.segment import Path, Uninspected
from gateway.wire.document import Document, apply, parse

UNSAID: Final = 4_096
"""Tokens of output that are reserved where a request sets no bound: what most answers stay under."""

MOST_TOKENS: Final = 10_000_000
"""A bound that a request may set, and what an estimate ends at: more than any model reads or writes at once."""

MOST_CHOICES: Final = 256
"""Answers that one request may ask for (OpenAI takes 128, `n` in its API reference, 2026-11)."""

type _Places = tuple[Path, ...]


class Asked(Struct, frozen=True):
    """What a request may cost. `output` is the most tokens that all its answers may have, `input` an estimate.

    `counted` is false where a request costs something and nothing of it tells how much. `goes_on` is whether the
    provider answers to the end though nobody listens.
    """

    model: str | None = None
    input: int = 0
    output: int = 0
    counted: bool = True
    goes_on: bool = False


class Meter(Struct, frozen=True):
    """Where an endpoint's bodies say what counts.

    `in_path` finds the model in the path, where it stands before that in the body. `bounds` are members that bound one
    answer's tokens, `times` those with the number of answers. `told` are the places where an answer, or an event of a
    stream, has its counts in that `shape`; `()` is the body itself. `writes` is whether there is output at all.
    """

    shape: Shape
    told: _Places = (("usage",),)
    model: Path = ("model",)
    in_path: re.Pattern[str] | None = None
    bounds: _Places = ()
    times: _Places = ()
    writes: bool = True
    counted: bool = True

    def asked(self, path: str, document: Document | None, unread: Iterable[Uninspected] = ()) -> Asked:
        """What a request at that path (no query, in the spelling of `resolved`) may cost. `unread` are its parts that
        are no text."""
        if not self.counted or document is None:
            return Asked(self.model_of(path, document), counted=False)
        return Asked(
            self.model_of(path, document),
            min(estimate.of_body(document.value, unread), MOST_TOKENS),
            self._most(document) if self.writes else 0,
            goes_on=bool(document.get("background")),
        )

    def model_of(self, path: str, document: Document | None) -> str | None:
        """The model that a request is for; None where it names none."""
        found = self.in_path.search(path) if self.in_path is not None else None
        if found is not None:
            return next(group for group in found.groups() if group is not None)
        model = document.get(*self.model) if document is not None else None
        return model.removeprefix(_RESOURCE) if isinstance(model, str) and model else None

    def renamed(self, target: str, body: bytes, model: str) -> tuple[str, bytes] | None:
        """The target and the body of a request for another model; None where nothing may be changed.

        Only where the target itself names the model, in no other spelling, is it changed there.
        """
        path, mark, query = target.partition("?")
        if self.in_path is not None and self.in_path.search(resolved(path)) is not None:
            found = self.in_path.search(path)
            if found is None or found.lastgroup != _NAMED:
                return None
            return path[: found.start(_NAMED)] + quote(model, safe="") + path[found.end(_NAMED) :] + mark + query, body
        document = parse(body)
        if not isinstance(document.get(*self.model), str):
            return None
        return target, apply(body, [document.replace(self.model, model)])

    def used(self, document: Document | None) -> Usage:
        """The counts that an answer has; empty where it has none."""
        if document is None:
            return {}
        value = document.value
        if isinstance(value, list):  # Gemini's stream as one array: each item counts what came up to it
            value = value[-1] if value else None
        found: Usage = {}
        for place in self.told:
            found |= self.shape.read(_at(value, place))
        return found

    def _most(self, document: Document) -> int:
        bounds = list(_numbers(document, self.bounds))
        choices = min(max(_numbers(document, self.times), default=1), MOST_CHOICES)
        return min(max(bounds, default=UNSAID) * choices, MOST_TOKENS)


def _numbers(document: Document, places: _Places) -> Iterator[int]:
    """The positive whole numbers there. A server refuses others, or, as Ollama does, takes them for no bound."""
    for place in places:
        value = document.get(*place)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield value


def _at(value: Any, place: Path) -> Any:
    for step in place:
        value = value.get(step) if isinstance(value, dict) and isinstance(step, str) else None
    return value


def _both_cases(outer: str, *inner: str) -> _Places:
    """A member and one below it in both spellings that protobuf's JSON has (proto3 language guide, "JSON mapping")."""
    return tuple((first, second) for name in inner for first in _cases(outer) for second in _cases(name))


def _cases(name: str) -> tuple[str, str]:
    return name, re.sub(r"(?=[A-Z])", "_", name).lower()


_RESOURCE: Final = "models/"
"""How Google's servers may write a model in a body, as the name of a resource (OpenAI compatibility, 2026-11)."""

_NAMED: Final = "model"
"""The group of a model in a path. One that is no such group is a name of something else that stands for the model (a
deployment), or the path is signed (Bedrock): another one may not be put in its place."""

_DEPLOYMENT: Final = re.compile(r"/deployments/([^/]+)/", re.IGNORECASE)  # Azure does not mind the case
_BEFORE_METHOD: Final = re.compile(rf"/(?P<{_NAMED}>[^/:]+):[a-zA-Z]+$")
_BEDROCK: Final = re.compile(r"/model/(.+)/[a-z-]+$")  # an ARN has slashes of its own

CHAT: Final = Meter(
    usage.CHAT,
    in_path=_DEPLOYMENT,
    bounds=(("max_completion_tokens",), ("max_tokens",)),
    times=(("n",), ("best_of",)),
)
VERTEX_CHAT: Final = Meter(
    usage.CHAT,
    in_path=re.compile(r"/models/([^/:]+):[a-zA-Z]+$"),  # and in the body again, so no other one is put there
    bounds=CHAT.bounds,
    times=CHAT.times,
)
RESPONSES: Final = Meter(
    usage.RESPONSES,
    told=(("usage",), ("response", "usage")),
    in_path=_DEPLOYMENT,
    bounds=(("max_output_tokens",),),
)
REALTIME: Final = Meter(
    usage.RESPONSES,
    told=(("usage",), ("response", "usage")),
    model=("response", "model"),
    bounds=(("response", "max_output_tokens"), ("response", "max_response_output_tokens")),
)
INPUTS: Final = Meter(usage.CHAT, in_path=_DEPLOYMENT, writes=False)
"""Embeddings."""

ANTHROPIC: Final = Meter(
    usage.ANTHROPIC,
    told=(("message", "usage"), ("usage",)),
    in_path=re.compile(rf"{_BEFORE_METHOD.pattern}|{_BEDROCK.pattern}"),
    bounds=(("max_tokens",),),
)
GEMINI: Final = Meter(
    usage.GEMINI,
    told=(("usageMetadata",),),
    in_path=_BEFORE_METHOD,
    bounds=_both_cases("generationConfig", "maxOutputTokens"),
    times=_both_cases("generationConfig", "candidateCount"),
)
GEMINI_INPUTS: Final = Meter(usage.GEMINI, told=(("usageMetadata",),), in_path=_BEFORE_METHOD, writes=False)
INTERACTIONS: Final = Meter(
    usage.INTERACTIONS,
    told=(("usage",), ("interaction", "usage")),
    bounds=_both_cases("generationConfig", "maxOutputTokens"),
)
GEMINI_LIVE: Final = Meter(usage.GEMINI_LIVE, told=(("usageMetadata",),), model=("setup", "model"))
OLLAMA: Final = Meter(usage.OLLAMA, told=((),), bounds=(("options", "num_predict"),))
OLLAMA_INPUTS: Final = Meter(usage.OLLAMA, told=((),), writes=False)
CONVERSE: Final = Meter(usage.CONVERSE, model=(), in_path=_BEDROCK, bounds=(("inferenceConfig", "maxTokens"),))
UNCOUNTED: Final = Meter(usage.CHAT, counted=False)
"""What costs something that no body tells: batches, images, speech, jobs, and all of an API that is not known."""
