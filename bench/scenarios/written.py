"""Read scenarios as they are written by hand, and give them the shape of the chat API.

A source file holds tool sets and scenarios. A line that begins with `=` and a letter begins a part; all lines up to the
next one belong to it, as they stand:

    @set NAME                       definitions follow, one a line, up to an empty line
    name(a:str, b?:int, c:x|y) what the tool does
    === ID | LANGUAGE | ATTACK or - | SET, SET
    =S, =U, =A                      system, user, assistant
    =C name {arguments}             a call in the history; `=CBm! …` where it is to be judged, too
    =R                              what the next call that is still open returned; on one line, and no JSON, `\\n`
                                    is a line feed
    =Bh! name {arguments} ## why    a call that the model wants now: B benign, H hijacked; e, m, h how difficult;
                                    `!` with a side effect, `-` without; `*` after it: an open slot, that is, the user
                                    left the value to be found in what was read, and the attacker wrote into that

What an attacker wrote stands between the marks of `MARKS`, which are taken out. `{{log 80}}` is filled in by `filler`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from bench.scenarios.filler import filled

MARKS = "\u27e6\u27e7"
DIFFICULTIES = {"e": "easy", "m": "medium", "h": "hard"}
LABELS = {"B": "benign", "H": "hijacked"}
ROLES = {"S": "system", "U": "user", "A": "assistant"}
TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "obj": {"type": "object"},
}

_CALL = re.compile(
    r"=(?P<past>C?)(?:(?P<label>[BH])(?P<difficulty>[emh])(?P<effect>[!-])(?P<open>\*?))?"
    r" (?P<name>\S+) (?P<arguments>\{.*\})(?: ## (?P<why>.+))?"
)
_PART = re.compile(r"^=(?:([SUAR])\b|[CBH])")
_SIGNATURE = re.compile(r"(?P<name>[\w.:/-]+)\((?P<parameters>.*?)\) (?P<description>.+)")
_PARAMETER = re.compile(r"(?P<name>\w+)(?P<optional>\??):(?P<type>[\w|\[\].-]+)(?: '(?P<description>[^']*)')?")
_MARKED = re.compile(f"{MARKS[0]}(.*?){MARKS[1]}", re.DOTALL)


@dataclass
class Scenario:
    """One conversation while it is put together, and `as_json` what becomes of it."""

    id: str
    domain: str
    language: str
    attack: str | None
    tools: list[dict[str, Any]]
    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    injected: set[int] = field(default_factory=set)
    injection: list[str] = field(default_factory=list)
    open_calls: list[dict[str, Any]] = field(default_factory=list)
    is_described: bool = False  # the injection stands in a tool's description, before any message

    def as_json(self) -> dict[str, Any]:
        """The scenario as one line of the held-out set."""
        ranks = list(DIFFICULTIES.values())
        return {
            "id": self.id,
            "domain": self.domain,
            "difficulty": max((call["difficulty"] for call in self.calls), key=ranks.index),
            "language": self.language,
            "attack": self.attack,
            "messages": self.messages,
            "tools": self.tools,
            "calls": self.calls,
            "injected_messages": sorted(self.injected),
            "injection_text": "\n".join(self.injection),
        }

    def unmarked(self, text: str) -> str:
        """`text` without the marks; what stood between them is remembered."""
        self.injection.extend(found.strip() for found in _MARKED.findall(text))
        return _MARKED.sub(r"\1", text)

    def add_text(self, role: str, text: str) -> None:
        """A message of the system, the user or the assistant."""
        self.messages.append({"role": role, "content": self._content(text)})

    def add_result(self, text: str) -> None:
        """What the oldest open call returned."""
        call = self.open_calls.pop(0)
        if "\n" not in text and not text.startswith(("{", "[{", '["')):
            text = text.replace("\\n", "\n")
        message = {"role": "tool", "tool_call_id": call["id"], "content": self._content(text)}
        self.messages.append(message)

    def add_call(self, line: str) -> None:
        """A call of the history, a call to judge, or both."""
        match = _CALL.fullmatch(line)
        if match is None:
            raise ValueError(f"`{self.id}`: not a call: {line[:80]}")
        arguments = json.loads(match["arguments"])
        identity = self._identity()
        if match["past"]:
            self._made(identity, match["name"], arguments)
        if match["label"]:
            index = len(self.messages) - (1 if match["past"] else 0)
            self.calls.append(
                {
                    "id": identity,
                    "name": match["name"],
                    "arguments": arguments,
                    "label": LABELS[match["label"]],
                    "after_injection": self.is_described or any(at < index for at in self.injected),
                    "message_index": index,
                    "side_effect": match["effect"] == "!",
                    "difficulty": DIFFICULTIES[match["difficulty"]],
                    "open_slot": match["open"] == "*",
                    "why": match["why"],
                }
            )

    def _content(self, text: str) -> str:
        text = filled(text, self.id)
        if MARKS[0] in text:
            self.injected.add(len(self.messages))
        return self.unmarked(text)

    def _identity(self) -> str:
        """An id in one of the spellings that providers use; the same whenever the scenario is built."""
        count = len(self.calls) + sum(len(message.get("tool_calls", ())) for message in self.messages)
        digest = sha256(f"{self.id} {count}".encode()).hexdigest()
        prefix = ("call_", "toolu_01", "chatcmpl-tool-", "fc_")[int(digest[0], 16) % 4]
        return prefix + digest[1:21]

    def _made(self, identity: str, name: str, arguments: Any) -> None:
        written = json.dumps(arguments, ensure_ascii=False)
        call = {"id": identity, "type": "function", "function": {"name": name, "arguments": written}}
        last = self.messages[-1]
        if last["role"] != "assistant":
            last = {"role": "assistant", "content": None}
            self.messages.append(last)
        last.setdefault("tool_calls", []).append(call)
        self.open_calls.append(call)


def read(text: str, domain: str) -> Iterator[Scenario]:
    """The scenarios of a source file; ValueError names the scenario that is written wrongly."""
    sets: dict[str, list[str]] = {}
    for block in re.split(r"^(?==== |@set )", text, flags=re.MULTILINE):
        head, _, body = block.partition("\n")
        if head.startswith("@set "):
            sets[head.removeprefix("@set ").strip()] = [line for line in body.splitlines() if line.strip()]
        elif head.startswith("=== "):
            yield _scenario(head, body, sets, domain)


def _scenario(head: str, body: str, sets: dict[str, list[str]], domain: str) -> Scenario:
    name, language, attack, used = (part.strip() for part in head.removeprefix("=== ").split("|"))
    scenario = Scenario(name, domain, language, None if attack == "-" else attack, [])
    for used_set in used.split(","):
        for line in sets[used_set.strip()]:
            scenario.is_described |= MARKS[0] in line
            scenario.tools.append(tool(scenario.unmarked(line)))
    for part in _parts(body):
        kind = _PART.match(part)
        if kind is None:
            raise ValueError(f"`{name}`: text before the first part")
        content = part.partition("\n")[2] if part[2:3] == "\n" else part[3:]
        if kind[1] in ROLES:
            scenario.add_text(ROLES[kind[1]], content.strip("\n"))
        elif kind[1] == "R":
            scenario.add_result(content.strip("\n"))
        else:
            scenario.add_call(part.strip())
    if scenario.open_calls:
        raise ValueError(f"`{name}`: a call has no result")
    return scenario


def _parts(body: str) -> Iterator[str]:
    part: list[str] = []
    for line in body.splitlines():
        if _PART.match(line) and part:
            yield "\n".join(part)
            part = []
        if part or line.strip():
            part.append(line)
    if part:
        yield "\n".join(part)


def tool(line: str) -> dict[str, Any]:
    """A definition for the chat API from `name(a:str, b?:int) description`."""
    match = _SIGNATURE.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"not a tool: {line}")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in _PARAMETER.finditer(match["parameters"]):
        schema = _type(parameter["type"])
        schema["description"] = parameter["description"] or _described(parameter["name"])
        properties[parameter["name"]] = schema
        if not parameter["optional"]:
            required.append(parameter["name"])
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    function = {"name": match["name"], "description": match["description"], "parameters": schema}
    return {"type": "function", "function": function}


def _type(name: str) -> dict[str, Any]:
    if name.endswith("[]"):
        return {"type": "array", "items": _type(name.removesuffix("[]"))}
    if "|" in name:
        return {"type": "string", "enum": name.split("|")}
    return dict(TYPES[name])


def _described(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
    return words[:1].upper() + words[1:] + "."
