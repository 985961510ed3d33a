"""Arguments of a call as they may be kept: without what rules find in them, and cut to a length.

An audit and a queue of approvals hold what a call was about; what is a credential or personal data has no place there.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from gateway.detect.rule import Scope
from gateway.detect.ruleset import RuleSet
from gateway.policy.decide import merged
from gateway.segment import Direction, Role, Trust

LONGEST: Final = 500
"""Characters of one text that are kept: enough for a path, a command, a URL or the beginning of a letter."""

DEEPEST: Final = 8
MOST: Final = 100
"""Levels, and members of an array or object, that are kept: more than calls have that a person could judge."""

_SCOPE: Final = Scope(Direction.ANSWER, Role.ASSISTANT, Trust.MODEL)
_CUT: Final = "[…]"


def masked(rules: RuleSet, value: Any, roots: Container[str], depth: int = 0) -> Any:
    """The JSON value with the findings in its texts replaced whose category is below one of `roots`.

    Keys are masked as texts are. What is too long, too deep or too many is cut, and says so.
    """
    if isinstance(value, str):
        return _masked_text(rules, value, roots)
    if depth == DEEPEST and isinstance(value, dict | list):
        return _CUT
    if isinstance(value, dict):
        kept = list(value.items())[:MOST]
        found = {_masked_text(rules, key, roots): masked(rules, item, roots, depth + 1) for key, item in kept}
        return found if len(value) <= MOST else {**found, _CUT: len(value) - MOST}
    if isinstance(value, list):
        items = [masked(rules, item, roots, depth + 1) for item in value[:MOST]]
        return items if len(value) <= MOST else [*items, _CUT]
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
        shown = _masked_text(rules, text, roots)
        return value if shown == text else shown
    return value


def without(rules: RuleSet, text: str, roots: Container[str]) -> str:
    """The whole text with such findings replaced, and nothing cut."""
    found = [
        (finding.span, finding.replacement or _CUT)
        for finding in rules.scan(text, _SCOPE)
        if finding.category.partition(".")[0] in roots
    ]
    pieces: list[str] = []
    position = 0
    for span, replacement in merged(found):
        pieces += (text[position : span.start], replacement)
        position = span.end
    return "".join((*pieces, text[position:]))


def _masked_text(rules: RuleSet, text: str, roots: Container[str]) -> str:
    shown = without(rules, text, roots)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + _CUT
