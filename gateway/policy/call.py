"""The values of the tool firewall: a call of a tool, what it is ruled to be, and what a person is asked about it.

A call is the same value wherever it is seen: in a model's answer, in an MCP message, in an HTTP request that is mapped
to a tool.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from enum import IntEnum, StrEnum
from typing import Any, Final

from msgspec import Struct

from gateway.segment import Path
from gateway.verdict import Effect

_SHOWN: Final = re.compile(r"[\w./:@ \[\]-]{1,80}", re.ASCII)


def shown(name: str) -> str:
    """A name as it is told to people and models, unless it may carry more than a name."""
    return f"`{name}`" if _SHOWN.fullmatch(name) else "one with a name that is not repeated here"


class Tier(IntEnum):
    """What a tool can do to the world, from nothing to the system that it runs on."""

    READ = 0
    CREATE = 1
    MODIFY = 2  # a person is asked the first time
    SEND = 3  # sends, deletes or pays: asked each time; the agent's own user may confirm
    SYSTEM = 4  # asked each time, of an approver, never for a session


class Sink(StrEnum):
    """What an argument is to its tool: where the harm is done if an attacker chose it."""

    PATH = "path"
    URL = "url"
    COMMAND = "command"
    CODE = "code"
    SQL = "sql"
    RECIPIENT = "recipient"
    AMOUNT = "amount"
    ACCOUNT = "account"  # whom money goes to, or what is acted upon: an IBAN, a user, a record's id
    TEXT = "text"  # content: a body, a subject, a query
    VALUE = "value"  # anything else: flags, enumerations, numbers


class Call(Struct, frozen=True):
    """A call of a tool, as it was written.

    `arguments` is the JSON value; a text where the tool takes free text, and where what was written is no JSON
    (`is_readable` is false then). `server` is the MCP server by its name under `[mcp]`, or the upstream of an HTTP
    request that is mapped to a tool; None for a call in a model's answer.
    """

    name: str
    arguments: Any
    id: str = ""
    server: str | None = None
    is_readable: bool = True


class Argument(Struct, frozen=True):
    """One leaf of a call's arguments: `path` leads to it from the root of the arguments; `value` is a JSON scalar."""

    path: Path
    value: Any
    sink: Sink
    is_declared: bool = False  # by the configuration or a starter policy, not recognised from names

    @property
    def name(self) -> str:
        """As an operator and a model are told of it: `to[0].email`."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).lstrip(".")


class CallReason(Struct, frozen=True):
    """Why a call is ruled what it is.

    `rule` is the id by which operators know the reason, such as `tool-path` or `untrusted-target`; `category` is
    dotted, below `tool`. `words` is a sentence for a person and the model, without capital and full stop; it names
    arguments, tools and what the operator configured, never text that came from untrusted data or a credential.
    """

    effect: Effect
    rule: str
    category: str
    words: str
    argument: str = ""  # `Argument.name`; empty for the call as a whole
    sources: tuple[str, ...] = ()  # where the value came from, such as "the result of `read_email` (message 3)"
    shadow: bool = False


class Approver(StrEnum):
    """Who may approve."""

    USER = "user"  # the agent's own user, or any approver
    APPROVER = "approver"


class Ruling(Struct, frozen=True):
    """What a call comes to. `effect` is ALLOW, REPORT, ASK or BLOCK, and `would_be` what it would be if what is
    shadowed, or the profile `monitor`, were enforced.

    `approver` is who may approve where `effect` is ASK, `is_once` whether an approval holds for that call alone, and
    never for a session. `target` is what the call is aimed at (recipients, hosts, paths, accounts), canonical, empty
    where it has none: an approval may hold for all calls of the tool with the same target.
    """

    effect: Effect
    would_be: Effect
    tier: Tier
    reasons: tuple[CallReason, ...] = ()
    approver: Approver = Approver.USER
    is_once: bool = True
    target: str = ""


class Lasts(StrEnum):
    """For how long an approval holds."""

    ONCE = "once"
    SESSION = "session"  # for this tool, until the session is over
    TARGET = "target"  # for this tool with this target, until the session is over


class Aim(Struct, frozen=True, omit_defaults=True):
    """What a call is aimed at by one of its arguments. `sources` are the texts in which the value stands, in words;
    none where the model wrote it, None where nothing is known of the conversation."""

    argument: str
    sink: Sink
    value: str
    sources: tuple[str, ...] | None = None


class Session(Struct, frozen=True):
    """What tells the conversation that a call is made in.

    An approval of this call for the session is bound to `name`; empty where nothing tells a conversation. One of an
    earlier call holds if it is bound to one of `earlier`. `opening` names how the conversation began, which others may
    have in common with it.
    """

    name: str = ""
    earlier: frozenset[str] = frozenset()
    opening: str = ""


class Question(Struct, frozen=True):
    """A call that needs an approval. `fingerprint` names tool and canonical arguments, `aims` tell what it is aimed at,
    for a person."""

    call: Call
    ruling: Ruling
    fingerprint: str
    session: Session
    aims: tuple[Aim, ...] = ()


class Answer(Struct, frozen=True):
    """What a person, an earlier approval, or the deadline said to a question.

    `words` is why not, for the model: with the ticket where the call may be made again once it is approved. `arguments`
    are set where a person approved the call with others in their place.
    """

    is_approved: bool
    words: str = ""
    ticket: str | None = None
    arguments: Any = None
    by: str | None = None


class Called(Struct, frozen=True):
    """A call in an answer. `key` names it there, for whoever changes it."""

    key: Hashable
    call: Call


class Change(Struct, frozen=True):
    """What becomes of a call in an answer: `refusal` takes its place, or else `arguments` those that it had."""

    refusal: str | None = None
    arguments: Any = None
