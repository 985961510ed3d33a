"""How a close frame says why a session ends: its codes, and which of them may be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.exchange.session_events import Cause
from gateway.verdict import Refusal

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL: Final = 1002
NO_CODE: Final = 1005
POLICY: Final = 1008
INTERNAL: Final = 1011
"""Close codes of RFC 6455, 7.4.1. An upstream that failed is a 1011 too: 1014 (bad gateway) is newer, and some clients
take it for a broken frame."""

GOODBYES: Final[Mapping[Cause, str]] = {
    Cause.SHUTDOWN: "the gateway shuts down",
    Cause.IDLE: "nothing was said for too long",
}
"""Reasons of a close that is nobody's fault."""


MOST_REASON: Final = 123
"""Bytes of UTF-8 that a close frame has room for beside its code (RFC 6455, 5.5)."""


def reason_of(refusal: Refusal) -> str:
    """The code, the id of the record, and as much of why as there is room for. Few clients show more than this."""
    why = refusal.message.partition("\n")[0]
    reason = f"{refusal.code}, {refusal.request_id}: {why}"
    return reason.encode()[:MOST_REASON].decode(errors="ignore")


def sendable(code: int) -> int:
    """The code as it may stand in a frame: some only describe what never came, and most are not assigned (RFC 6455,
    7.4.2, and the IANA registry of close codes, 2026-11)."""
    if code == NO_CODE:
        return NORMAL
    return code if 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999 else PROTOCOL
