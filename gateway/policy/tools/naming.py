"""The words of a name, however it is spelt: `sendEmail`, `send_email` and `SEND-EMAIL` have the same."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(
    r"""[A-Z]+(?=[A-Z][a-z])  # an abbreviation before a word: `URLPath`
      | [A-Z]?[a-z]+
      | [A-Z]+
      | [0-9]+
      | [^\W\d_a-zA-Z]+  # letters of other scripts, kept together
    """,
    re.VERBOSE,
)
_PART: Final = re.compile(r"__|[.:/\\]|->")
_MARK: Final = re.compile(r"[^\W0-9_]", re.ASCII)


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, digits as words of their own. Compatibility forms are what they stand for."""
    return tuple(word.casefold() for word in _WORD.findall(unicodedata.normalize("NFKC", name)))


@lru_cache(maxsize=4096)
def plain_key(name: str) -> str:
    """A name of an argument, as many libraries that read JSON compare it: minding neither case nor dashes."""
    return "".join(words(name)) or name


def parts(name: str) -> tuple[tuple[str, ...], ...]:
    """The words of each part of a name that dots, colons, slashes or double underscores divide.

    The last part says what is done, those before it to what or by whom: `mcp__gmail__send_email`, `users.messages.get`.
    """
    plain = unicodedata.normalize("NFKC", name)
    return tuple(found for part in _PART.split(plain) if (found := words(part)))


def is_plain(name: str) -> bool:
    """Whether each letter is one of the 26, so that no look-alike and nothing invisible stands in it."""
    return unicodedata.normalize("NFKC", name).isascii() and bool(_MARK.search(name))
