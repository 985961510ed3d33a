"""Reads a rule pack, TOML text, into rules; tells every fault at once, with file, line, rule and the accepted form."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from gateway.detect.category import FAMILIES, default_reach, default_replacement
from gateway.detect.checks import CHECKS
from gateway.detect.rule import Near, Reach, Rule, Sample
from gateway.detect.view import VIEWS
from gateway.errors import RuleError
from gateway.segment import Direction, Role, Trust
from gateway.verdict import Effect, Severity

_STRICT: Final = ConfigDict(extra="forbid", strict=True, frozen=True)
MAX_WITHIN: Final = 240
"""Most characters before a match that `near` may ask for; streams keep that much of what they have released."""


def _joined(value: object) -> object:
    """A text, or the parts of one: a sample that looks like a live secret is written in parts."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return "".join(value)
    return value


def _sampled(value: object) -> object:
    return value if isinstance(value, dict) else {"text": value}


type _Text = Annotated[str, BeforeValidator(_joined), Field(min_length=1)]


class _Sample(BaseModel):
    model_config = _STRICT

    text: _Text
    span: _Text | None = None


class _Scope(BaseModel):
    model_config = _STRICT

    directions: Annotated[list[Literal["request", "answer"]], Field(min_length=1)] | None = None
    roles: Annotated[list[Literal["system", "user", "assistant", "tool"]], Field(min_length=1)] | None = None
    trust: Annotated[list[Literal["untrusted", "model", "principal", "operator"]], Field(min_length=1)] | None = None

    def over(self, default: Reach) -> Reach:
        """The default with what is given here instead."""
        return Reach(
            frozenset(map(Direction, self.directions)) if self.directions else default.directions,
            frozenset(map(Role, self.roles)) if self.roles else default.roles,
            frozenset(Trust[name.upper()] for name in self.trust) if self.trust else default.trusts,
        )


class _Near(BaseModel):
    model_config = _STRICT

    words: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    within: Annotated[int, Field(ge=1, le=MAX_WITHIN)] = 40


type _Proof = Annotated[list[Annotated[_Sample, BeforeValidator(_sampled)]], Field(min_length=2)]
type _Check = Literal[tuple(CHECKS)]  # type: ignore[valid-type]  # the rows of the table are the accepted values
type _View = Literal[tuple(VIEWS)]  # type: ignore[valid-type]  # likewise


class _Rule(BaseModel):
    """One `[[rule]]` as it is written."""

    model_config = _STRICT

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_.][a-z0-9]+)*$")]
    why: Annotated[str, Field(min_length=1)]
    category: Annotated[str, Field(pattern=rf"^(?:{'|'.join(FAMILIES)})(?:\.[a-z0-9_]+)+$")]
    severity: Literal["notice", "warning", "error", "critical"]
    score: Annotated[int, Field(ge=0, le=100)] | None = None
    effect: Literal["allow", "report", "redact", "rewrite", "ask", "block"] | None = None
    scope: _Scope = _Scope()
    view: _View = "folded"
    pattern: Annotated[str, Field(min_length=1)] | None = None
    words: Annotated[list[Annotated[str, Field(min_length=2)]], Field(min_length=1)] = []
    group: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] | None = None
    near: _Near | None = None
    check: _Check | None = None
    entropy: Annotated[float, Field(gt=0, le=8)] | None = None
    replacement: str | None = None
    tags: list[Annotated[str, Field(min_length=1)]] = []
    shadow: bool = False
    hits: _Proof
    misses: _Proof

    @model_validator(mode="after")
    def _says_what_to_match(self) -> Self:
        if self.pattern is None and not self.words:
            raise ValueError("nothing to match; give `pattern`, `words`, or both")
        if self.words and self.view != "folded":
            raise ValueError('`words` are matched in the folded view; write `view = "folded"`, or a `pattern`')
        return self

    def rule(self, source: str) -> Rule:
        severity = Severity[self.severity.upper()]
        return Rule(
            id=self.id,
            why=self.why,
            category=self.category,
            severity=severity,
            score=severity.value if self.score is None else self.score,
            effect=Effect.named(self.effect) if self.effect else None,
            reach=self.scope.over(default_reach(self.category)),
            view=self.view,
            pattern=self.pattern,
            words=tuple(self.words),
            group=self.group,
            near=Near(tuple(self.near.words), self.near.within) if self.near else None,
            check=self.check,
            entropy=self.entropy,
            replacement=default_replacement(self.category) if self.replacement is None else self.replacement,
            tags=tuple(self.tags),
            shadow=self.shadow,
            hits=tuple(Sample(sample.text, sample.span) for sample in self.hits),
            misses=tuple(Sample(sample.text, sample.span) for sample in self.misses),
            source=source,
        )


def parse_pack(text: str, source: str) -> tuple[Rule, ...]:
    """The rules of a pack. `source` is the file's name, for messages. Raises `RuleError` with every problem."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        # Where the parser names no line, it came to the end of the document.
        where = line[1] if line else max(1, len(text.splitlines()))
        raise RuleError((f"{source}:{where}: not TOML: {str(error).lower()}",)) from error
    problems = [
        f"{source}:{_line(text, key)}: unknown key `{key}`; a pack holds `[[rule]]` tables only"
        for key in document
        if key != "rule"
    ]
    entries = document.get("rule")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RuleError((*problems, f"{source}:1: no rules; write each as a `[[rule]]` table"))
    rules: list[Rule] = []
    for entry, block in zip(entries, _blocks(text, len(entries)), strict=True):
        try:
            rules.append(_Rule.model_validate(entry).rule(f"{source}:{block.line}"))
        except ValidationError as error:
            problems.extend(_told(error, entry, source, block))
    if problems:
        raise RuleError(tuple(problems))
    return tuple(rules)


class _Block:
    """The lines of one `[[rule]]` table."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        self.text = text

    def line_of(self, key: str) -> int:
        """Where a key of the rule stands; the rule's first line where that cannot be told."""
        found = re.search(rf"^[ \t]*(?:\[rule\.)?{re.escape(key)}\b", self.text, re.MULTILINE)
        return self.line + self.text.count("\n", 0, found.start()) if found else self.line


_HEADER: Final = re.compile(r"^[ \t]*\[\[[ \t]*rule[ \t]*\]\]", re.MULTILINE)


def _blocks(text: str, count: int) -> list[_Block]:
    """Where each rule is written; all at line 1 where headers inside strings, or inline tables, make that unclear."""
    starts = [found.start() for found in _HEADER.finditer(text)]
    if len(starts) != count:
        return [_Block(1, "") for _ in range(count)]
    ends = [*starts[1:], len(text)]
    return [_Block(text.count("\n", 0, start) + 1, text[start:end]) for start, end in zip(starts, ends, strict=True)]


def _line(text: str, key: str) -> int:
    found = re.search(rf"^[ \t]*\[*{re.escape(key)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


_ACCEPTED: Final = {
    "id": "lower-case letters and digits joined by `-`, `_` or `.`, such as `role-change.new-persona`",
    "category": f"one of {', '.join(f'`{family}.`' for family in FAMILIES)} and a kind, such as `injection.override`",
    "hits": "two or more texts; each a string, a list of parts, or `{ text = ..., span = ... }`",
    "misses": "two or more texts; each a string or a list of parts",
    "near": f"`{{ words = [...], within = N }}` with N up to {MAX_WITHIN}",
    "scope": "`{ directions = [...], roles = [...], trust = [...] }`",
    "words": "phrases of two or more characters",
}


def _told(error: ValidationError, entry: Mapping[str, Any], source: str, block: _Block) -> list[str]:
    """The faults of one rule, a line each."""
    name = entry.get("id")
    problems: dict[str, None] = {}  # several union members may complain about the same place
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        path = [str(step) for step in fault["loc"] if isinstance(step, str | int)]
        key = path[0] if path else ""
        if fault["type"] == "extra_forbidden":
            accepted = ", ".join(sorted(_accepted_keys(path)))
            what = f"unknown key `{'.'.join(path)}`; accepted are {accepted}"
        elif fault["type"] == "missing":
            what = f"`{'.'.join(path)}` is missing" + (f"; write {_ACCEPTED[key]}" if key in _ACCEPTED else "")
        else:
            said = fault["msg"].removeprefix("Value error, ")
            what = f"`{'.'.join(path)}`: {said[:1].lower()}{said[1:]}" if path else said
            what += f"; write {_ACCEPTED[key]}" if key in _ACCEPTED else ""
        problems[f"{source}:{block.line_of(key)}: rule `{name}`: {what}"] = None
    return list(problems)


def _accepted_keys(path: list[str]) -> list[str]:
    """The keys of the table that the last step of a path stands in."""
    tables: dict[str, type[BaseModel]] = {"scope": _Scope, "near": _Near, "hits": _Sample, "misses": _Sample}
    table = tables.get(path[0], _Rule) if len(path) > 1 else _Rule
    return list(table.model_fields)
