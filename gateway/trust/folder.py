"""The authority's folder: one file for each authority there ever was, numbered; the highest number is in force.

    authority-1.pem    a certificate: this authority was rotated out, and its key is gone
    authority-2.pem    a private key and its certificate: this one signs

A file is made whole and never changed, but for the key that is taken out of it. So a first run and a rotation are the
same step, to make the next number, and of two processes that take it at once one wins and both read the same. The files
are for their owner alone (0600), and so is the folder (0700).
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway import private_file
from gateway.errors import ConfigError
from gateway.trust import authority as authorities
from gateway.trust import mitmproxy
from gateway.trust.authority import Authority, Unusable
from gateway.trust.name import Subtree

_FILE: Final = re.compile(r"authority-([1-9][0-9]{0,8})\.pem")
_WHAT: Final = "the certificate authority"
_AWAY: Final = "move the file out of the folder, then make a new authority by `lockgate ca rotate`"
_TIME: Final = "%Y-%m-%d %H:%M:%S UTC"


def ensure(folder: Path, permitted: tuple[Subtree, ...], now: datetime) -> Authority:
    """The authority in force; one is made on the first run. `permitted` are the subtrees it is to be limited to.

    Raises ConfigError where it cannot be used, or has other limits.
    """
    found = current(folder, now)
    if found is None:
        _make(folder, 1, permitted, now)
        found = current(folder, now)
    assert found is not None  # files are never taken out of the folder here
    if set(found.permitted) != set(permitted):
        said, wanted = _listed(found.permitted), _listed(permitted)
        problem = f"{folder}: {_WHAT} may sign for {said}, and proxy.name_constraints asks for {wanted}"
        raise ConfigError((f"{problem}; take that back, or make a new one by `lockgate ca rotate`",))
    return found


def current(folder: Path, now: datetime) -> Authority | None:
    """The authority in force, or None where there is none yet. Raises ConfigError where it cannot be used."""
    while numbers := _numbers(folder):
        try:
            return _read(_path(folder, numbers[-1]), now)
        except ConfigError:
            if _numbers(folder) == numbers:
                raise  # otherwise it was rotated out between the look and the reading
    return None


def rotate(folder: Path, permitted: tuple[Subtree, ...], now: datetime) -> x509.Certificate:
    """Put a new authority in force. The certificates of earlier ones stay, their keys go. Raises ConfigError."""
    numbers = _numbers(folder)
    earlier = {path: _certificate(path) for path in (_path(folder, number) for number in numbers)}
    fresh = _make(folder, numbers[-1] + 1 if numbers else 1, permitted, now)
    for path, certificate in earlier.items():
        with private_file.faults_of(path, _WHAT):
            private_file.replace(path, authorities.pem(certificate).encode())
    mitmproxy.remove(folder)
    return fresh


def certificates(folder: Path, now: datetime) -> tuple[x509.Certificate, ...]:
    """What agents are to trust: the certificate in force, then those of earlier authorities until they expire."""
    found = [_certificate(_path(folder, number)) for number in reversed(_numbers(folder))]
    return tuple(certificate for certificate in found if now < certificate.not_valid_after_utc)


def _make(folder: Path, number: int, permitted: tuple[Subtree, ...], now: datetime) -> x509.Certificate:
    """Make the authority with that number, unless somebody else just did. Returns the certificate that it has."""
    path = _path(folder, number)
    with private_file.faults_of(path, _WHAT):
        private_file.create(path, authorities.made(permitted, now).text().encode())
    return _certificate(path)


def _numbers(folder: Path) -> list[int]:
    """The numbers of the authorities in the folder, in order. Raises ConfigError where others may write to it."""
    with private_file.faults_of(folder, "the folder of the certificate authority"):
        if not folder.exists():
            return []
        mode = stat.S_IMODE(folder.stat().st_mode)
        names = [entry.name for entry in folder.iterdir()]
    if os.name == "posix" and mode & 0o022:
        raise ConfigError(
            (f"{folder}: others may write to the folder of {_WHAT} (mode {mode:04o}); accepted: 0700 or 0755",)
        )
    return sorted(int(found[1]) for name in names if (found := _FILE.fullmatch(name)))


def _read(path: Path, now: datetime) -> Authority:
    try:
        found = authorities.parsed(private_file.read(path, _WHAT))
    except Unusable as error:
        raise _fault(path, f"{error}; {_AWAY}") from error
    begins, ends = found.certificate.not_valid_before_utc, found.certificate.not_valid_after_utc
    if now < begins:
        raise _fault(path, f"it is not valid before {begins:{_TIME}}; set the clock right")
    if now >= ends:
        raise _fault(path, f"it expired at {ends:{_TIME}}; make a new one by `lockgate ca rotate`")
    return found


def _certificate(path: Path) -> x509.Certificate:
    try:
        return authorities.parsed_certificate(private_file.read(path, _WHAT))
    except Unusable as error:
        raise _fault(path, f"{error}; {_AWAY}") from error


def _fault(path: Path, what: str) -> ConfigError:
    return ConfigError((f"{path}: {_WHAT} cannot be used: {what}",))


def _path(folder: Path, number: int) -> Path:
    return folder / f"authority-{number}.pem"


def _listed(subtrees: tuple[Subtree, ...]) -> str:
    return ", ".join(sorted(map(str, subtrees))) or "all names"
