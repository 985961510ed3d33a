from __future__ import annotations

import pytest

from gateway.serve.headers import end_to_end, first, session_of, without

RAW = (
    (b"Host", b"gateway"),
    (b"Content-Type", b"application/json"),
    (b"Set-Cookie", b"a=1"),
    (b"set-cookie", b"b=2"),
    (b"Content-Length", b"3"),
)


def test_order_spelling_and_repeats_are_kept() -> None:
    assert end_to_end(RAW) == (
        ("Content-Type", "application/json"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("Content-Length", "3"),
    )


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"Keep-Alive",
        b"Proxy-Connection",
        b"Proxy-Authorization",
        b"Proxy-Authenticate",
        b"TE",
        b"Trailer",
        b"Transfer-Encoding",
        b"Upgrade",
        b"Expect",
        b"Host",
        b"X-Lockgate-Id",
        b"x-lockgate-whatever",
    ],
)
def test_fields_of_one_connection_and_of_the_gateway_are_dropped(name: bytes) -> None:
    assert end_to_end(((name, b"value"), (b"Accept", b"*/*"))) == (("Accept", "*/*"),)


def test_fields_that_connection_names_are_dropped() -> None:
    raw = ((b"X-Hop", b"1"), (b"Connection", b"close, X-HOP"), (b"X-Stays", b"2"), (b"Connection", b"x-other"))
    assert end_to_end((*raw, (b"X-Other", b"3"))) == (("X-Stays", "2"),)


def test_keep_alive_as_a_connection_option_names_no_field() -> None:
    assert end_to_end(((b"Connection", b"keep-alive"), (b"Close", b"1"))) == (("Close", "1"),)


@pytest.mark.parametrize(("raw", "text"), [("naïve".encode(), "naïve"), (b"na\xefve", "naïve")])
def test_octets_beyond_ascii_are_utf8_or_latin1(raw: bytes, text: str) -> None:
    assert end_to_end(((b"X-Name", raw),)) == (("X-Name", text),)


def test_looking_up_and_leaving_out() -> None:
    fields = (("A", "1"), ("b", "2"), ("B", "3"))
    assert first(fields, "b") == "2"
    assert first(fields, "c") is None
    assert without(fields, "b") == (("A", "1"),)


@pytest.mark.parametrize("name", [b"X-Own", b"X-Lockgate-Own", b"Connection", b"x-" + b"long-" * 40, b"X-Caf\xc3\xa9"])
def test_a_name_is_treated_alike_each_time_and_however_long_it_is(name: bytes) -> None:
    """Short names are remembered, long ones are not."""
    passed = () if name in (b"X-Lockgate-Own", b"Connection") else ((name.decode(), "v"),)
    for _ in range(2):
        assert end_to_end(((name, b"v"),)) == passed


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (RAW, ""),
        ((*RAW, (b"X-Lockgate-Session", b"s-1")), "s-1"),
        (((b"x-lockgate-session", b"s-1"), (b"X-LOCKGATE-SESSION", b"s-2")), "s-1, s-2"),
    ],
)
def test_a_client_may_say_what_it_calls_its_conversation(raw: tuple[tuple[bytes, bytes], ...], named: str) -> None:
    assert session_of(raw) == named
    assert not first(end_to_end(raw), "x-lockgate-session")
