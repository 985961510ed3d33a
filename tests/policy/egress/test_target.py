"""A request's host, path, query and fields as segments, and what is left out by name."""

from __future__ import annotations

import base64

import pytest

from gateway.policy.egress.target import Target, read, undotted
from gateway.segment import Kind, Path, Place, Role, Segment, Trust, Uninspected

SECRET = "hunter2 is the password"


def texts(target: Target) -> dict[Path, list[str]]:
    found: dict[Path, list[str]] = {}
    for item in read(target):
        if isinstance(item, Segment):
            found.setdefault(item.place.path, []).append(item.text)
    return found


def test_every_part_is_a_text_of_its_own() -> None:
    target = Target("a.example", "/v1/x", "q=1&r=2", (("User-Agent", "agent/1"), ("X-Note", "n")))
    assert texts(target) == {
        ("host",): ["a.example"],
        ("path",): ["/v1/x"],
        ("query",): ["q=1&r=2"],
        ("header", 0): ["User-Agent: agent/1"],
        ("header", 1): ["X-Note: n"],
    }


def test_a_part_is_a_models_words_and_not_to_be_edited() -> None:
    assert read(Target("a.example", "/"))[0] == Segment(
        Place(("host",)), "a.example", Role.ASSISTANT, Trust.MODEL, Kind.OPAQUE, editable=False
    )


def test_what_is_empty_is_no_text() -> None:
    assert set(texts(Target("a.example", "/"))) == {("host",), ("path",)}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (Target(base64.b32encode(SECRET.encode()).decode().rstrip("=").lower() + ".a.example", "/"), ("host",)),
        (Target("a.example", "/x/" + SECRET.replace(" ", "%20")), ("path",)),
        (Target("a.example", "/", "q=" + SECRET.replace(" ", "+")), ("query",)),
        (Target("a.example", "/", f"{base64.b64encode(SECRET.encode()).decode()}=1"), ("query",)),
        (Target("a.example", "/", "", (("X-Data", SECRET.encode().hex()),)), ("header", 0)),
        (Target("a.example", "/", "", ((SECRET.encode().hex(), ""),)), ("header", 0)),
    ],
)
def test_what_is_encoded_in_a_part_is_a_text_there(target: Target, path: Path) -> None:
    assert any(SECRET in text for text in texts(target)[path])


def test_a_secret_that_is_cut_into_labels_is_put_together() -> None:
    hexadecimal = SECRET.encode().hex()
    labels = ".".join(hexadecimal[start : start + 10] for start in range(0, len(hexadecimal), 10))
    assert SECRET in texts(Target(f"{labels}.a.example", "/"))[("host",)]


def test_a_host_is_put_together_without_the_labels_of_its_owner() -> None:
    assert undotted("a.b.c.d.e") == ("abcd", "abc", "ab")
    assert undotted("a.b.c") == ("ab",)
    assert undotted("a.b") == ()


def test_a_host_is_read_as_it_was_spelt_and_as_it_is_resolved() -> None:
    found = texts(Target("Hunter。a.example", "/"))[("host",)]
    assert found == ["Hunter。a.example", "hunter.a.example", "huntera"]
    assert texts(Target("a..b", "/"))[("host",)] == ["a..b", "a"]


def test_credentials_are_named_and_not_read() -> None:
    target = Target(
        "a.example",
        "/",
        "alt=sse&key=AIza",
        (("Authorization", "Bearer x"), ("COOKIE", "s=1"), ("X-Api-Key", "k"), ("Accept", "*/*")),
        query_credentials=frozenset({"key"}),
    )
    assert [item for item in read(target) if isinstance(item, Uninspected)] == [
        Uninspected("credential", ("query", "key")),
        Uninspected("credential", ("header", "authorization")),
        Uninspected("credential", ("header", "cookie")),
        Uninspected("credential", ("header", "x-api-key")),
    ]
    assert texts(target)[("query",)] == ["alt=sse"]
    assert texts(target)[("header", 3)] == ["Accept: */*"]


def test_a_key_in_the_query_of_any_other_host_is_read() -> None:
    assert texts(Target("a.example", "/", "key=AIza"))[("query",)] == ["key=AIza"]
