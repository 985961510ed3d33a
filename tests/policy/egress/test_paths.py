"""Path prefixes: by whole segments, and under every reading that a server may have of a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.egress.paths import only_reading, prefix, readings, touches, within, written

FILES = (("v1", "files"),)

BELOW = ["/v1/files", "/v1/files/", "/v1/files/a.txt", "//v1//files", "/v1/files/a/b?x=../..", "/v1/fi%6Ces/%61"]
"""Under every reading."""

ASIDE = ["/", "/v1", "/v1/files2", "/v1/filesx/y", "/v2/files", "/files", "/v1/other?/v1/files"]
"""Under none."""

DOUBTFUL = [
    "/v1/files/../admin",
    "/v1/files/x/../../admin",
    "/v1/files/%2e%2e/admin",
    "/v1/files/%2E./admin",
    "/v1/files/..%2fadmin",
    "/v1/files/%252e%252e%252fadmin",
    "/v1/files/%25252e%25252e%25252fadmin",
    "/v1/files/..;/admin",
    "/v1/files/..;x=y/admin",
    "/v1/files/..%3b/admin",
    "/v1/files/.. /admin",
    "/v1/files/..%20/admin",
    "/v1/files/..\\admin",
    "/v1/files\\..\\admin",
    "/v1/files/%5c..%5cadmin",
    "/v1/files/．．/admin",
    "/v1/files/%ef%bc%8e%ef%bc%8e/admin",
    "/v1/../v1/files",
    "/x/../v1/files",
    "/v1%2ffiles",
    "/v1%2Ffiles/x",
    "/v1\\files",
    "/v1/files;x=1",
    "/v1;x/files",
    "/v1/./files",
    "/v1/Files",
    "/V1/files/x",
    "/v1/%2566iles",
    "/v1/x//../files",  # `..` takes out an empty segment, or `x`
]
"""Under some reading, and not under every: no entry that allows takes it, each that denies does."""

UNREADABLE = [
    "",
    "v1/files",
    "*",
    "/v1/files/%",
    "/v1/files/%zz",
    "/v1/files/%u002e%u002e/",
    "/v1/files/%25u002e%25u002e/",
    "/v1/files/%c0%ae%c0%ae/",
    "/v1/files/%ff",
    "/v1/files/%00",
    "/v1/files/\0",
    "/v1/files/%0d%0a",
    "/v1/files/\udc80%20",
    "/v1/files/%2525252525252e",
]


@pytest.mark.parametrize("path", BELOW)
def test_what_is_below_a_prefix_is_allowed_and_denied(path: str) -> None:
    assert within(path, FILES)
    assert touches(path, FILES)


@pytest.mark.parametrize("path", ASIDE)
def test_what_is_beside_a_prefix_is_neither(path: str) -> None:
    assert not within(path, FILES)
    assert not touches(path, FILES)


@pytest.mark.parametrize("path", DOUBTFUL)
def test_what_only_some_servers_take_for_it_is_denied_and_not_allowed(path: str) -> None:
    assert not within(path, FILES)
    assert touches(path, FILES)
    assert only_reading(path) is None or path != path.lower()  # the case of letters is all that is doubtful


@pytest.mark.parametrize("path", UNREADABLE)
def test_what_cannot_be_read_is_denied_and_not_allowed(path: str) -> None:
    assert readings(path) is None
    assert not within(path, FILES)
    assert touches(path, FILES)


@pytest.mark.parametrize("name", ["a%20b", "x;y=z", "100%25", "ü", "a..b", "*"])
def test_an_odd_name_below_a_prefix_stays_below_it(name: str) -> None:
    assert within(f"/v1/files/{name}", FILES)


def test_a_path_below_one_of_several_prefixes_is_allowed() -> None:
    assert within("/b/c", (("a",), ("b",)))
    assert not within("/a/../b", (("b",),))


def test_the_root_is_a_prefix_of_every_path_that_can_be_read() -> None:
    assert within("/a/../../%2e%2e/b", (prefix("/"),))
    assert not within("/%00", (prefix("/"),))


@pytest.mark.parametrize("text", ["/", "/v1", "/v1/files", "/v1/a:b@c~d", "/.well-known", "/a..b/c"])
def test_prefixes_in_normal_form(text: str) -> None:
    assert written(prefix(text)) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("v1", 'does not start with a slash; write "/v1"'),
        ("", 'does not start with a slash; write "/"'),
        ("/v1/", 'is not in normal form; write "/v1"'),
        ("/v1//a", 'is not in normal form; write "/v1/a"'),
        ("/v1/./a", 'is not in normal form; write "/v1/a"'),
        ("/v1/../a", 'is not in normal form; write "/a"'),
        ("/v1/%61", 'is not in normal form; write "/v1/a"'),
        ("/v1/a%2fb", 'is not in normal form; write "/v1/a/b"'),
        ("/v1/a b", "has more readings than one; accepted: a path such as"),
        ("/v1/a%20b", "has more readings than one; accepted: a path such as"),
        ("/v1/a;b", "has more readings than one; accepted: a path such as"),
        ("/v1/ä", "has more readings than one; accepted: a path such as"),
        ("/v1/a?b", "has more readings than one; accepted: a path such as"),
        ("/v1/*", "has an asterisk; a prefix takes all that is below it; accepted:"),
        ("/v1/%zz", "has more readings than one; accepted: a path such as"),
    ],
)
def test_a_sloppy_prefix_is_refused_with_the_right_spelling(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        prefix(text)
    assert str(caught.value).startswith(fault)


HOSTILE = st.lists(
    st.sampled_from(["v1", "files", "admin", "..", ".", "/", "//", "%2e", "%2f", "%25", "\\", ";", "%20", "?", "．"])
).map(lambda parts: "/" + "".join(parts))


@given(HOSTILE)
def test_what_is_allowed_would_be_denied_by_the_same_prefix(path: str) -> None:
    assert not within(path, FILES) or touches(path, FILES)


@given(HOSTILE)
def test_a_path_has_the_same_readings_with_a_query_and_without_an_escape(path: str) -> None:
    bare = path.partition("?")[0]
    assert readings(path) == readings(f"{bare}?a=/v1/files") == readings(bare.replace("v1", "%761"))
