"""What a dialect is: the one place that knows how an API spells messages, answers, streams and errors.

A dialect is stateless; what one stream needs to remember lives in its `StreamReader`. A dialect never decides: it
says what is there (segments, deltas), and gives refusals and endings their shape.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field

from gateway.dialect.usage import Usage
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Kind, Path, Place, Role, Segment, Trust, Uninspected
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing

type Fields = tuple[tuple[str, str], ...]
"""Header fields, as in an exchange."""


class Coverage(StrEnum):
    """What is done with the bodies of an endpoint. Declared for each, never silent."""

    DIALECT = "dialect"  # parsed; text parts are segments
    TEXT = "text"  # unknown JSON or text: every string is a segment
    PASS = "pass"  # bytes go through, recorded as not inspected


type Lead = Callable[[Sequence[Any]], int]


class Parts(Struct, frozen=True):
    """An array of which each item can be read by itself, such as the messages of a conversation.

    What an item holds depends on nothing around it, so what was once found in the same bytes can be remembered.
    `read` takes an item as a document of its own. `lead` is given where items in the middle may be left out of a
    document: it tells of the first items of the array how many of them `Dialect.instruct` looks at, whatever follows.
    """

    path: Path
    read: Callable[[Document], Reading]
    lead: Lead | None = None


class Reading(Struct, frozen=True):
    """What was found in one document: the texts to inspect, and the parts that were not read.

    `streaming` is whether a request asks for a stream; `model` is the model's name where the body gives it. `parts` are
    the arrays that were not read but are to be read item by item. `parted` are texts that come in several parts, each
    judged as the one text that it is; the parts are not among `segments`.
    """

    segments: tuple[Segment, ...]
    uninspected: tuple[Uninspected, ...] = ()
    model: str | None = None
    streaming: bool = False
    parts: tuple[Parts, ...] = ()
    parted: tuple[tuple[Segment, ...], ...] = ()


class Delta(Struct, frozen=True):
    """A piece of a text that grows over the events of a stream.

    `channel` names the growing text (choice and field, block, item); pieces of one channel join in order.
    `whole` marks a text that stands complete in this one event (a restatement in a `done` event): it is judged alone.
    `apart` marks a piece that some readers put on a line of its own.
    """

    channel: Hashable
    place: Place
    text: str
    kind: Kind = Kind.TEXT
    role: Role = Role.ASSISTANT
    trust: Trust = Trust.MODEL
    editable: bool = True
    whole: bool = False
    apart: bool = False


class EventReading(Struct, frozen=True):
    """What one event of a stream holds.

    `closes` are channels that end with this event (after its deltas); `closes_all` ends every channel.
    `usage` is what the provider has counted up to this event, where it says so.

    `calling` are the calls of tools that this event holds a part of, by the keys that `called` gives them; `called` are
    those that are complete with it, each once in a stream, however often later events restate it. What completes a call
    holds a part of it, as where it says why the model stopped.
    """

    deltas: tuple[Delta, ...] = ()
    closes: tuple[Hashable, ...] = ()
    closes_all: bool = False
    uninspected: tuple[Uninspected, ...] = ()
    usage: Usage = field(default_factory=dict)
    calling: tuple[Hashable, ...] = ()
    called: tuple[Called, ...] = ()


class Denials(Struct, frozen=True):
    """Calls that were refused in an answer, and that its provider keeps: it waits for what they return.

    `names` are the ids by which later requests lean on that answer; `items`, JSON values, are what the first of these
    must bring along. To be remembered as long as the provider keeps answers.
    """

    names: tuple[str, ...]
    items: tuple[Any, ...]


type Payload = tuple[str | None, bytes]
"""An event's SSE name (None if none), and its data."""


class StreamReader(Protocol):
    """Reads the events of one stream, in order. One object a stream.

    `keepalive` may be sent between two events while the stream waits; empty where clients do not bear anything there.
    """

    keepalive: bytes = b""

    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        """Say what one event holds.

        `event` is the SSE event name (None if none); `document` the parsed JSON payload, or None where the payload is
        not JSON (`[DONE]`); `data` the payload's bytes. Raises Malformed for an event that cannot be trusted.
        """
        ...

    def changed(
        self,
        event: str | None,
        document: Document | None,  # noqa: ARG002 -- for those whose streams hold calls
        data: bytes,
        changes: Mapping[Hashable, Change],  # noqa: ARG002
    ) -> Sequence[Payload]:
        """The events in place of this one, in a stream of which `changes` became of calls, by their keys.

        Once there is a change, every event passes here on its way out, in order and before `sent`: also those that
        restate a call, and the one that says why the model stopped.
        """
        return ((event, data),)

    def unfinished(self) -> tuple[Called, ...]:
        """The calls that have begun and that no event completed, once the stream is over; each is complete by that."""
        return ()

    def denials(self, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:  # noqa: ARG002 -- as in `changed`
        """What is to be remembered of the refused calls so far, for requests that lean on what the provider keeps."""
        return ()

    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        """Note that this event has left for the client, so that `ending` fits what the client has seen."""
        ...

    def ending(self, refusal: Refusal) -> bytes:
        """The bytes that end the stream properly after a cut, given the events noted by `sent`."""
        ...


class Dialect(Protocol):
    """One API's way of writing requests, answers and streams."""

    name: str

    framings: frozenset[Framing] = frozenset(Framing) - {Framing.AMAZON}
    """Those that its clients read its streams in, whatever a label says."""

    def request(self, document: Document, *, apart: bool = False) -> Reading:
        """The segments of a request body. With `apart`, arrays of independent items may be left for `Reading.parts`."""
        ...

    def answer(self, document: Document) -> Reading:
        """The segments of a complete (not streamed) answer body."""
        ...

    def stream(self, framing: Framing) -> StreamReader:
        """A reader for one answer stream in that framing."""
        ...

    def transcript(self, document: Document) -> Transcript:  # noqa: ARG002 -- for those that hold conversations
        """What a request body tells of the conversation so far."""
        return Transcript(is_whole=False)

    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        """What a request body has the provider run or fetch: `Transcript.hosted`, which every request is asked for."""
        return self.transcript(document).hosted

    def calls(self, document: Document) -> tuple[Called, ...]:  # noqa: ARG002 -- likewise
        """The calls of tools that the agent is to run in a complete answer body, in order."""
        return ()

    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:  # noqa: ARG002 -- likewise
        """The answer body with these calls refused, each by its words in the dialect, or with other arguments.

        The rest of the answer stands, byte for byte, but for why the model stopped, where no call is left.
        """
        return document.raw

    def denials(self, document: Document, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:  # noqa: ARG002
        """What is to be remembered of the refused calls of a complete answer body, as in `StreamReader.denials`."""
        return ()

    def may_lean(self, body: bytes) -> bool:  # noqa: ARG002 -- likewise
        """Whether a request body may go on from something that the provider keeps, or hold messages of our own: quick,
        and true rather than false."""
        return False

    def leans_on(self, document: Document) -> tuple[str, ...]:  # noqa: ARG002 -- for those whose provider keeps answers
        """The ids of earlier answers and conversations that a request body goes on from: names of `Denials`."""
        return ()

    def resumed(self, document: Document, denials: Sequence[Denials]) -> bytes:  # noqa: ARG002 -- likewise
        """The request body as the provider takes it, where calls of earlier answers were refused.

        `denials` are those remembered under what it `leans_on`; a body may need this without any.
        """
        return document.raw

    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """The patches that append the hierarchy's `rules` to the system message, making one where there is none.

        Deterministic: same document and rules, same bytes. Empty where the body has no place for it.
        """
        ...

    def amend(self, document: Document) -> tuple[Patch, ...]:  # noqa: ARG002 -- for the few that have something
        """What an answer must say otherwise since it comes through the gateway, whatever is found in it."""
        return ()

    def answer_fields(self, headers: Fields) -> Fields:
        """The fields of an answer as they go on. Raises UpstreamError for one that would lead past the gateway."""
        return headers

    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        """What else must change once the text at `path` was edited: null `logprobs`, drop offsets of citations."""
        ...

    def refusal(self, refusal: Refusal) -> bytes:
        """The JSON body of a refused request, in the dialect's own error shape."""
        ...

    def status(self, refusal: Refusal) -> int:
        """The HTTP status of a refused request."""
        return refusal.status

    def refusal_fields(self, refusal: Refusal) -> Fields:  # noqa: ARG002 -- for those whose clients look there
        """Fields in which clients of this API look for what is wrong, beside those of all refusals."""
        return ()
