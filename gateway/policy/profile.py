"""Profiles: what an effect follows from a finding, as tables.

Injection rules score; the scores of the distinct rules that hit one text add up, and the sum is held against a
threshold, as in the OWASP Core Rule Set (anomaly scoring, https://coreruleset.org/docs/2-how-crs-works/2-1-anomaly_scoring/).
Everything else has its effect by category, the longest dotted prefix winning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.segment import Trust
from gateway.verdict import Effect

SCORED: Final = "injection"
"""The root category whose findings are judged by their sum."""


HIDDEN: Final = "hidden"
"""The root category of text that a page hides."""


class UnknownJson(StrEnum):
    """What is done with JSON on a path that no dialect knows."""

    SCAN = "scan"
    BLOCK = "block"
    PASS = "pass"


@dataclass(frozen=True, slots=True)
class Profile:
    """How findings become effects.

    `data_threshold` is the sum from which text in untrusted data is cut out, `user_threshold` the sum from which a
    user's own text is refused. `enforce` false turns every effect above REPORT into REPORT, and `would_be` tells.
    `unlisted_tools` is what follows from a call of an agent that has no list of tools, beside the tool's tier.
    """

    name: str
    enforce: bool
    data_threshold: int
    user_threshold: int
    effects: Mapping[str, Effect] = field(default_factory=lambda: MappingProxyType({}))
    unknown_json: UnknownJson = UnknownJson.SCAN
    unlisted_tools: Effect = Effect.ALLOW

    @property
    def refuses_unknown(self) -> bool:
        """Whether what cannot be understood is refused, and not read as text or named as not inspected."""
        return self.unknown_json is UnknownJson.BLOCK

    def threshold(self, trust: Trust) -> int | None:
        """The sum that matters at that trust; None where injection is only reported."""
        return {Trust.UNTRUSTED: self.data_threshold, Trust.PRINCIPAL: self.user_threshold}.get(trust)

    def effect(self, category: str) -> Effect:
        """The effect of a category that is not scored. A category that no row covers is a block (fail closed)."""
        while category:
            if category in self.effects:
                return self.effects[category]
            category = category.rpartition(".")[0]
        return Effect.BLOCK


_BALANCED: Final = Profile(
    name="balanced",
    enforce=True,
    # One critical hit (5) is enough in data, where nobody should be giving instructions at all.
    data_threshold=5,
    # A user may quote or discuss one attack phrase; two independent signs together are needed to refuse.
    user_threshold=8,
    effects=MappingProxyType(
        {
            "injection": Effect.REPORT,
            "secret": Effect.BLOCK,
            "pii": Effect.REPORT,
            "pii.national_id": Effect.REDACT,
            "pii.card": Effect.REDACT,
            "pii.iban": Effect.REDACT,
            "egress.encoded_data.host": Effect.BLOCK,
            # Paths and queries hold cursors and session tokens that nobody but their server can read.
            "egress.encoded_data.rest": Effect.REPORT,
            # Text that a page hides, by the way in which it does (`wire/markup/look.py`). It is loaded where it holds
            # any finding of injection, whatever the score. Ordinary pages hide menus and dialogs, so that most of what
            # is bare stays; but nobody misses what no page needs to hide.
            "hidden": Effect.REWRITE,
            "hidden.bare": Effect.ALLOW,
            "hidden.bare.comment": Effect.REWRITE,
            "hidden.bare.zero_size": Effect.REWRITE,
            "hidden.bare.off_screen": Effect.REWRITE,
            "hidden.bare.same_colour": Effect.REWRITE,
        }
    ),
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "monitor": replace(_BALANCED, name="monitor", enforce=False, unlisted_tools=Effect.REPORT),
        "balanced": _BALANCED,
        "strict": Profile(
            name="strict",
            enforce=True,
            data_threshold=4,
            user_threshold=5,
            effects=MappingProxyType(
                {
                    "injection": Effect.REPORT,
                    "secret": Effect.BLOCK,
                    "pii": Effect.REDACT,
                    "egress": Effect.BLOCK,
                    "hidden": Effect.REWRITE,
                }
            ),
            unknown_json=UnknownJson.BLOCK,
            unlisted_tools=Effect.BLOCK,
        ),
    }
)
