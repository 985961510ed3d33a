"""Queries read: which statements, of which kinds, on which tables.

The parser is sqlglot, which knows many dialects and forgives much: what it only takes for a command, or does not
take at all, is judged by its words here, and reported as not parsed where these do not tell.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec.structs import replace

from gateway.policy.commands.report import Kind, SqlReport, Statement
from gateway.policy.commands.sql_statement import statement
from gateway.policy.commands.sql_text import blank_comments, hides_code, inner, kinds, seen, uncommented, words

MAX_QUERY: Final = 16 * 1024
"""Characters of a query that is read: sqlglot takes about 10 microseconds for each (measured), and for each dialect."""
MAX_STATEMENTS: Final = 200
MAX_OPEN: Final = 50
"""Brackets inside one another: sqlglot takes several frames for each."""
MAX_SQUARE: Final = 100
"""Square brackets in all: 2,000 indices in a row took it 8 seconds (measured)."""
MAX_MARKS: Final = 200
"""Comments, and dollar signs: each is looked for where it ends (2,000 comments took 2 seconds, measured)."""
MAX_INNER: Final = 4
"""How deep texts inside texts are read."""

DIALECTS: Final = ("postgres", "mysql", "sqlite", "tsql", "bigquery", "snowflake", "duckdb")
_NAMES: Final = {
    "postgresql": "postgres", "pg": "postgres", "cockroachdb": "postgres", "redshift": "redshift", "mariadb": "mysql",
    "sqlite3": "sqlite", "mssql": "tsql", "sqlserver": "tsql", "sql server": "tsql", "azuresql": "tsql",
    "oracle": "oracle",
    "clickhouse": "clickhouse", "databricks": "databricks", "spark": "spark", "hive": "hive", "trino": "trino",
    "presto": "presto",
    **{name: name for name in DIALECTS},
}  # fmt: skip
"""Names that operators and tools give to dialects, and sqlglot's."""


def read_sql(text: str, dialect: str = "") -> SqlReport:
    """What a query would do. Without a dialect, or with one that is not known, every one of the usual is tried, and the
    report holds what any of them reads. Never raises."""
    fault = _beyond(text)
    if fault:
        some = kinds(text[:MAX_QUERY])
        return SqlReport((Statement(some[0], some, has_where=False),), 1, is_parsed=False, opaque=(fault,))
    return _read(text, dialect, 0)


def _beyond(text: str) -> str:
    if len(text) > MAX_QUERY:
        return f"the query is longer than {MAX_QUERY} characters"
    many = (("[", MAX_SQUARE), (";", MAX_STATEMENTS), ("/*", MAX_MARKS), ("$", MAX_MARKS))
    if any(text.count(mark) > most for mark, most in many):
        return "the query has more parts than are read"
    depth = deepest = 0
    for found in re.finditer(r"[()\[\]{}]|\bcase\b|\bend\b", text, re.IGNORECASE):
        depth += 1 if found[0].lower() in ("(", "[", "{", "case") else -1
        depth = max(depth, 0)
        deepest = max(deepest, depth)
    return f"the query is nested deeper than {MAX_OPEN} levels" if deepest > MAX_OPEN else ""


def _read(text: str, dialect: str, depth: int) -> SqlReport:
    suspicious: dict[str, None] = {}
    if hides_code(text):
        suspicious["a comment holds what some servers run"] = None
        text = uncommented(text)
    if blank_comments(text):
        suspicious["comments stand in the place of blanks"] = None
    shown = seen(text)
    known = _NAMES.get(dialect.strip().lower())
    tried = (known,) if known else DIALECTS
    readings = [_parsed(shown.text, name, depth) for name in tried]
    if known and not readings[0].is_parsed:
        readings += [replace(_parsed(shown.text, name, depth), is_parsed=False) for name in DIALECTS if name != known]
    found = _merged(readings)
    if shown.outside:
        found = replace(found, statements=tuple(_with(one, shown) for one in found.statements) or (_alone(shown),))
    return replace(found, suspicious=tuple(dict.fromkeys((*suspicious, *found.suspicious))))


def _with(one: Statement, shown: Any) -> Statement:
    return replace(
        one,
        outside=tuple(dict.fromkeys((*one.outside, *shown.outside))),
        commands=tuple(dict.fromkeys((*one.commands, *shown.commands))),
        paths=tuple(dict.fromkeys((*one.paths, *shown.paths))),
    )


def _alone(shown: Any) -> Statement:
    return Statement(Kind.OTHER, (Kind.OTHER,), outside=shown.outside, commands=shown.commands, paths=shown.paths)


def _merged(readings: list[SqlReport]) -> SqlReport:
    """One report of several. It is parsed if one reading is; where none is, each says why."""
    parsed = [one for one in readings if one.is_parsed]
    return SqlReport(
        tuple(dict.fromkeys(statement for one in parsed or readings for statement in one.statements)),
        max((one.count for one in parsed or readings), default=0),
        is_parsed=bool(parsed),
        opaque=tuple(dict.fromkeys(words for one in parsed or readings for words in one.opaque)),
        suspicious=tuple(dict.fromkeys(words for one in readings for words in one.suspicious)),
    )


def _parsed(text: str, dialect: str, depth: int) -> SqlReport:
    # Imported here: it takes 0.2 seconds, which every process of the gateway would pay at its start.
    import sqlglot
    from sqlglot import exp

    sqlglot.parser.logger.disabled = True  # it writes queries to the log
    slices = _slices(text, dialect, sqlglot)
    if slices is None:
        some = kinds(text)
        return SqlReport(
            (Statement(some[0], some, has_where=False),), 1, is_parsed=False, opaque=("the query cannot be read",)
        )
    found: list[Statement] = []
    opaque: dict[str, None] = {}
    is_parsed = True
    for one in slices:
        try:
            trees = [tree for tree in sqlglot.parse(one, dialect=dialect) if tree is not None]
        except (
            sqlglot.errors.SqlglotError,
            RecursionError,
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
            IndexError,
        ):
            trees = None
        if trees is None:
            if not _is_told(one):
                is_parsed = False
                opaque["a statement cannot be read"] = None
            found.append(_by_words(one, opaque, dialect, depth))
        else:
            found += [_whole(one, tree, exp, opaque, dialect, depth) for tree in trees]
    return SqlReport(tuple(found), len(found), is_parsed, tuple(opaque))


def _slices(text: str, dialect: str, sqlglot: Any) -> list[str] | None:
    """The statements, each by itself, so that one that is not known does not hide the others."""
    try:
        tokens = sqlglot.tokenize(text, dialect=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError, IndexError):
        return None
    slices: list[str] = []
    start: int | None = None
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            slices += [text[start : token.start]] if start is not None else []
            start = None
        elif start is None:
            start = token.start
    return [*slices, text[start:]] if start is not None else slices


def _is_told(text: str) -> bool:
    """Whether the words of a statement that sqlglot does not take tell enough of it: LOAD DATA of MySQL."""
    return words(text)[:2] in (["load", "data"], ["load", "xml"])


def _whole(text: str, tree: Any, exp: Any, opaque: dict[str, None], dialect: str, depth: int) -> Statement:
    name = type(tree).__name__
    if name == "Command":
        return _by_words(text, opaque, dialect, depth)
    one = statement(tree, exp)
    if name in ("Create", "Describe", "Execute", "ExecuteSql", "Declare", "Set"):
        one = _including(one, text, opaque, dialect, depth)
    if one.kind is Kind.CALL or "runs a text as a query" in one.outside:
        opaque["a statement calls code of the server, which is not known"] = None
    return one


def _by_words(text: str, opaque: dict[str, None], dialect: str, depth: int) -> Statement:
    some = kinds(text)
    one = Statement(some[0], some, has_where=not {Kind.UPDATE, Kind.DELETE} & set(some))
    if some[0] not in _PLAIN:
        opaque["a statement is known by its words alone"] = None
    return _including(one, text, opaque, dialect, depth)


_PLAIN: Final = frozenset((Kind.SET, Kind.TRANSACTION))


def _including(one: Statement, text: str, opaque: dict[str, None], dialect: str, depth: int) -> Statement:
    """The statement with what the statements inside it do."""
    texts = inner(text)
    if not texts:
        return one
    if depth >= MAX_INNER:
        opaque["queries are nested deeper than is read"] = None
        return one
    reports = [_read(inside, dialect, depth + 1) for inside in texts[:20]]
    others = [other for report in reports for other in report.statements]
    for report in reports:
        opaque.update(dict.fromkeys(report.opaque))
        if not report.is_parsed:
            opaque["code inside a statement cannot be read"] = None
    is_by_words = not one.reads and not one.writes and one.kind is not Kind.DDL
    return Statement(
        one.kind,
        tuple(dict.fromkeys((*one.kinds, *(kind for other in others for kind in other.kinds)))),
        tuple(dict.fromkeys((*one.reads, *(name for other in others for name in other.reads)))),
        tuple(dict.fromkeys((*one.writes, *(name for other in others for name in other.writes)))),
        all(other.has_where for other in others) and (one.has_where or is_by_words),
        tuple(dict.fromkeys((*one.functions, *(name for other in others for name in other.functions)))),
        tuple(dict.fromkeys((*one.outside, *(what for other in others for what in other.outside)))),
        tuple(dict.fromkeys((*one.commands, *(what for other in others for what in other.commands)))),
        tuple(dict.fromkeys((*one.paths, *(what for other in others for what in other.paths)))),
    )
