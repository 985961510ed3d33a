"""The composition root: makes the parts of a gateway, joins them, starts them, and ends them in order.

A gateway is one process (`alone`), or several workers under a supervisor (`supervisor`, `post`, `worker`); in both of
them a `service` is what serves.
"""

from gateway.app.alone import Alone, serve_in_process
from gateway.app.process import run
from gateway.app.purposes import AUDIT_KEY, FINGERPRINT_KEY, HIERARCHY_KEY, HOP_KEY, SHELF_KEY

__all__ = [
    "AUDIT_KEY",
    "FINGERPRINT_KEY",
    "HIERARCHY_KEY",
    "HOP_KEY",
    "SHELF_KEY",
    "Alone",
    "run",
    "serve_in_process",
]
