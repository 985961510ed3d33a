"""The one tree of errors: each class says whose fault it was, and what the client may be told.

    LockgateError
    ├── Malformed            bytes that two parsers might read differently; whose fault, the direction tells
    │   └── NotJson          not JSON at all
    ├── OverLimit            more bytes, events or depth than allowed; likewise
    ├── ClientError          the agent asked for what cannot be                      400 (or as raised)
    ├── UpstreamError        the API did not answer as it should                     502
    │   └── UpstreamTimeout  no connection, or no first byte, in time                504
    ├── StoreError           the store of what gateways share cannot be used, or not in time      503
    ├── OperatorError        configuration, rules or files are wrong                 (never reaches a client)
    │   ├── ConfigError
    │   └── RuleError
    └── InternalError        our own fault; details stay in the log                  500

Messages follow one form: lower case, no full stop, input in backticks, none of our class names. The message of any
but `OperatorError` and `InternalError` may be shown to the client, so it never holds body text or credentials.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a client was refused; the `code` field of every error body."""

    INJECTION = "injection_detected"
    PII = "pii_blocked"
    SECRET = "secret_blocked"
    EGRESS = "egress_denied"
    TOOL = "tool_denied"
    CONTENT = "content_blocked"
    APPROVAL = "approval_required"
    RATE = "rate_limited"
    STOPPED = "stopped"
    IDENTITY = "identity_required"
    NOT_FOUND = "unknown_upstream"
    UNREADABLE = "unreadable_body"
    MISMATCH = "header_mismatch"
    TOO_LARGE = "body_too_large"
    STORE = "store_unavailable"
    UPSTREAM = "upstream_error"
    TIMEOUT = "upstream_timeout"
    INTERNAL = "internal_error"


class LockgateError(Exception):
    """The base of every error that the gateway raises on purpose."""


class Malformed(LockgateError):
    """A body or an event that is broken, ambiguous or too deep: another parser might read it otherwise."""


class NotJson(Malformed):
    """Text that is not JSON; `[DONE]` is such a text, and so is garbage."""


class OverLimit(LockgateError):
    """A body, what it decodes to, or an event is over its limit."""


class ClientError(LockgateError):
    """The agent's request cannot be served. `status` and `code` are what it gets."""

    def __init__(self, message: str, *, code: Code, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class UpstreamError(LockgateError):
    """The API behind the gateway failed."""


class UpstreamTimeout(UpstreamError):
    """No connection, or no first byte, within the configured time."""


class InternalError(LockgateError):
    """A fault of the gateway itself."""


class StoreError(LockgateError):
    """The store that gateways share did not answer, not in time, or not as it should."""


class OperatorError(LockgateError):
    """What an operator wrote is wrong. `problems` has one line for each fault: place, value, accepted form."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ConfigError(OperatorError):
    """The configuration file is wrong."""


class RuleError(OperatorError):
    """A rule pack is wrong, or a rule's proof failed."""
