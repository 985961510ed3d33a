"""What is told of queries: a table, and that nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.commands.sql import DIALECTS, read_sql
from tests.policy.commands.sql_rows import ROWS
from tests.policy.commands.told import told_sql


@pytest.mark.parametrize(
    ("dialect", "query", "expected", "unexpected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_query_is_told(dialect: str, query: str, expected: list[str], unexpected: list[str]) -> None:
    lines = told_sql(read_sql(query, dialect))
    assert set(expected) <= lines
    assert not set(unexpected) & lines


_PIECES = [
    *"()[]{};'\"`\\*,.=<>#$@%-/: \n1ax",
    *(
        "select ",
        "from ",
        "where ",
        "delete ",
        "insert into ",
        "update ",
        "set ",
        "drop table ",
        "with ",
        " as (",
        "values ",
        "exec ",
    ),
    *(
        "case ",
        "when ",
        "end ",
        "/*",
        "*/",
        "/*!",
        "--",
        "$$",
        "copy ",
        "program ",
        "explain ",
        "begin ",
        "union ",
        "join ",
        "not ",
        "in ",
    ),
    *(
        "create ",
        "function ",
        "into outfile ",
        "exists ",
        "between ",
        "like ",
        "null ",
        "over ",
        "array",
        "::",
        "cast(",
        "'",
        "a",
        "b.c",
    ),
]


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text(max_size=60), st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)),
    st.sampled_from(["", *DIALECTS, "oracle", "?"]),
)
def test_no_query_raises(query: str, dialect: str) -> None:
    report = read_sql(query, dialect)
    assert report.is_parsed or report.opaque


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    read_sql("VACUUM secret", "postgres")
    assert not caplog.records
