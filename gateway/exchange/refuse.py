"""What a refused client is told: status, words and headers for each code, in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.dialect.refusals import is_soon
from gateway.errors import Code
from gateway.exchange.events import Fault, Headers, LimitsTaken
from gateway.verdict import Effect, Reason, Refusal

STATUS: Final[Mapping[Code, int]] = MappingProxyType(
    {
        # Not 403 for content: some coding agents take it for a lost login. Not 409, 408 or 5xx: SDKs would try again.
        Code.INJECTION: 400,
        Code.PII: 400,
        Code.SECRET: 400,
        Code.TOOL: 400,
        Code.CONTENT: 400,
        Code.APPROVAL: 400,
        Code.UNREADABLE: 400,
        Code.MISMATCH: 400,
        Code.IDENTITY: 401,
        Code.EGRESS: 403,
        Code.NOT_FOUND: 404,
        Code.TOO_LARGE: 413,
        Code.RATE: 429,
        Code.INTERNAL: 500,
        Code.UPSTREAM: 502,
        Code.STOPPED: 503,
        Code.STORE: 503,
        Code.TIMEOUT: 504,
    }
)

# A client may try these again later; every other refusal is final and says so.
_RETRIABLE: Final = frozenset({Code.RATE, Code.STORE, Code.UPSTREAM, Code.TIMEOUT})

_WORDS: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.INJECTION: "the text tries to override the instructions of the assistant",
        Code.PII: "the text holds personal data that may not be passed on",
        Code.SECRET: "the text holds a credential",
        Code.TOOL: "the tool may not be used",
        Code.CONTENT: "the content may not be passed on",
        Code.APPROVAL: "a person has to approve this first",
    }
)

FAULTS: Final[Mapping[Fault, str]] = MappingProxyType(
    {
        Fault.UNREACHABLE: "the upstream cannot be reached; check its `base_url` and the network",
        Fault.UNTRUSTED: "the certificate of the upstream does not hold, so nothing was sent; a private authority goes "
        "into `ca_file`, of the upstream or of [gateway]",
        Fault.TIMEOUT: "the upstream did not answer in time",
        Fault.BROKEN: "the upstream broke off its answer",
    }
)

INTERNAL: Final = "the gateway failed and refused the request; its log has the details under this id"
BARE_HEADERS: Final[Headers] = (("content-type", "application/json"), ("x-should-retry", "false"))
BARE_BODY: Final = b'{"error":{"message":"' + INTERNAL.encode() + b'","code":"internal_error"}}'


def of(
    code: Code, request_id: str, message: str, *, rules: tuple[str, ...] = (), retry_after: int | None = None
) -> Refusal:
    return Refusal(code, STATUS[code], message, request_id, rules, retry_after)


STORE_RETRY: Final = 5
"""Seconds after which a client may try again while the store that counts is away: a fail-over takes about so long."""


def limited(taken: LimitsTaken, request_id: str) -> Refusal | None:
    """The refusal of a request that a limit denies, or whose limits cannot be checked; None for one that may go on."""
    if taken.unavailable is not None:
        message = "the limits of this request cannot be checked now, and it may not go on without; try again later"
        return of(Code.STORE, request_id, message, retry_after=STORE_RETRY)
    if taken.denied is None:
        return None
    if taken.why is not None:
        message = taken.why
    elif taken.retry_after is None:
        message = f"the request asks for more than the limit `{taken.denied}` ever allows; ask for less"
    else:
        message = f"the limit `{taken.denied}` is used up; it frees again in {taken.retry_after} s"
    if taken.code is Code.APPROVAL:
        message = f"{message}; more than that a person has to approve"
    return of(taken.code, request_id, message, retry_after=taken.retry_after)


def rules_of(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """The rules behind a refusal, each once, strongest effect first."""
    enforced = sorted((reason for reason in reasons if not reason.shadow), key=lambda reason: -reason.effect)
    return tuple(dict.fromkeys(reason.rule for reason in enforced if reason.effect >= Effect.ASK))


def words_of(code: Code) -> str:
    """What was found in a text that is refused, in words."""
    return _WORDS.get(code, _WORDS[Code.CONTENT])


def content_message(code: Code, rules: tuple[str, ...]) -> str:
    """Why content was refused, by which rules, and the way out; never the text itself."""
    named = ", ".join(f"`{rule}`" for rule in rules)
    return (
        f"{words_of(code)} (rule {named}); do not retry it unchanged: remove it, or ask the "
        "operator of the gateway to adjust the rule"
    )


def headers(refusal: Refusal) -> Headers:
    """The fields of a refusal; `x-should-retry` is what the OpenAI and Anthropic SDKs obey."""
    found: list[tuple[str, str]] = [("content-type", "application/json")]
    if refusal.code is Code.RATE:
        found.append(("x-should-retry", "true" if is_soon(refusal) else "false"))
    elif refusal.code not in _RETRIABLE:
        found.append(("x-should-retry", "false"))
    if refusal.retry_after is not None:
        found.append(("retry-after", str(refusal.retry_after)))
    return tuple(found)
