"""The dialects of the OpenAI API: one for each kind of request, all with the same answers, edits and refusals.

An answer is read by what it says it is (`object`, `type`), not by the path that was asked: stored completions,
background responses, conversations and batch results come back by other paths than they were made by.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, override

from msgspec import Struct

from gateway.dialect import grammar as g
from gateway.dialect import openai_chat as chat
from gateway.dialect import openai_chat_calls as chat_calls
from gateway.dialect import openai_chat_transcript as chat_transcript
from gateway.dialect import openai_denials as refused
from gateway.dialect import openai_responses as responses
from gateway.dialect import openai_responses_calls as responses_calls
from gateway.dialect import openai_responses_transcript as responses_transcript
from gateway.dialect.base import Denials, Dialect, Reading, StreamReader
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.openai_chat_stream import ChatStream
from gateway.dialect.openai_events import EventStream
from gateway.dialect.plain import ANSWERED, ASKED, PLAIN
from gateway.dialect.refusals import Shape, body
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch, parse
from gateway.wire.frames import Framing

type Instruct = Callable[[Document, str, Path], tuple[Patch, ...]]
"""Appends rules to the system message of the request at a path."""

_unknown: Final = g.opaque(ANSWERED)


def answer(sink: Sink, value: Any, path: Path) -> None:
    """Any answer of the API."""
    rule = _OBJECTS.get(_tag(value, "object")) or _by_members(value)
    rule(sink, value, path)


def _tag(value: Any, member: str) -> str:
    tag = value.get(member) if isinstance(value, dict) else None
    return tag if isinstance(tag, str) else ""


def _by_members(value: Any) -> Rule:
    """The rule for what bears no `object`, or one that is not known."""
    if not isinstance(value, dict):
        return _unknown
    if _tag(value, "type") in responses.ITEM_TYPES:
        return responses.ANSWER_ITEM
    if isinstance(value.get("choices"), list):  # some servers of the chat API leave `object` out
        return chat.ANSWER
    if "role" in value:  # stored chat messages
        return chat.ANSWER_MESSAGE if value["role"] == "assistant" else chat.MESSAGE
    return _IMAGES if isinstance(value.get("data"), list) else _unknown


_LIST: Final[Rule] = g.members(
    {
        "data": g.each(answer, _unknown),
        **g.skipped("object model first_id last_id has_more next_page"),
        **g.ignored("usage"),
    },
    _unknown,
)
_FOUND: Final[Rule] = g.opaque(g.RESULT_LABEL)  # what a search of a vector store brought up
_OBJECTS: Final[Mapping[str, Rule]] = {
    "chat.completion": chat.ANSWER,
    "text_completion": chat.ANSWER,
    "response": responses.ANSWER,
    "response.compaction": responses.ANSWER,
    "list": _LIST,
    "embedding": g.members(g.skipped("object index") | g.ignored("embedding"), _unknown),
    "vector_store.search_results.page": _FOUND,
    "vector_store.file_content.page": _FOUND,
}
_IMAGE: Final[Rule] = g.members(
    {"b64_json": g.uninspected("image"), "url": g.uninspected("image"), "revised_prompt": g.text(g.ASSISTANT)}, _unknown
)
_IMAGES: Final[Rule] = g.members(
    {
        "data": g.each(_IMAGE, _unknown),
        **g.skipped("created background output_format quality size"),
        **g.ignored("usage"),
    },
    _unknown,
)


class Telling(Struct, frozen=True):
    """How a request is told as a conversation, whole (with what the grammar found) and what is hosted of it alone; the
    path leads to the request in the document."""

    transcript: Callable[[Document, Reading, Path], Transcript]
    hosted: Callable[[Document, Path], tuple[Hosted, ...]]


_CHATTING: Final = Telling(chat_transcript.transcript, chat_transcript.hosted)
RESPONDING: Final = Telling(responses_transcript.transcript, responses_transcript.hosted)


class OpenAI(Dialect):
    """One kind of request of the API."""

    def __init__(
        self,
        name: str,
        asked: Rule,
        reader: Callable[[Framing], StreamReader],
        instruct: Instruct | None = None,
        telling: Telling | None = None,
    ) -> None:
        self.name = name
        self.asked = asked
        self._reader = reader
        self._instruct = instruct
        self._telling = telling

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return g.read(self.asked, document, apart=apart)

    @override
    def answer(self, document: Document) -> Reading:
        return g.read(answer, document)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return self._reader(framing)

    @override
    def transcript(self, document: Document) -> Transcript:
        return self.told(document, self.request(document))

    def told(self, document: Document, reading: Reading, root: Path = ()) -> Transcript:
        """The transcript of the request at `root` of a document, in which `reading` was found."""
        return (
            Transcript(is_whole=False) if self._telling is None else self._telling.transcript(document, reading, root)
        )

    @override
    def hosted(self, document: Document, root: Path = ()) -> tuple[Hosted, ...]:
        return () if self._telling is None else self._telling.hosted(document, root)

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        return calls(document)

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return changed(document, changes)

    @override
    def denials(self, document: Document, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        return refused.of_response(document, changes)

    @override
    def may_lean(self, body: bytes) -> bool:
        return self._telling is RESPONDING and refused.may_lean(body)

    @override
    def leans_on(self, document: Document) -> tuple[str, ...]:
        return refused.leans_on(document) if self._telling is RESPONDING else ()

    @override
    def resumed(self, document: Document, denials: Sequence[Denials]) -> bytes:
        return refused.resumed(document, denials) if self._telling is RESPONDING else document.raw

    @override
    def instruct(self, document: Document, rules: str, root: Path = ()) -> tuple[Patch, ...]:
        """As the protocol says; `root` is where in the document the request stands."""
        return () if self._instruct is None else self._instruct(document, rules, root)

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        return after_edit(document, path)

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return body(Shape.OPENAI, refusal)


def calls(document: Document, root: Path = ()) -> tuple[Called, ...]:
    """The calls in the answer at `root`, by its members: what has `choices` or `output` may make an agent run tools."""
    return (*chat_calls.calls(document, root), *responses_calls.calls(document, root))


def changed(document: Document, changes: Mapping[Hashable, Change], root: Path = ()) -> bytes:
    """The document with these changes of the calls that `calls` gave."""
    out = chat_calls.changed(document, changes, root)
    return responses_calls.changed(parse(out), changes, root) if responses_calls.calls(document, root) else out


def after_edit(document: Document, path: Path) -> tuple[Patch, ...]:
    """Empty the `logprobs` that spell the edited text, and set the offsets of its citations to 0.

    The citations stay, since they may hold edits of their own; at offset 0 they cite an empty range.
    """
    patches: list[Patch] = []
    for depth, step in enumerate(path):
        if step == "annotations":
            return ()
        above = path[:depth]
        owner = document.get(*above)
        if not isinstance(owner, dict):
            continue
        if above[-2:-1] == ("choices",):
            patches += _emptied(document, above, None)
        elif above[-3:-2] == ("choices",):
            patches += _unplaced(document, above)
        elif _tag(owner, "type") in _TEXT_TYPES:
            patches += (*_emptied(document, above, []), *_unplaced(document, above))
    return tuple(patches)


_TEXT_TYPES: Final = frozenset({"output_text", "response.output_text.delta", "response.output_text.done"})
_OFFSETS: Final = frozenset({"start_index", "end_index", "index"})


def _emptied(document: Document, owner: Path, empty: list[Any] | None) -> Iterator[Patch]:
    if document.get(*owner, "logprobs"):
        yield document.replace((*owner, "logprobs"), empty)


def _unplaced(document: Document, owner: Path) -> Iterator[Patch]:
    annotations = document.get(*owner, "annotations")
    for position, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
        place: Path = (*owner, "annotations", position)
        if _tag(annotation, "type") == "url_citation" and "url_citation" in annotation:  # chat has it one level down
            place = (*place, "url_citation")
        cited = document.get(*place)
        for member in cited if isinstance(cited, dict) else ():
            if member in _OFFSETS:
                yield document.replace((*place, member), 0)


_asked: Final = g.opaque(ASKED)
_GIVEN: Final[Rule] = g.members({"image_url": g.address(g.USER), "file_id": g.skip}, _asked)

CHAT: Final = OpenAI("openai_chat", chat.REQUEST, ChatStream, chat.instruct, _CHATTING)
COMPLETIONS: Final = OpenAI("openai_completions", chat.COMPLETION_REQUEST, ChatStream, telling=_CHATTING)
RESPONSES: Final = OpenAI("openai_responses", responses.REQUEST, EventStream, responses.instruct, RESPONDING)
INPUTS: Final = OpenAI(
    "openai_inputs",
    g.members({"input": chat.input_text, **g.skipped("model encoding_format dimensions")}, _asked),
    EventStream,
)
"""Embeddings and moderations."""

IMAGES: Final = OpenAI(
    "openai_images",
    g.members(
        {
            "prompt": g.text(g.USER),
            "image": g.uninspected("image"),
            "images": g.both(g.uninspected("image"), g.each(_GIVEN, _GIVEN)),
            "mask": g.both(g.uninspected("image"), _GIVEN),
            **g.skipped(
                "model n background moderation output_compression output_format partial_images quality"
                " response_format size stream style input_fidelity"
            ),
        },
        _asked,
    ),
    EventStream,
)
SPEECH: Final = OpenAI(
    "openai_speech",
    g.members(
        {
            "input": g.text(g.USER),
            "instructions": g.text(g.SYSTEM),
            **g.skipped("model voice response_format speed stream_format"),
        },
        _asked,
    ),
    EventStream,
)
AUDIO: Final = OpenAI("openai_audio", _asked, EventStream)
"""Transcriptions and translations: the request is a form, the answer JSON, text or events."""

REST: Final = OpenAI("openai", _asked, PLAIN.stream)
"""Every other endpoint: files, vector stores, fine-tuning, assistants and what is new."""
