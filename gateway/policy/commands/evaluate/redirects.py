"""Redirects of a command: what it reads then, and where what it writes goes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gateway.policy.commands.evaluate.expand import Expansion
from gateway.policy.commands.evaluate.notes import NO_FILES, Notes
from gateway.policy.commands.evaluate.value import Arg, Scope, Stream
from gateway.policy.commands.grammar.tree import Process, Redirection
from gateway.policy.commands.report import How, Remote

_SOCKET: Final = re.compile(r"/dev/(?:tcp|udp)/([^/]*)/([^/]*)")
_READS: Final = frozenset(("<", "<>"))
_DESCRIPTOR: Final = re.compile(r"[0-9]*-?")


class Sink:
    """Where the output of a command goes: into a file whose text is then known, away, or on."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.is_added = False
        self.is_away = False

    def take(self, written: str | None, scope: Scope, *, is_sure: bool) -> str | None:
        """What is left of the output for whoever comes next."""
        if self.path is not None:
            before = scope.text(self.path) if self.is_added else ""
            is_known = written is not None and before is not None and is_sure
            scope.write(self.path, (before or "") + (written or "") if is_known else None)
        return "" if self.is_away else written


def redirected(
    redirections: Sequence[Redirection], expansion: Expansion, scope: Scope, notes: Notes, stream: Stream
) -> tuple[Stream, Sink]:
    """What the command reads, and the sink of what it writes."""
    sink = Sink()
    for one in redirections:
        if one.body is not None:
            values = expansion.texts(one.body)
            is_known = len(values) == 1 and values[0].is_known
            end = "\n" if one.operator == "<<<" else ""
            stream = Stream(values[0].items[0] + end if is_known else None, "a here-document")
            continue
        is_piped = any(isinstance(part, Process) for part in one.target.parts)
        for target in expansion.one(one.target):
            if is_piped:
                stream = Stream(None, "a pipe") if one.operator in _READS else stream
                continue
            stream = _file(one, target, scope, notes, stream, sink)
    return stream, sink


def _file(one: Redirection, target: Arg, scope: Scope, notes: Notes, stream: Stream, sink: Sink) -> Stream:
    if one.operator in (">&", "<&") and _DESCRIPTOR.fullmatch(target.text):
        return stream
    if found := _SOCKET.fullmatch(target.text):
        port = int(found[2]) if found[2].isdecimal() and len(found[2]) < 6 else None
        is_told = target.is_known and not target.is_pattern
        notes.remote(Remote(found[1], port, "", one.operator, sends=one.operator != "<", is_resolved=is_told))
        sink.is_away = sink.is_away or one.operator not in _READS
        return Stream(None, "a connection")
    how = How.READ if one.operator == "<" else How.WRITE
    notes.redirect(one.operator, target.text, how, is_resolved=target.is_known, is_pattern=target.is_pattern)
    if one.operator in _READS:
        return Stream(scope.text(target.text), "a file")
    if one.descriptor in ("", "1") or one.operator.startswith("&"):
        sink.is_away = target.text not in ("/dev/stdout", "/dev/fd/1", "/dev/tty")
        if target.is_known and target.text not in NO_FILES:
            sink.path, sink.is_added = target.text, one.operator in (">>", "&>>")
    return stream
