"""A program with its arguments, as the tables of programs see it: what they can note, run and read on its behalf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.policy.commands.evaluate.value import Arg, Scope, Stream
from gateway.policy.commands.report import How, Remote, Touched

if TYPE_CHECKING:
    from gateway.policy.commands.evaluate.notes import Notes
    from gateway.policy.commands.evaluate.walk import Walk


_KEEPS_TEXT: Final = frozenset(("chmod", "chown", "chgrp", "touch", "chattr", "setfacl", "tar", "zip"))
"""Programs that write to a path, but not into the file."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """`name` as the tables know it; `args` without it; `stream` what it reads."""

    name: str
    args: tuple[Arg, ...]
    scope: Scope
    stream: Stream
    via: tuple[str, ...]
    is_sure: bool
    walk: Walk

    @property
    def notes(self) -> Notes:
        return self.walk.notes

    def named(self, name: str) -> Invocation:
        """The same under another name."""
        return replace(self, name=name)

    def run(
        self, args: Sequence[Arg], step: str = "", stream: Stream | None = None, *, is_inside: bool = False
    ) -> str | None:
        """Follows the command that it starts; `is_inside` in this very shell."""
        scope = self.scope if is_inside else self.scope.copy()
        via = (*self.via, step or self.name)
        return self.walk.invoker.run(args, scope, stream or self.stream, via, is_sure=self.is_sure)

    def text(
        self, text: Arg, step: str = "", stream: Stream | None = None, *, scope: Scope | None = None
    ) -> str | None:
        """Follows a text that it has a shell read."""
        step = step or self.name
        if not text.is_known:
            self.notes.hide(f"a command that `{step}` is given is not known")
        via = (*self.via, step)
        inner = scope or self.scope.copy()
        written = self.walk.text(text.text, inner, stream or self.stream, via, is_sure=self.is_sure)
        return written if text.is_known else None

    def touch(self, path: Arg, how: How) -> None:
        """Notes a path that it is given; what is in it is not known any more if it is written."""
        if how in (How.WRITE, How.DELETE) and self.name not in _KEEPS_TEXT:
            if path.is_known and not path.is_pattern:
                self.scope.write(path.text, None)
            else:
                self.scope.forget_files()
        self.notes.touch(Touched(path.text, how, self.name, path.is_known, path.is_pattern))

    def remote(
        self, host: str, port: int | None = None, url: str = "", *, sends: bool = False, is_known: bool = True
    ) -> None:
        """Notes a host that it reaches."""
        self.notes.remote(Remote(host, port, url, self.name, sends, is_known))

    def hide(self, words: str) -> None:
        """Notes what cannot be told of it."""
        self.notes.hide(words)
