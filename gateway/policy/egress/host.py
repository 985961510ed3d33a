"""The one spelling of a host, however it was written: what is compared, resolved and dialled is this and nothing else.

The rules are those of the host parser of the WHATWG URL standard (section 3.5, November 2026), which is what agents'
own libraries and browsers go by, with three differences that only refuse more: labels are held to IDNA 2008 and to the
lengths of RFC 1035, and a name may hold letters, digits, hyphens and underscores, no other printable character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import unquote_to_bytes

import idna

from gateway.errors import Malformed

type Address = IPv4Address | IPv6Address

MAX_NAME: Final = 253
"""Characters of a name without the dot at its end: 255 octets on the wire (RFC 1035, section 2.3.4)."""
MAX_LABEL: Final = 63
"""Characters of a label (RFC 1035, section 2.3.4)."""
MAX_SPELLING: Final = 3 * 4 * MAX_NAME
"""Characters of any spelling that is looked at: a name of four-byte letters, each byte percent-encoded."""

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_OCTAL: Final = re.compile(r"0[0-7]+")
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_PUNYCODE: Final = "xn--"

# What is said of a character that no host holds; of any other, that it is none of letters, digits and so on.
_FORBIDDEN: Final = {
    "\0": "holds a NUL",
    " ": "holds a space",
    "@": "holds user information",
    "%": "holds a percent sign that escapes nothing",
    "/": "holds a slash",
    "\\": "holds a backslash",
    ":": "holds a colon outside brackets",
    "[": "holds a bracket that belongs to no IPv6 address",
    "]": "holds a bracket that belongs to no IPv6 address",
    "*": "holds an asterisk",
}


@dataclass(frozen=True, slots=True)
class Host:
    """A host in normal form: `name` as it is written, without brackets; `address` where it is a literal address.

    An IPv4 address within `::ffff:0:0/96` is that IPv4 address, since that is what the system would dial.
    """

    name: str
    address: Address | None = None

    def __str__(self) -> str:
        return f"[{self.name}]" if ":" in self.name else self.name


@dataclass(frozen=True, slots=True)
class Authority:
    """A host with a port, where one is written."""

    host: Host
    port: int | None


def authority(text: str) -> Authority:
    """`host`, `host:port` or `[address]:port`, as a CONNECT line or a Host field has it. Raises `Malformed`."""
    if "@" in text:
        raise Malformed("the authority holds user information; accepted: host:port")
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise Malformed("the authority is no host and port; accepted: host:port, an IPv6 address in brackets")
    return Authority(parse_host(found[1]), port_number(int(found[2])) if found[2] else None)


def port_number(port: int) -> int:
    """The port, if one can connect to it. Raises `Malformed`."""
    if not 1 <= port <= 65535:
        raise Malformed(f"port {port} is out of range; accepted: 1 to 65535")
    return port


def parse_host(text: str) -> Host:
    """The normal form of a host, an IPv6 address with or without its brackets. Raises `Malformed` with the reason.

    No message quotes the text: it may hold a password before an `@`, or what somebody tries to carry out.
    """
    if len(text) > MAX_SPELLING:
        raise Malformed("the host is longer than any name")
    if text.startswith("[") and text.endswith("]"):
        return of_address(_ipv6(text[1:-1]))
    if ":" in text and not text.startswith("["):
        return of_address(_ipv6(text))
    name = _mapped(_unescaped(text)).removesuffix(".")
    if not name:
        raise Malformed("the host is empty")
    labels = name.split(".")
    if not all(labels):
        raise Malformed("the host holds an empty label")
    if _NUMBER.fullmatch(labels[-1]):
        return of_address(_ipv4(labels))
    name = ".".join([_label(label) for label in labels])
    if len(name) > MAX_NAME:
        raise Malformed(f"the host is longer than {MAX_NAME} characters")
    return Host(name)


def of_address(address: Address) -> Host:
    """The host that an address is."""
    address = unmapped(address)
    return Host(str(address), address)


def unmapped(address: Address) -> Address:
    """The address that is dialled for this one: an IPv4-mapped one stands for IPv4 (RFC 4291, section 2.5.5.2)."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _ipv6(text: str) -> IPv6Address:
    if "%" in text:
        raise Malformed("the host is an IPv6 address with a zone, which means something on one machine only")
    try:
        return IPv6Address(text)
    except ValueError:
        raise Malformed("the host is no IPv6 address") from None


def _unescaped(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise Malformed("the host holds percent-escapes that are no UTF-8") from None


def _mapped(text: str) -> str:
    """Lower case, and every compatibility form as what it stands for: full-width digits and dots (UTS 46, 4)."""
    try:
        return idna.uts46_remap(text, std3_rules=False)
    except idna.IDNAError:
        raise Malformed("the host holds a character that no name may hold (UTS 46)") from None


def _label(label: str) -> str:
    if label.isascii() and not label.startswith(_PUNYCODE):
        # Not by `idna`, which knows no underscore and no `--` in third place; names in use have both.
        _demand_plain(label)
    else:
        label = _ascii(label)
    if len(label) > MAX_LABEL:
        raise Malformed(f"the host holds a label of more than {MAX_LABEL} characters")
    return label


def _demand_plain(label: str) -> None:
    if _LABEL.fullmatch(label):
        return
    what = next((said for character, said in _FORBIDDEN.items() if character in label), None)
    if what is None and label.strip("-") != label:
        what = "holds a label that starts or ends with a hyphen"
    raise Malformed(f"the host {what or 'holds a character that is no letter, digit, hyphen or underscore'}")


def _ascii(label: str) -> str:
    try:
        return idna.alabel(label).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise Malformed("the host holds a label that is no internationalised name (IDNA 2008)") from None


def _ipv4(labels: list[str]) -> IPv4Address:
    """An address in any spelling that `inet_aton` takes: decimal, octal and hexadecimal parts, the last filling up.

    A name whose last label is a number is an address or nothing: no such top-level domain exists, and a resolver may
    take it for an address.
    """
    if len(labels) > 4:
        raise Malformed("the host ends in a number and is no IPv4 address: it has more than four parts")
    *head, last = [_number(label) for label in labels]
    if any(part > 255 for part in head) or last >= 256 ** (4 - len(head)):
        raise Malformed("the host ends in a number and is no IPv4 address: a part of it is too large")
    return IPv4Address(sum(part << 8 * (3 - place) for place, part in enumerate(head)) + last)


def _number(label: str) -> int:
    if not _NUMBER.fullmatch(label):
        raise Malformed("the host ends in a number and is no IPv4 address: a part of it is no number")
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    if len(label) > 1 and label.startswith("0"):
        if not _OCTAL.fullmatch(label):
            raise Malformed("the host ends in a number and is no IPv4 address: a part of it is no octal number")
        return int(label, 8)
    return int(label)
