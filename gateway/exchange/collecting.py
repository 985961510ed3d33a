"""What an exchange does with a body of either direction until it is judged: it is collected whole.

One that no rule reads passes from its first bytes on, and one that is a PDF is read elsewhere, whichever way it goes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from msgspec import Struct

from gateway.dialect.route import Family
from gateway.errors import Code, InternalError
from gateway.exchange import headers as fields
from gateway.exchange import pdf, refuse
from gateway.exchange.body import is_json
from gateway.exchange.collected import Collected
from gateway.exchange.ending import Ending, Refused, State
from gateway.exchange.events import (
    AnswerData,
    Command,
    Extract,
    Extracted,
    Headers,
    RequestData,
    RequestStarted,
    Unread,
)
from gateway.exchange.facts import Facts
from gateway.exchange.first_bytes import FirstBytes
from gateway.exchange.gate import Gate
from gateway.exchange.whole import Outcome
from gateway.segment import Direction, Uninspected
from gateway.wire.media import MediaType

BINARY: Final = (Uninspected("binary_body"),)


class Reading(Struct, frozen=True):
    """A body whose text is being read: as it came, and decoded."""

    direction: Direction
    raw: bytes
    body: bytes


class Collecting(Ending, ABC):
    """An exchange that collects bodies."""

    def __init__(self, gate: Gate, family: Family, facts: Facts) -> None:
        super().__init__(family, facts)
        self._gate = gate
        self._unknown = True
        self._request = RequestStarted("", "/", (), has_body=False)
        self._media = MediaType()
        self._body = Collected("request", gate.limits.request)
        self._may_outgrow = False  # whether the body is collected as a PDF alone, and passes where it is too large
        self._reading: Reading | None = None

    @abstractmethod
    def _request_judged(self, raw: bytes, outcome: Outcome) -> list[Command]:
        """What follows from a request that was judged."""

    @abstractmethod
    def _answer_judged(self, raw: bytes, outcome: Outcome) -> list[Command]:
        """What follows from an answer that was judged."""

    def _passing(self, event: RequestData | AnswerData) -> tuple[Uninspected, ...]:
        """What a body is called that passes unread from here on; nothing while it is collected.

        Its first bytes tell that it is no text, or its size that its text will not be read.
        """
        told = self._body.are_binary(event.data, last=event.last)
        if told:
            self._may_outgrow = pdf.is_pdf(self._body.head, self._media)
        if self._may_outgrow:
            may_pass = self._body.size > pdf.MOST and not self._gate.profile.refuses_unknown
            return (Uninspected(Unread.TOO_LARGE),) if may_pass else ()
        return BINARY if told else ()

    def _taken(self) -> bytes:
        self._may_outgrow = False
        return self._body.take()

    def _refuse_unknown_json(self, body: bytes, media: MediaType) -> None:
        """A profile may refuse JSON on paths that no dialect knows instead of reading it as text."""
        if self._refuses_unknown and (media.is_json or media.is_lines or is_json(body)):
            raise Refused(
                refuse.of(
                    Code.CONTENT,
                    self._facts.id,
                    f"no dialect knows `{self._facts.path}` and the profile `{self._gate.profile.name}` refuses JSON "
                    'that cannot be understood; set `unknown_json = "scan"` under [rules] to read it as text',
                )
            )

    @property
    def _refuses_unknown(self) -> bool:
        return self._unknown and self._gate.profile.refuses_unknown

    # --- a PDF ------------------------------------------------------------------------------------------------------

    def _extract(self, reading: Reading) -> list[Command]:
        self._reading, self._state = reading, State.READING
        if len(reading.body) > pdf.MOST:
            return self._on_extracted(Extracted(unread=Unread.TOO_LARGE))
        return [Extract(reading.body)]

    def _on_extracted(self, event: Extracted) -> list[Command]:
        reading = self._reading
        if reading is None:
            raise InternalError("the text of a PDF came that nobody asked for")
        self._reading = None
        if event.unread is not None and (
            why := pdf.refusal(self._gate.profile, reading.body, self._media, event.unread)
        ):
            raise Refused(refuse.of(Code.CONTENT, self._facts.id, why))
        outcome = pdf.inspect(self._gate, self._endpoint, reading.direction, reading.body, self._media, event)
        judged = self._request_judged if reading.direction is Direction.REQUEST else self._answer_judged
        return judged(reading.raw, outcome)


def labelled_binary(what: str, limit: int, headers: Headers) -> Collected:
    """A body whose label says that it is no text, to be collected until its first bytes have told."""
    return Collected(what, limit, FirstBytes(fields.value(headers, "content-encoding"), limit))
