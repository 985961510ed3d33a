"""Quantities as an operator writes them: sizes, durations and listening addresses, turned into numbers.

Each function raises ValueError with what is wrong and the accepted form, in one line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# SI prefixes are powers of ten and IEC prefixes powers of two (IEC 80000-13).
_SIZES: Final = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([A-Za-z]{1,3})")
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\s:/\[\]@]+):([0-9]{1,5})")

SIZE_FORM: Final = 'a whole number of bytes, or a number with a unit such as "512KiB", "10MB" or "10MiB"'
DURATION_FORM: Final = 'a number with a unit such as "500ms", "10s", "5m", "1h" or "90d"'
ADDRESS_FORM: Final = '"host:port" such as "127.0.0.1:8080" or "[::1]:8080"'


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener stands. An IPv6 host has no brackets here; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def size(value: object) -> int:
    """The number of bytes, at least one."""
    number = _scaled(value, _SIZES) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or number < 1 or number != int(number):
        raise ValueError(f"{shown(value)} is no size; accepted: {SIZE_FORM}")
    return int(number)


def seconds(value: object) -> float:
    """The duration in seconds, more than zero. A bare number has no unit and is refused."""
    number = _scaled(value, _SECONDS) if isinstance(value, str) else None
    if number is None or number <= 0:
        raise ValueError(f"{shown(value)} is no duration; accepted: {DURATION_FORM}")
    return number


def seconds_or_none(value: object) -> float | None:
    """The duration in seconds, or None for the word `none`."""
    if value == "none":
        return None
    try:
        return seconds(value)
    except ValueError as error:
        raise ValueError(f'{error}, or "none"') from None


def address(value: object) -> Address:
    """The host and port of a listener."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 65535:
        raise ValueError(f"{shown(value)} is no address; accepted: {ADDRESS_FORM}")
    return Address(found[1].strip("[]"), int(found[2]))


def shown(value: object) -> str:
    """The value as an error message quotes it: short, in backticks."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def _scaled(text: str, units: dict[str, int] | dict[str, float]) -> float | None:
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in units:
        return None
    return float(found[1]) * units[found[2]]
