"""Tickets as the addon writes them."""

from __future__ import annotations

import base64
import json
from time import time
from typing import Any

from gateway.serve.ticket import signature

KEY = b"k" * 32


def said(**changes: Any) -> dict[str, Any]:
    """What a ticket says, for a request in the clear to one host."""
    fields = {"at": time(), "nonce": "n", "mode": "regular", "scheme": "http", "host": "api.example.com", "port": 80}
    return {**fields, "sni": None, "client": "192.0.2.7", "credentials": None, **changes}


def ticket(fields: dict[str, Any], method: str = "GET", target: str = "/", key: bytes = KEY) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode("ascii")
    return f"{payload}.{signature(key, f'{payload} {method} {target}'.encode()).decode('ascii')}"
