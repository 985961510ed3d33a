"""What is noted of a command while it is followed, each thing once and in order."""

from __future__ import annotations

from typing import Final

from gateway.policy.commands.grammar.cursor import MAX_TEXT, Unreadable
from gateway.policy.commands.report import CommandReport, How, Program, Redirect, Remote, Touched

MAX_COMMANDS: Final = 1_000
"""Commands that are followed: those of loops and functions once for each time that they run."""

NO_FILES: Final = frozenset(
    ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin", "/dev/tty", "/dev/zero", "/dev/fd/63", "-", "")
)
"""Paths that are no files: the streams of the command, what is always empty, and the pipe of `<( )`."""


class Notes:
    """Fills a report. Raises `Unreadable` where a command goes on beyond the bounds."""

    def __init__(self) -> None:
        self._programs: dict[Program, None] = {}
        self._touched: dict[Touched, None] = {}
        self._remotes: dict[Remote, None] = {}
        self._redirects: dict[Redirect, None] = {}
        self._opaque: dict[str, None] = {}
        self._suspicious: dict[str, None] = {}
        self._commands = 0
        self._characters = 0

    def program(self, program: Program) -> None:
        self._programs[program] = None

    def touch(self, touched: Touched) -> None:
        if touched.path in NO_FILES and touched.is_resolved:
            return
        self._touched[touched] = None
        if not touched.is_resolved:
            self.hide(f"a path that `{touched.by}` is given is not known" if touched.by else "a path is not known")

    def remote(self, remote: Remote) -> None:
        self._remotes[remote] = None
        if not remote.is_resolved:
            self.hide(f"a host that `{remote.by}` reaches is not known")

    def redirect(self, operator: str, path: str, how: How, *, is_resolved: bool, is_pattern: bool) -> None:
        if path in NO_FILES and is_resolved:
            return
        self._redirects[Redirect(operator, path, is_resolved)] = None
        self.touch(Touched(path, how, operator, is_resolved, is_pattern))

    def hide(self, words: str) -> None:
        """Notes what cannot be told."""
        self._opaque[words] = None

    def suspect(self, words: str) -> None:
        """Notes a spelling that hides."""
        self._suspicious[words] = None

    def count_command(self) -> None:
        self._commands += 1
        if self._commands > MAX_COMMANDS:
            raise Unreadable(f"it runs more than {MAX_COMMANDS} commands")

    def count_text(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > 2 * MAX_TEXT:
            raise Unreadable("the texts in it that are read as commands are longer than is read")

    def report(self, *, is_parsed: bool) -> CommandReport:
        """What has been noted."""
        return CommandReport(
            tuple(self._programs),
            tuple(self._touched),
            tuple(self._remotes),
            tuple(self._redirects),
            tuple(self._opaque),
            tuple(self._suspicious),
            is_parsed,
        )
