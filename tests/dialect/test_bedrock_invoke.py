"""Anthropic's models through `invoke`: the stream in chunks, its calls and endings, and what the SDK makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.bedrock_invoke import INVOKE, ChunkStream
from gateway.dialect.bedrock_stream import KEEPALIVE
from gateway.errors import Malformed
from gateway.policy.call import Call as Made
from gateway.policy.call import Called, Change
from gateway.wire.document import parse
from gateway.wire.frames import Framing, framer
from tests.dialect.laws import doc, joined
from tests.dialect.refusing import CUTS, REFUSAL, Decide, pieces_of, through
from tests.dialect.replay import REFUSAL as CUT
from tests.fakes import amazon, anthropic_messages, bedrock
from tests.fakes.script import Call, Say

SEND = Call("send_mail", '{"to": "x@evil.example"}', "toolu_1")


def chunks(say: Say) -> list[bytes]:
    return list(bedrock.chunks(say, {}))


def received(body: bytes) -> anthropic.types.Message:
    """The message that the SDK makes of a stream."""

    def answered(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "application/vnd.amazon.eventstream"}, content=body)

    with (
        httpx2.Client(transport=httpx2.MockTransport(answered)) as http,
        anthropic.AnthropicBedrock(
            api_key="k", aws_region="us-east-1", base_url="http://gateway", http_client=http, max_retries=0
        ) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream,
    ):
        return stream.get_final_message()


def sent(pieces: Iterable[bytes], decide: Decide = lambda _: None) -> bytes:
    return through(list(pieces), ChunkStream(), Framing.AMAZON, decide)


def played(pieces: Iterable[bytes]) -> tuple[ChunkStream, list[Any]]:
    """A reader that has read these messages, all of which have left, and its readings."""
    reader, cutter = ChunkStream(), framer(Framing.AMAZON, 1_000_000)
    readings = []
    for piece in pieces:
        for frame in cutter.feed(piece):
            assert frame.data is not None
            document = parse(frame.data) if frame.event is not None else None
            readings.append(reader.read(frame.event, document, frame.data))
            reader.sent(frame.event, document, frame.data)
    return reader, readings


class TestReading:
    def test_texts_and_usage_are_those_of_the_message(self) -> None:
        _, readings = played(chunks(Say("Grüße, all.", thinking="Hm.", step=3)))
        assert sorted(joined(readings).values()) == ["Grüße, all.", "Hm."]
        assert readings[-1].closes_all
        assert {**readings[0].usage, **readings[-2].usage} == {"input": 9, "output": 12}

    def test_what_is_not_json_in_a_chunk_is_a_text(self) -> None:
        (frame,) = framer(Framing.AMAZON, 10_000).feed(amazon.event("chunk", {"bytes": "aGVsbG8="}))
        (delta,) = ChunkStream().read(frame.event, None, frame.data or b"").deltas
        assert (delta.text, delta.whole, delta.editable) == ("hello", True, False)

    def test_events_of_older_models_are_named_as_not_joined(self) -> None:
        _, (reading,) = played([amazon.chunk({"completion": " Hello", "stop_reason": None})])
        assert [delta.text for delta in reading.deltas] == [" Hello"]
        assert [part.what for part in reading.uninspected] == ["unjoined_stream"]

    @pytest.mark.parametrize(
        ("raw", "text", "ends"),
        [
            (amazon.exception("throttlingException", "too fast"), "too fast", True),
            (amazon.error("InternalFailure", "it broke"), "it broke", True),
            (amazon.event("somethingNew", {"said": "hello"}), "hello", False),
        ],
    )
    def test_other_messages_are_read_as_texts(self, raw: bytes, text: str, ends: bool) -> None:
        reader, (reading,) = played([raw])
        assert [(delta.text, delta.whole) for delta in reading.deltas] == [(text, True)]
        assert reading.closes_all is ends
        assert (reader.ending(CUT) == b"") is ends
        assert sent([raw]) == raw

    def test_an_event_without_json_is_refused(self) -> None:
        with pytest.raises(Malformed, match="holds no JSON"):
            ChunkStream().read("throttlingException", None, b"too fast")


class TestCalls:
    def test_a_refused_call_is_a_text_in_the_sdk(self) -> None:
        message = received(sent(chunks(Say("I do.", calls=(SEND,))), lambda _: Change(refusal=REFUSAL)))
        assert [block.text for block in message.content if block.type == "text"] == ["I do.", REFUSAL]
        assert message.stop_reason == "end_turn"

    def test_a_call_that_nothing_ended_is_complete_with_the_stream(self) -> None:
        reader, _ = played(chunks(Say(calls=(SEND,)))[:3])
        (called,) = reader.unfinished()
        assert called.call.name == "send_mail"

    def test_other_events_stay_as_they_are(self) -> None:
        assert ChunkStream().changed("x", doc({}), b"{}", {0: Change(refusal="no")}) == (("x", b"{}"),)

    ARGUMENTS = st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(-9, 9), max_size=3)
    FATES = st.none() | st.just(Change(refusal=REFUSAL)) | ARGUMENTS.map(lambda some: Change(arguments=some))

    @given(st.lists(st.tuples(ARGUMENTS, FATES), max_size=3), st.integers(1, 9), CUTS)
    @settings(max_examples=40, deadline=None)
    def test_what_the_sdk_makes_of_a_changed_stream_is_the_changed_message(
        self, asked: list[tuple[dict[str, Any], Change | None]], step: int, cuts: list[int]
    ) -> None:
        calls = [Call("send_mail", json.dumps(some), f"toolu_{number}") for number, (some, _) in enumerate(asked)]
        fate = {f"toolu_{number}": change for number, (_, change) in enumerate(asked)}
        say = Say("I send it.", tuple(calls), step=step)
        raw = b"".join(chunks(say))

        def decide(called: Called) -> Change | None:
            return fate[called.call.id]

        document = doc(anthropic_messages.whole(say, {}))
        found = INVOKE.calls(document)
        assert [one.call for one in found] == [
            Made("send_mail", some, f"toolu_{number}") for number, (some, _) in enumerate(asked)
        ]
        changes = {one.key: change for one in found if (change := decide(one)) is not None}
        left = sent(pieces_of(raw, cuts), decide)
        if not changes:
            assert left == raw
        expected = anthropic.types.Message.model_validate_json(INVOKE.changed(document, changes))
        assert _plain(received(left)) == _plain(expected)


def _plain(message: anthropic.types.Message) -> dict[str, Any]:
    return {key: value for key, value in message.model_dump(exclude_none=True).items() if key != "usage"}


class TestEnding:
    def cut_after(self, count: int) -> Iterator[bytes]:
        say = Say("Some words that go on.", calls=(SEND,), step=5)
        reader, _ = played(chunks(say)[:count])
        yield from chunks(say)[:count]
        yield reader.ending(CUT)

    @pytest.mark.parametrize("count", [0, 1, 2, 3])
    def test_the_sdk_takes_a_stream_that_was_cut_for_a_refusal(self, count: int) -> None:
        message = received(b"".join(self.cut_after(count)))
        assert message.stop_reason == "refusal"
        assert message.stop_details is not None
        assert message.stop_details.explanation == CUT.message

    def test_after_the_end_there_is_no_other(self) -> None:
        reader, _ = played(chunks(Say("Done.")))
        assert reader.ending(CUT) == b""

    def test_a_stream_is_kept_alive_by_events_that_the_sdk_passes_over(self) -> None:
        first, *rest = chunks(Say("One two."))
        assert ChunkStream().keepalive == KEEPALIVE
        message = received(KEEPALIVE + first + KEEPALIVE + b"".join(rest))
        assert [block.text for block in message.content if block.type == "text"] == ["One two."]

    def test_an_exception_is_raised_by_the_sdk(self) -> None:
        with pytest.raises(anthropic.APIStatusError, match="too fast"):
            received(chunks(Say("Some words."))[0] + sent([amazon.exception("throttlingException", "too fast")]))
