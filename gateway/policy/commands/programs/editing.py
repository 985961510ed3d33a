"""sed and editors: their scripts and commands can run programs and write files."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg, arg
from gateway.policy.commands.programs.interpreters import read_code
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import split, values_of
from gateway.policy.commands.report import How


def sed(run: Invocation) -> None:
    """sed: its script can run commands and write files; with `-i` it changes what it reads."""
    values = frozenset(["-e", "-f", "-l", "-s", "--expression", "--file", "--line-length"])
    args = [one for one in run.args if not re.match(r"-i|--in-place|-I$", one.text)]
    is_changed = len(args) < len(run.args) or any(re.fullmatch(r"-[nErsuz]*i.*", one.text) for one in run.args)
    if args and args[0].text == "" and is_changed:
        args = args[1:]  # `-i ''` of BSD
    options, operands = split(args, values)
    scripts = values_of(options, "-e", "--expression")
    for path in values_of(options, "-f", "--file"):
        run.touch(path, How.EXECUTE)
        run.hide("a script that `sed` runs is not known")
    if not scripts and not values_of(options, "-f", "--file"):
        scripts, operands = operands[:1], operands[1:]
    for script in scripts:
        _sed_script(run, script)
    for operand in operands:
        run.touch(operand, How.READ)
        if is_changed:
            run.touch(operand, How.WRITE)


MAX_SCRIPT: Final = 2 * 1024
"""Characters of a script of sed, or a command of an editor, that are read:
the time that the patterns take is a square of them."""


_SED_ADDRESS: Final = r"(?:(?:[0-9]+|\$|/(?:\\.|[^/\\])*/I?)(?:,(?:[0-9]+|\$|/(?:\\.|[^/\\])*/I?))?\s*!?\s*)?"


_SED_RUNS: Final = re.compile(rf"(?:^|[;{{}}\n])\s*{_SED_ADDRESS}e(?:\s+([^\n]*)|\s*(?=$|[;\n}}]))")


_SED_EVALUATES: Final = re.compile(
    r"s(?P<mark>[^\w\s\\])(?:\\.|(?!(?P=mark))[^\\])*(?P=mark)((?:\\.|(?!(?P=mark))[^\\])*)(?P=mark)[gpiIm0-9]*e"
)


_SED_WRITES: Final = re.compile(rf"(?:(?:^|[;{{}}\n])\s*{_SED_ADDRESS}|(?<=[/|#,:@]))[gpiI0-9]*[wW]\s+([^\n;}}]+)")


_SED_READS: Final = re.compile(rf"(?:^|[;{{}}\n])\s*{_SED_ADDRESS}[rR]\s+([^\n;}}]+)")


def _sed_script(run: Invocation, script: Arg) -> None:
    if not script.is_known:
        run.hide("a script that `sed` runs is not known")
    if len(script.text) > MAX_SCRIPT:
        run.hide("a script that `sed` runs is longer than is read")
    script = Arg(script.text[:MAX_SCRIPT], script.is_known)
    for found in list(_SED_RUNS.finditer(script.text))[:32]:
        if found[1]:
            run.text(arg(found[1]), "sed e")
        else:
            run.hide("`sed` runs the lines that it reads")
    for found in list(_SED_EVALUATES.finditer(script.text))[:32]:
        run.hide("`sed` runs what it replaces")
        run.text(arg(found[2]), "sed s///e")
    for found in _SED_WRITES.finditer(script.text):
        run.touch(arg(found[1].strip()), How.WRITE)
    for found in _SED_READS.finditer(script.text):
        run.touch(arg(found[1].strip()), How.READ)


_EDITOR_VALUES: Final = frozenset(["-c", "--cmd", "-S", "-s", "-u", "-U", "-t", "-T", "-w", "-W", "-i"])


def editor(run: Invocation) -> None:
    """vi and its kin, ed, less, man: commands of theirs that start with a bang, and code of the editor."""
    options, _ = split(run.args, _EDITOR_VALUES)
    commands = [
        *values_of(options, "-c", "--cmd"),
        *(Arg(one.text[1:], one.is_known) for one in run.args if one.text[:1] == "+"),
    ]
    for command in commands:
        _editor_command(run, command)
    if run.stream.text is not None:
        for line in run.stream.text.splitlines()[:100]:
            _editor_command(run, arg(line))


def _editor_command(run: Invocation, command: Arg) -> None:
    text = command.text.lstrip(": ")[:MAX_SCRIPT]
    if found := re.match(r"(?:[%.,$0-9]*|r|w|read|write|sil\w*\s*)\s*!(.*)", text, re.DOTALL):
        run.text(Arg(found[1].partition("|")[0] if run.name != "ed" else found[1], command.is_known), f"{run.name} !")
        return
    if found := re.search(
        r"(?:py3?|python3?|lua|perl|ruby|tcl)\s+(.+)|(?:system|execute)\s*\(?\s*['\"](.+?)['\"]", text, re.DOTALL
    ):
        read_code(run, Arg(found[1] or found[2], command.is_known))
        if found[2]:
            run.text(Arg(found[2].lstrip(":!"), command.is_known), f"{run.name} !")
        return
    if text and not re.fullmatch(r"[0-9]+|q[a!]*|wq?!?|x|set \w+|/[^!]*|syntax \w+", text):
        run.hide(f"a command of `{run.name}` is not known")
