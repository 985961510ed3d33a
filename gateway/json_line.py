"""JSON on one line of ASCII, for logs and seals: no byte of it is a line's end or a terminal's command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson


def json_line(value: Mapping[str, Any], *, sort: bool = False) -> bytes:
    """The value without blanks and without a line's end, its keys in their order or sorted.

    Strings of any kind can be written, lone surrogates too, and whole numbers of any size. Raises TypeError for what
    JSON has no form for.
    """
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort else None)
    except TypeError:  # orjson knows neither lone surrogates nor numbers beyond 64 bits
        data = b"\xff"
    # orjson writes UTF-8; few lines have any, and those are escaped the slow way.
    if data.isascii():
        return data
    return json.dumps(value, sort_keys=sort, separators=(",", ":"), allow_nan=False).encode("ascii")
