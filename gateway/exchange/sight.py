"""What calls in an answer are held against: the conversation that the request told of, with the policy for tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from gateway.detect.rule import Scope
from gateway.dialect.base import Dialect
from gateway.exchange.calls import Sight
from gateway.exchange.gate import Gate, Instructs
from gateway.exchange.judge import split_quoted
from gateway.policy.decide import decide
from gateway.policy.transcript import Said, Transcript, Turn
from gateway.segment import Direction, Kind, Place, Role, Segment, Trust
from gateway.verdict import Effect
from gateway.wire.document import glance

_DATA: Final = Scope(Direction.REQUEST, Role.TOOL, Trust.UNTRUSTED)


UNTOLD: Final = Transcript(is_whole=False)
"""What is known of the conversation behind a call that comes without one: a message, or an HTTP request."""


def told(dialect: Dialect, body: bytes, session: str = "") -> Transcript:
    """What a decoded request body tells; nothing where it is empty. `session` is what its client calls the
    conversation, before what the protocol does."""
    transcript = dialect.transcript(glance(body)) if body.strip() else UNTOLD
    return replace(transcript, session=called(session)) if session else transcript


def called(session: str) -> str:
    """A conversation as its client calls it, apart from what protocols do."""
    return f"client {session}" if session else ""


def joined(transcripts: Iterable[Transcript], session: str) -> Transcript:
    """One conversation of which several messages told, in their order. Tools are those that were last named."""
    all_of_them = tuple(transcripts)
    return Transcript(
        tuple(turn for one in all_of_them for turn in one.turns),
        next((one.tools for one in reversed(all_of_them) if one.tools), ()),
        is_whole=False,
        session=session,
    )


def sight(gate: Gate, transcript: Transcript, isolation: int | None) -> Sight:
    """The sight of a conversation."""
    assert gate.firewall is not None, "nobody looks where there is no policy"
    return gate.firewall.sight(parted(gate, transcript), instructs(gate), isolation)


def parted(gate: Gate, transcript: Transcript) -> Transcript:
    """The transcript with what a user quotes apart from their own words."""
    turns = (part for turn in transcript.turns for part in _parts(gate, turn))
    return replace(transcript, turns=tuple(turns))


def _parts(gate: Gate, turn: Turn) -> Iterator[Turn]:
    if not isinstance(turn, Said) or turn.role is not Role.USER or turn.kind is not Kind.TEXT:
        yield turn
        return
    whole = Segment(Place(()), turn.text, turn.role, turn.trust)
    for part in split_quoted(whole, gate.hierarchy.delimiters):
        yield replace(turn, text=part.text, trust=part.trust, kind=part.kind)


def instructs(gate: Gate) -> Instructs:
    """Whether the rules would cut something out of a text, or refuse it, were it data."""
    known: dict[str, bool] = {}

    def found(text: str) -> bool:
        if text not in known:
            data = Segment(Place(()), text, Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT)
            injections = [one for one in gate.rules.scan(text, _DATA) if one.category.startswith("injection.")]
            known[text] = decide(gate.profile, [(data, injections)]).would_be >= Effect.REWRITE
        return known[text]

    return found
