"""Build `dev/second_*.jsonl` from `dev_source/*.txt`: `python -m bench.scenarios.make_dev`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bench.scenarios.written import read

FOLDER = Path(__file__).parent


def built() -> Iterator[tuple[Path, str]]:
    """Each file of the second development set, and its text as the sources have it."""
    for source in sorted((FOLDER / "dev_source").glob("*.txt")):
        domain = source.stem.partition("_")[2]
        scenarios = read(source.read_text(encoding="utf-8"), domain)
        lines = (json.dumps(scenario.as_json(), ensure_ascii=False) + "\n" for scenario in scenarios)
        yield FOLDER / "dev" / f"second_{source.stem}.jsonl", "".join(lines)


def main() -> None:
    """Write the files."""
    for path, text in built():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
