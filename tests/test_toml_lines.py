"""Where a key of a TOML text stands."""

from __future__ import annotations

import pytest

from gateway.toml_lines import line_of

TEXT = '''# heading
top = 1
[a] # table
x = """
y = 1
[no]
"""
y = 2
"quoted key" = 3
dotted . key = 4
[a.'b c']
z = """one line"""
w = [
  1,
]
[[list]]
v = 1
[p.q]
[p.r]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("a",), 3),
        (("a", "x"), 4),
        (("a", "y"), 8),
        (("a", "quoted key"), 9),
        (("a", "dotted", "key"), 10),
        (("a", "b c"), 11),
        (("a", "b c", "z"), 12),
        (("a", "b c", "w"), 13),
        (("list", "v"), 17),
        (("a", "missing"), 3),
        (("top", "below"), 2),
        (("no",), None),
        (("p",), 18),
    ],
)
def test_the_line_of_a_key_or_the_nearest_above(path: tuple[str, ...], line: int | None) -> None:
    assert line_of(TEXT, path) == line


def test_a_fence_of_the_other_kind_does_not_end_a_string() -> None:
    assert line_of("a = '''\n\"\"\"\nb = 1\n'''\nb = 2", ("b",)) == 5
