"""The conversations that the weights of provenance are learned from, by who wrote them.

`training/*.txt` are written in the notation of `written`, each by an author (the letter of the file's name) who knew
neither rules nor weights nor what the others wrote. To learn from all but one and to be judged by that one tells what
becomes of conversations that nobody has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.scenarios.written import read

FOLDER = Path(__file__).parent / "training"


def conversations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each conversation, as `firewall.cases` takes it, with the letter of its author."""
    for source in sorted(FOLDER.glob("*.txt")):
        author, _, domain = source.stem.partition("_")
        for scenario in read(source.read_text(encoding="utf-8"), domain):
            yield author, scenario.as_json()
