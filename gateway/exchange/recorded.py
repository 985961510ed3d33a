"""What is recorded of an exchange. All values are frozen, and none of them has a place for what a body says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field

from gateway.errors import Code
from gateway.exchange.demand import Counted
from gateway.policy.call import CallReason, Tier
from gateway.policy.tools.wrapper import Became
from gateway.segment import Uninspected
from gateway.verdict import Effect, Reason


class Inspected(Struct, frozen=True):
    """What was really read in one direction, and what was not."""

    bytes: int = 0
    segments: int = 0
    events: int = 0
    coverage: str = "none"  # "dialect", "text", "pass", "none"
    uninspected: tuple[Uninspected, ...] = ()


class CallRecord(Struct, frozen=True):
    """What is recorded of one call of a tool. `arguments` are masked; `by` is who decided where it was
    `asked`. `became` is of the result, where the exchange itself made the call and it came to that."""

    tool: str
    server: str | None
    tier: Tier
    effect: Effect
    would_be: Effect
    reasons: tuple[CallReason, ...]
    arguments: Any
    fingerprint: str
    asked: bool = False
    by: str | None = None
    ticket: str | None = None
    became: Became | None = None


WITHHELD: Final = "[withheld]"
"""What a record has in place of a host or a path in which something was found: it may be a secret."""


class ExchangeRecord(Struct, frozen=True):
    """All that is recorded of one exchange. Holds no body text, credential or matched text by type.

    `effect` is what was done, `would_be` what would have been done without shadow and monitoring. `outcome` is one of
    "forwarded", "edited", "refused", "cut", "failed", "client_gone". `status` is what the client got (0: nothing).
    The shell adds time, duration, client address.
    """

    id: str
    upstream: str
    principal: str
    dialect: str
    method: str
    path: str  # without the query, which may hold credentials
    ruleset: str  # digest of the rule set that judged
    status: int
    outcome: str
    effect: Effect
    would_be: Effect
    code: Code | None
    reasons: tuple[Reason, ...]
    fingerprints: tuple[str, ...]
    request: Inspected
    answer: Inspected
    model: str | None = None
    host: str = ""  # as the client spelt it, where it chose it
    operation: str | None = None  # what a message asks for: its method, and the tool or prompt that it names
    streamed: bool = False
    wrapped: int = 0  # segments marked as data
    held_max: int = 0  # most code points held back in the answer stream
    usage: Mapping[str, int] = field(default_factory=dict)  # tokens, as in gateway.dialect.usage
    counted: Counted = Counted.NOBODY  # by whom
    switched_from: str | None = None  # the model that the client asked for, where a limit had another one asked
    limit: str | None = None  # the limit that refused
    limits: str | None = None  # who counted: "shared", "local", "unchecked"; None where nothing was to be counted
    fault: str | None = None  # stage and kind of a failure, for the log
    told: str | None = None  # why the client was refused, in the words that it was told
    calls: tuple[CallRecord, ...] = ()  # of tools, in the order in which they came
