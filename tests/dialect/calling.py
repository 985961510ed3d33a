"""Plays streams whose calls are changed on their way to the client, as an exchange does."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.dialect.base import StreamReader
from gateway.policy.call import Call, Called, Change
from gateway.wire.document import parse
from tests.dialect.replay import StreamEvent

type Decide = Callable[[Call], Change | None]
"""What becomes of a call."""


@dataclass
class Passed:
    """What a client got of a stream, and what the reader said of its calls."""

    events: list[tuple[str | None, bytes]] = field(default_factory=list)
    called: list[Called] = field(default_factory=list)
    calling: list[tuple[Hashable, ...]] = field(default_factory=list)

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [parse(data).value for _, data in self.events if data != b"[DONE]"]

    @property
    def calls(self) -> list[Call]:
        return [called.call for called in self.called]


def decided(called: Iterable[Called], decide: Decide) -> dict[Hashable, Change]:
    """The changes of calls, for those that are not left as they are."""
    return {one.key: change for one in called if (change := decide(one.call)) is not None}


def passed(reader: StreamReader, stream: Iterable[StreamEvent], decide: Decide) -> Passed:
    """Read all events; each leaves once the calls in it, and in those before it, are decided."""
    out = Passed()
    waiting: list[tuple[StreamEvent, tuple[Hashable, ...]]] = []
    changes: dict[Hashable, Change] = {}
    known: set[Hashable] = set()

    def note(called: Iterable[Called]) -> None:
        for one in called:
            assert one.key not in known, "a call is complete twice"
            known.add(one.key)
            out.called.append(one)
            changes.update(decided([one], decide))

    def release() -> None:
        while waiting and known.issuperset(waiting[0][1]):
            event, _ = waiting.pop(0)
            _leave(reader, event, changes, out)

    for event in stream:
        reading = reader.read(*event)
        out.calling.append(reading.calling)
        waiting.append((event, reading.calling))
        note(reading.called)
        release()
    note(reader.unfinished())
    release()
    assert not waiting, "a call was announced and never completed"
    return out


def _leave(reader: StreamReader, event: StreamEvent, changes: Mapping[Hashable, Change], out: Passed) -> None:
    out.events += reader.changed(*event, changes) if changes else [(event[0], event[2])]
    reader.sent(*event)


def as_it_is(_: Call) -> None:
    """Leaves each call as it is."""


def refused(*names: str) -> Decide:
    """Refuses calls of these tools, saying which."""
    return lambda call: Change(refusal=f"No `{call.name}`.") if call.name in names else None


def given(arguments: Any, *names: str) -> Decide:
    """Gives calls of these tools other arguments."""
    return lambda call: Change(arguments=arguments) if call.name in names else None
