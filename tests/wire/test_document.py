"""JSON with addresses: spans, edits that leave the rest alone, and what is refused as ambiguous."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import Malformed, NotJson
from gateway.segment import Path, Place, Span
from gateway.verdict import Edit
from gateway.wire.document import MAX_DEPTH, Document, Patch, apply, glance, parse

_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TEXTS = st.text(st.sampled_from('ab"\\/\n\té€😀\x01{}[],: '), max_size=12)
_NUMBERS = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=15,
)
_BLANK = st.sampled_from(["", "", " ", "\n", "\t", "\r\n  "])


def escaped(character: str) -> str:
    """The \\u spelling, a surrogate pair where it needs one."""
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


@st.composite
def spelled_text(draw: st.DrawFn, text: str) -> str:
    """A JSON string for the text, each character in one of its spellings."""
    out = []
    for character in text:
        spellings = [escaped(character), escaped(character).upper().replace("\\U", "\\u")]
        if character in _SHORT:
            spellings.append(_SHORT[character])
        if character not in '"\\' and character >= " ":
            spellings += [character] * 3
        out.append(draw(st.sampled_from(spellings)))
    return f'"{"".join(out)}"'


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """One of the JSON texts for the value."""
    before, after = draw(_BLANK), draw(_BLANK)
    if isinstance(value, str):
        body = draw(spelled_text(value))
    elif isinstance(value, dict):
        members = [
            f"{draw(_BLANK)}{draw(spelled_text(key))}{draw(_BLANK)}:{draw(spelled(member))}"
            for key, member in value.items()
        ]
        body = "{" + (",".join(members) or draw(_BLANK)) + "}"
    elif isinstance(value, list):
        body = "[" + (",".join(draw(spelled(item)) for item in value) or draw(_BLANK)) + "]"
    elif isinstance(value, float):
        body = draw(st.sampled_from([repr(value), f"{value!r}".replace("e", "E")]))
    else:
        body = json.dumps(value)
    return before + body + after


@st.composite
def documents(draw: st.DrawFn) -> Document:
    return parse(draw(spelled(draw(_VALUES))).encode())


def nodes(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Every value with its path."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(node for step, member in inner for node in nodes(member, (*path, step)))]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def holds_numbers(value: Any) -> bool:
    """Whether it is an array that is a leaf for the document."""
    return isinstance(value, list) and all(is_number(item) for item in value)


def edited(document: Document, *edits: Edit) -> bytes:
    return apply(document.raw, document.edits(edits))


def spelling(document: Document, path: Path) -> bytes:
    start, end = document.span(path)
    return document.raw[start:end]


def edit(path: Path, start: int, end: int, text: str) -> Edit:
    return Edit(Place(path), Span(start, end), text)


class TestSpans:
    @settings(max_examples=300, deadline=None)
    @given(documents())
    def test_each_span_holds_the_value_at_its_path(self, document: Document) -> None:
        for path, value in nodes(document.value):
            start, end = document.span(path)
            assert orjson.loads(document.raw[start:end]) == value
            assert document.raw[start:end] == document.raw[start:end].strip()
            assert document.get(*path) == value

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.text(st.sampled_from('\\"a'), max_size=10), max_size=8))
    @example(['\\\\"', "a", '"'])
    def test_strings_end_where_a_reader_of_each_escape_sees_them_end(self, texts: list[str]) -> None:
        raw = orjson.dumps({str(at): text for at, text in enumerate(texts)})
        strings = [match.span() for match in re.finditer(rb'"(?:[^"\\]|\\.)*"', raw)]
        document = parse(raw)
        assert [document.span((str(at),)) for at in range(len(texts))] == strings[1::2]

    @settings(max_examples=100, deadline=None)
    @given(documents())
    def test_strings_are_all_values_that_are_texts_in_order(self, document: Document) -> None:
        texts = [(path, value) for path, value in nodes(document.value) if isinstance(value, str)]
        assert list(document.strings()) == texts
        assert [document.span(path) for path, _ in texts] == sorted(document.span(path) for path, _ in texts)

    def test_keys_with_escapes_lead_to_their_values(self) -> None:
        document = parse(rb'{"a\"b": "x\"", "\u00e9\\": 2, "\/": 3}')
        assert document.raw[slice(*document.span(('a"b',)))] == rb'"x\""'
        assert document.raw[slice(*document.span(("é\\",)))] == b"2"
        assert document.raw[slice(*document.span(("/",)))] == b"3"

    @pytest.mark.parametrize("path", [("x",), (0,), ("a", 0), ("b", "c"), ("b", 2), ("b", -1), ("n", 1)])
    def test_a_path_that_leads_nowhere_is_a_key_error(self, path: Path) -> None:
        with pytest.raises(KeyError):
            parse(b'{"a": "x", "b": ["y", {}], "n": [1]}').span(path)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("b", 0), 1),
            (("b", -1), 2),
            (("b", 2), None),
            (("b", "x"), None),
            (("a", 0), None),
            (("z",), None),
            ((0,), None),
        ],
    )
    def test_get_gives_none_where_there_is_nothing(self, path: Path, value: int | None) -> None:
        assert parse(b'{"a": "x", "b": [1, 2]}').get(*path) == value


class TestEdits:
    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_an_edit_is_a_slice_of_the_text_and_nothing_else_changes(self, data: st.DataObject) -> None:
        document = data.draw(documents())
        texts = list(document.strings())
        if not texts:
            return
        path, text = data.draw(st.sampled_from(texts))
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        replacement = data.draw(_TEXTS)
        out = edited(document, edit(path, start, end, replacement))
        at, to = document.span(path)
        rest = len(document.raw) - to
        assert out.startswith(document.raw[: at + 1])
        assert out.endswith(document.raw[to - 1 :])
        assert orjson.loads(out[at : len(out) - rest]) == text[:start] + replacement + text[end:]

    @settings(max_examples=100, deadline=None)
    @given(documents())
    def test_without_edits_the_bytes_stay(self, document: Document) -> None:
        assert edited(document) == document.raw

    def test_several_edits_of_several_texts(self) -> None:
        document = parse(rb'{"b": ["one two", 1], "a": "\u00e9-\ud83d\ude00-x"}')
        out = edited(
            document,
            edit(("a",), 4, 5, "y"),
            edit(("b", 0), 4, 7, '"2"'),
            edit(("a",), 2, 3, ""),
            edit(("b", 0), 0, 0, "zero "),
        )
        assert out == rb'{"b": ["zero one \"2\"", 1], "a": "\u00e9--y"}'

    def test_an_edit_begins_at_the_offset_of_its_place(self) -> None:
        document = parse(b'["say: hello"]')
        assert edited(document, Edit(Place((0,), None, 5), Span(0, 5), "bye")) == b'["say: bye"]'

    @pytest.mark.parametrize("raw", [b'["abc"]', rb'["ab\n"]', '["abé"]'.encode()])
    def test_an_edit_beyond_the_text_is_a_key_error(self, raw: bytes) -> None:
        assert edited(parse(raw), edit((0,), 0, 3, "")) == b'[""]'
        with pytest.raises(KeyError):
            edited(parse(raw), edit((0,), 0, 4, ""))

    def test_an_edit_of_what_is_no_place_is_a_key_error(self) -> None:
        with pytest.raises(KeyError):
            edited(parse(b"{}"), edit(("a",), 0, 0, "x"))

    def test_edits_of_one_text_that_overlap_are_refused(self) -> None:
        document = parse(b'["abcdef"]')
        with pytest.raises(ValueError, match="overlap"):
            edited(document, edit((0,), 0, 3, ""), edit((0,), 2, 4, ""))

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_an_edit_inside_the_json_of_a_string_leaves_the_rest_of_it(self, data: st.DataObject) -> None:
        inner = parse(data.draw(spelled({"text": data.draw(_TEXTS), "other": data.draw(_TEXTS)})).encode())
        outer = parse(("[1, " + data.draw(spelled_text(inner.raw.decode())) + "]").encode())
        path, text = data.draw(st.sampled_from(list(inner.strings())))
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        out = edited(outer, Edit(Place((1,), path), Span(start, end), "\"n'\né"))
        assert orjson.loads(out)[1].encode() == edited(inner, edit(path, start, end, "\"n'\né"))

    def test_several_edits_inside_the_json_of_a_string(self) -> None:
        outer = parse(rb'{"arguments": "{\"to\": \"a@b.c\", \"say\":\"hi \\\"you\\\"\"}"}')
        path: Path = ("arguments",)
        out = edited(
            outer,
            Edit(Place(path, ("say",)), Span(3, 8), "all"),
            Edit(Place(path, ("to",)), Span(0, 5), "[EMAIL]"),
        )
        assert out == rb'{"arguments": "{\"to\": \"[EMAIL]\", \"say\":\"hi all\"}"}'

    def test_thousands_of_edits_inside_the_json_of_a_string(self) -> None:
        count = 10_000
        outer = parse(orjson.dumps([orjson.dumps({"é": ["B-1234"] * count}).decode()]))
        out = edited(outer, *(Edit(Place((0,), ("é", at)), Span(0, 6), "x") for at in reversed(range(count))))
        assert orjson.loads(orjson.loads(out)[0]) == {"é": ["x"] * count}

    def test_edits_of_a_string_and_of_the_json_in_it_go_together(self) -> None:
        outer = parse(rb'["{\"a\": \"b\"}"]')
        out = edited(outer, Edit(Place((0,)), Span(0, 0), "> "), Edit(Place((0,), ("a",)), Span(0, 1), "c"))
        assert out == rb'["> {\"a\": \"c\"}"]'

    def test_thousands_of_edits_in_one_run_of_letters_that_are_not_ascii(self) -> None:
        text = "é " * 30_000
        out = edited(parse(orjson.dumps([text])), *(edit((0,), at, at + 1, "_") for at in range(1, len(text), 2)))
        assert orjson.loads(out) == ["é_" * 30_000]


class TestPatches:
    def test_replace(self) -> None:
        document = parse(b'{ "a" : [1, 2] , "b": null }')
        assert apply(document.raw, [document.replace(("a",), "x")]) == b'{ "a" : "x" , "b": null }'

    @pytest.mark.parametrize(
        ("raw", "out"),
        [(b'["a"]', b'["a\\n\\"\xc3\xa9"]'), (rb'["\""]', b'["\\"\\n\\"\xc3\xa9"]'), (b'[""]', b'["\\n\\"\xc3\xa9"]')],
    )
    def test_append_text(self, raw: bytes, out: bytes) -> None:
        assert apply(raw, [parse(raw).append_text((0,), '\n"é')]) == out

    @pytest.mark.parametrize(
        ("raw", "out"), [(b"{}", b'{"k":[1]}'), (b"{ }", b'{ "k":[1]}'), (b'{"a":1 }', b'{"a":1 ,"k":[1]}')]
    )
    def test_append_member(self, raw: bytes, out: bytes) -> None:
        assert apply(raw, [parse(raw).append_member((), "k", [1])]) == out

    @pytest.mark.parametrize(
        ("raw", "index", "out"),
        [
            (b"[]", 0, b'["x"]'),
            (b"[ ]", 0, b'[ "x"]'),
            (b'[ "a" ]', 0, b'[ "x","a" ]'),
            (b'[ "a" ]', 1, b'[ "a" ,"x"]'),
            (b"[1, 2]", 2, b'[1, 2,"x"]'),
        ],
    )
    def test_insert_item(self, raw: bytes, index: int, out: bytes) -> None:
        assert apply(raw, [parse(raw).insert_item((), index, "x")]) == out

    @pytest.mark.parametrize(
        ("raw", "keys", "out"),
        [
            (b"[1]", {0}, b"[]"),
            (b"[ 1 ]", {0}, b"[]"),
            (b"[1, 2 ,3 ]", {0}, b"[ 2 ,3 ]"),
            (b"[1, 2 ,3 ]", {1}, b"[1 ,3 ]"),
            (b"[1, 2 ,3 ]", {2}, b"[1, 2 ]"),
            (b"[1, 2 ,3 ]", {0, 1}, b"[3 ]"),
            (b"[1, 2 ,3 ]", {0, 2}, b"[ 2 ]"),
            (b"[1, 2 ,3 ]", {1, 2}, b"[1 ]"),
            (b"[1, 2 ,3 ]", {0, 1, 2}, b"[]"),
            (b'{"a" : 1 , "b": ","}', {"a"}, b'{ "b": ","}'),
            (b'{"a" : 1 , "b": ","}', {"b"}, b'{"a" : 1}'),
            (b'{"a" : 1 , "b": ","}', {"a", "b"}, b"{}"),
            (b'{"a": ","}', set(), b'{"a": ","}'),
        ],
    )
    def test_without(self, raw: bytes, keys: set[str | int], out: bytes) -> None:
        assert apply(raw, parse(raw).without((), keys)) == out

    def test_what_is_not_there_cannot_be_taken_out(self) -> None:
        with pytest.raises(KeyError):
            parse(b'{"a": [1]}').without(("a",), {0, 1})

    @settings(max_examples=300, deadline=None)
    @given(documents(), st.data())
    def test_whatever_is_taken_out_the_rest_stands_as_it_was(self, document: Document, data: st.DataObject) -> None:
        holders = [(path, value) for path, value in nodes(document.value) if isinstance(value, dict | list) and value]
        if not holders:
            return
        path, value = data.draw(st.sampled_from(holders))
        keys = list(value if isinstance(value, dict) else range(len(value)))
        out = data.draw(st.sets(st.sampled_from(keys)))
        changed = parse(apply(document.raw, document.without(path, out)))
        kept = [key for key in keys if key not in out]
        assert changed.get(*path) == (
            {key: value[key] for key in kept} if isinstance(value, dict) else [value[key] for key in kept]
        )
        for place, key in enumerate(kept):
            was, now = (*path, key), (*path, key if isinstance(value, dict) else place)
            assert spelling(changed, now) == spelling(document, was)

    def test_insertions_at_one_point_keep_their_order_and_come_before_a_replacement(self) -> None:
        assert apply(b"abc", [Patch(1, 2, b"B"), Patch(1, 1, b"1"), Patch(1, 1, b"2")]) == b"a12Bc"

    @pytest.mark.parametrize("other", [Patch(2, 4, b""), Patch(1, 2, b""), Patch(2, 2, b"")])
    def test_patches_that_overlap_are_refused(self, other: Patch) -> None:
        with pytest.raises(ValueError, match="patches overlap"):
            apply(b"abcdef", [Patch(1, 3, b""), other])


class TestRefusals:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b" ",
            b"[DONE]",
            b"\xef\xbb\xbf{}",
            b"{} x",
            b"{}{}",
            b"[1,]",
            b"{'a': 1}",
            b"[NaN]",
            b"[Infinity]",
            b"[-Infinity]",
            b'["\xff"]',
            rb'["\ud800"]',
            rb'["\udc00\ud800"]',
            b'["a\nb"]',
            b"[01]",
            b"[1] // x",
            b"[" * 5_000 + b"]" * 5_000,
        ],
    )
    def test_what_is_not_json_is_refused(self, raw: bytes) -> None:
        with pytest.raises(NotJson, match="cannot be read"):
            parse(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"a": 1, "a": 1}',
            rb'{"a": 1, "\u0061": 2}',
            '{"é": 1, "\\u00E9": 2}'.encode(),
            b'[{"x": {"k": [], "l": {}, "k": {}}}]',
            rb'{"\"": 1, "\u0022": 2}',
        ],
    )
    def test_a_key_twice_is_refused(self, raw: bytes) -> None:
        with pytest.raises(Malformed, match="a key twice"):
            parse(raw)

    @pytest.mark.parametrize("raw", [b'{"a": 1, "b": 2, "a": 3}', b'{"b": 2, "a": 1, "a": 1}', b'{"a": 1, "a": 1}'])
    def test_no_address_is_given_in_an_object_with_a_key_twice(self, raw: bytes) -> None:
        with pytest.raises(Malformed, match="a key twice"):
            glance(raw).span(("a",))

    def test_keys_that_only_mask_alike_are_different(self) -> None:
        assert parse(rb'{"\"": 1, "__": 2, "\\": 3}').value == {'"': 1, "__": 2, "\\": 3}

    @pytest.mark.parametrize("read", [parse, glance])
    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[0,{"b":1,"a":', b"}]")])
    def test_the_depth_has_a_limit_before_anything_walks_the_values(
        self, read: Callable[[bytes], Document], opening: bytes, closing: bytes
    ) -> None:
        most = MAX_DEPTH // len(closing)
        assert read(opening * most + b'"[{"' + closing * most).value
        for times in (most + 1, 1000 // len(closing)):
            with pytest.raises(Malformed, match=f"deeper than {MAX_DEPTH}") as caught:
                read(opening * times + b"null" + closing * times)
            assert not isinstance(caught.value, NotJson)
