"""git: settings that are commands, subcommands that run one, and paths."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.report import How

_GIT_KEYS: Final = re.compile(
    r"(?i)core\.(?:pager|editor|sshcommand|fsmonitor|askpass|gitproxy|alternaterefscommand)|pager\..*|alias\..*|"
    r"diff\.external|diff\..*\.(?:command|textconv)|merge\..*\.driver|filter\..*\.(?:clean|smudge|process)|credential\.helper|"
    r"credential\..*\.helper|sequence\.editor|gpg\.program|gpg\..*\.program|uploadpack\.packobjectshook|"
    r"difftool\..*\.cmd|mergetool\..*\.cmd|browser\..*\.cmd|sendemail\..*cmd|interactive\.difffilter|ssh\.variant|"
    r"trailer\..*\.(?:command|cmd)|protocol\.ext\.allow|core\.hookspath|init\.templatedir|include\.path|includeif\..*"
)
"""Settings of git whose values are commands, or lead to some (git-config(1), 2.52)."""


_GIT_FILES: Final = re.compile(r"(?i)core\.hookspath|init\.templatedir|include\.path|includeif\..*")


_GIT_VALUES: Final = frozenset(["-c", "-C", "--git-dir", "--work-tree", "--exec-path", "--namespace", "--config-env"])


def git(run: Invocation) -> None:
    """git: settings that are commands, and subcommands that run one."""
    options, operands = split(run.args, _GIT_VALUES, stops=True)
    for value in values_of(options, "-c"):
        _git_setting(run, *_pair(value))
    for value in values_of(options, "--config-env", "--exec-path"):
        run.hide("an option of `git` leads to commands that are not known")
        run.touch(value, How.EXECUTE)
    for value in values_of(options, "-C", "--git-dir", "--work-tree"):
        run.touch(value, How.READ)
    if not operands:
        return
    command, rest = operands[0].text, operands[1:]
    if not operands[0].is_known:
        run.hide("a command of `git` is not known")
    _git_command(run, command, rest)


def _git_command(run: Invocation, command: str, rest: list[Arg]) -> None:
    texts = [one.text for one in rest]
    if command == "config":
        names = [one for one in rest if not one.text.startswith("-")]
        if len(names) > 1:
            _git_setting(run, names[0].text, names[1])
    elif command == "submodule" and "foreach" in texts:
        _joined(run, [one for one in rest[texts.index("foreach") + 1 :] if one.text != "--recursive"], "git submodule")
    elif command == "bisect" and texts[:1] == ["run"]:
        run.run(rest[1:], "git bisect run")
    elif command == "filter-branch":
        for value in values_of(split(rest, frozenset(_FILTERS))[0], *_FILTERS):
            run.text(value, "git filter-branch")
    _git_options(run, command, rest)
    _git_paths(run, command, rest)


_COMMANDS: Final = {
    **dict.fromkeys(("rebase", "difftool"), ("-x", "--exec", "--extcmd")),
    **dict.fromkeys(
        ("clone", "fetch", "pull", "push", "ls-remote", "archive"), ("-u", "--upload-pack", "--receive-pack", "--exec")
    ),
    "grep": ("-O", "--open-files-in-pager"),
}
"""Options of subcommands whose value is a command."""


def _git_options(run: Invocation, command: str, rest: list[Arg]) -> None:
    names = _COMMANDS.get(command, ())
    for value in values_of(split(rest, frozenset(names))[0], *names):
        run.text(value, f"git {command}")
    if command == "clone":
        for value in values_of(split(rest, frozenset(("-c", "--config")))[0], "-c", "--config"):
            _git_setting(run, *_pair(value))


_FILTERS: Final = listed("""
    --tree-filter --index-filter --msg-filter --env-filter --commit-filter --parent-filter --tag-name-filter --setup
""")


def _git_paths(run: Invocation, command: str, rest: list[Arg]) -> None:
    operands = split(rest, frozenset(["-m", "-b", "-o", "--output", "--author", "--date", "-F", "--file"]))[1]
    how = {
        "rm": How.DELETE,
        "clean": How.DELETE,
        "mv": How.WRITE,
        "apply": How.READ,
        "add": How.READ,
        "init": How.WRITE,
    }.get(command)
    if command == "clean" and not operands and not has(split(rest, frozenset())[0], "-n", "--dry-run"):
        run.touch(Arg("*", is_pattern=True), How.DELETE)
    if command == "reset" and any(one.text == "--hard" for one in rest):
        run.touch(Arg("*", is_pattern=True), How.WRITE)
    if how is not None:
        for operand in operands:
            run.touch(operand, how)
    for value in values_of(split(rest, frozenset(("-o", "--output")))[0], "-o", "--output"):
        run.touch(value, How.WRITE)
    if command == "clone":
        for operand in operands[1:2]:
            run.touch(operand, How.WRITE)


def _pair(value: Arg) -> tuple[str, Arg]:
    name, _, setting = value.text.partition("=")
    return name, Arg(setting, value.is_known)


def _git_setting(run: Invocation, name: str, value: Arg) -> None:
    if not _GIT_KEYS.fullmatch(name):
        return
    if _GIT_FILES.fullmatch(name):
        run.touch(value, How.EXECUTE)
        run.hide("a setting of `git` leads to commands that are not known")
    elif name.lower().startswith("alias.") and not value.text.startswith("!"):
        run.text(Arg(f"git {value.text}", value.is_known), "git alias")
    else:
        run.text(Arg(value.text.lstrip("!"), value.is_known), "git -c")


def _joined(run: Invocation, operands: list[Arg], step: str) -> None:
    run.text(Arg(" ".join(one.text for one in operands), all(one.is_known for one in operands)), step)
