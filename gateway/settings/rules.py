"""`[rules]` and `[hierarchy]`: what is looked for, what follows from it, and how untrusted text is marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import PlainValidator

from gateway import resources, units
from gateway.exchange.hidden import CATEGORIES as HIDDEN
from gateway.policy.egress.encoded import CATEGORIES
from gateway.policy.hierarchy import Mode
from gateway.policy.profile import UnknownJson
from gateway.settings.fields import NO_TABLES, Array, Choice, Count, FilePath, Named, ProfileName, Table
from gateway.verdict import Effect


def _effect(value: object) -> Effect:
    names = [effect.name.lower() for effect in Effect]
    if value not in names:
        raise ValueError(f"{units.shown(value)} is no effect; accepted: {', '.join(names)}")
    return Effect.named(str(value))


def _tool_policy(value: object) -> str:
    names = resources.tool_policy_names()
    if isinstance(value, str) and value in names:
        return value
    raise ValueError(f"{units.shown(value)} is no shipped policy of tools; accepted: {', '.join(names)}")


def _pair(value: object) -> tuple[str, str]:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) and part.strip() for part in value):
        return value[0], value[1]
    raise ValueError('no pair of delimiters; accepted: an opening and a closing text, such as ["<doc>", "</doc>"]')


class Thresholds(Table):
    """`thresholds` of `[rules]`: the sums of scores that act, in place of the profile's."""

    data: Count | None = None
    user: Count | None = None


class Rules(Table):
    """`[rules]`: which rules are loaded, and what follows from a hit."""

    profile: ProfileName = "balanced"
    packs: Array[str] = ("injection", "pii", "secrets")
    folders: Array[FilePath] = ()
    disabled: Array[str] = ()  # rule ids
    shadow: Array[str] = ()  # rule ids
    effects: Named[str, Annotated[Effect, PlainValidator(_effect)]] = NO_TABLES  # by rule id or category
    reload: bool = True
    thresholds: Thresholds = Thresholds()
    unknown_json: Choice[UnknownJson] | None = None
    tool_policies: Array[Annotated[str, PlainValidator(_tool_policy)]] = resources.tool_policy_names()

    @property
    def unruled_effects(self) -> Mapping[str, Effect]:
        """The `effects` of the categories that no rule has.

        Those of hidden text are the profile's rows and replace one each. Of the others, a category stands for those
        below it; the longer wins.
        """
        found = {name: effect for name, effect in self.effects.items() if name in HIDDEN}
        for name in sorted(self.effects, key=len):
            found |= {one: self.effects[name] for one in CATEGORIES if f"{one}.".startswith(f"{name}.")}
        return found


class HierarchyTable(Table):
    """`[hierarchy]`: how untrusted text is marked, and what the model is told about it."""

    mode: Choice[Mode] = Mode.DELIMIT
    rules: str | None = None
    delimiters: Array[Annotated[tuple[str, str], PlainValidator(_pair)]] = ()
