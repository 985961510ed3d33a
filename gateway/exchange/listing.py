"""What of the tools that an MCP server lists goes on to its client: those that the policy hides are taken out.

Whole answers, streams and pipes all come here. A tool is judged as its server wrote it; what leaves is the rest of the
answer, byte for byte.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.message import MessageDialect
from gateway.errors import Malformed
from gateway.exchange.gate import Gate
from gateway.policy.call import CallReason
from gateway.segment import Path
from gateway.verdict import Effect, Reason, Verdict
from gateway.wire.document import Document, apply, glance, parse


class Shown(Struct, frozen=True):
    """What of a body goes on, and why; `hides` is whether anything was taken out."""

    body: bytes
    reasons: tuple[Reason, ...] = ()
    hides: bool = False

    def added_to(self, verdict: Verdict) -> Verdict:
        """The verdict on the texts of the body, with this."""
        if not self.reasons:
            return verdict
        done = Effect.REWRITE if self.hides else Effect.REPORT
        would_be = max(Effect.ALLOW, *(reason.effect for reason in self.reasons))
        return replace(
            verdict,
            effect=max(verdict.effect, done),
            would_be=max(verdict.would_be, would_be),
            reasons=(*verdict.reasons, *self.reasons),
        )


def shown(gate: Gate, dialect: object, server: str, document: Document | None, body: bytes) -> Shown:
    """What becomes of a server's body whose texts are judged: `document` is what came, None where it was read as text,
    and `body` what would leave. Raises Malformed for a list that clients could read in other ways."""
    if gate.firewall is None or not isinstance(dialect, MessageDialect):
        return Shown(body)
    came = document or _read_anyhow(body)
    hidden: dict[Path, list[int]] = {}
    reasons: dict[Reason, None] = {}  # each once: which tools they are is told where they are kept
    for listing in dialect.listed(came) if came is not None else ():
        found = gate.firewall.listed(server, listing.definitions, goes_on=listing.goes_on)
        reasons |= dict.fromkeys(map(_reason, found.values()))
        if held := [number for number, why in found.items() if _hides(gate, why)]:
            hidden[listing.at] = held
    if not hidden:
        return Shown(body, tuple(reasons))
    after = came if came is not None and came.raw == body else parse(body)
    patches = (patch for at, numbers in hidden.items() for patch in after.without(at, numbers))
    return Shown(apply(body, patches), tuple(reasons), hides=True)


def _hides(gate: Gate, why: CallReason) -> bool:
    return gate.profile.enforce and why.effect >= Effect.ASK and not why.shadow


def _reason(why: CallReason) -> Reason:
    """For the record: to hide is to rewrite the list."""
    return Reason(min(why.effect, Effect.REWRITE), why.rule, why.category, 0, why.shadow)


def _read_anyhow(body: bytes) -> Document | None:
    """A body that was read as text, as a client may read it that minds neither its status nor its type."""
    try:
        return glance(body)
    except Malformed:
        return None


def server_of(upstream: str) -> str:
    """The name of an MCP server under `[mcp]`, by that of the upstream that it is."""
    return upstream.removeprefix("mcp/")
