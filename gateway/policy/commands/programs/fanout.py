"""xargs and parallel: a command for each of what is read."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg, arg
from gateway.policy.commands.grammar.words import UNKNOWN
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.report import How

_XARGS_VALUES: Final = frozenset(
    listed("""
        -I -n -P -d -L -s -E -a --max-args --max-procs --delimiter --max-lines --replace --arg-file
    """)
)


_MAX_ITEMS: Final = 200


def xargs(run: Invocation) -> None:
    """The program that is run with what is read as arguments."""
    options, operands = split(run.args, _XARGS_VALUES, stops=True)
    for value in values_of(options, "-a", "--arg-file"):
        run.touch(value, How.READ)
    marks = [value.text for value in values_of(options, "-I", "--replace")] or ["{}"] * has(options, "-i", "--replace")
    command = operands or [arg("echo")]
    text = run.stream.text if not has(options, "-a", "--arg-file") else None
    if text is None:
        run.hide("the arguments that `xargs` reads are not known")
        items = [Arg(UNKNOWN, is_known=False, is_plain=True)]
    else:
        items = [arg(item) for item in _items(text, options, by_line=bool(marks))][:_MAX_ITEMS]
    for mark in marks:
        for item in items:
            run.run([_replaced(one, mark, item) for one in command], "xargs")
    if not marks:
        one_each = any(value.text == "1" for value in values_of(options, "-n", "-L", "--max-args", "--max-lines"))
        for group in [[item] for item in items] if one_each else [items]:
            run.run([*command, *group], "xargs")


def _items(text: str, options: list[tuple[str, Arg | None]], *, by_line: bool) -> list[str]:
    if has(options, "-0", "--null"):
        return [item for item in text.split("\0") if item]
    for value in values_of(options, "-d", "--delimiter"):
        return text.rstrip("\n").split({"\\n": "\n", "\\t": "\t", "\\0": "\0"}.get(value.text, value.text) or "\n")
    if by_line:
        return [line.strip() for line in text.splitlines() if line.strip()]
    return [re.sub(r"""['"\\]""", "", item) for item in re.findall(r"""(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+""", text)]


def _replaced(one: Arg, mark: str, item: Arg) -> Arg:
    if mark not in one.text:
        return one
    is_known = one.is_known and item.is_known
    return Arg(one.text.replace(mark, item.text), is_known, bare=one.text.replace(mark, item.bare))


def parallel(run: Invocation) -> None:
    """GNU parallel: a command as a text, with what is read or what follows `:::` in the place of `{}`."""
    texts = [one.text for one in run.args]
    end = next((place for place, text in enumerate(texts) if text.startswith(":::")), len(texts))
    _, operands = split(
        run.args[:end],
        frozenset(["-j", "-N", "-n", "-L", "-I", "-a", "--jobs", "--colsep", "--arg-file", "--joblog"]),
        stops=True,
    )
    items: list[Arg]
    if end < len(texts):
        items = [one for one in run.args[end + 1 :] if not one.text.startswith(":::")]
    elif run.stream.text is not None:
        items = [arg(line) for line in run.stream.text.splitlines()]
    else:
        run.hide("the arguments that `parallel` reads are not known")
        items = [Arg(UNKNOWN, is_known=False)]
    line = " ".join(one.text for one in operands)
    is_known = all(one.is_known for one in operands)
    for item in items[:_MAX_ITEMS]:
        whole = line.replace("{}", item.text) if "{}" in line else f"{line} {item.text}".strip()
        run.text(Arg(whole, is_known and item.is_known), "parallel")
