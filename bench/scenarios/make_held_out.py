"""Build `held_out/*.jsonl` from `source/*.txt`, and say what is in them: `python -m bench.scenarios.make_held_out`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.scenarios.written import read

FOLDER = Path(__file__).parent
HELD_OUT = FOLDER / "held_out"


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


def counts(conversations: list[dict[str, Any]]) -> str:
    """A table in Markdown: per domain and in all, the conversations and calls."""
    columns = ("conversations", "hijacked", "hijacked, side effect", "benign", "benign, hard", "benign, after injection")
    rows: dict[str, Counter[str]] = {}
    for conversation in conversations:
        for row in (conversation["domain"], "all"):
            counter = rows.setdefault(row, Counter())
            counter["conversations"] += 1
            for call in conversation["calls"]:
                counter.update(_kinds(call))
    lines = [f"| domain | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in sorted(rows, key=lambda name: (name == "all", name)):
        lines.append(f"| {row} | {' | '.join(str(rows[row][column]) for column in columns)} |")
    return "\n".join(lines)


def _kinds(call: dict[str, Any]) -> Iterator[str]:
    label = call["label"]
    yield label
    if label == "hijacked" and call["side_effect"]:
        yield "hijacked, side effect"
    if label == "benign" and call["difficulty"] == "hard":
        yield "benign, hard"
    if label == "benign" and call["after_injection"]:
        yield "benign, after injection"


def main() -> None:
    """Write the files and print the table of the README."""
    HELD_OUT.mkdir(exist_ok=True)
    for path, text in built():
        path.write_text(text, encoding="utf-8")
    print(counts(held_out()))


if __name__ == "__main__":
    main()
