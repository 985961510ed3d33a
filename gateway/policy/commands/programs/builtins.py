"""Builtins of the shell that change it, or have it read a text."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg, Value, arg
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.programs.shells import executed
from gateway.policy.commands.programs.variables import check_assignment
from gateway.policy.commands.report import How

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_]\w*")


def evaluated(run: Invocation) -> str | None:
    """`eval`: its arguments, joined, are read as a command in this shell."""
    args = run.args[1:] if run.args and run.args[0].text == "--" else run.args
    text = Arg(" ".join(one.text for one in args), all(one.is_known for one in args))
    return run.text(text, "eval", scope=run.scope)


def sourced(run: Invocation) -> str | None:
    """`source` and `.`: a file is read as commands in this shell."""
    if not run.args:
        return None
    path = run.args[0]
    if path.text in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
        if run.stream.text is not None:
            return run.text(arg(run.stream.text), "source", scope=run.scope)
        run.hide("what `source` reads is not known")
        return None
    return executed(run, path, run.scope)


def declared(run: Invocation) -> str | None:
    """`export`, `declare`, `local`, `readonly`, `typeset`."""
    options, operands = split(run.args, frozenset())
    for operand in operands:
        found = _ASSIGNMENT.fullmatch(operand.text)
        if found is None:
            continue
        value = Value((found[3],), operand.is_known)
        if has(options, "-n"):  # a reference to another variable
            values = run.scope.values(found[3])
        elif has(options, "-i") or not operand.is_known:
            values = (value, Value((f"${found[1]}",), is_known=False))
        elif has(options, "-u", "-l"):
            values = (Value((found[3].upper() if has(options, "-u") else found[3].lower(),)),)
        elif has(options, "-a", "-A"):
            values = (Value(tuple(found[3].split())),)
        else:
            values = (value,)
        if found[2]:
            values = tuple(Value(("".join(old.items) + "".join(new.items),), old.is_known and new.is_known)
                           for old in run.scope.values(found[1]) for new in values)  # fmt: skip
        run.scope.assign(found[1], values, is_sure=run.is_sure)
        check_assignment(found[1], values, run.walk, run.scope, run.via, is_passed=False)
    return ""


def unset(run: Invocation) -> str | None:
    """`unset`, of variables and functions."""
    options, operands = split(run.args, frozenset())
    for operand in operands:
        if has(options, "-f"):
            run.scope.functions.pop(operand.text, None)
        else:
            run.scope.assign(operand.text, (Value(("",)),), is_sure=run.is_sure)
    return ""


def positional(run: Invocation) -> str | None:
    """`set`, which can give the shell new arguments."""
    args = list(run.args)
    while args and args[0].text[:1] in ("-", "+") and args[0].text not in ("--", "-"):
        first = args.pop(0)
        if first.text[-1:] == "o" and args:
            args.pop(0)
    if args and args[0].text in ("--", "-"):
        run.scope.give(tuple(args[1:]))
    elif args:
        run.scope.give(tuple(args))
    return ""


def shifted(run: Invocation) -> str | None:
    """`shift`."""
    by = int(run.args[0].text) if run.args and run.args[0].text.isdecimal() else 1
    values = run.scope.values("@")
    if len(values) == 1 and values[0].is_known:
        run.scope.give(tuple(arg(item) for item in values[0].items[by:]))
    return ""


def aliased(run: Invocation) -> str | None:
    """`alias`: its value is read as a command too, since it may be used later."""
    for one in run.args:
        name, equals, value = one.text.partition("=")
        if equals:
            run.scope.aliases[name] = value
            run.text(Arg(value, one.is_known), "alias")
    return ""


def trapped(run: Invocation) -> str | None:
    """`trap`: the text runs when the signal comes, or the shell ends."""
    operands = split(run.args, frozenset(), stops=True)[1]
    if len(operands) > 1 and operands[0].text not in ("", "-"):
        run.text(operands[0], "trap", scope=run.scope)
    return ""


_READ_VALUES: Final = frozenset(("-a", "-d", "-i", "-n", "-N", "-p", "-t", "-u"))
_LIST_VALUES: Final = frozenset(("-d", "-n", "-O", "-s", "-u", "-C", "-c"))


def reads(run: Invocation) -> str | None:
    """`read`, `mapfile`: variables that hold what was read."""
    is_list = run.name in ("mapfile", "readarray")
    options, operands = split(run.args, _LIST_VALUES if is_list else _READ_VALUES)
    names = [one.text for one in [*values_of(options, "-a"), *operands] if _NAME.fullmatch(one.text)] or ["REPLY"]
    for command in values_of(options, "-C"):
        run.text(command, "mapfile -C")
    if run.stream.text is None:
        for name in names:
            run.scope.assign(name, (Value((f"${name}",), is_known=False),), is_sure=run.is_sure)
        return ""
    text = run.stream.text
    if is_list:
        run.scope.assign(names[0], (Value(tuple(text.splitlines())),), is_sure=run.is_sure)
        return ""
    line = text if has(options, "-d", "-N") else text.split("\n", 1)[0]
    line = line if has(options, "-r") else re.sub(r"\\(.)", r"\1", line)
    ifs = run.scope.values("IFS")[-1].items
    parts = [line.strip()]
    if (len(names) > 1 or has(options, "-a")) and ifs and ifs[0]:
        mark = re.compile(f"[{re.escape(ifs[0])}]+")
        parts = mark.split(line.strip(), 0 if has(options, "-a") else len(names) - 1)
    if has(options, "-a"):
        run.scope.assign(names[0], (Value(tuple(parts)),), is_sure=run.is_sure)
        return ""
    for place, name in enumerate(names):
        run.scope.assign(name, (Value((parts[place] if place < len(parts) else "",)),), is_sure=run.is_sure)
    return ""


def callbacks(run: Invocation) -> str | None:
    """`bind -x`, `complete -C`, `hash -p`, `enable -f`: commands that run later, or take the place of others."""
    options, operands = split(run.args, frozenset(["-x", "-C", "-p", "-f", "-F"]))
    if run.name == "bind":
        for value in values_of(options, "-x"):
            run.text(Arg(value.text.partition(":")[2].strip("'\" "), value.is_known), "bind -x")
    elif run.name == "complete":
        for value in values_of(options, "-C"):
            run.text(value, "complete -C")
    elif run.name == "hash":
        for value in values_of(options, "-p"):
            run.touch(value, How.EXECUTE)
            for operand in operands:
                run.hide("`hash` gives a name to another program")
                run.scope.aliases[operand.text] = value.text
    elif run.name == "enable":
        for value in values_of(options, "-f"):
            run.touch(value, How.EXECUTE)
            run.hide("`enable` loads code")
    return ""


def silent(run: Invocation) -> str | None:
    """A builtin that writes nothing."""
    return "" if run is not None else None
