"""The dialect of Google's Interactions API: where instructions go, and what an edit of an answer breaks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, override

import orjson

from gateway.dialect import grammar as g
from gateway.dialect import interactions_calls as whole
from gateway.dialect import interactions_denials as refused
from gateway.dialect import interactions_transcript, refusals
from gateway.dialect.base import Denials, Dialect, Reading, StreamReader
from gateway.dialect.interactions_grammar import ANSWER, CONTENTS, REQUEST
from gateway.dialect.interactions_stream import InteractionStream
from gateway.dialect.proto_json import member, spelt
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing


class Interactions(Dialect):
    """`/interactions`: a request is answered by an interaction, or by its events."""

    name = "gemini_interactions"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return g.read(REQUEST, document, apart=apart)

    @override
    def answer(self, document: Document) -> Reading:
        return g.read(ANSWER, document)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return InteractionStream(framing)

    @override
    def transcript(self, document: Document) -> Transcript:
        return interactions_transcript.of_request(document)

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return interactions_transcript.hosted(document)

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        return whole.calls(document)

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return whole.changed(document, changes)

    @override
    def denials(self, document: Document, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        return refused.of_interaction(document, changes)

    @override
    def may_lean(self, body: bytes) -> bool:
        return refused.may_lean(body)

    @override
    def leans_on(self, document: Document) -> tuple[str, ...]:
        return refused.leans_on(document)

    @override
    def resumed(self, document: Document, denials: Sequence[Denials]) -> bytes:
        return refused.resumed(document, denials)

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """In `system_instruction`, which holds for one interaction; beside the data where a cached prefix has one.

        An interaction that only goes on with what was broken off (`continuation_token`) had the rules at its beginning,
        and a prefix that is cached cannot be given others.
        """
        body = document.value
        if not isinstance(body, dict):
            raise Malformed("a request is not an object")
        if member(body, "cachedContent"):
            return tuple(_beside(document, rules))
        key = spelt(body, "systemInstruction") or "system_instruction"
        if not isinstance(body.get(key), str | None):
            raise Malformed("`system_instruction` is not a text")
        return g.lengthen(document, (), key, rules)

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        """Annotations of an edited text cite nothing any more, and what spells it word by word is emptied.

        The others stay, since they may hold edits of their own.
        """
        owner = path[:-1]
        if path[-1:] != ("text",) or "annotations" in owner:
            return ()
        return tuple(_unplaced(document, owner))

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        """Other than in the rest of the Gemini API the `code` is a word here, which clients insist on."""
        return refusals.body(refusals.Shape.PLAIN, refusal)


def _unplaced(document: Document, owner: Path) -> Iterator[Patch]:
    annotations = document.get(*owner, "annotations")
    for index, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
        place: Path = (*owner, "annotations", index)
        for key in annotation if isinstance(annotation, dict) else ():
            if key in ("start_index", "end_index"):
                yield document.replace((*place, key), 0)
            elif key == "text" and annotation.get("type") == "word_info":
                yield document.replace((*place, key), "")


def _beside(document: Document, rules: str) -> Iterator[Patch]:
    """Before all that the input holds."""
    part: dict[str, Any] = {"type": "text", "text": rules}
    given = document.get("input")
    if isinstance(given, list):
        yield document.insert_item(("input",), 0, _in_its_form(part, given))
    elif isinstance(given, str):
        start, end = document.span(("input",))
        yield Patch(start, start, b"[" + orjson.dumps(part) + b',{"type":"text","text":')
        yield Patch(end, end, b"}]")
    else:
        raise Malformed("a request with a cached prefix has no input that the rules can stand beside")


def _in_its_form(part: dict[str, Any], given: list[Any]) -> dict[str, Any]:
    """A part as an item of a list of contents, of turns or of steps."""
    if any(isinstance(item, dict) and item.get("type") in CONTENTS for item in given):
        return part
    if any(map(refused.is_turn, given)):
        return {"role": "user", "content": [part]}
    return {"type": "user_input", "content": [part]}


INTERACTIONS: Final = Interactions()
