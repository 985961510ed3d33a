"""Which conversation a call is made in, by what the request tells of it.

An approval for a session is bound to the call that it was given for. A later call is of the same session where its
request has that call among those that the model made before. So two conversations with the same beginning are two, and
a conversation that grows stays one; a client that takes the call out of what it sends begins a new one, and asks anew.
Where a protocol or the client names the conversation, that name counts alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

from msgspec import Struct

from gateway.policy.call import Call, Session
from gateway.policy.fingerprint import fingerprint
from gateway.policy.transcript import Made, Returned, Said, Transcript, Turn
from gateway.segment import Role

NOWHERE: Final = Session()
"""Of a call whose conversation nothing tells."""

_SCATTERED: Final = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]{8})[A-Za-z0-9]*[0-9][A-Za-z]|[A-Za-z]{16}", re.ASCII)
"""What an id has that was drawn at random, and one that was counted has not (`call_0`, `functions.send:12`): among
eight signs or more a digit before a letter, or more letters than a word has. Of 100,000 made in the forms of OpenAI,
Anthropic and Bedrock (22 to 24 signs of 62), and of UUIDs, none lacks both; of those of 9 such signs (Mistral) one in
four does, and is taken for counted."""

_LEAST_NAME: Final = 4
"""Letters of a tool's name that is looked for in ids: shorter ones are in many by chance."""


class _Place(Struct, frozen=True):
    """A call that the model made, and the digest of all that it had been told until then."""

    call: Call
    heard: bytes


class Thread:
    """The conversation of a transcript. `key` derives the names."""

    def __init__(self, transcript: Transcript, key: bytes) -> None:
        self._transcript = transcript
        self._key = key

    def session(self, call: Call, beside: Iterable[Call]) -> Session:
        """Of a call in the answer to that request. `beside` are others in the same answer."""
        if self._transcript.session:
            name = self._digest("named", self._transcript.session)
            return Session(name, frozenset({name}), name)
        if not self._transcript.turns:
            return NOWHERE
        others = (name for one in beside if (name := self._name(_Place(one, self._heard))))
        return Session(self._name(_Place(call, self._heard)), self._earlier.union(others), self._opening)

    def _name(self, place: _Place) -> str:
        """The name of a call, by which it is found again; empty where nothing but its words tells it."""
        call = place.call
        if is_scattered(call):
            return self._digest("call", call.id)
        if not self._transcript.is_whole:
            return ""
        return self._digest("place", place.heard.hex(), call.id, fingerprint(call, self._key))

    @cached_property
    def _opening(self) -> str:
        said = (turn.text for turn in self._transcript.turns if isinstance(turn, Said) and turn.role is Role.USER)
        first = next(said, "")
        return self._digest("opening", first) if first else ""

    @cached_property
    def _earlier(self) -> frozenset[str]:
        """The names of the calls before, those included of which the request has nothing but what they returned."""
        found = {name for place in self._told() if (name := self._name(place))}
        turns = self._transcript.turns
        answered = (turn.id for turn in turns if isinstance(turn, Returned) and turn.call is None)
        return frozenset(found.union(self._digest("call", id_) for id_ in answered if _SCATTERED.search(id_)))

    @cached_property
    def _heard(self) -> bytes:
        """The digest of all that the model was told in this request."""
        heard = _BEGINNING
        for turn in self._transcript.turns:
            heard = _hear(heard, turn)
        return heard

    def _told(self) -> Iterator[_Place]:
        heard = _BEGINNING
        for turn in self._transcript.turns:
            if isinstance(turn, Made):
                yield _Place(turn.call, heard)
            heard = _hear(heard, turn)

    def _digest(self, *parts: str) -> str:
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, b"session\0" + text, hashlib.sha256).hex()[:32]


_BEGINNING: Final = b""
"""The digest of nothing."""


def _hear(heard: bytes, turn: Turn) -> bytes:
    """The digest with what that turn adds. What the model said itself is not in it: of an answer that is being judged
    it is not known yet what reaches the client. Nor are system prompts, which tell the time."""
    if isinstance(turn, Returned) or (isinstance(turn, Said) and turn.role is Role.USER):
        return hashlib.sha256(heard + b"\0" + turn.text.encode("utf-8", "surrogatepass")).digest()
    return heard


def is_scattered(call: Call) -> bool:
    """Whether the id of a call is one that no other call will have."""
    own = call.id.replace(call.name, "-") if len(call.name) >= _LEAST_NAME else call.id
    return _SCATTERED.search(own) is not None
