"""A machine that trusts what a test says."""

from __future__ import annotations

from pathlib import Path

from gateway.trust.authority import made, pem
from tests.trust.times import clock

ROOT = pem(made((), clock()()).certificate)
"""A root of the machine, in PEM: it has nothing to do with us."""


def roots(path: Path, *texts: str) -> Path:
    """A file with these roots."""
    path.write_text("".join(texts))
    return path
