"""The calls of tools in an answer that is whole: one document, or one in each line of a file of results."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.base import Coverage, Denials, Dialect
from gateway.dialect.route import Endpoint, Form
from gateway.exchange.body import Unit, line_units
from gateway.exchange.whole import Outcome
from gateway.policy.call import Called, Change
from gateway.wire.document import Document, parse


class WholeCalls(Struct, frozen=True):
    """What `body` calls. Keys are those of the dialect with the number of the document before.

    `written` are the documents as they came, before texts in them were edited: calls are judged as a model wrote them,
    as they are in a stream.
    """

    dialect: Dialect
    body: bytes
    units: tuple[Unit, ...]
    written: tuple[Document, ...]

    def called(self) -> tuple[Called, ...]:
        return tuple(
            replace(one, key=(number, one.key))
            for number, document in enumerate(self.written)
            for one in self.dialect.calls(document)
        )

    def denials(self, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        """What later requests must bring along that lean on these answers."""
        return tuple(
            denial
            for number, unit in enumerate(self.units)
            if (own := _own(changes, number))
            for denial in self.dialect.denials(unit.document, own)
        )

    def changed(self, changes: Mapping[Hashable, Change]) -> bytes:
        """The body with these changes made; the rest of it as it was."""
        pieces: list[bytes] = []
        position = 0
        for number, unit in enumerate(self.units):
            raw = unit.document.raw
            own = _own(changes, number)
            pieces += (self.body[position : unit.start], self.dialect.changed(unit.document, own) if own else raw)
            position = unit.start + len(raw)
        return b"".join((*pieces, self.body[position:]))


def _own(changes: Mapping[Hashable, Change], number: int) -> dict[Hashable, Change]:
    """The changes in one document, by the dialect's own keys."""
    return {key[1]: change for key, change in changes.items() if isinstance(key, tuple) and key[0] == number}


def whole_calls(endpoint: Endpoint, outcome: Outcome) -> WholeCalls:
    """The calls of an answer that was judged. Lines that were edited are taken as they leave: what came is not kept."""
    units: tuple[Unit, ...] = ()
    written: tuple[Document, ...] = ()
    if endpoint.coverage is Coverage.DIALECT:
        if outcome.document is not None:
            units = (Unit(parse(outcome.body) if outcome.edited else outcome.document),)
            written = (outcome.document,)
        elif endpoint.answer_form is Form.LINES and outcome.inspected.coverage == Coverage.DIALECT:
            units = line_units(outcome.body)
            written = tuple(unit.document for unit in units)
    return WholeCalls(endpoint.dialect, outcome.body, units, written)
