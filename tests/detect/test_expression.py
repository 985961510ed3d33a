"""Expressions of operators, within their time."""

from __future__ import annotations

import pytest

from gateway.detect.expression import Expression


def test_a_whole_text_fits_and_a_part_occurs() -> None:
    assert Expression("a+").fits("aaa")
    assert not Expression("a+").fits("aab")
    assert Expression("a+").occurs("baab")
    assert not Expression("a+").occurs("b")


def test_what_takes_too_long_does_not_fit() -> None:
    slow = Expression("(a|aa)+$")
    assert not slow.fits("a" * 5000 + "b")
    assert not slow.occurs("a" * 5000 + "b")


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="is no regular expression: missing"):
        Expression("(a")
