"""Multipart bodies: the ranges of the parts, and all that could hide one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Malformed, OverLimit
from gateway.wire.multipart import MAX_PARTS, Part, parts

FORM = "multipart/form-data; boundary=b"
MIXED = "multipart/mixed; boundary=b"
NAMED = b'Content-Disposition: form-data; name="a"'


def body(*inner: bytes, before: bytes = b"", after: bytes = b"\r\n") -> bytes:
    return before + b"".join(b"--b\r\n" + part + b"\r\n" for part in inner) + b"--b--" + after


def contents(raw: bytes, content_type: str = FORM) -> list[bytes]:
    return [raw[part.start : part.end] for part in parts(raw, content_type)]


def test_a_form_with_a_file() -> None:
    raw = body(
        b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch',
        b'content-disposition: form-data; name="file"; filename="\xc3\xa9.jsonl"\r\n'
        b"CONTENT-TYPE: application/jsonl\r\n\r\n{}\r\n{}\r\n",
    )
    purpose, file = parts(raw, 'Multipart/Form-Data; boundary="b"')
    assert purpose == Part("purpose", None, None, purpose.start, purpose.end)
    assert raw[purpose.start : purpose.end] == b"batch"
    assert (file.name, file.filename, file.content_type) == ("file", "é.jsonl", "application/jsonl")
    assert raw[file.start : file.end] == b"{}\r\n{}\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        body(NAMED + b"\r\n\r\nx"),
        body(NAMED + b"\r\n\r\nx", before=b"a preamble\r\n", after=b"\r\nan epilogue"),
        body(NAMED + b"\r\n\r\nx", before=b"\r\n", after=b""),
        body(NAMED + b"\r\n\r\nx", after=b" \t\r\n").replace(b"--b\r\n", b"--b \t\r\n"),
        body(b"X-Other:  y \r\ncontent-disposition:form-data;name=a\r\n\r\nx"),
        body(b"Content-Transfer-Encoding: 8BIT\r\n" + NAMED + b"\r\n\r\nx"),
    ],
)
def test_forms_that_are_read(raw: bytes) -> None:
    [part] = parts(raw, FORM)
    assert (part.name, raw[part.start : part.end]) == ("a", b"x")


def test_an_extended_filename_is_noted_and_not_read() -> None:
    [part] = parts(body(NAMED + b"; filename*=utf-8''x\r\n\r\n"), FORM)
    assert (part.filename, part.extended_filename, part.end - part.start) == (None, True, 0)


def test_an_empty_filename_is_one() -> None:
    [part] = parts(body(NAMED + b'; filename=""\r\n\r\n'), FORM)
    assert part.filename == ""


def test_names_may_repeat() -> None:
    assert contents(body(NAMED + b"\r\n\r\n1", NAMED + b"\r\n\r\n2")) == [b"1", b"2"]


def test_parts_outside_of_forms_need_no_name_and_no_header() -> None:
    raw = body(b"\r\nbare", b"content-type: text/html\r\n\r\n<p>")
    assert contents(raw, MIXED) == [b"bare", b"<p>"]
    assert [part.name for part in parts(raw, MIXED)] == [None, None]
    with pytest.raises(Malformed, match="has no name"):
        parts(raw, FORM)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no final delimiter"),
        (b"--b\r\n" + NAMED + b"\r\n\r\nx\r\n", "no final delimiter"),
        (b"--b\r\n" + NAMED + b"\r\n\r\nx\r\n--b", "no final delimiter"),
        (b"--b--\r\n", "no part"),
        (body(NAMED + b"\r\n\r\nx\n--b\r\n" + NAMED + b"\r\n\r\ny"), "where none may be"),
        (body(NAMED + b"\r\n\r\nx --b"), "where none may be"),
        (body(NAMED + b"\r\n\r\nx\r\n--bb"), "where none may be"),
        (body(NAMED + b"\r\n\r\nx\r\n--b\n"), "where none may be"),
        (body(NAMED + b"\r\n\r\nx\r\n--b-"), "where none may be"),
        (body(NAMED + b"\r\n\r\nx", before=b"\n"), "where none may be"),
        (body(NAMED + b"\r\n\r\nx", after=b"x"), "where none may be"),
        (body(NAMED + b"\r\n\r\nx", after=b"\r\n--b\r\n" + NAMED + b"\r\n\r\ny\r\n--b--"), "where none may be"),
        (body(NAMED + b"\r\n"), "no empty line"),
        (body(NAMED), "no empty line"),
        (b"--b\r\n--b--", "no empty line"),
        (body(NAMED + b"\n\nx\r\n\r\ny"), "cannot be read"),
        (body(b"no colon\r\n" + NAMED + b"\r\n\r\nx"), "cannot be read"),
        (body(NAMED + b"\r\n folded: x\r\n\r\nx"), "cannot be read"),
        (body(b"x : y\r\n" + NAMED + b"\r\n\r\nx"), "cannot be read"),
        (body(NAMED + b"\r\nx: a\x00b\r\n\r\nx"), "cannot be read"),
        (body(NAMED + b"\r\nx: \xff\r\n\r\nx"), "not UTF-8"),
        (body(NAMED + b"\r\n" + NAMED + b"\r\n\r\nx"), "two `content-disposition` lines"),
        (body(NAMED + b'; name="b"\r\n\r\nx'), "`name` is given twice"),
        (body(b"content-disposition: form-data; name*=utf-8''a\r\n\r\nx"), "`name\\*` is not read"),
        (body(b'content-disposition: form-data; name="a\\"b"\r\n\r\nx'), "cannot be read"),
        (body(b"content-disposition: form-data\r\n\r\nx"), "has no name"),
        (body(NAMED + b"\r\ncontent-type: text\r\n\r\nx"), "no subtype"),
        (body(NAMED + b"\r\ncontent-transfer-encoding: base64\r\n\r\neA=="), "is encoded"),
    ],
)
def test_what_could_hide_a_part_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parts(raw, FORM)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "application/json; boundary=b",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="b "',
        'multipart/form-data; boundary="b\u00e9"',
        "multipart/form-data; boundary=b*",
        f"multipart/form-data; boundary={'b' * 71}",
        "multipart/form-data; boundary=b; boundary=c",
    ],
)
def test_without_one_proper_boundary_nothing_is_read(content_type: str) -> None:
    with pytest.raises(Malformed):
        parts(body(NAMED + b"\r\n\r\nx"), content_type)


def test_the_number_of_parts_has_a_limit() -> None:
    part = NAMED + b"\r\n\r\n"
    assert len(parts(body(*[part] * MAX_PARTS), FORM)) == MAX_PARTS
    with pytest.raises(OverLimit, match=f"more than {MAX_PARTS} parts"):
        parts(body(*[part] * (MAX_PARTS + 1)), FORM)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30).filter(lambda content: b"--b" not in b"\r\n" + content + b"\r\n"), min_size=1))
def test_contents_are_what_was_put_in(written: list[bytes]) -> None:
    assert contents(body(*[NAMED + b"\r\n\r\n" + content for content in written])) == written
