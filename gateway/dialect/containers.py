"""Lists and objects that an answer holds calls in, taken for nothing else.

What a specification has as a list may still come as an object, or the other way round, and lenient clients look into
either. No call that stands there was ruled on, so such an answer is refused.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Malformed


def items_of(value: Any, what: str) -> list[Any]:
    """The items of a list; none where there is none. Raises Malformed for an object in its place."""
    if isinstance(value, dict) and value:
        raise Malformed(f"`{what}` is an object where a list must be")
    return value if isinstance(value, list) else []


def members_of(value: Any, what: str) -> dict[str, Any]:
    """The members of an object; none where there is none. Raises Malformed for a list in its place."""
    if isinstance(value, list) and value:
        raise Malformed(f"`{what}` is a list where an object must be")
    return value if isinstance(value, dict) else {}
