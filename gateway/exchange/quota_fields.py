"""What an answer says of limits in the words of its provider, and what becomes of what the provider says of its own.

Source: "Rate limits" in OpenAI's API guides (rate limits in headers) and in Anthropic's (response headers), 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.exchange.demand import Quota
from gateway.exchange.events import Headers

_OPENAI: Final = {"requests": "requests", "tokens": "tokens"}
_ANTHROPIC: Final = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input-tokens",
    "output_tokens": "output-tokens",
}
_MEMBERS: Final = ("limit", "remaining", "reset")


def added(headers: Headers, dialect: str, general: Headers, quotas: Iterable[Quota]) -> Headers:
    """An upstream's `headers` with what the gateway says: its `general` fields, and those in the provider's words.

    Of a quota that both speak of, the one with less left is told, and nothing of the other; of the general fields, the
    lists are joined (RFC 9651, section 3.1, has them over several lines), and the gateway's own replace others.
    """
    told = _told(dialect, quotas)
    present = {name.lower(): value for name, value in headers}
    for remaining in tuple(told):
        theirs, ours = present.get(remaining), dict(told[remaining])[remaining]
        if theirs is not None and not (theirs.isascii() and theirs.isdigit() and int(ours) < int(theirs[:_DIGITS])):
            del told[remaining]
    own = (*general, *(field for group in told.values() for field in group))
    replaced = {name.lower() for name, _ in own} - _LISTS
    return (*(field for field in headers if field[0].lower() not in replaced), *own)


_LISTS: Final = frozenset({"ratelimit", "ratelimit-policy"})
_DIGITS: Final = 18
"""Of a number in a field: what is longer is no count of anything."""


def _told(dialect: str, quotas: Iterable[Quota]) -> dict[str, Headers]:
    """The fields of each quota that the provider has words for, by the name of that with what is left."""
    tightest: dict[str, Quota] = {}
    for quota in quotas:
        known = tightest.get(quota.unit)
        if known is None or quota.remaining < known.remaining:
            tightest[quota.unit] = quota
    if dialect.startswith("openai"):
        return _openai(tightest)
    if dialect.startswith("anthropic"):
        return _anthropic(tightest)
    return {}


def _openai(quotas: Mapping[str, Quota]) -> dict[str, Headers]:
    found: dict[str, Headers] = {}
    for unit, word in _OPENAI.items():
        if unit in quotas:
            quota = quotas[unit]
            names = [f"x-ratelimit-{member}-{word}" for member in _MEMBERS]
            values = (str(quota.limit), str(quota.remaining), _duration(quota.reset_s))
            found[names[1]] = tuple(zip(names, values, strict=True))
    return found


def _anthropic(quotas: Mapping[str, Quota]) -> dict[str, Headers]:
    found: dict[str, Headers] = {}
    for unit, word in _ANTHROPIC.items():
        if unit in quotas:
            quota = quotas[unit]
            names = [f"anthropic-ratelimit-{word}-{member}" for member in _MEMBERS]
            found[names[1]] = tuple(zip(names, (str(quota.limit), str(quota.remaining), quota.reset_at), strict=True))
    return found


def _duration(seconds: int) -> str:
    """As Go writes durations, which is how OpenAI does: `6m0s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
