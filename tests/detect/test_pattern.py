"""What the pattern grammar accepts, how it reads it, and what it says about the rest."""

from __future__ import annotations

import pytest
import regex  # type: ignore[import-untyped]  # ships no types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect import charset
from gateway.detect.pattern import MAX_WIDTH, PatternError, leading_flags, parse, quoted
from gateway.detect.tree import Alt, Chars, Edge, Look, Repeat, Seq, ahead, walk, width


@pytest.mark.parametrize(
    ("source", "least", "most"),
    [
        ("abc", 3, 3),
        ("a{2,5}", 2, 5),
        ("a{3}", 3, 3),
        ("ab?", 1, 2),
        ("(?:ab|cde){1,2}?", 2, 6),
        (r"\bx(?=yyy)(?!z)", 1, 1),
        ("(?P<name>[a-z]{1,3}+)-", 2, 4),
        ("(?>ab|a)c", 2, 3),
        ("(?x) a b # a comment\n c [ ]", 4, 4),
        ("(?x)a#the end", 1, 1),
        (r"a\{2\}", 4, 4),
        (r"[a\]]{1,2}", 1, 2),
    ],
)
def test_the_width_of_a_match(source: str, least: int, most: int) -> None:
    assert width(parse(source)) == (least, most)


@pytest.mark.parametrize(
    ("source", "characters"),
    [
        ("[a-c_]", "abc_"),
        (r"[\d\-x]", "0123456789-x"),
        ("[+-]", "+-"),
        (r"[\x41-\x43]", "ABC"),
        (r"\u4e00", "一"),
        (r"\t", "\t"),
        (r"[\n\r]", "\n\r"),
        (r"\.", "."),
        ("(?i)k", "kK"),
        ("(?i:k)", "kK"),
        ("[a-]", "a-"),
    ],
)
def test_the_set_of_a_class(source: str, characters: str) -> None:
    node = parse(source)
    assert isinstance(node, Chars)
    assert {chr(c) for c in range(0x5000) if charset.contains(node.ranges, c)} == set(characters)


def test_a_complement_is_taken_after_the_case() -> None:
    node = parse("(?i)[^a]")
    assert isinstance(node, Chars)
    assert not charset.contains(node.ranges, ord("A"))


def test_the_dot_leaves_out_the_line_feed_unless_told() -> None:
    assert parse(".") == Chars(charset.NO_NEWLINE)
    assert parse("(?s).") == Chars(charset.EVERY)


def test_flags_end_with_their_group() -> None:
    node = parse("(?i:a)a")
    assert node == Seq((Chars(charset.of("a", "A")), Chars(charset.of("a"))))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("a+", "`+` has no upper bound; write how many at most, such as `{1,8}`"),
        ("a*", "`*` has no upper bound"),
        ("a{2,}", "`{2,}` has no upper bound; write `{2,8}`"),
        ("^a", "`^` is refused"),
        ("a$", "`$` is refused"),
        ("(a", "missing `)`"),
        ("a)", "unbalanced `)`"),
        ("[a", "unfinished pattern"),
        ("[^]", "empty class"),
        ("[]", "empty class"),
        ("a\\", "unfinished pattern"),
        (r"(a)\1", r"unknown escape `\1`"),
        (r"\p{L}", r"unknown escape `\p`"),
        (r"\xg1", r"`\x` needs 2 hexadecimal digits"),
        ("[c-a]", "runs backwards"),
        (r"[a-\x40]", "runs backwards"),
        ("[[a]]", "sets of sets are refused"),
        ("[a&&b]", "sets of sets are refused"),
        ("(?#x)", "unknown group"),
        ("a{e<=1}", "bare `{`"),
        ("?a", "bare `?`"),
        (r"\b{2}a", "a repeated assertion"),
        ("(?<=a|bc)d", "a lookbehind of varying width"),
        (r"(?<=a\b)d", "an assertion inside a lookbehind"),
        ("(?=a{1,65})b", "a lookaround of 65 characters"),
        ("a{0}", "repeats nothing"),
        ("a{3,2}", "repeats nothing"),
        ("a?", "can match nothing"),
        ("a{1,4201}", "a match may span 4201 characters"),
    ],
)
def test_what_is_refused_is_explained(source: str, says: str) -> None:
    with pytest.raises(PatternError) as refused:
        parse(source)
    assert says in str(refused.value)


def test_the_widest_match_is_accepted() -> None:
    assert width(parse(f"a{{1,{MAX_WIDTH}}}"))[1] == MAX_WIDTH


def test_how_far_a_pattern_looks_ahead() -> None:
    assert ahead(parse("a(?=bc)|d(?:e(?!f)){1,2}")) == 3
    assert ahead(parse(r"a\b")) == 0


def test_walking_meets_every_node() -> None:
    kinds = {type(node) for node in walk(parse(r"(?<=a)b{1,2}\b|c(?:d|e)"))}
    assert kinds == {Alt, Seq, Look, Chars, Repeat, Edge}


def test_leading_flags() -> None:
    assert leading_flags("(?ix)a") == "ix"
    assert leading_flags("(?i:a)") == ""


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_a_quoted_text_matches_itself(text: str) -> None:
    assert regex.fullmatch(quoted(text), text, regex.ASCII)
    assert width(parse(quoted(text))) == (len(text), len(text))
