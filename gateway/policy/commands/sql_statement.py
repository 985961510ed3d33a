"""A parsed statement of SQL, as what it reads, writes, calls and reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.policy.commands.listing import listed
from gateway.policy.commands.report import Kind, Statement
from gateway.policy.commands.sql_condition import can_be_false
from gateway.policy.commands.sql_text import VERBS

type Node = Any
"""An expression of sqlglot, known here by the name of its class and its arguments."""

_KINDS: Final = {
    "Select": Kind.SELECT, "Union": Kind.SELECT, "Except": Kind.SELECT, "Intersect": Kind.SELECT, "Values": Kind.SELECT,
    "Subquery": Kind.SELECT, "Table": Kind.SELECT, "Insert": Kind.INSERT, "MultitableInserts": Kind.INSERT,
    "Update": Kind.UPDATE, "Merge": Kind.UPDATE, "Delete": Kind.DELETE, "TruncateTable": Kind.DELETE,
    "Create": Kind.DDL,
    "Drop": Kind.DDL, "Alter": Kind.DDL, "Comment": Kind.DDL, "Grant": Kind.GRANT, "Revoke": Kind.GRANT,
    "Execute": Kind.CALL,
    "ExecuteSql": Kind.CALL, "Copy": Kind.COPY, "Export": Kind.COPY, "LoadData": Kind.COPY, "Attach": Kind.COPY,
    "Detach": Kind.COPY,
    "Install": Kind.COPY, "Put": Kind.COPY, "Get": Kind.COPY, "Set": Kind.SET, "Pragma": Kind.SET, "Use": Kind.SET,
    "Declare": Kind.SET,
    "Transaction": Kind.TRANSACTION, "Commit": Kind.TRANSACTION, "Rollback": Kind.TRANSACTION, "Describe": Kind.OTHER,
}  # fmt: skip
_WRITING: Final = (
    "Insert",
    "Update",
    "Delete",
    "Merge",
    "TruncateTable",
    "Create",
    "Drop",
    "Alter",
    "Into",
    "LoadData",
    "Comment",
)
_CALLING: Final = frozenset(("Execute", "ExecuteSql"))
_ACCOUNTS: Final = frozenset(("USER", "ROLE", "LOGIN", "GROUP", "SERVER", "USER MAPPING"))

REACHES: Final = {
    **dict.fromkeys(
        listed("""
            load_file pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file lo_import read_csv read_csv_auto
            read_parquet read_json read_json_auto read_text read_blob read_ndjson parquet_scan csv_scan glob
            sniff_csv readfile fsdir openrowset file utl_file bfilename xp_dirtree xp_fileexist xp_subdirs
            fn_xe_file_target_read_file fn_get_audit_file fn_trace_gettable readcsv readparquet readjson readblob
            readtext jsonextractfile
        """),
        "reads a file",
    ),
    **dict.fromkeys(
        ["lo_export", "writefile", "pg_file_write", "pg_file_unlink", "pg_file_rename", "xp_create_subdir"],
        "writes a file of the server",
    ),
    **dict.fromkeys(
        listed("""
            xp_cmdshell sys_exec sys_eval sys_get sp_execute_external_script sp_oacreate sp_oamethod xp_regwrite
            xp_regread xp_servicecontrol sp_start_job sp_add_jobstep dbms_scheduler dbms_java shell edit
        """),
        "runs a program of the server",
    ),
    **dict.fromkeys(
        listed("""
            dblink dblink_connect dblink_exec dblink_send_query http_get http_post http utl_http httpuritype
            opendatasource openquery postgres_scan mysql_scan sqlite_scan postgres_query mysql_query url s3 remote
            remotesecure jdbc odbc net_http net utl_smtp utl_inaddr sp_send_dbmail
        """),
        "reaches another server",
    ),
    **dict.fromkeys(["load_extension", "sp_addextendedproc"], "loads code"),
    **dict.fromkeys(
        ["query_to_xml", "table_to_xml", "query_to_json", "sp_executesql", "sp_sqlexec", "sp_prepare"],
        "runs a text as a query",
    ),
    **dict.fromkeys(
        listed("""
            set_config pg_reload_conf pg_terminate_backend pg_cancel_backend sp_configure pg_rotate_logfile
            pg_switch_wal
        """),
        "changes the server",
    ),
}
"""Functions that reach beyond the database, by the manuals of PostgreSQL, MySQL, SQL Server, SQLite, DuckDB, Oracle."""


def statement(root: Node, exp: Any) -> Statement:
    """What a statement does. `exp` is the module of sqlglot that has the classes of expressions."""
    nodes = list(root.walk())
    written = [table for node in nodes for table in _targets(node)]
    ids = {id(table) for table in written}
    common = {cte.alias.lower() for cte in nodes if type(cte).__name__ == "CTE"}
    tables = [node for node in nodes if type(node).__name__ == "Table" and type(node.parent).__name__ not in _CALLING]
    functions = tuple(dict.fromkeys(_functions(nodes, exp)))
    kinds = _kinds(root, nodes)
    paths = tuple(dict.fromkeys(_paths(nodes)))
    outside = tuple(dict.fromkeys(words for words in _outside(nodes, functions, paths)))
    return Statement(
        kinds[0],
        kinds,
        reads=_names(
            table for table in tables if id(table) not in ids and not (table.db == "" and table.name.lower() in common)
        ),
        writes=_names(written),
        has_where=all(map(_is_bounded, nodes)),
        functions=functions,
        outside=outside,
        commands=tuple(_commands(nodes)),
        paths=paths,
    )


def _kinds(root: Node, nodes: list[Node]) -> tuple[Kind, ...]:
    first = _kind(root)
    found = [_kind(node) for node in nodes if type(node).__name__ in _KINDS and _changes(node)]
    if any(type(node).__name__ == "Into" for node in nodes):
        found.append(Kind.DDL)  # SELECT INTO makes a table
    for node in nodes:
        if type(node).__name__ == "When":
            then = (
                str(getattr(node.args.get("then"), "name", "")).lower() or type(node.args.get("then")).__name__.lower()
            )
            found += [VERBS[then]] if then in VERBS else []
    return tuple(dict.fromkeys((first, *found)))


def _kind(node: Node) -> Kind:
    name = type(node).__name__
    if name == "Command":
        word = str(node.this).split(None, 1)[0].lower() if str(node.this).strip() else ""
        return VERBS.get(word, Kind.OTHER)
    if name in ("Create", "Drop", "Alter") and str(node.args.get("kind") or "").upper() in _ACCOUNTS:
        return Kind.GRANT
    return _KINDS.get(name, Kind.OTHER)


def _changes(node: Node) -> bool:
    return _KINDS[type(node).__name__] not in (Kind.SELECT, Kind.OTHER, Kind.SET, Kind.TRANSACTION)


def _targets(node: Node) -> Iterator[Node]:
    """The tables that a node changes."""
    name = type(node).__name__
    if name == "Copy" and node.args.get("kind") and type(node.this).__name__ in ("Table", "Schema"):
        yield from _table(node.this)
    if name not in _WRITING:
        return
    if name == "Drop" or name == "TruncateTable":
        for one in [*(node.args.get("tables") or ()), *(node.expressions or ())]:
            yield from _table(one)
    if name == "Delete" and node.args.get("tables"):
        for one in node.args["tables"]:
            yield from _table(one)
    yield from _table(node.this)


def _table(node: Node) -> Iterator[Node]:
    found = node if type(node).__name__ == "Table" else getattr(node, "this", None)
    if type(found).__name__ == "Table":
        yield found


def _names(tables: Any) -> tuple[str, ...]:
    named = (
        ".".join(part.name for part in table.parts if part.name).lower() for table in tables if hasattr(table, "parts")
    )
    return tuple(dict.fromkeys(name for name in named if name))


def _functions(nodes: list[Node], exp: Any) -> Iterator[str]:
    for node in nodes:
        name = type(node).__name__
        if name == "Anonymous":
            yield str(node.this).lower() if isinstance(node.this, str) else str(node.name).lower()
        elif name == "Execute" or name == "ExecuteSql":
            yield str(getattr(node.this, "name", "")).lower()
        elif isinstance(node, exp.Func) and not isinstance(node, exp.Connector):
            yield str(node.sql_name()).lower()


def _is_bounded(node: Node) -> bool:
    """Whether a node that updates or deletes does so for some rows only."""
    name = type(node).__name__
    if name == "TruncateTable":
        return False
    if name not in ("Update", "Delete"):
        return True
    if type(node.parent).__name__ == "When":
        return True  # of a MERGE, whose condition is that of its join
    where = node.args.get("where")
    return where is not None and can_be_false(where.this)


def _outside(nodes: list[Node], functions: tuple[str, ...], paths: tuple[str, ...]) -> Iterator[str]:
    for name in functions:
        if (words := REACHES.get(name)) is not None:
            yield words
    for node in nodes:
        name = type(node).__name__
        if name in ("Copy", "Export", "LoadData", "Put", "Get") and not _is_stream(node):
            yield "copies data to or from a file"
        elif name == "Attach":
            yield "opens another database"
        elif name == "Install":
            yield "loads code"
    if paths and any(type(node).__name__ == "Select" for node in nodes):
        yield "reads a file"


def _is_stream(node: Node) -> bool:
    """`COPY … TO STDOUT`: to the client that asks."""
    files = node.args.get("files") or ()
    return type(node).__name__ == "Copy" and all(str(one.name).lower() in ("stdin", "stdout") for one in files)


def _paths(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        name = type(node).__name__
        if name == "Copy":
            yield from (one.name for one in node.args.get("files") or () if type(one).__name__ == "Literal")
        elif name == "Attach":
            target = node.this.this if type(node.this).__name__ == "Alias" else node.this
            yield str(target.name)
        elif name == "LoadData" and node.args.get("inpath") is not None:
            yield str(node.args["inpath"].name)
        elif name == "Table" and any(mark in node.name for mark in ("/", "\\", ".csv", ".parquet", ".json")):
            yield str(node.name)
        elif name == "Anonymous" and str(node.name).lower() in REACHES and "file" in REACHES[str(node.name).lower()]:
            yield from (str(one.name) for one in node.expressions[:1] if type(one).__name__ == "Literal")


def _commands(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        if type(node).__name__ in ("Execute", "Anonymous"):
            name = str(getattr(node.this, "name", node.this)).lower()
            if REACHES.get(name) == "runs a program of the server":
                yield from (one.name for one in node.expressions if type(one).__name__ in ("Literal", "National"))
