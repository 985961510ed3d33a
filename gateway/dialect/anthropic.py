"""The dialects of Anthropic's Messages API and of its message batches: which grammar reads what, and where rules go."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, override

from gateway.dialect import anthropic_calls, anthropic_transcript, grammar, refusals
from gateway.dialect.anthropic_grammar import ANSWER, BATCH, REQUEST, RESULT_LINE
from gateway.dialect.anthropic_stream import MessageStream
from gateway.dialect.base import Dialect, Reading, StreamReader
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch, apply
from gateway.wire.frames import Framing

_RESULT: Final[Path] = ("result", "message")
"""Where the message stands in a line of the results of a batch."""


class Messages(Dialect):
    """`/v1/messages` and `/v1/messages/count_tokens`; Bedrock and Vertex carry the same bodies."""

    name = "anthropic"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return grammar.read(REQUEST, document, apart=apart)

    @override
    def answer(self, document: Document) -> Reading:
        return grammar.read(ANSWER, document)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return MessageStream()

    @override
    def transcript(self, document: Document) -> Transcript:
        return anthropic_transcript.of_request(document)

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return anthropic_transcript.hosted(document)

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        return anthropic_calls.calls(document)

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return apply(document.raw, anthropic_calls.changes_to(document, changes))

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        return (_instruct(document, (), rules),)

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        """Nothing: citations count the characters of their sources, not of the text they stand at."""
        return ()

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.body(refusals.Shape.ANTHROPIC, refusal)


class MessageBatches(Messages):
    """`/v1/messages/batches`: many requests in one body, and their results as JSON Lines."""

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return grammar.read(BATCH, document)

    @override
    def answer(self, document: Document) -> Reading:
        """A line of the results, or the batch's own state."""
        return grammar.read(RESULT_LINE, document)

    @override
    def transcript(self, document: Document) -> Transcript:
        return anthropic_transcript.of_batch(document)

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return anthropic_transcript.hosted_in_batch(document)

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        """Those of the message in a line of the results."""
        return anthropic_calls.calls(document, _RESULT)

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return apply(document.raw, anthropic_calls.changes_to(document, changes, _RESULT))

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        requests = document.get("requests")
        count = len(requests) if isinstance(requests, list) else 0
        roots: list[Path] = [("requests", index, "params") for index in range(count)]
        return tuple(_instruct(document, root, rules) for root in roots)


def _instruct(document: Document, root: Path, rules: str) -> Patch:
    """Rules go last: subscription tokens want their own sentence first, and what is cached before them stays cached."""
    request = document.get(*root)
    if not isinstance(request, dict):
        raise Malformed("a request is not an object")
    path = (*root, "system")
    if "system" not in request:
        return document.append_member(root, "system", rules)
    system = request["system"]
    if isinstance(system, list):
        return document.insert_item(path, len(system), {"type": "text", "text": rules})
    if isinstance(system, str) and system:
        return document.append_text(path, f"\n\n{rules}")
    if not system:
        return document.replace(path, rules)
    raise Malformed("`system` is neither a text nor a list of blocks")


MESSAGES: Final = Messages()
MESSAGE_BATCHES: Final = MessageBatches()
