"""What a request tells of the conversation so far: who said what, which tools were called, and what they returned.

Agents resend the whole conversation with each turn, so one request is all that provenance needs. A dialect makes a
transcript from a request body; order is the order of the body, and no text is left out that a model reads.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from gateway.policy.call import Call
from gateway.segment import Kind, Path, Role, Trust


class Said(Struct, frozen=True):
    """A text that somebody wrote, the system prompt included. `message` is the index of its message."""

    text: str
    role: Role
    trust: Trust
    kind: Kind = Kind.TEXT
    message: int = 0


class Made(Struct, frozen=True):
    """A call that the model made in an earlier turn."""

    call: Call
    message: int = 0


class Returned(Struct, frozen=True):
    """What a call returned: its texts, joined by line feeds. `call` is None where nothing tells which call it was;
    `id` is then that of a call that the provider keeps."""

    text: str
    call: Call | None
    message: int = 0
    id: str = ""


type Turn = Said | Made | Returned


class Defined(Struct, frozen=True):
    """A tool that the request offers to the model. `schema` is that of its arguments, None where there is none;
    `annotations` are what MCP servers say of it, each as it stands in a definition of theirs."""

    name: str
    description: str = ""
    schema: Any = None
    path: Path = ()  # of the definition in the body
    annotations: tuple[Any, ...] = ()


class Hosted(Struct, frozen=True):
    """A tool that the provider runs itself, or something that it fetches (`kind` "remote_file", "remote_image").

    `kind` is one word for all providers: "mcp", "web_search", "web_fetch", "code", "file_search", "computer", "shell",
    "image", "maps", "connector", "remote_file", "remote_image"; any other as the request spells it. `hosts` are the
    hosts that it is held to or that it goes to; None where it may go anywhere, empty where it goes nowhere.
    """

    kind: str
    name: str
    hosts: tuple[str, ...] | None
    path: Path = ()


class Transcript(Struct, frozen=True):
    """`is_whole` is false where the provider keeps earlier turns that the request does not repeat. `session` is what
    the client or the protocol calls the conversation, where one of them does, and who of them: `mcp ID`."""

    turns: tuple[Turn, ...] = ()
    tools: tuple[Defined, ...] = ()
    hosted: tuple[Hosted, ...] = ()
    is_whole: bool = True
    session: str = ""
