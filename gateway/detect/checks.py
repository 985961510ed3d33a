"""What a pattern cannot say about a value: check digits, numbering plans, plausibility. A function and a row each."""

from __future__ import annotations

import base64
import binascii
import calendar
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Final

type Check = Callable[[str], bool]


_OTHERS: Final = bytes(code for code in range(128) if not chr(code).isdigit())


def _digits(value: str) -> str:
    return value.encode("ascii", "ignore").translate(None, _OTHERS).decode("ascii")


def luhn(value: str) -> bool:
    """ISO/IEC 7812-1:2017 annex B: the check digit of payment card numbers, 12 to 19 digits, separators ignored."""
    digits = _digits(value)
    if not 12 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    total = 0
    for index, digit in enumerate(reversed(digits)):
        number = int(digit) << (index & 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


# Issuer prefixes and lengths as the networks publish them (ISO/IEC 7812-1 first digits; UnionPay 62, Mir 2200-2204,
# JCB 35, Diners 36/38/39/300-305, Discover 6011/644-649/65, Maestro 50/56-58/6, Mastercard 51-55 and 2221-2720).
_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|220[0-4]\d{12,15}|62\d{14,17}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|(?:5[0678]|6[0-9])\d{10,17}"
)


def card(value: str) -> bool:
    """A payment card number: the Luhn digit, and an issuer prefix with a length that its network uses."""
    return _ISSUERS.fullmatch(_digits(value)) is not None and luhn(value)


_CN_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CN_PROVINCES: Final = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")


def cn_id(value: str) -> bool:
    """GB 11643-1999: 18 places, province (GB/T 2260), birth date, and the ISO 7064 MOD 11-2 check character."""
    value = value.upper()
    if not re.fullmatch(r"[0-9]{17}[0-9X]", value) or not _CN_PROVINCES.match(value):
        return False
    if not _is_date(int(value[6:10]), int(value[10:12]), int(value[12:14])):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(value, _CN_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == value[17]


def _is_date(year: int, month: int, day: int) -> bool:
    return 1880 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


# Total length and the countries with it, from the SWIFT IBAN registry (release 99, 2024).
_IBAN_COUNTRIES: Final = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTHS: Final = {country: length for length, row in _IBAN_COUNTRIES.items() for country in row.split()}


def iban(value: str) -> bool:
    """ISO 13616-1:2020: the length of the country, and the ISO 7064 MOD 97-10 check number."""
    value = "".join(value.split()).replace("-", "").upper()
    if not value.isascii() or not value.isalnum() or _IBAN_LENGTHS.get(value[:2]) != len(value):
        return False
    return int("".join(str(int(character, 36)) for character in value[4:] + value[:4])) % 97 == 1


def ssn(value: str) -> bool:
    """US Social Security number: area not 000, 666 or 900-999, group not 00, serial not 0000 (SSA, June 2011)."""
    digits = _digits(value)
    if len(digits) != 9 or digits in ("078051120", "219099999", "123456789"):  # printed in advertisements
        return False
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def phone_cn(value: str) -> bool:
    """A Chinese mobile number: 11 digits, 13 to 19 (MIIT numbering plan 2017; 12 and 11 are short codes)."""
    digits = _digits(value)
    digits = digits.removeprefix("0086").removeprefix("86") if len(digits) > 11 else digits
    return re.fullmatch(r"1[3-9]\d{9}", digits) is not None and len(set(digits[3:])) > 1


def phone_us(value: str) -> bool:
    """A number of the North American plan (ATIS-0300051): area [2-9]xx but not N11, exchange [2-9]xx but not N11."""
    digits = _digits(value)
    digits = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    return re.fullmatch(r"[2-9](?!11)\d\d[2-9](?!11)\d{6}", digits) is not None


# Country codes of ITU-T E.164 (list of 15 April 2009 and later notices), by length.
_E164: Final = re.compile(
    r"1[2-9]\d{9}|7\d{10}|(?:2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])\d{7,12}"
    r"|(?:2[1-69]\d|3[578]\d|42[013]|5[09]\d|6[789]\d|8[058]\d|9[67]\d|99[2-68])\d{6,12}"
)


def phone_e164(value: str) -> bool:
    """ITU-T E.164: at most 15 digits after `+`, with a country code that is assigned."""
    digits = _digits(value)
    return len(digits) <= 15 and _E164.fullmatch(digits) is not None and len(set(digits[-7:])) > 1


def jwt(value: str) -> bool:
    """RFC 7519: the first part is base64url of a JSON object with `alg` (RFC 7515, 4.1.1)."""
    head = value.split(".", 1)[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str)


def bits_per_character(value: str) -> float:
    """The Shannon entropy of the characters of a value."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values())


_PLACEHOLDER: Final = re.compile(
    r"(?i)x{4}|\*{3}|\.{3}|example|placeholder|change_?me|dummy|sample|redacted|your[-_ ]?|secret[-_]?key|<[^>]*>|\$\{"
    r"|\{\{|%\(|0{6}|password|passwd|process\.env|environ|getenv|config\[|null\b|none\b|undefined"
)
_COUNTED_UP: Final = re.compile(r"(?i)12345678|abcdefgh")
_LONG: Final = 20  # characters: nobody types a longer placeholder by counting up


def _placeholder(value: str) -> bool:
    return bool(_PLACEHOLDER.search(value) or (len(value) < _LONG and _COUNTED_UP.search(value)))


def password(value: str) -> bool:
    """A value that someone may really use: not a placeholder, a variable or a single plain word."""
    if _placeholder(value) or len(set(value)) < 4:
        return False
    kinds = sum(any(test(character) for character in value) for test in (str.islower, str.isupper, str.isdigit))
    return kinds + any(not character.isalnum() for character in value) >= 2


def password_like(value: str) -> bool:
    """What stands where only a password can stand: anything but a placeholder or the same few characters."""
    return not _placeholder(value) and len(set(value)) >= 4 and value.lower() not in ("test", "user", "pass")


def token(value: str) -> bool:
    """A random-looking token: letters and digits mixed, not a placeholder."""
    return password(value) and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


CHECKS: Final[dict[str, Check]] = {
    "luhn": luhn,
    "card": card,
    "cn_id": cn_id,
    "iban": iban,
    "ssn": ssn,
    "phone_cn": phone_cn,
    "phone_us": phone_us,
    "phone_e164": phone_e164,
    "jwt": jwt,
    "password": password,
    "password_like": password_like,
    "token": token,
}
