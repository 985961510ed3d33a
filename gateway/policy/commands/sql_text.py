"""What is seen in SQL before it is parsed: comments that some servers run, commands of clients, files, verbs."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gateway.policy.commands.listing import listed
from gateway.policy.commands.report import Kind

VERBS: Final = {
    "select": Kind.SELECT, "values": Kind.SELECT, "table": Kind.SELECT, "with": Kind.SELECT, "show": Kind.OTHER,
    "describe": Kind.OTHER,
    "desc": Kind.OTHER, "explain": Kind.OTHER, "insert": Kind.INSERT, "replace": Kind.INSERT, "upsert": Kind.INSERT,
    "update": Kind.UPDATE, "merge": Kind.UPDATE, "delete": Kind.DELETE, "truncate": Kind.DELETE, "create": Kind.DDL,
    "alter": Kind.DDL, "drop": Kind.DDL, "rename": Kind.DDL, "comment": Kind.DDL, "reindex": Kind.DDL,
    "refresh": Kind.DDL,
    "undrop": Kind.DDL, "import": Kind.DDL, "security": Kind.DDL, "grant": Kind.GRANT, "revoke": Kind.GRANT,
    "deny": Kind.GRANT,
    "reassign": Kind.GRANT, "call": Kind.CALL, "exec": Kind.CALL, "execute": Kind.CALL, "do": Kind.CALL,
    "copy": Kind.COPY,
    "load": Kind.COPY, "unload": Kind.COPY, "export": Kind.COPY, "bulk": Kind.COPY, "attach": Kind.COPY,
    "detach": Kind.COPY,
    "backup": Kind.COPY, "restore": Kind.COPY, "put": Kind.COPY, "get": Kind.COPY, "handler": Kind.SELECT,
    "set": Kind.SET,
    "reset": Kind.SET, "pragma": Kind.SET, "use": Kind.SET, "begin": Kind.TRANSACTION, "start": Kind.TRANSACTION,
    "commit": Kind.TRANSACTION, "rollback": Kind.TRANSACTION, "savepoint": Kind.TRANSACTION,
    "release": Kind.TRANSACTION,
    "end": Kind.TRANSACTION, "abort": Kind.TRANSACTION,
}  # fmt: skip
"""Words that begin a statement, by the manuals of PostgreSQL 18, MySQL 9, SQLite 3.51, SQL Server 2025, Snowflake."""

_CHANGING: Final = frozenset(
    listed("""
        insert replace update merge delete truncate create alter drop rename grant revoke call exec execute copy
        load attach
    """)
)
_RUN_COMMENT: Final = re.compile(r"/\*M?!\d{0,6}(.*?)\*/", re.DOTALL)
_PIECES: Final = re.compile(
    r"'(?:''|\\.|[^'\\])*'|\"(?:\"\"|[^\"])*\"|`[^`]*`|--[^\n]*|#[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|[A-Za-z_]\w*|;",
    re.DOTALL,
)
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_CLIENT: Final = re.compile(
    r"(?m)^\s*(?:\\!|\.shell|\.system|system|\\\\!)\s+(.+)$|^\s*\\copy\s.*\bprogram\s+'([^']*)'|\\[go]\w*\s*\|(.+)$"
)
_CLIENT_ANY: Final = re.compile(r"(?m)^\s*(\\[a-zA-Z!]|\.[a-z]+\b).*$")
_INTO_FILE: Final = re.compile(
    r"(?i)\binto\s+(?:outfile|dumpfile)\s+('(?:''|\\.|[^'\\])*'|\"[^\"]*\"|0x[0-9a-f]+|@?\w+)([^;)]*)"
)
_LOAD_FILE: Final = re.compile(r"(?is)\bload\s+(?:data|xml)\b.*?\binfile\s+('(?:''|\\.|[^'\\])*'|\"[^\"]*\")")
_PROGRAM: Final = re.compile(
    r"(?is)\bcopy\b.*?\b(?:to|from)\s+program\s+[eE]?('(?:''|\\.|[^'\\])*'|\$(\w*)\$.*?\$\2\$)"
)
_EXECUTE: Final = re.compile(
    r"(?is)\b(?:immediate|execute|exec|sp_executesql|sp_sqlexec|query_to_xml|dblink_exec|prepare\s+\w+\s+from)\s*\(?\s*[NneE]?'((?:''|[^'])*)'"
)
_BODY: Final = re.compile(r"\$(\w*)\$(.*?)\$\1\$", re.DOTALL)
_BLOCK: Final = re.compile(r"(?i)\b(?:begin|then|else|loop|end(?:\s+(?:if|loop|case))?)\b(?!\s*\()")
"""Words of procedural languages that part statements. Those of a CASE go with them: it is judged by its words."""
_PREFIX: Final = re.compile(
    r"(?is)\s*(?:explain\s*(?:\([^)]*\)|(?:analyze|analyse|verbose|extended|query\s+plan|format\s*=\s*\w+|costs|plan|for)\s*)*"
    r"|prepare\s+\w+\s*(?:\([^)]*\))?\s*as|declare\s+\w+\s+(?:no\s+scroll\s+|insensitive\s+|binary\s+)*cursor\s+.*?\bfor|create\s+(?:or\s+replace\s+)?rule\s.*?\bdo\s+(?:also\s+|instead\s+)?)\s+(?=\w)"
)


class Seen(Struct, frozen=True):
    """What the text shows: the shell commands and files in it, and the text without what no parser knows."""

    text: str
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()


def uncommented(text: str) -> str:
    """The text with the comments that MySQL and MariaDB run as what they hold."""
    return _RUN_COMMENT.sub(r" \1 ", text)


def hides_code(text: str) -> bool:
    """Whether a comment is one that servers run, or statements stand in it."""
    return _RUN_COMMENT.search(text) is not None


def blank_comments(text: str) -> bool:
    """Whether comments stand where a blank would be enough, as in `DROP/**/TABLE`."""
    return re.search(r"\w/\*.{0,200}?\*/\w", text, re.DOTALL) is not None


def seen(text: str) -> Seen:
    """Takes what is for the client, and files that MySQL writes and reads, out of a text."""
    commands: list[str] = []
    paths: list[str] = []
    outside: dict[str, None] = {}
    for found in _CLIENT.finditer(text):
        commands.append(next(group for group in found.groups() if group).strip())
        outside["runs a program of the client"] = None
    if _CLIENT_ANY.search(text):
        outside["has a command of the client"] = None
    text = _CLIENT_ANY.sub("", text)
    for found in _PROGRAM.finditer(text):
        commands.append(literal(found[1]))
        outside["runs a program of the server"] = None
    for found in _INTO_FILE.finditer(text):
        paths.append(literal(found[1]))
        outside["writes a file of the server"] = None
    text = _INTO_FILE.sub("", text)
    for found in _LOAD_FILE.finditer(text):
        paths.append(literal(found[1]))
        outside["reads a file"] = None
    return Seen(text, tuple(commands), tuple(paths), tuple(outside))


def literal(spelt: str) -> str:
    """The text of a literal."""
    if found := _BODY.fullmatch(spelt):
        return found[2]
    if spelt[:2].lower() == "0x":
        try:
            return bytes.fromhex(spelt[2:]).decode("utf-8", "replace")
        except ValueError:
            return spelt
    return spelt[1:-1].replace("''", "'") if spelt[:1] in "'\"" else spelt


def words(text: str) -> list[str]:
    """The words outside of literals, names in quotes and comments, in lower case, and the semicolons."""
    found = (piece[0] for piece in _PIECES.finditer(text))
    return [piece.lower() for piece in found if piece == ";" or _WORD.fullmatch(piece)]


def kinds(text: str) -> tuple[Kind, ...]:
    """The kinds of a statement that is not parsed: that of its first word, and those of all words that change."""
    some = words(text)
    first = VERBS.get(some[0], Kind.OTHER) if some else Kind.OTHER
    others = [VERBS[word] for word in some[1:] if word in _CHANGING]
    if (
        some[:1]
        and some[0] in ("create", "alter", "drop")
        and some[1:2]
        and some[1] in ("user", "role", "login", "group", "server")
    ):
        first = Kind.GRANT
    return tuple(dict.fromkeys((first, *others)))


def inner(text: str) -> list[str]:
    """The statements inside a statement: after EXPLAIN and PREPARE, in bodies of code, in texts that are executed."""
    found = [_BLOCK.sub(";", body[2]) for body in _BODY.finditer(text)]
    found += [match[1].replace("''", "'") for match in _EXECUTE.finditer(text)]
    if prefix := _PREFIX.match(text):
        found.append(text[prefix.end() :])
    return found
