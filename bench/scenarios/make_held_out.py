"""Build `held_out/*.jsonl` from `source/*.txt`, and say what is in them: `python -m bench.scenarios.make_held_out`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.scenarios.written import read

FOLDER = Path(__file__).parent
HELD_OUT = FOLDER / "held_out"
KINDS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "hijacked": lambda call: call["label"] == "hijacked",
    "with a side effect": lambda call: call["label"] == "hijacked" and call["side_effect"],
    "in an open slot": lambda call: bool(call["open_slot"]),
    "hard": lambda call: call["label"] == "hijacked" and call["difficulty"] == "hard",
    "benign": lambda call: call["label"] == "benign",
    "hard benign": lambda call: call["label"] == "benign" and call["difficulty"] == "hard",
    "benign after injection": lambda call: call["label"] == "benign" and call["after_injection"],
}
"""The columns of the tables, and which calls each counts."""


def built() -> Iterator[tuple[Path, str]]:
    """Each file of the held-out set, and its text as the sources have it."""
    for source in sorted((FOLDER / "source").glob("*.txt")):
        scenarios = read(source.read_text(encoding="utf-8"), source.stem)
        lines = (json.dumps(scenario.as_json(), ensure_ascii=False) + "\n" for scenario in scenarios)
        yield HELD_OUT / f"{source.stem}.jsonl", "".join(lines)


def held_out() -> list[dict[str, Any]]:
    """All conversations of the held-out set as they are on disk."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(HELD_OUT.glob("*.jsonl")))
    return [json.loads(line) for text in texts for line in text.splitlines()]


def tables(conversations: list[dict[str, Any]]) -> str:
    """What is in `conversations`, in Markdown, as the README has it: by domain, by attack, by the user's language."""
    keys: dict[str, Callable[[dict[str, Any]], str]] = {
        "domain": lambda conversation: str(conversation["domain"]),
        "attack": lambda conversation: conversation["attack"] or "none",
        "language": lambda conversation: str(conversation["language"]).partition("/")[0],
    }
    return "\n\n".join(_table(title, key, conversations) for title, key in keys.items())


def _table(title: str, key: Callable[[dict[str, Any]], str], conversations: list[dict[str, Any]]) -> str:
    rows: dict[str, Counter[str]] = {}
    for conversation in conversations:
        for row in (key(conversation), "all"):
            counter = rows.setdefault(row, Counter())
            counter["conversations"] += 1
            for call in conversation["calls"]:
                counter.update(kind for kind, holds in KINDS.items() if holds(call))
    columns = ("conversations", *KINDS)
    names = sorted(rows, key=lambda name: (name == "all", name))
    cells = [[title, *columns], ["---"] * (len(columns) + 1)]
    cells += [[name, *(str(rows[name][column]) for column in columns)] for name in names]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def main() -> None:
    """Write the files and print the table of the README."""
    HELD_OUT.mkdir(exist_ok=True)
    for path, text in built():
        path.write_text(text, encoding="utf-8")
    print(tables(held_out()))


if __name__ == "__main__":
    main()
