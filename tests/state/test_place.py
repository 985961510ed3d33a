"""The URL of a store: what it means, and that no message repeats it."""

from __future__ import annotations

import pytest

from gateway.state.redis.place import Kind, Place


@pytest.mark.parametrize(
    ("url", "place", "shown"),
    [
        ("redis://localhost", Place(Kind.SINGLE, (("localhost", 6379),)), "redis at localhost:6379"),
        ("redis://h:1/3", Place(Kind.SINGLE, (("h", 1),), db=3), "redis at h:1"),
        ("rediss://[::1]:2", Place(Kind.SINGLE, (("::1", 2),), tls=True), "redis at ::1:2"),
        (
            "redis://user:p%40ss@h",
            Place(Kind.SINGLE, (("h", 6379),), user="user", password="p@ss"),
            "redis at h:6379",
        ),
        ("unix:///run/redis.sock", Place(Kind.SINGLE, (), path="/run/redis.sock"), "redis at /run/redis.sock"),
        (
            "redis+sentinel://a,b:2/main/1",
            Place(Kind.SENTINEL, (("a", 26379), ("b", 2)), db=1, master="main"),
            "sentinel at a:26379,b:2",
        ),
        (
            "rediss+cluster://:secret@a:1,b:2",
            Place(Kind.CLUSTER, (("a", 1), ("b", 2)), tls=True, password="secret"),
            "cluster at a:1,b:2",
        ),
    ],
)
def test_it_is_read(url: str, place: Place, shown: str) -> None:
    found = Place.read(url)
    assert found == place
    assert str(found) == repr(found) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory://",
        "redis://",
        "redis://h:x",
        "redis://h:70000",
        "redis://a,b",
        "redis://h/x",
        "redis://h/1/2",
        "redis://h?db=1",
        "redis://h#x",
        "http://h",
        "unix://",
        "redis+sentinel://a",
        "redis+sentinel://a/main/x",
        "redis+sentinel://a/main/1/2",
        "redis+cluster://a/1",
        "redis+cluster://a,,b",
        "redis+other://h",
        "redis://secret-of-mine@",
    ],
)
def test_anything_else_is_refused_with_the_forms_and_without_the_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"no URL of a store; accepted: \"memory://\"") as refused:
        Place.read(url)
    assert "secret-of-mine" not in str(refused.value)
