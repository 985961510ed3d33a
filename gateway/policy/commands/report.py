"""What a command or a query would do, as values that a policy can be held to.

A report errs towards more: where a text has two readings it holds both, and what cannot be told is named in `opaque`.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class How(StrEnum):
    """What is done to a path."""

    READ = "read"
    WRITE = "write"  # created, changed, replaced, moved away, or given other rights
    DELETE = "delete"
    EXECUTE = "execute"


class Program(Struct, frozen=True):
    """A program that would be started, or a builtin of the shell.

    `name` is as the shell would look it up: `rm`, `/bin/rm`; where `is_resolved` is false, one reading of it, or its
    spelling. `arguments` are what it would be given, in spelling where they cannot be told (`are_resolved` is false
    then). `via` is the way that led to it, outermost first: `sudo`, `sh -c`, `$( )`, `a pipe`.
    """

    name: str
    arguments: tuple[str, ...] = ()
    is_resolved: bool = True
    are_resolved: bool = True
    via: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The name without its folder, as a list of programs has it. On Windows, without `.exe` too."""
        name = self.name.replace("\\", "/").rsplit("/", 1)[-1]
        stem, _, ending = name.rpartition(".")
        return stem if stem and ending.lower() in ("exe", "com", "cmd", "bat") else name


class Touched(Struct, frozen=True):
    """A path that a program or a redirect would touch, as it is written after expansion.

    `~` stands for the home folder. A pattern (`is_pattern`) keeps its `*`, `?` and `[`; where `is_resolved` is false,
    the path holds a part that is not known, in its spelling.
    """

    path: str
    how: How
    by: str = ""  # the program's `base`, or the operator of a redirect
    is_resolved: bool = True
    is_pattern: bool = False


class Remote(Struct, frozen=True):
    """A host that would be reached. `url` is empty where the program is given a host alone; `port` is None where none
    is written and the scheme, or the program, has none of its own.

    `sends` is true where the program is told to send data along, beyond the address (which can carry data too).
    """

    host: str
    port: int | None = None
    url: str = ""
    by: str = ""
    sends: bool = False
    is_resolved: bool = True


class Redirect(Struct, frozen=True):
    """A redirect to or from a file; its path is among what is touched, too."""

    operator: str
    path: str
    is_resolved: bool = True


class CommandReport(Struct, frozen=True):
    """What a command would do. An empty report of an empty command is the only one that says: nothing.

    `opaque` names in words what could not be told: a program, the code of an interpreter, a path, a host. `suspicious`
    names spellings that serve no purpose but to hide what is written. Neither quotes the command, but for names of
    variables and of programs that are known here.
    """

    programs: tuple[Program, ...] = ()
    touched: tuple[Touched, ...] = ()
    remotes: tuple[Remote, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    opaque: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    is_parsed: bool = True


class Kind(StrEnum):
    """What a statement of SQL is."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"  # TRUNCATE too
    DDL = "ddl"  # CREATE, ALTER, DROP, COMMENT
    GRANT = "grant"  # GRANT, REVOKE, and what makes or changes users and roles
    CALL = "call"  # CALL, EXEC, DO: code that is stored, or given
    COPY = "copy"  # data between tables and files
    SET = "set"  # SET, PRAGMA, USE
    TRANSACTION = "transaction"
    OTHER = "other"


class Statement(Struct, frozen=True):
    """One statement. Tables are as they are written, with catalog and schema, without quotes, in lower case.
    `commands` are texts that the server would give to a shell, `paths` files that it would open.

    `kinds` has the statement's own kind first, then those of what is inside it: a CTE that deletes, what EXPLAIN
    ANALYZE would run, what a procedure is made of. `has_where` is true if each UPDATE and DELETE in it has a
    condition that can be false; true as well where there is none of them.
    """

    kind: Kind
    kinds: tuple[Kind, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    has_where: bool = True
    functions: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()  # what it reaches beyond the database, in words: "runs a program of the server"
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class SqlReport(Struct, frozen=True):
    """What a query would do. `is_parsed` is false where no dialect that was tried reads all of it: a policy can then
    rely on nothing in the report but what it forbids.

    `statements` are those of every reading, each once; `count` is how many there are in the reading that has most.
    """

    statements: tuple[Statement, ...] = ()
    count: int = 0
    is_parsed: bool = True
    opaque: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
