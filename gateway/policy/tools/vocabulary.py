"""What the names, formats and descriptions of arguments say that they are, as tables.

The words are those of the tools of public agent benchmarks, of the reference MCP servers and of the large vendors' APIs
(November 2026). A word too many makes a value a target that is none, which costs a question; a word too few is made
good by the shape of the value (`shapes`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.policy.call import Sink


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(rows: Mapping[Sink, str]) -> Mapping[str, Sink]:
    return MappingProxyType({word: sink for sink, line in rows.items() for word in line.split()})


HEADS: Final = _table(
    {
        Sink.PATH: """
            path paths pathname file files filename filenames filepath filepaths dir dirs directory directories dirname
            folder folders cwd workdir workspace attachment attachments
        """,
        Sink.URL: """
            url urls uri uris link links href hyperlink endpoint endpoints webhook webhooks callback host hosts
            hostname hostnames domain domains website websites site sites server ip proxy redirect feed baseurl
        """,
        Sink.COMMAND: "command commands cmd cmds cmdline shell bash argv commandline",
        Sink.CODE: "code python javascript typescript js script scripts snippet program function expression",
        Sink.SQL: "sql",
        Sink.RECIPIENT: """
            to cc bcc recipient recipients receiver receivers addressee addressees email emails mail phone phones
            mobile telephone tel sms channel channels room rooms chat thread attendee attendees participant
            participants invitee invitees member members guest guests assignee assignees reviewer reviewers contact
            contacts subscriber subscribers collaborator collaborators follower followers address addresses audience
        """,
        Sink.AMOUNT: """
            amount amounts price prices total sum cost costs fee fees budget quantity qty salary tip balance
        """,
        Sink.ACCOUNT: """
            account accounts iban ibans bic swift wallet wallets payee beneficiary user users username usernames userid
            login customer customers id ids uid uuid guid owner org organization organisation tenant repo repository
            repositories project card slug key resource database bucket
        """,
        Sink.TEXT: """
            content contents body text message messages subject title description comment comments note notes summary
            prompt question caption html markdown data payload query queries keyword keywords search term terms reason
            instructions topic thought answer
        """,
        Sink.VALUE: """
            type mode format encoding language lang limit count size page offset cursor token date time datetime start
            end day month year timeout currency status state priority sort order by unit units version enabled flag
            level country zone timezone width height index position line lines recursive depth max min
        """,
    }
)
"""What the last word of a name that is here says: `recipient_email` is an e-mail, `email_body` a body."""

NEUTRAL: Final = _words(
    """
    list array value values string str param arg name names number numbers input item items raw full absolute relative
    new old
    """
)
"""Words that leave it to the word before them: `file_name`, `phone_number`, `email_list`."""

OF_RECIPIENTS: Final = _words("channel chat contact phone receiver recipient room thread")
"""Words before `id`, by which it is whom something goes to; any other id is of what is acted upon."""

CODES: Final = _words("java javascript js program py python shell source typescript")
"""Words before `code`, by which it is run. A country code, a promotion code or an exit code is none."""

SENT_TO: Final = frozenset({"send", "reply", "mail", "forward", "deliver"})
"""Words before `to` where it ends a name. Elsewhere it is only a recipient where it begins one: `to_user`."""

FORMATS: Final[Mapping[str, Sink]] = MappingProxyType(
    {
        # JSON Schema, draft 2020-12, Validation, section 7.3
        **dict.fromkeys(("uri", "uri-reference", "iri", "iri-reference", "uri-template"), Sink.URL),
        **dict.fromkeys(("hostname", "idn-hostname", "ipv4", "ipv6"), Sink.URL),
        **dict.fromkeys(("email", "idn-email"), Sink.RECIPIENT),
        **dict.fromkeys(("date", "time", "date-time", "duration", "regex", "json-pointer"), Sink.VALUE),
        "uuid": Sink.ACCOUNT,
        # beside it, as generators of schemas write them (pydantic, OpenAPI)
        **dict.fromkeys(("url", "http-url"), Sink.URL),
        **dict.fromkeys(("path", "file-path", "directory-path"), Sink.PATH),
        **dict.fromkeys(("phone", "phone-number", "tel"), Sink.RECIPIENT),
        "iban": Sink.ACCOUNT,
    }
)

DESCRIPTIONS: Final = (
    (Sink.SQL, re.compile(r"\bsql\b", re.IGNORECASE)),
    (
        Sink.COMMAND,
        re.compile(r"\b(?:shell|bash|terminal) commands?\b|\bcommands?(?: line)? to (?:run|execute)\b", re.IGNORECASE),
    ),
    (Sink.CODE, re.compile(r"\b(?:python|javascript|source|java) code\b|\bcode to (?:run|execute)\b", re.IGNORECASE)),
    (Sink.URL, re.compile(r"\b(?:ur[li]s?|web ?site|web address|host ?name|web ?hook|domain name)\b", re.IGNORECASE)),
    (
        Sink.RECIPIENT,
        re.compile(r"\b(?:e-?mail address(?:es)?|recipients?|phone numbers?|receivers?)\b", re.IGNORECASE),
    ),
    (
        Sink.ACCOUNT,
        re.compile(r"\b(?:iban|account (?:number|id)|bank account|user ?(?:name|id)|wallet)\b", re.IGNORECASE),
    ),
    (
        Sink.PATH,
        re.compile(
            r"\b(?:file ?paths?|path (?:to|of)|(?:file|folder|directory) (?:name|path|to)|paths?)\b", re.IGNORECASE
        ),
    ),
    (Sink.AMOUNT, re.compile(r"\b(?:amount|price|sum of money)\b", re.IGNORECASE)),
)
"""What a title or a description says, the first that does; asked only where the name says nothing."""

DATABASES: Final = _words(
    """
    sql mysql postgres postgresql sqlite sqlite3 mssql bigquery snowflake redshift duckdb clickhouse oracle mariadb
    database db supabase neon athena
    """
)
"""Words of a tool's name by which its `query` or `statement` is SQL."""

SHELLS: Final = _words("bash cmd command commands console powershell sh shell ssh subprocess terminal zsh")
"""Words of a tool's name by which free text that it takes is a command."""

INTERPRETERS: Final = _words("code interpreter ipython javascript js jupyter node notebook python repl script")
"""Words of a tool's name by which free text that it takes is code."""

RUNNERS: Final = frozenset(["exec", "execute", "run"])
"""Words of a tool's name by which it runs what it takes, and nothing says in which language: a command, then."""

MOVERS: Final = _words("copy cp dir directory file files folder link move mv path rename symlink")
"""Words of a tool's name by which `source` and `destination` are paths."""

ENDS: Final = _words("dest destination dst from src source target")
"""What those are called."""

FREE: Final = _words(
    """
    arg body code content data expression input line lines payload q query script source text value
    """
)
"""Names that say of an argument only that it is the one."""

REST: Final = _words("args arguments argv options parameters params")
"""What the rest of a command is called, beside its program."""

INPUTS: Final = REST | {"input", "inputs", "json", "kwargs", "payload", "request"}
"""Last words of names under which frameworks hand a tool's input over as JSON in a text."""

LINES: Final = frozenset({"commands", "cmds", "lines"})
"""Names of lists that hold one command each, not the words of one."""
