"""Encodings of answers: which one is read, and that the bytes come back."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.wire.charset import Decoded, codec_of, decoded


@pytest.mark.parametrize(
    ("body", "label", "codec"),
    [
        (b"x", None, "utf-8"),
        (b"x", "UTF8", "utf-8"),
        (b"x", "ISO-8859-1", "latin-1"),
        (b"x", "gb2312", "gb18030"),
        (b"x", "Shift_JIS", "cp932"),
        (codecs.BOM_UTF16_LE + b"x\0", "iso-8859-1", "utf-16-le"),
        (codecs.BOM_UTF8 + b"x", "utf-16", "utf-8"),
        (b'<meta charset="gbk">', None, "gb18030"),
        (b'<meta http-equiv=x content="text/html; charset=koi8-r">', None, "koi8-r"),
        (b'<meta charset="gbk">', "utf-8", "utf-8"),
        (b"<meta charset=utf-16>", None, "utf-8"),
        (b'<?xml version="1.0" encoding="windows-1251"?>', None, "cp1251"),
        (b" " * 1024 + b"<meta charset=gbk>", None, "utf-8"),
    ],
)
def test_a_mark_comes_before_the_label_and_the_label_before_the_page(
    body: bytes, label: str | None, codec: str
) -> None:
    assert codec_of(body, label) == codec


@pytest.mark.parametrize(
    "label", ["utf-7", "iso-2022-jp", "hz-gb-2312", "cp037", "unicode_escape", "rot13", "nonsense"]
)
def test_an_encoding_that_is_not_known_or_changes_its_state_is_refused(label: str) -> None:
    with pytest.raises(Malformed, match="is not read"):
        decoded(b"x", label)


def test_half_a_character_of_utf_16_is_refused() -> None:
    with pytest.raises(Malformed, match="utf-16-le"):
        decoded(codecs.BOM_UTF16_LE + b"x", None)


@pytest.mark.parametrize("label", ["utf-8", "iso-8859-1", "windows-1252", "koi8-r", "utf-16le"])
@given(st.binary())
def test_bytes_that_do_not_fit_the_label_come_back_as_they_were(label: str, body: bytes) -> None:
    body = body[: len(body) // 2 * 2]
    text = decoded(body, label)
    assert text.with_changes([]) == body


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("gb18030", "你好 world 再见"),
        ("big5", "你好 world"),
        ("shift_jis", "こんにちは world"),
        ("utf-16le", "é world"),
    ],
)
def test_an_edit_leaves_all_other_bytes(label: str, text: str) -> None:
    read = decoded(text.encode(codec_of(b"", label)), label)
    assert read.text == text
    start = text.index("world")
    changed = read.with_changes([(start, start + 5, "[X]")])
    assert changed == text.replace("world", "[X]").encode(read.codec)


def test_what_the_encoding_does_not_have_is_a_question_mark() -> None:
    assert decoded(b"a\xe9b", "latin1").with_changes([(0, 1, "€")]) == b"?\xe9b"


def test_an_edit_leaves_bytes_that_do_not_fit_the_label() -> None:
    assert decoded(b"a\xff\xe9b", "utf-8").with_changes([(0, 1, "€")]) == "€".encode() + b"\xff\xe9b"


def test_no_edit_is_made_where_the_bytes_would_not_come_back() -> None:
    with pytest.raises(Malformed, match="gb18030"):
        Decoded(b"other", "text", "gb18030").with_changes([(0, 1, "x")])
