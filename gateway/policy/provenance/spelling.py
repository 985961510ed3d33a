"""The spellings in which one value may stand in a text, and the one form in which spellings are compared.

An attacker chooses how a value is written where the model reads it; the model writes it as the tool wants it. So an
address may have been base64, an IBAN grouped by fours, a number `1.200,50`.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from msgspec import Struct

EMAIL: Final = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
URL: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{1,9}://|www\.)[^\s\"'<>`|\\]+", re.IGNORECASE)
HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.IGNORECASE)
IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.IGNORECASE)
IP: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_SPACE: Final = re.compile(r"\s+")
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?")
_CODED: Final = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEXED: Final = re.compile(r"(?:[0-9a-fA-F]{2}){6,}")
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?")
_MONTHS: Final = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]

LEAST_CODED: Final = 6
"""Characters of a value from which its encodings are searched: what is shorter encodes to what chance writes too."""

MOST_SPELT: Final = 500
"""Characters of a value that is looked for in more than one spelling. Addresses and paths are shorter."""

MOST_DIGITS: Final = 40
"""Characters of a number that people write with points and commas."""

LEAST_DIGITS: Final = 4
"""Digits from which a value is a number that people group as they like, such as an IBAN or a card."""

_INVISIBLE: Final = dict.fromkeys(
    (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF)
)


def normal(text: str) -> str:
    """The form that texts and values are compared in: NFKC, without case and invisible characters. Line ends stay."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).casefold()


class Form(Struct, frozen=True):
    """One spelling to look for. `is_squeezed` spellings are letters and digits alone, looked for in such texts."""

    text: str
    is_squeezed: bool = False


def weak(value: str) -> bool:
    """Whether chance writes the value too: a short number, or one or two letters."""
    return len(value) <= 2 or (len(value) <= 4 and value.isdigit())


def forms(value: str) -> tuple[Form, ...]:
    """The spellings of a value, the plainest first; of a long text the plain one alone."""
    return _forms(value) if len(value) <= MOST_SPELT else (Form(normal(value)),)


@lru_cache(maxsize=1024)
def _forms(value: str) -> tuple[Form, ...]:
    plain = _SPACE.sub(" ", normal(value)).strip()
    found = dict.fromkeys(Form(text) for text in _plain(plain) if text)
    squeezed = "".join(filter(str.isalnum, plain))
    if len(squeezed) >= LEAST_CODED and _digits(squeezed) >= LEAST_DIGITS:
        found[Form(squeezed)] = None
        found[Form(squeezed, is_squeezed=True)] = None
    if "@" in plain:
        spelt = plain.replace("@", " at ").replace(".", " dot ")
        found[Form("".join(filter(str.isalnum, spelt)), is_squeezed=True)] = None
    digits = "".join(filter(str.isdigit, plain))
    if len(digits) >= 9 and len(digits) >= 0.6 * len(plain):
        # A telephone number, with or without the country's code.
        found[Form(digits[-9:], is_squeezed=True)] = None
    if len(plain) >= LEAST_CODED:
        found.update(dict.fromkeys(Form(text) for text in _encoded(value.strip())))
    return tuple(found)


def _plain(plain: str) -> Iterator[str]:
    yield plain
    if len(plain) <= MOST_DIGITS and _NUMBER.fullmatch(plain):
        yield from _numbers(plain)
    if date := _ISO_DATE.fullmatch(plain):
        yield from _dates(*date.groups())
    if "%" in plain or "+" in plain or "&" in plain:
        yield normal(unquote_plus(html.unescape(plain)))
        yield normal(unquote(plain))
    if "://" in plain:
        yield plain.partition("://")[2].removeprefix("www.").rstrip("/")
    if plain[:1] in "#@" or plain.endswith("/"):
        yield plain.lstrip("#@").rstrip("/")


def _numbers(plain: str) -> Iterator[str]:
    whole, _, part = plain.lstrip("+-").partition(".")
    part = part.rstrip("0")
    grouped = f"{int(whole):,}"
    ends = {part, part.ljust(2, "0")} if part else {"", "00", "0"}
    for end in sorted(ends):
        for groups, point in ((whole, "."), (grouped, "."), (whole, ","), (grouped.replace(",", "."), ",")):
            yield f"{groups}{point}{end}" if end else groups
        yield f"{grouped.replace(',', ' ')}{'.' if end else ''}{end}"


def _dates(year: str, month: str, day: str) -> Iterator[str]:
    if not 1 <= int(month) <= len(_MONTHS):
        return
    name, number, turn = _MONTHS[int(month) - 1], int(month), int(day)
    yield f"{year}-{month}-{day}"
    for called in (name, name[:3]):
        yield f"{called} {turn}"
        yield f"{turn} {called}"
        yield f"{turn}. {called}"
    yield f"{day}.{month}.{year}"
    yield f"{month}/{day}/{year}"
    yield f"{number}/{turn}/{year}"
    yield f"{number}月{turn}日"


def _encoded(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "replace")
    yield base64.b64encode(raw).decode().rstrip("=").lower()
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=").lower()
    yield raw.hex()
    yield normal(quote(value, safe=""))
    yield "".join(f"%{byte:02x}" for byte in raw)
    yield "".join(f"&#{ord(sign)};" for sign in value)
    yield "".join(f"&#x{ord(sign):x};" for sign in value)
    yield normal(value[::-1])


def decoded(value: str) -> Iterator[str]:
    """What parts of a value say once they are decoded: percent-encoding, references, base64, hexadecimal."""
    plain = unquote_plus(html.unescape(value))
    if plain != value:
        yield plain
    for piece in _CODED.findall(value)[:20]:
        yield from _from(piece)


def _from(piece: str) -> Iterator[str]:
    readers = (base64.urlsafe_b64decode, bytes.fromhex) if _HEXED.fullmatch(piece) else (base64.urlsafe_b64decode,)
    for reader in readers:
        try:
            text = reader(_padded(piece) if reader is base64.urlsafe_b64decode else piece).decode()
        except (ValueError, binascii.Error):
            continue
        if text.isprintable():
            yield text


def _padded(piece: str) -> str:
    bare = piece.rstrip("=").replace("+", "-").replace("/", "_")
    return bare + "=" * (-len(bare) % 4)


def scalar(value: Any) -> str | None:
    """A JSON scalar as it would be written in a text; None for what is no value of its own."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip() or None


def host_of(url: str) -> str:
    """The host of a URL in lower case without `www.`, empty where it has none."""
    try:
        name = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return name.removeprefix("www.").rstrip(".")


class Identifiers(Struct, frozen=True):
    """The addresses that stand in a text, each kind on its own."""

    emails: tuple[str, ...]
    urls: tuple[str, ...]
    ibans: tuple[str, ...]
    ips: tuple[str, ...] = ()


def identifiers(text: str) -> Identifiers:
    """What in a text says, by its form alone, where something is to go."""
    emails = dict.fromkeys(found.casefold() for found in EMAIL.findall(text)) if "@" in text else {}
    urls = dict.fromkeys(found.rstrip(".,;:!?)]}'\"") for found in URL.findall(text))
    ibans = dict.fromkeys(_SPACE.sub("", found).upper() for found in IBAN.findall(text) if _digits(found) >= 6)
    return Identifiers(tuple(emails), tuple(urls), tuple(ibans), tuple(dict.fromkeys(IP.findall(text))))


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))
