"""The dialect of Bedrock's Converse API, which speaks alike with models of all publishers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, override

from gateway.dialect import bedrock_calls, bedrock_transcript, grammar
from gateway.dialect.base import Dialect, Reading, StreamReader
from gateway.dialect.bedrock_converse_stream import ConverseStream
from gateway.dialect.bedrock_grammar import ANSWER, REQUEST
from gateway.dialect.bedrock_refusals import Refusals
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply
from gateway.wire.frames import Framing


class Converse(Refusals, Dialect):
    """`converse` and `converse-stream`."""

    name = "bedrock_converse"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return grammar.read(REQUEST, document, apart=apart)

    @override
    def answer(self, document: Document) -> Reading:
        return grammar.read(ANSWER, document)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return ConverseStream()

    @override
    def transcript(self, document: Document) -> Transcript:
        return bedrock_transcript.of_request(document)

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return bedrock_transcript.hosted(document)

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        return bedrock_calls.calls(document)

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return apply(document.raw, bedrock_calls.changes_to(document, changes))

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """Rules go last, so that what is cached before them stays cached."""
        if not isinstance(document.value, dict):
            raise Malformed("a request is not an object")
        blocks: list[Any] = [{"text": rules}]
        system = document.value.get("system")
        if isinstance(system, list):
            return (document.insert_item(("system",), len(system), blocks[0]),)
        if system is not None:
            raise Malformed("`system` is no list of blocks")
        if "system" in document.value:
            return (document.replace(("system",), blocks),)
        return (document.append_member((), "system", blocks),)

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        """Nothing: citations count the characters of their sources, not of the text they stand at."""
        return ()


CONVERSE: Final = Converse()
