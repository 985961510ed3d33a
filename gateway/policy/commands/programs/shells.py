"""Shells, and programs that hand a text to a shell: what they read is followed as commands."""

from __future__ import annotations

from typing import Final

from gateway.policy.commands.evaluate.value import TERMINAL, Arg, Scope, Value
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.programs.wrappers import joined
from gateway.policy.commands.report import How

SHELLS: Final = frozenset(
    listed("""
        sh bash dash ash zsh ksh ksh93 mksh lksh rbash fish yash tcsh csh posh oksh rc elvish nu xonsh
    """)
)
_VALUES: Final = frozenset(
    ["-c", "-o", "-O", "+o", "+O", "--rcfile", "--init-file", "--init-command", "-C", "--command"]
)


def shell(run: Invocation) -> str | None:
    """A shell: the text after `-c`, a script, or what it reads."""
    args = list(run.args)
    texts: list[Arg] = []
    flags = ""
    while args and (args[0].text[:1] in ("-", "+") and len(args[0].text) > 1):
        first = args.pop(0)
        if first.text == "--":
            break
        if first.text in ("--rcfile", "--init-file") and args:
            run.touch(args.pop(0), How.EXECUTE)
        elif first.text in ("--command", "--init-command", "-C") and args:
            texts.append(args.pop(0))
        elif not first.text.startswith("--"):
            flags += first.text[1:]
            if first.text[-1] in "oO" and args:
                args.pop(0)
    if "c" in flags and args:
        texts.append(args.pop(0))
        return _given(run, texts, args)
    if texts:
        return _given(run, texts, args)
    if args and "s" not in flags:
        return _script(run, args)
    return read(run, _scope(run, args))


def _scope(run: Invocation, arguments: list[Arg]) -> Scope:
    scope = run.scope.copy()
    scope.give(tuple(arguments))
    return scope


def _given(run: Invocation, texts: list[Arg], rest: list[Arg]) -> str | None:
    written: str | None = None
    for text in texts:
        scope = _scope(run, rest[1:])
        if rest:  # which is the name of the shell
            scope.variables["0"] = (Value((rest[0].text,), rest[0].is_known),)
        written = run.text(text, f"{run.name} -c", scope=scope)
    return written


def _script(run: Invocation, args: list[Arg]) -> str | None:
    path, rest = args[0], args[1:]
    if path.text in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "-"):
        return read(run, _scope(run, rest))
    run.touch(path, How.EXECUTE)
    return executed(run, path, _scope(run, rest))


def executed(run: Invocation, path: Arg, scope: Scope) -> str | None:
    """A file that is read as commands: one that the command itself wrote is known."""
    text = run.scope.text(path.text) if path.is_known else None
    if text is None:
        run.hide(f"a file that `{run.name}` runs is not known")
        return None
    return run.walk.text(text, scope, TERMINAL, (*run.via, run.name), is_sure=run.is_sure)


def read(run: Invocation, scope: Scope) -> str | None:
    """What comes on standard input, read as commands."""
    if run.stream.text is None:
        if run.stream is TERMINAL:
            run.hide(f"`{run.name}` runs what it reads, which is not known")
        else:
            run.hide(f"what `{run.name}` reads from {run.stream.source} is not known")
        return None
    via = (*run.via, f"{run.name} < {run.stream.source}")
    return run.walk.text(run.stream.text, scope, TERMINAL, via, is_sure=run.is_sure)


def with_command(run: Invocation) -> str | None:
    """`su -c`, `script -c` and others that take a text for a shell with an option."""
    options, operands = split(run.args, frozenset(["-c", "--command", "-s", "--shell", "-g", "-G", "-u", "-o"]))
    texts = values_of(options, "-c", "--command")
    for text in texts:
        run.text(text, f"{run.name} -c")
    if run.name in ("su", "runuser") and not texts:
        if has(options, "-u") and operands:
            return run.run(operands)
        return read(run, run.scope.copy())
    return None


def from_input(run: Invocation) -> None:
    """`at`, `batch`: what is read is run later."""
    options, _ = split(run.args, frozenset(["-f", "-t", "-q"]))
    files = values_of(options, "-f")
    for path in files:
        run.touch(path, How.EXECUTE)
        executed(run, path, run.scope.copy())
    if not files:
        read(run, run.scope.copy())


def crontab(run: Invocation) -> None:
    """A table of jobs: the command follows five fields, or one name."""
    options, operands = split(run.args, frozenset(["-u"]))
    if has(options, "-l", "-r"):
        return
    text = run.stream.text
    for path in operands:
        if path.text != "-":
            run.touch(path, How.EXECUTE)
            text = run.scope.text(path.text)
    if text is None:
        run.hide("the jobs that `crontab` is given are not known")
        return
    for line in text.splitlines()[:100]:
        fields = line.split(None, 1 if line.startswith("@") else 5)
        if fields and not line.startswith("#") and "=" not in fields[0]:
            run.text(Arg(fields[-1]), "crontab")


_SSH_VALUES: Final = frozenset(
    listed("""
        -b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w -B -P
    """)
)


def ssh_command(run: Invocation) -> None:
    """The command that the other host runs, and those that options name."""
    options, operands = split(run.args, _SSH_VALUES, stops=True)
    for value in values_of(options, "-o"):
        name, _, command = value.text.replace("=", " ", 1).partition(" ")
        if name.lower() in ("proxycommand", "localcommand", "knownhostscommand", "proxyusefdpass"):
            run.text(Arg(command, value.is_known), "ssh -o")
    for value in values_of(options, "-F"):
        run.touch(value, How.READ)
    for value in values_of(options, "-i"):
        run.touch(value, How.READ)
    if len(operands) > 1:
        joined(run, operands[1:])
    elif run.stream.text is not None:
        run.text(Arg(run.stream.text), "ssh")
    elif run.stream is not TERMINAL:
        run.hide("what the other host runs is not known")
