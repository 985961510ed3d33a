"""Tables and YAML: what is structure, and what their own escapes hide."""

from __future__ import annotations

import pytest

from gateway.segment import Span
from gateway.wire.plain_text import table, yaml


def test_a_field_may_be_changed_and_a_separator_not() -> None:
    read = table('a,"b c";d\n')
    assert read.text == 'a,"b c";d\n'
    assert read.may_change(Span(3, 6))
    assert not read.may_change(Span(0, 3))
    assert read.places(Span(3, 6)) == [(3, 6)]
    assert read.written('x, "y"') == "x   y "


def test_yaml_without_escapes_of_its_own_is_read_once() -> None:
    [read] = yaml("a: b\\n", fixed=False)
    assert read.text == "a: b\\n"
    assert read.may_change(Span(0, 1))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('a: "\\x69gnore"', 'a: "ignore"'),
        ('a: "ig\\\n   nore"', 'a: "ignore"'),
        ('a: "\\U0001F600"', 'a: "😀"'),
        ('a: "\\U00110000"', 'a: "\ufffd"'),
        ('a: "\\U0000D800"', 'a: "\ufffd"'),
    ],
)
def test_its_own_escapes_are_undone_beside_the_source(source: str, text: str) -> None:
    plain, undone = yaml(source, fixed=True)
    assert (plain.text, undone.text) == (source, text)
    assert not plain.may_change(Span(0, 1))
    assert not undone.may_change(Span(0, 1))
