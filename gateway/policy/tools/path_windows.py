"""What Windows makes of a path: drives, shares, prefixes, streams, short names, dots and blanks at the end of a name.

Facts from Microsoft's "Naming Files, Paths, and Namespaces" and "File path formats on Windows systems" (November 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.policy.tools.globs import ANY_NAME

_PREFIX: Final = re.compile(r"(?://[?.]/|/\?\?/)(?:globalroot/)?", re.IGNORECASE)
_DRIVE: Final = re.compile(r"([a-z])[:|](/.*|)", re.IGNORECASE | re.DOTALL)
_OF_DRIVE: Final = re.compile(r"[a-z]:[^/].*", re.IGNORECASE | re.DOTALL)
_SHARE: Final = re.compile(r"//+([^/]+)(/.*|)", re.DOTALL)
_ADMIN: Final = re.compile(r"/+([a-z])\$(/.*|)", re.IGNORECASE | re.DOTALL)
_SHORT: Final = re.compile(r"[^~/]{1,6}~[0-9]{1,6}(?:\.[^./]{0,3})?")
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])", re.IGNORECASE)

UNKNOWN: Final = "?:"
"""Where a path starts that is on some drive, and nobody knows on which."""


def windows(text: str) -> Iterator[tuple[str, list[str]]]:
    """The starts and steps of what Windows makes of a path, dots not resolved.

    None where it is a POSIX path and nothing in it means something else there.
    """
    plain = text.replace("\\", "/")
    prefix = _PREFIX.match(plain)
    if prefix is not None:
        plain = plain[prefix.end() :]
        plain = "//" + plain[4:] if plain[:4].lower() == "unc/" else plain
        if not _DRIVE.fullmatch(plain) and not plain.startswith("//"):
            yield UNKNOWN, _steps(plain)  # a volume, a pipe or a device
            return
    yield from _started(plain, has_backslash=plain != text)


def _started(plain: str, *, has_backslash: bool) -> Iterator[tuple[str, list[str]]]:
    if (drive := _DRIVE.fullmatch(plain)) is not None:
        yield f"{drive[1].lower()}:", _steps(drive[2])
    elif _OF_DRIVE.fullmatch(plain):
        yield UNKNOWN, _steps(plain[2:])  # below the working folder of that drive
    elif (share := _SHARE.fullmatch(plain)) is not None:
        yield f"//{share[1].lower()}", _steps(share[2])
        admin = _ADMIN.fullmatch(share[2])
        if admin is not None:  # of whatever machine: its own name is one that nobody knows here
            yield f"{admin[1].lower()}:", _steps(admin[2])
    elif has_backslash or any(_means_other(step) for step in plain.split("/")):
        start = "/" if plain.startswith("/") else "~" if re.match(r"~(/|$)", plain) else ""
        yield start, _steps(plain.removeprefix("~") if start == "~" else plain)


def _means_other(step: str) -> bool:
    """Whether a name is another one on Windows."""
    return step not in {".", ".."} and (step != step.rstrip(". ") or ":" in step or bool(_SHORT.fullmatch(step)))


def _steps(text: str) -> list[str]:
    return [_name(step) for step in text.split("/") if step.rstrip(" ") not in {"", "."}]


def _name(step: str) -> str:
    """A name without its stream, and without the dots and blanks at its end; a short name may be any."""
    if step.rstrip(" ") == "..":
        return ".."
    plain = step.partition(":")[0].rstrip(". ")
    if _SHORT.fullmatch(plain) or _DEVICE.fullmatch(plain.partition(".")[0]):
        return ANY_NAME
    return plain or ANY_NAME
