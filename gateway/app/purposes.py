"""What the keys are for that are derived from the gateway's secret."""

from __future__ import annotations

import secrets
from typing import Final

from gateway import keys
from gateway.config import Config

APPROVALS_KEY: Final = "approvals"
AUDIT_KEY: Final = "audit"
FINGERPRINT_KEY: Final = "fingerprint"
HIERARCHY_KEY: Final = "hierarchy"
HOP_KEY: Final = "hop"
SHELF_KEY: Final = "prefilters"
STORE_KEY: Final = "store"


def hop_key(config: Config, secret: bytes) -> bytes:
    """The key of tickets: one that `lockgate mitm env` can show, or one that nobody but our own mitmproxy is told."""
    return keys.derive(secret, HOP_KEY) if config.proxy.hop is not None else secrets.token_bytes(keys.KEY_BYTES)
