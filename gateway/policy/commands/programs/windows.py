"""The shells of Windows: programs and what is opaque, without a grammar of their own."""

from __future__ import annotations

import binascii
import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg, arg
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.network import URL, note_url
from gateway.policy.commands.report import How, Program

_SEPARATOR: Final = re.compile(r"&&|\|\||[&|\n;]")
_WORD: Final = re.compile(r'"[^"]*"|\'[^\']*\'|[^\s"\']+')


def cmd(run: Invocation) -> None:
    """`cmd /c text`: carets taken out, its commands as far as words tell."""
    texts = [one.text for one in run.args]
    at = next(
        (
            place
            for place, text in enumerate(texts)
            if text[:2].lower() in ("/c", "/k", "/r") or text[:3].lower() == "//c"
        ),
        None,
    )
    if at is None:
        run.hide("`cmd` runs what it reads, which is not known")
        return
    line = " ".join([texts[at].lstrip("/")[1:], *texts[at + 1 :]]).replace("^", "").strip().strip('"')
    if "%" in line or "!" in line:
        run.hide("a variable of `cmd` is not known")
    _commands(run, line, "cmd /c")
    if any(not one.is_known for one in run.args):
        run.hide("a command that `cmd` is given is not known")


def _commands(run: Invocation, line: str, step: str) -> None:
    for one in _SEPARATOR.split(line)[:200]:
        words = [word.strip("\"'") for word in _WORD.findall(one)]
        words = [word for word in words if word not in ("(", ")", "{", "}")]
        words = [word.lstrip("({@").rstrip(")}") if place == 0 else word for place, word in enumerate(words)]
        if not words or not words[0]:
            continue
        name = words[0].lower()
        if name in _CMDLETS or name in _BUILTINS or step != "cmd /c":
            run.notes.program(Program(words[0], tuple(words[1:]), via=(*run.via, step)))
            _touched(run, name, words[1:])
        else:
            run.run([Arg(word, bare=word) for word in words], step)


_BUILTINS: Final = {
    "del": How.DELETE, "erase": How.DELETE, "rd": How.DELETE, "type": How.READ, "copy": How.WRITE, "move": How.WRITE,
    "ren": How.WRITE, "md": How.WRITE, "dir": How.READ, "format": How.DELETE, "attrib": How.WRITE, "icacls": How.WRITE,
    "xcopy": How.WRITE, "robocopy": How.WRITE, "certutil": How.WRITE, "takeown": How.WRITE, "vssadmin": How.DELETE,
}  # fmt: skip
_CMDLETS: Final = {
    "remove-item": How.DELETE, "ri": How.DELETE, "rm": How.DELETE, "del": How.DELETE, "get-content": How.READ,
    "gc": How.READ,
    "set-content": How.WRITE, "add-content": How.WRITE, "out-file": How.WRITE, "copy-item": How.WRITE,
    "move-item": How.WRITE,
    "clear-content": How.WRITE, "new-item": How.WRITE, "get-childitem": How.READ, "start-process": How.EXECUTE,
    "invoke-item": How.EXECUTE, "cat": How.READ, "type": How.READ,
}  # fmt: skip
_RUNS: Final = re.compile(
    r"(?i)\b(?:iex|invoke-expression|invoke-command|icm|start-process|start|add-type|invoke-wmimethod|\.invoke|new-object|frombase64string|&\s*[($'\"])"
)


def _touched(run: Invocation, name: str, words: list[str]) -> None:
    how = _CMDLETS.get(name, _BUILTINS.get(name))
    for word in words:
        if how is not None and word[:1] not in ("-", "/"):
            run.touch(arg(word), how)
        note_url(run, arg(word), sends=True)


_ENCODED: Final = re.compile(r"(?i)-e(?:c|n|nc|nco|ncod|ncode|ncoded|ncodedc\w*)?")
_FILE: Final = re.compile(r"(?i)-f(?:i|il|ile)?")
_COMMAND: Final = re.compile(r"(?i)-c(?:o|om|omm|omma|omman|ommand)?")
_VALUED: Final = re.compile(
    r"(?i)-(?:ex\w*|ep|version|w\w*|inputformat|outputformat|psconsolefile|configurationname|settingsfile|custompipename|wd)"
)


def powershell(run: Invocation) -> None:
    """PowerShell: `-Command`, `-EncodedCommand` (base64 of UTF-16), `-File`, or what it reads."""
    args = list(run.args)
    while args:
        first = args.pop(0)
        option = first.text.replace("–", "-").replace("—", "-").replace("/", "-", 1)
        if _VALUED.fullmatch(option):
            args[:1] = []
        elif _ENCODED.fullmatch(option) and args:
            _script(run, _decoded(run, args[0]))
            return
        elif _FILE.fullmatch(option) and args:
            run.touch(args[0], How.EXECUTE)
            run.hide("a file that PowerShell runs is not known")
            return
        elif _COMMAND.fullmatch(option) or not option.startswith("-"):
            rest = args if option.startswith("-") else [first, *args]
            _script(run, Arg(" ".join(one.text for one in rest), all(one.is_known for one in rest)))
            return
    if run.stream.text is not None:
        _script(run, arg(run.stream.text))
    else:
        run.hide("PowerShell runs what it reads, which is not known")


def _decoded(run: Invocation, code: Arg) -> Arg:
    run.notes.suspect("a command of PowerShell is encoded")
    try:
        return Arg(binascii.a2b_base64(code.text + "=" * (-len(code.text) % 4)).decode("utf-16-le"), code.is_known)
    except ValueError:
        return Arg("", is_known=False)


def _script(run: Invocation, script: Arg) -> None:
    if not script.is_known:
        run.hide("a script of PowerShell is not known")
    run.notes.count_text(script.text)
    text = script.text.replace("`", "")
    run.hide("a script of PowerShell is read by its words alone")
    if _RUNS.search(text):
        run.hide("a script of PowerShell runs what it makes")
    for found in list(URL.finditer(text))[:32]:
        note_url(run, arg(found[0].rstrip("\"'),;")), sends=True)
    _commands(run, text, "powershell")
