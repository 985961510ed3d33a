"""Amazon's event stream: frames as its own client reads them, checksums, the cut without effect, payloads replaced."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from itertools import pairwise
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer, EventStreamMessage
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Malformed, OverLimit
from gateway.wire.frame import amazon_event
from gateway.wire.frames import Frame, Framing, framer
from tests.fakes.amazon import Value, chunk, error, event, exception, framed, header, message

LIMIT = 1_000_000


def cut(chunks: Iterable[bytes], limit: int = LIMIT) -> list[Frame]:
    reader = framer(Framing.AMAZON, limit)
    return [frame for piece in chunks for frame in reader.feed(piece)] + reader.finish()


def one(raw: bytes) -> Frame:
    [frame] = cut([raw])
    return frame


def by_botocore(raw: bytes) -> list[EventStreamMessage]:
    reader = EventStreamBuffer()
    reader.add_data(raw)
    return list(reader)


NUMBERS = {"byte": 8, "short": 16, "integer": 32, "long": 64, "timestamp": 64}
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.booleans(),
    st.text(max_size=9),
    st.binary(max_size=9),
    st.uuids(),
    *(st.tuples(st.just(kind), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)) for kind, bits in NUMBERS.items()),
)
FIELDS = st.dictionaries(st.text("abc-é", min_size=1, max_size=8).map(lambda name: f":{name}"), VALUES, max_size=4)
PAYLOADS = st.binary(max_size=40)


@st.composite
def events(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A message with headers of any type around those that it must have, and what it says."""
    if draw(st.booleans()):
        said = json.dumps({"text": draw(st.text(max_size=9))}, ensure_ascii=False, separators=(",", ":"))
        return chunk(json.loads(said)), said.encode()
    payload = draw(PAYLOADS)
    headers: dict[str, Value] = {**draw(FIELDS), ":event-type": "messageStart", ":message-type": "event"}
    return message(headers, payload), payload


class TestLaws:
    @settings(max_examples=300, deadline=None)
    @given(st.lists(events(), max_size=4), st.lists(st.integers(0, 2000), max_size=8))
    def test_frames_are_the_messages_wherever_they_are_cut(
        self, sent: list[tuple[bytes, bytes]], cuts: list[int]
    ) -> None:
        raw = b"".join(message for message, _ in sent)
        at = [0, *sorted(place % (len(raw) + 1) for place in cuts), len(raw)]
        frames = cut(raw[start:end] for start, end in pairwise(at))
        assert [frame.raw for frame in frames] == [message for message, _ in sent]
        assert [json.loads(f.data or b"") if f.event == "chunk" else f.data for f in frames] == [
            json.loads(said) if frame.event == "chunk" else said for (_, said), frame in zip(sent, frames, strict=True)
        ]
        assert cut(raw[place : place + 1] for place in range(len(raw))) == frames

    @settings(max_examples=200, deadline=None)
    @given(events(), PAYLOADS)
    def test_a_new_payload_is_read_back_with_the_same_headers(self, sent: tuple[bytes, bytes], new: bytes) -> None:
        raw, _ = sent
        frame = one(raw)
        left = frame.with_data(new)
        assert one(left).data == new
        [before], [after] = by_botocore(raw), by_botocore(left)
        assert after.headers == before.headers
        if frame.event == "chunk":
            payload = json.loads(after.payload)
            assert base64.b64decode(payload.pop("bytes")) == new
            assert payload == {"p": json.loads(before.payload)["p"]}
        else:
            assert after.payload == new

    @settings(max_examples=300, deadline=None)
    @given(events(), st.data())
    def test_a_message_with_any_bit_turned_is_refused(self, sent: tuple[bytes, bytes], bits: st.DataObject) -> None:
        raw = bytearray(sent[0])
        place = bits.draw(st.integers(0, len(raw) * 8 - 1))
        raw[place // 8] ^= 1 << place % 8
        with pytest.raises((Malformed, OverLimit)):
            cut([bytes(raw)])

    @settings(max_examples=200, deadline=None)
    @given(events(), st.data())
    def test_a_part_of_a_message_at_the_end_is_refused(self, sent: tuple[bytes, bytes], at: st.DataObject) -> None:
        whole, _ = sent
        length = at.draw(st.integers(1, len(whole) - 1))
        reader = framer(Framing.AMAZON, LIMIT)
        assert [frame.raw for frame in reader.feed(whole + whole[:length])] == [whole]
        assert reader.unread == length
        with pytest.raises(Malformed, match=f"ends {length} bytes into a message"):
            reader.finish()

    @given(st.text("abcXYZ:.-", min_size=1, max_size=9), st.binary(max_size=40))
    def test_an_event_of_ours_is_what_amazons_client_reads(self, name: str, payload: bytes) -> None:
        [read] = by_botocore(amazon_event(name, payload))
        assert read.payload == payload
        assert read.headers == {
            ":event-type": name,
            ":content-type": "application/json",
            ":message-type": "event",
        }

    @given(st.binary(max_size=40))
    def test_a_chunk_of_ours_carries_its_bytes(self, data: bytes) -> None:
        raw = amazon_event("chunk", data)
        assert (one(raw).data, one(raw).event) == (data, "chunk")
        assert base64.b64decode(json.loads(by_botocore(raw)[0].payload)["bytes"]) == data


@pytest.mark.parametrize(
    ("raw", "name", "data"),
    [
        (event("messageStart", {"role": "assistant"}), "messageStart", b'{"role":"assistant"}'),
        (chunk({"type": "ping"}), "chunk", b'{"type":"ping"}'),
        (exception("throttlingException", "slow"), "throttlingException", b'{"message": "slow"}'),
        (error("InternalError", "it broke"), None, b"it broke"),
        (message({":error-code": "InternalError", ":message-type": "error"}), None, None),
    ],
)
def test_what_a_message_says(raw: bytes, name: str | None, data: bytes | None) -> None:
    frame = one(raw)
    assert (frame.raw, frame.event, frame.data, frame.framing) == (raw, name, data, Framing.AMAZON)


KINDS: dict[str, Value] = {":event-type": "e", ":message-type": "event"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (message({":event-type": "e"}), "has no `:message-type`"),
        (message({":message-type": "event"}), "has no `:event-type`"),
        (message({":message-type": "exception", ":event-type": "e"}), "has no `:exception-type`"),
        (message({":message-type": "error"}), "has no `:error-code`"),
        (message({":message-type": "request", ":event-type": "e"}), "of no known kind"),
        (message({":message-type": b"event", ":event-type": "e"}), "is no string"),
        (message({":message-type": "event", ":event-type": 7}), "is no string"),
        (message({":message-type": "event", ":event-type": "say this"}), "`:event-type` of a message is no name"),
        (message({":message-type": "event", ":event-type": "e" * 129}), "is no name"),
        (message({**KINDS, "told": "something"}), "a header of its own"),
        (message({":message-type": "error", ":error-code": "E", ":error-message": b"x"}), "is no string"),
        (message({":message-type": "error", ":error-code": "E"}, b"{}"), "an error of the stream has a payload"),
        (framed(header(":message-type", "event") * 2, b""), "a header twice"),
        (framed(b"\x00\x07\x00\x00", b""), "has no name"),
        (framed(b"\x01:", b""), "no value"),
        (framed(b"\x05:a", b""), "no value"),
        (framed(b"\x01:\x0a", b""), "a type that does not exist"),
        (framed(b"\x01:\x04\x00", b"\x00\x00\x00"), "longer than its headers"),
        (framed(b"\x01:\x07\x00", b""), "longer than its headers"),
        (framed(b"\x01:\x07\x00\x02a", b"b"), "longer than its headers"),
        (framed(b"\x01\xff\x00", b""), "is not UTF-8"),
        (framed(header(":message-type", "event") + b"\x0b:event-type\x07\x00\x01\xff", b""), "is not UTF-8"),
        (framed(b"x" * (128 * 1024 + 1), b""), "lengths of a message are impossible"),
        (event("chunk", {"bytes": "e30=", "text": "read me"}), "more than its bytes"),
        (event("chunk", []), "more than its bytes"),
        (event("chunk", {"p": "abc"}), "has no bytes"),
        (event("chunk", {"bytes": "e3-_"}), "no base64"),
        (event("chunk", {"bytes": "e30= "}), "no base64"),
        (event("chunk", {"bytes": "e30=e30="}), "no base64"),
        (event("chunk", {"bytes": "é"}), "no base64"),
        (message({**KINDS, ":event-type": "chunk"}, b'{"bytes":"e30=","bytes":"e30="}'), "twice"),
        (message({**KINDS, ":event-type": "chunk"}, b"e30="), "the JSON cannot be read"),
    ],
)
def test_what_clients_read_in_different_ways_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        cut([raw])


@pytest.mark.parametrize(
    ("lengths", "why"),
    [((15, 0), "impossible"), ((20, 5), "impossible"), ((24 * 1024 * 1024 + 17, 0), "impossible")],
)
def test_impossible_lengths_are_refused_before_the_rest_comes(lengths: tuple[int, int], why: str) -> None:
    prelude = b"".join(number.to_bytes(4) for number in lengths)
    with pytest.raises(Malformed, match=why):
        list(framer(Framing.AMAZON, LIMIT).feed(prelude + crc32(prelude).to_bytes(4)))


def test_what_was_good_comes_before_what_is_refused() -> None:
    good, bad = event("a", {}), bytearray(event("b", {}))
    bad[-1] ^= 1
    reader = framer(Framing.AMAZON, LIMIT).feed(good + bad)
    assert next(reader).raw == good
    with pytest.raises(Malformed, match="the checksum of a message is wrong"):
        next(reader)


def test_a_wrong_checksum_of_the_lengths_is_told_with_the_last_byte_of_it() -> None:
    raw = bytearray(event("a", {}))
    raw[3] ^= 1
    reader = framer(Framing.AMAZON, LIMIT)
    assert list(reader.feed(bytes(raw[:11]))) == []
    with pytest.raises(Malformed, match="the checksum of a message's lengths is wrong"):
        list(reader.feed(bytes(raw[11:12])))


def test_a_message_over_the_limit_is_refused() -> None:
    raw = event("a", {"text": "x" * 500})
    with pytest.raises(OverLimit, match="more than 400 bytes"):
        cut([raw[:450]], 400)


def test_what_cannot_be_written_is_not() -> None:
    with pytest.raises(ValueError, match="stands in a header"):
        one(error("E", "words")).with_data(b"others")
    with pytest.raises(ValueError, match="cannot be as long"):
        one(event("a", {})).with_data(b"x" * (24 * 1024 * 1024 + 1))
    with pytest.raises(ValueError, match="has a type"):
        one(event("a", {})).replaced([(None, b"{}")])


def test_one_event_may_become_none_or_several() -> None:
    frame = one(chunk({"n": 1}))
    assert frame.replaced([]) == []
    replaced = frame.replaced([("chunk", b"1"), ("chunk", b"2")])
    assert [one(raw).data for raw in replaced] == [b"1", b"2"]
    assert frame.replaced([("chunk", b"3")]) == [frame.with_data(b"3")]


def test_headers_of_all_types_are_read_over() -> None:
    headers: dict[str, Value] = {
        ":t": True,
        ":f": False,
        ":b": ("byte", -1),
        ":s": ("short", 2),
        ":i": ("integer", 3),
        ":l": ("long", 4),
        ":raw": b"\x00",
        ":str": "text",
        ":time": ("timestamp", 5),
        ":id": UUID(int=6),
        **KINDS,
    }
    frame = one(message(headers, b"{}"))
    assert (frame.event, frame.data) == ("e", b"{}")
