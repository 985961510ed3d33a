"""What a rule of a category does unless it says otherwise: which texts it looks at and what a redaction leaves."""

from __future__ import annotations

from typing import Final

from gateway.detect.rule import Reach
from gateway.segment import Trust

_STEERING: Final = Reach(trusts=frozenset({Trust.UNTRUSTED, Trust.PRINCIPAL}))
"""Texts that may try to steer the model: not what the operator wrote, nor what the model itself says."""

FAMILIES: Final[dict[str, tuple[Reach, str]]] = {
    "injection": (_STEERING, "[REMOVED]"),
    "pii": (Reach(), ""),
    "secret": (Reach(), "[SECRET]"),
}
"""The first part of a category -> default reach, and default replacement; empty takes the last part, `[EMAIL]`."""


def default_reach(category: str) -> Reach:
    return FAMILIES[category.partition(".")[0]][0]


def default_replacement(category: str) -> str:
    family, _, kind = category.partition(".")
    return FAMILIES[family][1] or f"[{kind.upper()}]"
