"""Programs with a way to run others in their options, scripts or commands, where nobody looks for it."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg, arg
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import split, values_of
from gateway.policy.commands.report import How

_FIND_ENDS: Final = frozenset((";", "+", "\\;"))


_FIND_PATHS: Final = {"-fprint": How.WRITE, "-fprint0": How.WRITE, "-fls": How.WRITE, "-fprintf": How.WRITE}


def find(run: Invocation) -> None:
    """find: where it looks, what it runs, deletes and writes."""
    args = list(run.args)
    while args and args[0].text in ("-H", "-L", "-P", "-O0", "-O1", "-O2", "-O3"):
        args.pop(0)
    places: list[Arg] = []
    while args and args[0].text[:1] not in ("-", "(", "!"):
        places.append(args.pop(0))
    places = places or [arg(".")]
    for place in places:
        run.touch(place, How.READ)
    while args:
        _find_action(run, args.pop(0).text, args, places)


def _find_action(run: Invocation, action: str, args: list[Arg], places: list[Arg]) -> None:
    if action == "-delete":
        for place in places:
            run.touch(Arg(f"{place.text.rstrip('/')}/*", place.is_known, is_pattern=True), How.DELETE)
    elif action in ("-exec", "-execdir", "-ok", "-okdir"):
        command: list[Arg] = []
        while args and args[0].text not in _FIND_ENDS:
            command.append(args.pop(0))
        for place in places:
            run.run([_found(one, place) for one in command], f"find {action}")
    elif action in _FIND_PATHS and args:
        run.touch(args[0], _FIND_PATHS[action])


def _found(one: Arg, place: Arg) -> Arg:
    """`{}` as what may be found below the place: a pattern."""
    if "{}" not in one.text:
        return one
    below = f"{place.text.rstrip('/')}/*"
    return Arg(one.text.replace("{}", below), one.is_known and place.is_known, is_pattern=True, bare=below)


_RUNNING: Final = {
    "sort": ("--compress-program",),
    "split": ("--filter",),
    "rsync": ("--rsh", "-e"),
    "man": ("-P", "--pager", "-H", "--html"),
    "zip": ("-TT", "--unzip-command"),
    "xterm": (),
    "nmap": ("--script",),
    "tcpdump": ("-z",),
    "logrotate": (),
    "pdb": ("-c",),
    "psql": ("-c", "--command"),
    "mysql": ("-e", "--execute"),
    "sqlite3": ("-cmd",),
    "ffmpeg": (),
    "rg": ("--pre",),
    "make": ("--eval", "-E"),
    "wget": (),
    "entr": (),
    "apt": ("-o",),
    "apt-get": ("-o",),
    "screen": ("-X",),
    "mutt": ("-e",),
}
"""Options whose value is a command, or holds one (the programs' manuals; GTFOBins lists what is misused)."""


def by_option(run: Invocation) -> None:
    """A program with an option that runs a command."""
    names = _RUNNING[run.name]
    texts = values_of(split(run.args, frozenset(names))[0], *names)
    for place, one in enumerate(run.args[:-1]):  # long options after one dash
        if one.text in names and len(one.text) > 2 and not one.text.startswith("--"):
            texts.append(run.args[place + 1])
    for text in texts:
        _by_option(run, text)
    if run.name in ("psql", "mysql", "sqlite3"):
        for one in [*run.args, *([arg(run.stream.text)] if run.stream.text is not None else [])]:
            for line in one.text.splitlines()[:100]:
                if found := re.match(
                    r"\s*(?:\\!|\\copy.*program\s+'|\.shell|\.system|\.sh|system|\\o\s*\||\.once\s*\||\.output\s*\|)\s*(.+)",
                    line,
                ):
                    run.text(arg(found[1].rstrip("'")), f"{run.name} !")


def _by_option(run: Invocation, text: Arg) -> None:
    if run.name in ("psql", "mysql", "sqlite3", "mutt"):
        found = re.search(r"(?:\\!|!|\.shell|\.system|system)\s*(.+)", text.text)
        if found:
            run.text(Arg(found[1], text.is_known), f"{run.name} !")
    elif run.name in ("apt", "apt-get"):
        name, _, command = text.text.partition("=")
        if re.search(r"(?i)invoke|pager|editor|exec|hook", name):
            run.text(Arg(command, text.is_known), "apt -o")
    elif run.name == "nmap":
        if "/" in text.text or "." in text.text:
            run.touch(text, How.EXECUTE)
            run.hide("a script that `nmap` runs is not known")
    elif run.name == "make":
        for line in re.findall(r"(?:\$\(shell\s+([^)]*)\)|^\t(.*)|:\s*;?(.*)$|!=(.*)$)", text.text, re.MULTILINE):
            for command in filter(None, line):
                run.text(Arg(command.lstrip("@-+ "), text.is_known), "make --eval")
    else:
        run.text(text, run.name)


RUNNING: Final = frozenset(_RUNNING)
