"""Build `dev/second_*.jsonl` from `dev_source/*.txt`, and say what is in them: `python -m bench.scenarios.make_dev`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.scenarios.make_held_out import FOLDER, tables
from bench.scenarios.written import read

SECOND = FOLDER / "dev"


def built() -> Iterator[tuple[Path, str]]:
    """Each file of the second development set, and its text as the sources have it."""
    for source in sorted((FOLDER / "dev_source").glob("*.txt")):
        scenarios = read(source.read_text(encoding="utf-8"), source.stem.partition("_")[2])
        lines = (json.dumps(scenario.as_json(), ensure_ascii=False) + "\n" for scenario in scenarios)
        yield SECOND / f"second_{source.stem}.jsonl", "".join(lines)


def second() -> list[dict[str, Any]]:
    """All conversations of the second development set as they are on disk."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(SECOND.glob("second_*.jsonl")))
    return [json.loads(line) for text in texts for line in text.splitlines()]


def main() -> None:
    """Write the files and print what they hold."""
    for path, text in built():
        path.write_text(text, encoding="utf-8")
    print(tables(second()))


if __name__ == "__main__":
    main()
