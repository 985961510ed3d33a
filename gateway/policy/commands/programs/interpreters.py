"""Interpreters of other languages: their code is not read here, but the commands in its plain strings are."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gateway.policy.commands.evaluate.value import TERMINAL, Arg
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.network import URL, note_url
from gateway.policy.commands.programs.options import split, values_of
from gateway.policy.commands.report import How

_TABLE: Final = """
python code:-c values:-W,-X,-m,-Q
pypy code:-c values:-W,-X,-m
perl code:-e,-E values:-I,-M,-m,-0,-F,-l,-C
ruby code:-e values:-I,-r,-E,-F,-K
node code:-e,-p,--eval,--print values:-r,--require,--import,--loader
nodejs code:-e,-p,--eval,--print values:-r,--require
bun code:-e,-p,--eval values:-r
deno code:none values:--config
php code:-r,-B,-R,-E values:-c,-d,-S,-t,-z
lua code:-e values:-l
luajit code:-e values:-l
tclsh code:none values:-encoding
wish code:none values:-encoding
expect code:-c values:-f
Rscript code:-e values:-g
R code:-e values:-f
julia code:-e,-E,--eval values:-p,-t,-L
osascript code:-e values:-l
groovy code:-e values:-cp
scala code:-e values:-cp
elixir code:-e values:-r
erl code:-eval values:-s
ghc code:-e values:-o
swift code:-e values:-I
jshell code:none values:-s
gdb code:-ex,-eval-command,--eval-command values:-x,-p,-c
lldb code:-o values:-s,-p
awk code:first,-e values:-F,-v,-f
gawk code:first,-e values:-F,-v,-f
mawk code:first,-e values:-F,-v,-f
nawk code:first values:-F,-v,-f
jrunscript code:-e values:-f
guile code:-c values:-s
sbcl code:--eval values:--load
emacs code:--eval,--execute,-e values:-l,--load
m4 code:none values:-I,-D
bc code:none values:-e
gnuplot code:-e values:-c
octave code:--eval values:-p
irb code:none values:-r
ipython code:-c values:-m
tsx code:-e values:-r
ts-node code:-e values:-r
java code:none values:-cp,-classpath,-jar,-m
dotnet code:none values:none
go code:none values:none
"""
"""Name, options that take code (`first`: the first operand is code), and options with another value."""


class _Interpreter(Struct, frozen=True):
    code: frozenset[str]
    values: frozenset[str]
    is_first: bool


def _read(line: str) -> tuple[str, _Interpreter]:
    name, code, values = line.split()
    given = frozenset(code.removeprefix("code:").split(","))
    return name, _Interpreter(
        given - {"first", "none"}, frozenset(values.removeprefix("values:").split(",")), "first" in given
    )


INTERPRETERS: Final = dict(_read(line) for line in _TABLE.strip().splitlines())
_HARMLESS: Final = frozenset(("--version", "-V", "-v", "--help", "-h", "-version"))
_SUBCOMMANDS: Final = frozenset(("deno", "bun", "go", "dotnet"))

_CALL: Final = re.compile(
    r"(?:system|exec[lv]?[pe]*|popen\d?|spawn\w*|p_?open|call|check_call|check_output|run|getoutput|getstatusoutput|execSync|"
    r"execFile(?:Sync)?|shell_exec|passthru|proc_open|shell|execute|Cmd|sh|command)\s*(?:\(|\s|\{)\s*\[?\s*"
    r"(?:[rbuf]{1,2})?(?P<quote>\"\"\"|'''|\"|'|`)(?P<text>(?:\\.|(?!(?P=quote))[^\\]){1,1000})(?P=quote)(?P<more>\s*,\s*[\"'][^\]\)]{0,2000})?",
    re.DOTALL,
)
_BACKTICKS: Final = re.compile(r"`([^`]{1,4000})`|qx[{(/|!]([^})/|!]{1,4000})[})/|!]|%x[{(]([^})]{1,4000})[})]")
_PIPED: Final = re.compile(r"\|\s*(?:getline|&)|\|\s*\"([^\"]{1,2000})\"|\"([^\"]{1,2000})\"\s*\|\s*(?:getline|&)")
_OPENED: Final = re.compile(
    r"(?:open|readFile(?:Sync)?|read_text|file_get_contents|File\.read|slurp)"
    r"\s*\(?\s*[\"']([^\"'\n]{1,1000})[\"']\s*(?:,\s*[\"']([a-z+>< ]{1,4})[\"'])?"
)
_LIST_ITEM: Final = re.compile(r"[\"']([^\"']*)[\"']")
_MAX_FOUND: Final = 32
MAX_CODE: Final = 8 * 1024
"""Characters of code that are searched for commands; the code is noted as not read anyway."""


def interpreted(run: Invocation) -> None:
    """Code that is given, a file, a module, or what is read."""
    interpreter = INTERPRETERS[run.name]
    options, operands = split(run.args, interpreter.code | interpreter.values, stops=True)
    given = values_of(options, *interpreter.code)
    if interpreter.is_first:
        if not given and not values_of(options, "-f"):
            given, operands = operands[:1], operands[1:]
        for operand in operands:
            if "=" not in operand.text:
                run.touch(operand, How.READ)
    for code in given:
        read_code(run, code)
    for path in values_of(options, "-f", "-x", "-jar", "--load", "-l") if run.name in _LOADING else []:
        run.touch(path, How.EXECUTE)
        run.hide(f"a file that `{run.name}` runs is not known")
    modules = values_of(options, "-m") if run.name in ("python", "pypy", "ipython", "java") else []
    for module in modules:
        _module(run, module)
    if not given and not modules and not any(option in _HARMLESS for option, _ in options):
        _file_or_input(run, operands)


_LOADING: Final = frozenset(("awk", "gawk", "mawk", "nawk", "gdb", "java", "sbcl", "emacs", "expect", "R"))


def _file_or_input(run: Invocation, operands: list[Arg]) -> None:
    if run.name in _SUBCOMMANDS:
        if operands and operands[0].text in ("run", "test", "exec", "x", "eval", "repl"):
            run.hide(f"what `{run.name}` runs is not known")
            for operand in operands[1:2]:
                run.touch(operand, How.EXECUTE)
        return
    if operands and operands[0].text not in ("-", "/dev/stdin"):
        run.touch(operands[0], How.EXECUTE)
        text = run.scope.text(operands[0].text)
        if text is not None:
            read_code(run, Arg(text))
        else:
            run.hide(f"a file that `{run.name}` runs is not known")
    elif run.stream.text is not None:
        read_code(run, Arg(run.stream.text))
    elif run.stream is TERMINAL:
        run.hide(f"`{run.name}` runs what it reads, which is not known")
    else:
        run.hide(f"what `{run.name}` reads from {run.stream.source} is not known")


def _module(run: Invocation, module: Arg) -> None:
    if module.text in ("http.server", "SimpleHTTPServer", "pyftpdlib", "smtpd"):
        run.hide("`python` serves files to whoever connects")
        run.touch(Arg("."), How.READ)
    elif module.text in (
        "json.tool",
        "venv",
        "pip",
        "pytest",
        "unittest",
        "compileall",
        "py_compile",
        "base64",
        "zipfile",
    ):
        return
    else:
        run.hide("a module that `python` runs is not known")


def read_code(run: Invocation, code: Arg) -> None:
    """Notes that code is run, and what in it can be seen: commands, URLs and paths in plain strings."""
    run.hide(f"the code that `{run.name}` is given is not read")
    text = code.text[:MAX_CODE]
    run.notes.count_text(text)
    for found in list(_CALL.finditer(text))[:_MAX_FOUND]:
        line = _unescaped(found["text"])
        if found["more"]:
            line = " ".join([line, *(_quoted(item) for item in _LIST_ITEM.findall(found["more"]))])
        run.text(Arg(line, code.is_known), f"{run.name} code")
    for pattern in (_BACKTICKS, _PIPED):
        for found in list(pattern.finditer(text))[:_MAX_FOUND]:
            line = next((group for group in found.groups() if group), "")
            if line:
                run.text(Arg(line, code.is_known), f"{run.name} code")
    for found in list(_OPENED.finditer(text))[:_MAX_FOUND]:
        is_written = bool(found[2]) and bool(set(found[2]) & set("wax+>"))
        run.touch(Arg(found[1]), How.WRITE if is_written else How.READ)
    for found in list(URL.finditer(text))[:_MAX_FOUND]:
        note_url(run, Arg(found[0].rstrip("\"'),;")), sends=True)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)


def _quoted(item: str) -> str:
    return "'" + item.replace("'", "'\\''") + "'"
