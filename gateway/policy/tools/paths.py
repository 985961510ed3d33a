"""Which paths a tool may be given: what denies wins, and what allows must hold however the path is read."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gateway.policy.tools.globs import Glob, Steps, folded_steps
from gateway.policy.tools.path_readings import MAX_PATH, NoPath, Unreadable, guesses, readings

FORM: Final = (
    '"/srv/data" or "/srv/data/**" (it and all below), "*.md" as one step, "**/.env" (anywhere), "~/.ssh", '
    '"C:/Users/*/Documents", "//server/share"; below `root` also "docs/*.md"'
)

_HOMES: Final = (("/", "root"), ("/", "var", "root"), ("/", "home", "*"), ("/", "Users", "*"), ("?:", "users", "*"))
"""Where the common systems have home folders."""

_BETWEEN: Final = re.compile(
    r"(?:[,;|]\s*|\s+)(?=[/~\\]|\.\.?[/\\]|[a-z]:[/\\])"
    r"|(?<!file)(?<!^[a-z])(?<!//[a-z])(?<![?.][/\\][a-z]):(?=[/~](?!/))",  # not after a drive
    re.IGNORECASE,
)
"""What stands between two paths in one text, the second of which says where it starts."""

_ABSOLUTE: Final = re.compile(r"/|~(?:/|$)|\*\*(?:/|$)|[A-Za-z]:(?:/|$)")


class PathPolicy(Struct, frozen=True):
    """The paths that an argument may hold.

    Without `allow` all are allowed that `deny` does not name, and so is what is no path at all. `root` is where
    relative paths start; without it they are refused where there is an `allow`. `ignore_case` is for tools on file
    systems that mind no case: what denies never does.
    """

    allow: tuple[Glob, ...] = ()
    deny: tuple[Glob, ...] = ()
    root: Steps | None = None
    ignore_case: bool = False

    def fault(self, text: str) -> str | None:
        """Why a path may not be given, or None. The words hold nothing of the path.

        A text that may be several paths to some tool is held to the policy as a whole and in pieces.
        """
        pieces = _BETWEEN.split(text) if len(text) <= MAX_PATH else [text]
        faults = (self._fault(piece) for piece in dict.fromkeys([text, *pieces]))
        return next((fault for fault in faults if fault is not None), None)

    def _fault(self, text: str) -> str | None:
        try:
            found = [self._from_root(steps) for steps in readings(text)]
        except Unreadable as error:
            return None if isinstance(error, NoPath) and not self.allow else str(error)
        places = {folded_steps(guess) for steps in found for guess in guesses(steps)} if self.deny else ()
        for glob in self.deny:
            if any(map(glob.touches, places)):
                return f"is denied by `{glob.text}`"
        if self.allow and any(steps[0] == "" for steps in found):
            return "is relative, and no `root` says to what"
        if self.allow and not all(map(self._is_allowed, found)):
            return f"is not within {' or '.join(f'`{glob.text}`' for glob in self.allow)}"
        return None

    def _from_root(self, steps: Steps) -> Steps:
        if steps[0] or self.root is None:
            return steps
        kept = list(self.root)
        for step in steps[1:]:
            if step == ".." and len(kept) > 1 and kept[-1] != "..":
                kept.pop()
            elif step != ".." or kept[0].startswith("~"):
                kept.append(step)
        return tuple(kept)

    def _is_allowed(self, steps: Steps) -> bool:
        if ".." in steps:
            return False
        if self.ignore_case or steps[0] not in {"/", "~"}:
            plain = folded_steps(steps)
            return any(glob.covers_folded(plain) for glob in self.allow)
        return any(glob.covers(steps) for glob in self.allow)


def glob(text: str, root: Steps | None = None) -> Glob:
    """The pattern of a text; a relative one is below `root`. Raises ValueError with the accepted form."""
    plain = text.replace("\\", "/")
    if "\0" in plain or re.search(r"[\[\]{}]", plain):
        raise ValueError(f"holds brackets or braces; write one pattern for each case; accepted: {FORM}")
    steps = [step for step in plain.split("/") if step not in {"", "."}]
    if ".." in steps:
        raise ValueError(f"climbs with `..`; write the path that it leads to; accepted: {FORM}")
    while steps[-1:] in (["*"], ["**"]) and (len(steps) > 1 or plain.startswith("/")):
        steps.pop()  # the folder is meant with all below it
    anchored = _anchored(plain, steps, root)
    return Glob(text, anchored, tuple(map(folded_steps, anchored)))


def folder(text: str) -> Steps:
    """The folder that relative paths start at. Raises ValueError with the accepted form."""
    steps = glob(text).steps[0]
    if steps[0] in {"**", ""} or any("*" in step or "?" in step for step in steps):
        raise ValueError('is no folder; accepted: an absolute path without wildcards, such as "/srv/data" or "C:/data"')
    return steps


def _anchored(plain: str, steps: list[str], root: Steps | None) -> tuple[Steps, ...]:
    if plain.startswith("//"):
        return ((f"//{steps[0].lower()}", *steps[1:]),)
    if plain.startswith("/"):
        return (("/", *steps),)
    if steps[:1] == ["~"]:
        return (tuple(steps), *((*home, *steps[1:]) for home in _HOMES))
    if _ABSOLUTE.match(plain):
        return ((steps[0].lower(), *steps[1:]) if ":" in steps[0] else tuple(steps),)
    if root is None or not steps:
        raise ValueError(f"is relative, and there is no `root`; accepted: {FORM}")
    return ((*root, *steps),)
