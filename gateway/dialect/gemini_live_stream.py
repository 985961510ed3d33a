"""The server's messages in a Live session: turns of the model one after another, what was heard, and calls.

A call stops the model: by default it goes on only once each of its calls has a result ("Function calling" in the Live
API guide, 2026-11). So nothing that came before a call may wait for a text that would go on after it, and for a call
that is refused the result is supplied here, with the words of the refusal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, override

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import usage
from gateway.dialect.base import Denials, EventReading, Payload, StreamReader
from gateway.dialect.containers import members_of
from gateway.dialect.gemini_grammar import goes_on
from gateway.dialect.gemini_live_grammar import content_of, server_message
from gateway.dialect.openai_calls import put, text_of
from gateway.dialect.openai_chat_stream import framed
from gateway.dialect.proto_json import camel, items, member, spelt
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch, apply
from gateway.wire.frames import Framing

_REMEMBERED: Final = 256
"""Calls that are known until something is returned for them: more than a model makes before it goes on."""

_HEARD: Final = "heard"
_SAID: Final = "said"
_PAUSES: Final = ("turnComplete", "interrupted", "generationComplete", "waitingForInput")
"""Members of a `serverContent` after which what was said does not go on."""


class _Made(Struct, frozen=True):
    """A call in a message, and where it stands; `is_part` where it stands among the parts of a turn."""

    key: Hashable
    path: Path
    call: Call
    is_part: bool


class LiveStream(StreamReader):
    """Channels are what is heard and what is said, thought or spoken, up to where it pauses."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(
            maxlen=_REMEMBERED
        )  # the last of them, for which the client may return something
        self.is_idle = True
        self._open: dict[str, dict[Hashable, None]] = {_HEARD: {}, _SAID: {}}  # growing texts
        self._number = {_HEARD: 0, _SAID: 0}  # how often such texts have ended
        self._count = 0  # calls
        self._pending: dict[Hashable, Call] = {}  # those for which the server waits
        self._waiting: deque[tuple[_Made, ...]] = deque()  # what is in the messages that have not left
        self._usage: usage.Usage = {}  # of the turns that are over
        self._turn: usage.Usage = {}
        self._is_speaking = False  # for the client

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            raise Malformed("a message of the session is not JSON")
        reading = g.read_event(server_message, document, self._channel)
        for delta in reading.deltas:
            if not delta.whole:
                assert isinstance(delta.channel, tuple)
                self._open[delta.channel[0]][delta.channel] = None
        made = tuple(self._made(document))
        self._waiting.append(made)
        keys = tuple(one.key for one in made)
        closes = self._closed(document, is_calling=bool(made))
        self._follow(document)
        return replace(
            reading,
            closes=closes,
            usage=_sum(self._usage, self._turn),
            calling=keys,
            called=tuple(Called(one.key, one.call) for one in made),
        )

    def _channel(self, document: Document, path: Path) -> tuple[Any, ...]:
        kind = camel(str(path[1]))
        if kind == "inputTranscription":
            return (_HEARD, self._number[_HEARD])
        owner = document.get(*path[:-1])
        return (_SAID, self._number[_SAID], kind, isinstance(owner, dict) and owner.get("thought") is True)

    def _closed(self, document: Document, *, is_calling: bool) -> tuple[Hashable, ...]:
        """The texts that end with a message: all at a pause or a call; what was heard once the model begins to answer,
        or where it is said to be finished."""
        content = content_of(document.value)
        pauses = is_calling or any(member(content, name) for name in _PAUSES)
        heard = member(content, "inputTranscription")
        is_finished = isinstance(heard, dict) and heard.get("finished") is True
        closed: list[Hashable] = []
        for whose, ends in ((_HEARD, is_finished or (self.is_idle and _speaks(content))), (_SAID, False)):
            if ends or pauses:
                closed += self._open[whose]
                self._open[whose] = {}
                self._number[whose] += 1
        return tuple(closed)

    def _follow(self, document: Document) -> None:
        """Note whether the model is at work, what it has cost, and which calls the server does not wait for."""
        content = content_of(document.value)
        counts = usage.GEMINI_LIVE.read(document.get("usageMetadata"))
        self.is_idle = self.is_idle and not (self._waiting[-1] or _speaks(content))
        if self.is_idle:  # told late, of a turn that is over
            self._usage = _sum(self._usage, counts)
        else:
            self._turn = counts or self._turn
        if _is_over(content):
            self.is_idle = True
            self._usage, self._turn = _sum(self._usage, self._turn), {}
        cancelled = document.get("toolCallCancellation", "ids")
        for identity in cancelled if isinstance(cancelled, list) else ():
            self._pending = {key: call for key, call in self._pending.items() if call.id != identity}

    def _made(self, document: Document) -> Iterator[_Made]:
        """The calls in a message."""
        for path, value, is_part in _calls(document):
            if goes_on(value) or member(value, "partialArgs"):
                raise Malformed("a call of the session comes in pieces")
            self._count += 1
            call = Call(text_of(value.get("name")), _arguments(value), text_of(value.get("id")))
            self.calls.append(call)
            made = _Made(("call", self._count), path, call, is_part)
            self._pending[made.key] = call
            if len(self._pending) > _REMEMBERED:
                del self._pending[next(iter(self._pending))]
            yield made

    def answered(self, identities: set[str]) -> None:
        """The client has returned something for the calls of these ids: the server waits for them no more."""
        self._pending = {key: call for key, call in self._pending.items() if call.id not in identities}

    @override
    def denials(self, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        """The results of refused calls for which the server waits, each once."""
        refused = [(key, words) for key in self._pending if (words := _refusal(changes.get(key))) is not None]
        found = tuple(_result(self._pending.pop(key), words) for key, words in refused)
        return (Denials((), found),) if found else ()

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        """A refused call is taken out, since the server is told of it; a message that holds nothing else, too."""
        assert document is not None
        made = self._waiting[0]
        gone = {one.path for one in made if not one.is_part and _refusal(changes.get(one.key)) is not None}
        left = [path for path, _, is_part in _calls(document) if not is_part and path not in gone]
        key = spelt(document.value, "toolCall") if gone and not left else None
        if key is not None and len(document.value) == 1:
            return ()
        patches = list(_patches(document, made, changes))
        if key is not None:
            patches += document.without((), {key})
        elif gone:
            patches += document.without(next(iter(gone))[:-1], {path[-1] for path in gone})
        return ((event, apply(data, patches)),)

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        self._waiting.popleft()
        assert document is not None
        content = content_of(document.value)
        self._is_speaking = (self._is_speaking or _speaks(content)) and not member(content, "turnComplete")

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """The end of the turn that the client has heard begin, with a reason; the API has no words for more."""
        if not self._is_speaking:
            return b""
        content = {"turnComplete": True, "turnCompleteReason": "GENERATED_CONTENT_PROHIBITED"}
        return framed(Framing.MESSAGE, {"serverContent": content})


def _speaks(content: dict[str, Any]) -> bool:
    return any(member(content, name) is not None for name in ("modelTurn", "outputTranscription"))


def _is_over(content: dict[str, Any]) -> bool:
    """Whether the model rests: a model that thinks at length tells so, others end their turn."""
    status = member(content, "interactionStatus")
    if status not in (None, "INTERACTION_STATUS_UNSPECIFIED"):
        return bool(status == "IDLE")
    return member(content, "turnComplete") is True


def _sum(one: usage.Usage, other: usage.Usage) -> usage.Usage:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _calls(document: Document) -> Iterator[tuple[Path, dict[str, Any], bool]]:
    """Where calls stand in a message, and which are parts of a turn."""
    if not members_of(document.value, "message"):
        return
    key = spelt(document.value, "toolCall")
    if key is not None:
        held = members_of(document.value[key], key)
        name = spelt(held, "functionCalls")
        for path, value in items(held[name], (key, name)) if name is not None else ():
            members_of(value, "functionCalls")
            if isinstance(value, dict):
                yield path, value, False
    content = content_of(document.value)
    turn = members_of(member(content, "modelTurn"), "modelTurn")
    for path, part in items(turn.get("parts"), (*_place(document.value, "serverContent", "modelTurn"), "parts")):
        value = member(members_of(part, "parts"), "functionCall")
        members_of(value, "functionCall")
        if isinstance(value, dict):
            yield path, value, True


def _place(value: dict[str, Any], *names: str) -> Path:
    """How these members, one in the other, are spelt; as they are written here where there are none."""
    path: tuple[str, ...] = ()
    for name in names:
        key = spelt(value, name) if isinstance(value, dict) else None
        path = (*path, key or name)
        value = value.get(key, {}) if key is not None else {}
    return path


def _arguments(call: dict[str, Any]) -> Any:
    arguments = call.get("args")
    return {} if arguments is None else arguments


def _refusal(change: Change | None) -> str | None:
    return None if change is None else change.refusal


def _result(call: Call, words: str) -> dict[str, Any]:
    """As "FunctionResponse" has it: `error` tells what went wrong."""
    identity = {"id": call.id} if call.id else {}
    return {**identity, "name": call.name, "response": {"error": words}}


def _patches(document: Document, made: tuple[_Made, ...], changes: Mapping[Hashable, Change]) -> Iterator[Patch]:
    """The patches for calls among the parts of a turn, and for those with other arguments."""
    for one in made:
        change = changes.get(one.key)
        if change is None:
            continue
        path = (*one.path, spelt(document.get(*one.path), "functionCall") or "") if one.is_part else one.path
        if change.refusal is None:
            yield put(document, path, "args", change.arguments)
        elif one.is_part:
            yield document.replace(one.path, {"text": change.refusal})
