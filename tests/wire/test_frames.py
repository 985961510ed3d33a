"""Frames: every byte kept, the cut without effect, payloads replaced in place."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Malformed, OverLimit
from gateway.wire.frames import Frame, Framing, framer

LIMIT = 1_000_000

# Pieces that the grammars care about, so that short random texts reach their corners.
_SSE = ["\ufeff", "data", "event", ":", " ", "\r", "\n", "\r\n", "\n\n", "\r\n\r\n", "x", "é", "id: 1\n", "data: x\n"]
_LINES = ["\n", "\r\n", "\r", " ", "\t", '{"a":1}', "x", "é"]
_ITEM = ['{"a":"}"}', '{"b":[1,{"c":"\\\\"}]}', "{}", '{"q":"\\"]{","é":"\\u00e9"}', '{\r\n  "t": "a\\nb"\r\n}']
_NEW = ["a", " ", "\n", ":", "é"]
_BLANK = st.sampled_from(["", " ", "\n", "\r\n", "\t \r\n"])


def cut(framing: Framing, chunks: Iterable[bytes], limit: int = LIMIT) -> list[Frame]:
    reader = framer(framing, limit)
    return [frame for chunk in chunks for frame in reader.feed(chunk)] + reader.finish()


def single_bytes(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    items = draw(st.lists(st.sampled_from(_ITEM), max_size=4))
    spaced = [draw(_BLANK) + item + draw(_BLANK) for item in items]
    text = draw(_BLANK) + "[" + ",".join(spaced) + (draw(_BLANK) if not items else "") + "]" + draw(_BLANK)
    return text.encode(), [item.encode() for item in items]


@st.composite
def streams(draw: st.DrawFn) -> tuple[Framing, bytes]:
    framing = draw(st.sampled_from([Framing.SSE, Framing.LINES, Framing.ARRAY]))
    if framing is Framing.ARRAY:
        raw, _ = draw(arrays())
        return framing, raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw
    pieces = draw(st.lists(st.sampled_from(_SSE if framing is Framing.SSE else _LINES), max_size=20))
    return framing, "".join(pieces).encode()


def reference_events(text: str) -> list[tuple[str | None, str | None]]:
    """The standard's algorithm, line by line: (event, data) of each event that has data. The last may be unended."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events: list[tuple[str | None, str | None]] = []
    event, data = "", None
    for line in [*lines, ""]:
        if not line:
            if data is not None:
                events.append((event or None, data))
            event, data = "", None
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data = value if data is None else f"{data}\n{value}"
    return events


class TestLaws:
    @settings(max_examples=300, deadline=None)
    @given(streams(), st.data())
    def test_no_byte_is_lost_wherever_it_is_cut(self, stream: tuple[Framing, bytes], cuts: st.DataObject) -> None:
        framing, raw = stream
        whole = cut(framing, [raw])
        assert b"".join(frame.raw for frame in whole) == raw
        assert all(frame.raw for frame in whole)
        assert cut(framing, single_bytes(raw)) == whole
        at = cuts.draw(st.integers(0, len(raw)))
        assert cut(framing, [raw[:at], b"", raw[at:]]) == whole

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.sampled_from(_SSE), max_size=20))
    def test_events_are_those_of_the_standard(self, pieces: list[str]) -> None:
        text = "".join(pieces)
        read = [
            (frame.event, frame.data.decode()) for frame in cut(Framing.SSE, [text.encode()]) if frame.data is not None
        ]
        assert read == reference_events(text)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from(_SSE), max_size=20), st.lists(st.sampled_from(_NEW), max_size=6))
    def test_a_new_payload_is_read_back_and_alone_changed(self, pieces: list[str], payload: list[str]) -> None:
        new = "".join(payload).encode()
        for place, frame in enumerate(cut(Framing.SSE, ["".join(pieces).encode()])):
            if frame.data is None:
                continue
            raw = (b"\n" if place else b"") + frame.with_data(new)  # a mark is one at the very beginning alone
            [again] = [found for found in cut(Framing.SSE, [raw]) if found.data is not None]
            assert (again.data, again.event) == (new, frame.event)
            if not frame.more:
                assert frame.with_data(frame.data) == frame.raw

    @settings(max_examples=100, deadline=None)
    @given(arrays())
    def test_the_items_of_an_array_are_its_payloads(self, case: tuple[bytes, list[bytes]]) -> None:
        raw, items = case
        frames = cut(Framing.ARRAY, [raw])
        assert [frame.data for frame in frames if frame.data is not None] == items
        assert all(frame.raw.endswith(frame.data) for frame in frames if frame.data is not None)
        assert orjson.loads(b"".join(frame.with_data(b"1") if frame.data else frame.raw for frame in frames)) == [
            1 for _ in items
        ]


class TestEvents:
    @pytest.mark.parametrize(
        ("raw", "event", "data"),
        [
            (b"data: x\n\n", None, b"x"),
            (b"data:x\n\n", None, b"x"),
            (b"data:  x \n\n", None, b" x "),
            (b"data\n\n", None, b""),
            (b"data:\n\n", None, b""),
            (b"data: a\ndata\ndata:b\n\n", None, b"a\n\nb"),
            (b"event: e\ndata: x\n\n", "e", b"x"),
            (b"event:e\r\nid: 1\r\ndata: x\r\n\r\n", "e", b"x"),
            (b"event: a\nevent: b\ndata: x\n\n", "b", b"x"),
            (b"event:\ndata: x\n\n", None, b"x"),
            (b"event: e\n\n", "e", None),
            (b"data: a:b\rretry: 5\r\r", None, b"a:b"),
            (b"Data: x\ndata : y\n\n", None, None),
            (b"data: x\n: said in between\n\n", None, b"x"),
            (b"\xef\xbb\xbfdata: x\n\n", None, b"x"),
            (b'data: {"a":1}', None, b'{"a":1}'),
            (b"data: \xe2\x80\xa8\n\n", None, b"\xe2\x80\xa8"),
        ],
    )
    def test_one_event(self, raw: bytes, event: str | None, data: bytes | None) -> None:
        [frame] = cut(Framing.SSE, [raw])
        assert (frame.raw, frame.event, frame.data) == (raw, event, data)

    @pytest.mark.parametrize(
        ("raw", "raws"),
        [
            (b": ping\n\ndata: x\n\n", [b": ping\n", b"\n", b"data: x\n\n"]),
            (b": ping\ndata: x\n\n", [b": ping\n", b"data: x\n\n"]),
            (b"\r\n\r\ndata: x\r\n\r\n", [b"\r\n", b"\r\n", b"data: x\r\n\r\n"]),
            (b"\xef\xbb\xbf:\n\xef\xbb\xbf", [b"\xef\xbb\xbf:\n", b"\xef\xbb\xbf"]),
            (b"data: x\n\ndata: y", [b"data: x\n\n", b"data: y"]),
            (b"\xef\xbb\xbf", [b"\xef\xbb\xbf"]),
        ],
    )
    def test_where_frames_end(self, raw: bytes, raws: list[bytes]) -> None:
        assert [frame.raw for frame in cut(Framing.SSE, [raw])] == raws

    @pytest.mark.parametrize("raw", [b"data: x\n\n", b"data: x\r\n\r\n", b": ping\n", b"\n", b": ping\r\n"])
    def test_a_frame_is_out_with_its_last_byte(self, raw: bytes) -> None:
        assert [frame.raw for frame in framer(Framing.SSE, LIMIT).feed(raw)] == [raw]

    def test_a_lone_carriage_return_waits_for_what_follows(self) -> None:
        reader = framer(Framing.SSE, LIMIT)
        assert list(reader.feed(b"data: x\r\r")) == []
        assert [frame.raw for frame in reader.feed(b"d")] == [b"data: x\r\r"]

    @pytest.mark.parametrize("raw", [b"data: \xff\n\n", b"event: \xe9\ndata: x\n\n", b": \xc0\x80\n", b"\xef\xbb"])
    def test_what_is_not_utf8_is_refused(self, raw: bytes) -> None:
        with pytest.raises(Malformed, match="not UTF-8"):
            cut(Framing.SSE, [raw])

    @pytest.mark.parametrize(
        ("raw", "new", "out"),
        [
            (b"event: e\r\ndata:  x\r\nid: 1\r\n\r\n", b"yy", b"event: e\r\ndata: yy\r\nid: 1\r\n\r\n"),
            (b"data:x\n\n", b"y", b"data:y\n\n"),
            (b"data:x\n\n", b" y", b"data:  y\n\n"),
            (b"data\n\n", b"y", b"data: y\n\n"),
            (b"data: x\r\n\r\n", b"a\nb\r\nc\rd", b"data: a\r\ndata: b\r\ndata: c\r\ndata: d\r\n\r\n"),
            (b"data: a\r\nid: 1\r\ndata: b\r\n\r\n", b"y", b"data: y\r\nid: 1\r\n\r\n"),
            (b"data: a\ndata: b\ndata: c", b"x\ny", b"data: x\ndata: y\n"),
            (b"data: a", b"x\ny", b"data: x\ndata: y"),
            (b"\xef\xbb\xbfdata: x\n\n", b"y", b"\xef\xbb\xbfdata: y\n\n"),
        ],
    )
    def test_a_payload_is_replaced_where_it_stands(self, raw: bytes, new: bytes, out: bytes) -> None:
        [frame] = cut(Framing.SSE, [raw])
        assert frame.with_data(new) == out


class TestLines:
    @pytest.mark.parametrize(
        ("raw", "data"),
        [
            (b"{}\n", b"{}"),
            (b" {}\t\r\n", b" {}\t"),
            (b"{}", b"{}"),
            (b"{}\r", b"{}"),
            (b"\n", None),
            (b" \t\r\n", None),
            (b"  ", None),
        ],
    )
    def test_one_line(self, raw: bytes, data: bytes | None) -> None:
        [frame] = cut(Framing.LINES, [raw])
        assert (frame.raw, frame.data, frame.event) == (raw, data, None)

    def test_a_payload_is_replaced_where_it_stands(self) -> None:
        [frame] = cut(Framing.LINES, [b"{}\r\n"])
        assert frame.with_data(b"[1]") == b"[1]\r\n"

    def test_a_payload_that_would_be_two_lines_is_refused(self) -> None:
        [frame] = cut(Framing.LINES, [b"{}\n"])
        with pytest.raises(ValueError, match="one line"):
            frame.with_data(b"{}\n{}")


class TestArray:
    def test_a_separator_leads_the_item_so_that_none_waits_for_the_next(self) -> None:
        reader = framer(Framing.ARRAY, LIMIT)
        assert [frame.raw for frame in reader.feed(b'[{"a": "}"}')] == [b'[{"a": "}"}']
        assert [frame.raw for frame in reader.feed(b"\n,\r\n{}\n")] == [b"\n,\r\n{}"]
        assert [(frame.raw, frame.data) for frame in reader.feed(b"]\n")] == [(b"\n]", None)]
        assert [(frame.raw, frame.data) for frame in reader.finish()] == [(b"\n", None)]

    def test_an_item_that_was_cut_off_is_handed_on(self) -> None:
        assert [frame.data for frame in cut(Framing.ARRAY, [b'[{}, {"a": "b'])] == [b"{}", b'{"a": "b']

    def test_nothing_is_nothing(self) -> None:
        assert cut(Framing.ARRAY, [b"", b""]) == []

    def test_a_payload_is_replaced_where_it_stands(self) -> None:
        first, _ = cut(Framing.ARRAY, [b'[ {"a":1}\n]'])
        assert first.with_data(b"{\n}") == b"[ {\n}"

    @pytest.mark.parametrize(
        "raw",
        [
            b"{}",
            b"x",
            b"[,",
            b"[{},]",
            b"[{} {}",
            b"[{}}",
            b"[1",
            b'["a"',
            b"[[",
            b"[]x",
            b"[][",
            b"[{}],",
            b"\xef\xbb\xbf[",
        ],
    )
    def test_what_is_not_an_array_of_objects_is_refused(self, raw: bytes) -> None:
        for chunks in ([raw], single_bytes(raw)):
            with pytest.raises(Malformed, match="not one JSON array of objects"):
                cut(Framing.ARRAY, chunks)


class TestLimits:
    @pytest.mark.parametrize(
        ("framing", "raw"),
        [
            (Framing.SSE, b"data: 12345\n\n"),
            (Framing.LINES, b'{"a": 12345}\n'),
            (Framing.ARRAY, b'[{"a":12345}'),
        ],
    )
    def test_a_frame_may_be_as_long_as_the_limit_and_no_longer(self, framing: Framing, raw: bytes) -> None:
        assert len(cut(framing, [raw], len(raw))) == 1
        for chunks in ([raw], single_bytes(raw)):
            with pytest.raises(OverLimit, match=f"more than {len(raw) - 1} bytes"):
                cut(framing, chunks, len(raw) - 1)

    @pytest.mark.parametrize("framing", Framing)
    def test_an_unended_frame_is_over_the_limit_at_once(self, framing: Framing) -> None:
        reader = framer(framing, 4)
        with pytest.raises(OverLimit):
            list(reader.feed(b'[{"a"'))

    def test_good_frames_come_before_the_error_of_the_same_chunk(self) -> None:
        frames = framer(Framing.SSE, 20).feed(b"data: good\n\ndata: " + b"x" * 30)
        assert next(frames).data == b"good"
        with pytest.raises(OverLimit):
            next(frames)

    def test_the_limit_is_for_each_frame_alone(self) -> None:
        assert len(cut(Framing.SSE, [b"data: x\n\n" * 100], 9)) == 100


@pytest.mark.parametrize(("framing", "raw"), [(Framing.SSE, b":\n"), (Framing.LINES, b"\n"), (Framing.ARRAY, b"[]")])
def test_a_frame_without_payload_gets_none(framing: Framing, raw: bytes) -> None:
    [frame] = cut(framing, [raw])
    assert (frame.data, frame.event) == (None, None)
    with pytest.raises(ValueError, match="without payload"):
        frame.with_data(b"x")


class TestMessages:
    def test_each_chunk_is_a_frame_of_its_own(self) -> None:
        chunks = [b'{\n "a": 1}\n', b"", b"data: x\n\n"]
        assert [(frame.raw, frame.data) for frame in cut(Framing.MESSAGE, chunks)] == [(one, one) for one in chunks]

    def test_a_new_payload_is_all_of_it(self) -> None:
        [frame] = cut(Framing.MESSAGE, [b"old"])
        assert frame.with_data(b"new\nlines") == b"new\nlines"

    def test_a_message_may_be_as_long_as_the_limit_and_no_longer(self) -> None:
        assert len(cut(Framing.MESSAGE, [b"xxxx"], 4)) == 1
        with pytest.raises(OverLimit, match="more than 3 bytes"):
            cut(Framing.MESSAGE, [b"xxxx"], 3)

    def test_none_waits_for_its_rest(self) -> None:
        assert framer(Framing.MESSAGE, 9).unread == 0


def test_what_is_unread_waits_for_the_rest_of_its_frame() -> None:
    one = framer(Framing.SSE, 100)
    assert [len(list(one.feed(data))) for data in (b"data: 1\n", b"\ndata")] == [0, 1]
    assert one.unread == 4


class TestReplaced:
    """One event in place of which another, several or none leave."""

    def one(self, framing: Framing, raw: bytes) -> Frame:
        (frame,) = [found for found in cut(framing, [raw]) if found.data is not None]
        return frame

    def test_one_payload_of_the_same_name_keeps_all_else(self) -> None:
        frame = self.one(Framing.SSE, b"id: 7\nevent: a\ndata: 1\n\n")
        assert frame.replaced([("a", b"2")]) == [b"id: 7\nevent: a\ndata: 2\n\n"]

    @pytest.mark.parametrize(
        ("framing", "raw", "payloads", "out"),
        [
            (Framing.SSE, b"data: 1\n\n", [("a", b"2")], [b"event: a\ndata: 2\n\n"]),
            (
                Framing.SSE,
                b"data: 1\n\n",
                [(None, b"2"), ("b", b"3\n4")],
                [b"data: 2\n\n", b"event: b\ndata: 3\ndata: 4\n\n"],
            ),
            (Framing.SSE, b"data: 1\n\n", [], []),
            (Framing.LINES, b"1\r\n", [(None, b"2"), (None, b"3")], [b"2\n", b"3\n"]),
            (Framing.MESSAGE, b"1", [(None, b"2"), (None, b"3")], [b"2", b"3"]),
        ],
    )
    def test_others_are_frames_of_their_own(
        self, framing: Framing, raw: bytes, payloads: list[tuple[str | None, bytes]], out: list[bytes]
    ) -> None:
        assert self.one(framing, raw).replaced(payloads) == out

    @pytest.mark.parametrize("payloads", [[], [(None, b"1"), (None, b"2")]])
    def test_the_items_of_an_array_are_replaced_one_by_one(self, payloads: list[tuple[str | None, bytes]]) -> None:
        with pytest.raises(ValueError, match="replaced by one"):
            self.one(Framing.ARRAY, b'[{"a":1}]').replaced(payloads)

    def test_a_payload_of_json_lines_is_one_line(self) -> None:
        with pytest.raises(ValueError, match="one line"):
            self.one(Framing.LINES, b"1\n").replaced([(None, b"2"), (None, b"3\n4")])
