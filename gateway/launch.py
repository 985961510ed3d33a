"""A launcher's word for what it started: a short-lived token that the gateway takes in the place of an agent's key.

    lockgate-launch.1.AGENT.ISOLATION.ISSUED.EXPIRES.ID.SIGNATURE

It is text that needs no quoting in the credentials of a URL, a header field or a query (RFC 3986, section 2.3). The key
is derived from the gateway's secret, so only who may read that can sign, and a token of another gateway means nothing
here. Who holds a token is believed: it is as good as the agent's key, until it expires.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from gateway import keys
from gateway.errors import ClientError, Code
from gateway.policy.isolation import Isolation as Isolation  # for those who know it from here

SKEW: Final = 60.0
"""Seconds by which the clocks of launcher and gateway may differ: more than NTP leaves between two machines, and little
beside the lifetime of a token."""

MIN_LIFETIME: Final = 60.0
MAX_LIFETIME: Final = 30 * 86400.0
"""Seconds. A command that runs for longer is a service, and has a key of its own."""

_PURPOSE: Final = "launch"
_MARK: Final = "lockgate-launch."
_VERSION: Final = "1"
_ID_BYTES: Final = 12  # as those of a request: no two alike among 10^12

_FORM: Final = re.compile(
    r"lockgate-launch\.1\.(?P<agent>[a-z0-9-]+)\.(?P<isolation>[a-z]+)\.(?P<issued>[0-9]{1,12})\.(?P<expires>[0-9]{1,12})"
    r"\.(?P<id>[0-9a-f]{24})\.[A-Za-z0-9_-]{43}"
)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a token says: whom it is for, how that is held, and from when to when (seconds since the epoch)."""

    agent: str
    isolation: Isolation
    issued: int
    expires: int
    id: str = field(default_factory=lambda: secrets.token_hex(_ID_BYTES))


def key_of(secret: bytes) -> bytes:
    """The key that tokens are signed with."""
    return keys.derive(secret, _PURPOSE)


def token(key: bytes, launch: Launch) -> str:
    """The token that says so."""
    words = (launch.agent, launch.isolation.word, str(launch.issued), str(launch.expires), launch.id)
    signed = f"{_MARK}{_VERSION}.{'.'.join(words)}"
    return f"{signed}.{_signature(key, signed)}"


def launch_of(key: bytes, text: str, now: float) -> Launch | None:
    """What a token says; None for text that is none. `now` in seconds since the epoch.

    Raises ClientError for a token that is not to be believed: it must not be taken for some other credential.
    """
    if not text.startswith(_MARK):
        return None
    if not text.startswith(f"{_MARK}{_VERSION}."):
        raise refused("is of another version; use one version of Lockgate for the gateway and for `lockgate exec`")
    found = _FORM.fullmatch(text)
    if found is None:
        raise refused("cannot be read; was it cut short?")
    signed, _, shown = text.rpartition(".")
    if not hmac.compare_digest(_signature(key, signed), shown):
        raise refused("is not signed with the secret of this gateway; run `lockgate exec` with the gateway's --config")
    isolation = Isolation.__members__.get(found["isolation"].upper())
    if isolation is None:
        raise refused("names an isolation that is not known here")
    launch = Launch(found["agent"], isolation, int(found["issued"]), int(found["expires"]), found["id"])
    if now < launch.issued - SKEW:
        raise refused("is not valid yet; set the clocks of its machine and of this one")
    if now >= launch.expires + SKEW:
        raise refused("has expired; start the command again, with a longer --lifetime if it needs one")
    return launch


def refused(why: str) -> ClientError:
    """The refusal of a token. It is not quoted."""
    return ClientError(f"the launcher's token {why}", code=Code.IDENTITY, status=HTTPStatus.UNAUTHORIZED)


def _signature(key: bytes, signed: str) -> str:
    """HMAC with SHA-256 (RFC 2104), in base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(hmac.digest(key, signed.encode("ascii"), hashlib.sha256)).rstrip(b"=").decode()
