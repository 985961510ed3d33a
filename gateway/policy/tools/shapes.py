"""What a value looks like, whatever its argument is called."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.call import Sink

MAX_TARGET: Final = 4096
"""Characters of a value that is looked at: PATH_MAX of Linux, and more than browsers and mail systems take."""

_URL: Final = re.compile(
    r"[a-z][a-z0-9+.-]*:[/\\]{2}\S+|(?:javascript|data|vbscript|file|view-source):\S+", re.IGNORECASE
)
_EMAIL: Final = re.compile(
    r"(?:mailto:)?(?:[^<>@\n]{0,200}<)?[^\s<>@,;:\"]{1,64}@[^\s<>@,;:\"/]{1,253}\.[^\s<>@,;:\"/.]{2,63}>?",
    re.IGNORECASE,
)
_PATH: Final = re.compile(r"(?:~[\w.-]*)?[/\\].*|~|\.{1,2}(?:[/\\].*)?|[a-z]:(?:[/\\].*)?", re.IGNORECASE)
_PHONE: Final = re.compile(r"\+[0-9][0-9 ().-]{5,20}[0-9]")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_SQL: Final = re.compile(
    r"""(?:explain\s+(?:analy[sz]e\s+)?)?(?:
        select\b.*\bfrom\b | insert\s+into\b | update\b.*\bset\b | delete\s+from\b | merge\s+into\b | with\b.*\bas\s*\(
      | (?:drop|alter|truncate)\s+(?:table|database|schema|view|index|user|role)\b | create\s+(?:table|view|role)\b
      | grant\b.*\bto\b | revoke\b.*\bfrom\b | copy\b.*\b(?:to|from)\b\s*(?:'|program\b)
    )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def shape_of(value: str) -> Sink | None:
    """URL, RECIPIENT, ACCOUNT or PATH where the whole value is spelt as one, blanks around it aside; else None."""
    text = value.strip()
    if not text or len(text) > MAX_TARGET or "\n" in text:
        return None
    if _URL.fullmatch(text):
        return Sink.URL
    if _EMAIL.fullmatch(text) or _PHONE.fullmatch(text):
        return Sink.RECIPIENT
    if is_iban(text):
        return Sink.ACCOUNT
    return Sink.PATH if _PATH.fullmatch(text) else None


def is_sql(value: str) -> bool:
    """Whether a text begins as a statement of SQL does, and not only with a verb that English has too."""
    return bool(_SQL.match(value[:MAX_TARGET].lstrip(" \t\r\n(;")))


def is_iban(value: str) -> bool:
    """Whether it is an IBAN with the check digits that belong to it (ISO 13616: ISO 7064 MOD 97-10)."""
    plain = re.sub(r"[ -]", "", value).upper()
    if not _IBAN.fullmatch(plain):
        return False
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1
