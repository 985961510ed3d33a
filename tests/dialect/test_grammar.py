"""Rules of grammars: what is known is read as it is meant, and what is not known is read all the same."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect import grammar as g
from gateway.dialect.base import Reading
from gateway.dialect.grammar import Rule
from gateway.errors import Malformed
from gateway.segment import Kind, Path, Place
from gateway.wire.document import Document
from tests.dialect.replay import made, patched


def read(rule: Rule, value: Any) -> Reading:
    return g.read(rule, made(value))


def texts(rule: Rule, value: Any) -> list[str]:
    return [segment.text for segment in read(rule, value).segments]


OTHER = g.opaque(g.UNKNOWN)


@pytest.mark.parametrize(
    ("rule", "value", "found"),
    [
        (g.text(g.USER), "hello", ["hello"]),
        (g.text(g.USER), "", []),
        (g.text(g.USER), None, []),
        (g.text(g.USER), 7, []),
        (g.text(g.USER), {"odd": ["shape"]}, ["shape"]),
        (g.members({"a": g.skip}, OTHER), {"a": "x", "b": "y"}, ["y"]),
        (g.members({"a": g.skip}, OTHER), {"a": 17}, []),
        (g.members({"a": g.skip}, OTHER), {"a": "x" * 256}, []),
        (g.members({"a": g.skip}, OTHER), {"a": "x" * 257}, ["x" * 257]),
        (g.members({"a": g.skip}, OTHER), {"a": ["x", {"b": "y"}]}, ["x", "y"]),
        (g.members({"a": g.ignore}, OTHER), {"a": [{"b": "y" * 257}]}, []),
        (g.members({"a": g.skip}, OTHER), ["not", "an object"], ["not", "an object"]),
        (g.each(g.skip, OTHER), ["x"], []),
        (g.each(g.skip, OTHER), "not a list", ["not a list"]),
        (g.values(g.text(g.USER), OTHER), {"any": "x"}, ["x"]),
        (g.values(g.skip, OTHER), "not an object", ["not an object"]),
        (g.by("type", {"t": g.skip}, OTHER), {"type": "t", "x": "y"}, []),
        (g.by("type", {"t": g.skip}, OTHER), {"type": "u", "x": "y"}, ["u", "y"]),
        (g.by("type", {"t": g.skip}, OTHER), {"type": ["t"], "x": "y"}, ["t", "y"]),
        (g.by("type", {"t": g.skip}, OTHER), "t", ["t"]),
        (g.either(g.USER, OTHER), "text", ["text"]),
        (g.either(g.USER, OTHER), {"one": "part"}, ["part"]),
        (g.either(g.USER, OTHER), [{"two": "parts"}, "of both kinds"], ["parts", "of both kinds"]),
        (g.schema(g.DEFINITION), {"type": "object", "title": "T", "enum": ["string", "x"]}, ["T", "x"]),
        (g.schema(g.DEFINITION), {"properties": {"type": {"type": "string", "description": "d"}}}, ["d"]),
    ],
)
def test_rules(rule: Rule, value: Any, found: list[str]) -> None:
    assert texts(rule, value) == found


def test_what_is_not_known_is_opaque_and_not_marked_as_data() -> None:
    (segment,) = read(g.text(g.RESULT), {"odd": "shape"}).segments
    assert (segment.kind, segment.trust, segment.wrappable) == (Kind.OPAQUE, g.RESULT.trust, False)


def test_a_null_is_nothing_that_was_not_inspected() -> None:
    assert read(g.uninspected("image"), None).uninspected == ()
    assert [part.what for part in read(g.uninspected("image"), "x").uninspected] == ["image"]


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ('{"a": "x", "b": ["y"]}', [Place((), ("a",)), Place((), ("b", 0))]),
        ('"x"', [Place((), ())]),
        ("not JSON", [Place(())]),
        ('{"a": "x"} trailing', [Place(())]),
        ('{"card": 4111111111111111}', [Place((), ("card",))]),
        ('{"count": 17}', [Place(())]),  # no text inside, so the whole is looked at
        ("", []),
    ],
)
def test_arguments_are_read_inside(value: str, places: list[Place]) -> None:
    assert [segment.place for segment in read(g.arguments(g.CALL), value).segments] == places


def test_arguments_that_are_no_string_are_read_as_opaque() -> None:
    (segment,) = read(g.arguments(g.CALL), {"a": "x"}).segments
    assert (segment.text, segment.kind) == ("x", Kind.OPAQUE)


def test_a_binary_argument_is_named_at_its_string() -> None:
    binary = "/9j/" + "A" * 4000
    reading = read(g.arguments(g.CALL), '{"image": "' + binary + '"}')
    assert [(part.what, part.path) for part in reading.uninspected] == [("binary_string", ())]
    assert reading.segments == ()


@pytest.mark.parametrize(
    "value",
    ['{"a": 1, "a": "x"}', '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100 + "]" * 100, "[" * 100_000 + "]" * 100_000],
    ids=["duplicate key", "NaN", "lone surrogate", "deep", "deeper than Python reads"],
)
def test_arguments_that_parsers_read_differently_are_refused(value: str) -> None:
    with pytest.raises(Malformed):
        read(g.arguments(g.CALL), value)


def test_model_and_stream_are_read_where_they_are_what_they_should_be() -> None:
    reading = read(g.skip, {"model": "m", "stream": True})
    assert (reading.model, reading.streaming) == ("m", True)
    reading = read(g.skip, {"model": ["m"], "stream": "yes"})
    assert (reading.model, reading.streaming) == (None, False)


def test_a_root_moves_every_path() -> None:
    reading = g.read(
        g.members({"x": g.text(g.USER)}, g.uninspected("file")), made({"body": {"x": "t", "y": 1}}), ("body",)
    )
    assert [segment.place.path for segment in reading.segments] == [("body", "x")]
    assert [part.path for part in reading.uninspected] == [("body", "y")]


def test_growing_texts_have_channels_and_the_others_stand_whole() -> None:
    def channel(_document: Document, path: Path) -> tuple[Any, ...]:
        return ("channel", *path)

    rule = g.members({"a": g.growing(g.text(g.USER)), "b": g.arguments(g.CALL)}, g.uninspected("x"))
    reading = g.read_event(rule, made({"a": "piece", "b": '{"in": "side"}', "c": 1}), channel)
    growing, whole = reading.deltas
    assert (growing.channel, growing.text, growing.whole) == (("channel", "a"), "piece", False)
    assert (whole.place, whole.text, whole.whole) == (Place(("b",)), '{"in": "side"}', True)
    assert [part.path for part in reading.uninspected] == [("c",)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, {"m": "more"}),
        ({"m": "some", "z": 1}, {"m": "some\n\nmore", "z": 1}),
        ({"m": None}, {"m": "more"}),
        ({"m": ["a list"]}, {"m": ["a list"]}),
        ([], []),
    ],
)
def test_lengthen(value: Any, expected: Any) -> None:
    document = made(value)
    assert patched(document, g.lengthen(document, (), "m", "more")) == expected


def test_independent_items_may_be_left_to_be_read_one_by_one() -> None:
    rule = g.members({"items": g.independent(g.text(g.USER), OTHER)}, OTHER)
    document = made({"items": ["a", "b"]})
    assert [segment.text for segment in g.read(rule, document).segments] == ["a", "b"]
    reading = g.read(rule, document, apart=True)
    (left,) = reading.parts
    assert (left.path, reading.segments) == (("items",), ())
    assert [segment.text for segment in left.read(made("a")).segments] == ["a"]
