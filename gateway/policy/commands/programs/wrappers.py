"""Programs that start the program that their arguments name."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gateway.policy.commands.evaluate.value import Arg, Stream, Value, arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.programs.variables import check_assignment
from gateway.policy.commands.report import How

_TABLE: Final = """
sudo = -u -g -h -p -C -T -D -R -U -r -t --user --group --host --prompt --chdir --chroot --role --type
doas = -u -C
pkexec --user
env = -u -C --unset --chdir
nice -n --adjustment
nohup
setsid
stdbuf -i -o -e --input --output --error
timeout +1 -s -k --signal --kill-after
gtimeout +1 -s -k --signal --kill-after
time -f -o --format --output
ionice -c -n -p -P -u --class --classdata
chrt +1 -T -P -D
taskset +1
unshare -S -G -R -w --root --wd --setuid --setgid
nsenter -t -S -G -r -w --target --setuid --setgid
chroot +1 --groups --userspec
flock +1 -w -E --timeout --conflict-exit-code
gosu +1
su-exec +1
setpriv --reuid --regid --groups --inh-caps --bounding-set
prlimit -p --pid
systemd-run -p -u -E -H -M --property --unit --setenv --uid --gid --slice --on-calendar --working-directory
systemd-inhibit --what --who --why --mode
dbus-run-session --config-file
dbus-launch
xvfb-run -n -s -e -f -p -w
proxychains -f
proxychains4 -f
torsocks -a -P -u -p
torify
tsocks
fakeroot -l -s -i
fakechroot
firejail
bwrap --bind --ro-bind --dev --proc --setenv --chdir
rlwrap -a -b -c -f -H -s
unbuffer
catchsegv
faketime +1 -f
setarch +1
linux32
linux64
i386
arch
caffeinate -t -w
strace -e -o -p -s -u -a -E -I -O -P -S
ltrace -e -o -p -s -u -a -l -n
valgrind
perf +1 -e -o
cgexec -g
numactl
runcon -t -u -r -l
sg +1
ssh-agent -a -t
busybox
toybox
winpty
catatonit
tini
dumb-init
command
builtin
exec -a
noglob
nocorrect
then
"""
"""Name, `=` where assignments may come first, `+n` for operands before the program, and options that take a value: from
the manuals of sudo, doas, GNU coreutils, util-linux, systemd, strace, as of 2026."""


class _Wrapper(Struct, frozen=True):
    values: frozenset[str]
    skips: int
    assigns: bool


def _read(line: str) -> tuple[str, _Wrapper]:
    name, *rest = line.split()
    skips = sum(int(word) for word in rest if word.startswith("+"))
    return name, _Wrapper(frozenset(word for word in rest if word.startswith("-")), skips, "=" in rest)


WRAPPERS: Final = dict(_read(line) for line in _TABLE.strip().splitlines())


_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


_INSIDE: Final = frozenset(("command", "builtin", "exec", "noglob", "nocorrect", "then"))


def wrapped(run: Invocation) -> str | None:
    """Follows the program that the arguments name."""
    wrapper = WRAPPERS[run.name]
    options, operands = split(run.args, wrapper.values, stops=True)
    if run.name == "command" and has(options, "-v", "-V"):
        return None
    if run.name in ("busybox", "toybox") and has(options, "--install", "--list"):
        return None
    _note_options(run, options)
    scope = run.scope if run.name in _INSIDE else run.scope.copy()
    rest = operands[wrapper.skips :]
    if run.name in ("flock", "sg") and len(rest) > 1 and rest[0].text in ("-c", "--command"):
        return run.text(rest[1], f"{run.name} -c")
    while wrapper.assigns and rest and (found := _ASSIGNMENT.fullmatch(rest[0].text)):
        values = (Value((found[2],), rest.pop(0).is_known),)
        scope.assign(found[1], values)
        check_assignment(found[1], values, run.walk, scope, run.via, is_passed=True)
    if run.name == "command":
        scope = scope.copy()
        scope.functions.clear()  # it goes past functions
    via = (*run.via, run.name)
    written = run.walk.invoker.run(rest, scope, run.stream, via, is_sure=run.is_sure)
    for flag, value in options:
        # An option that is not in the table may take a value, and the program be the word after that.
        if value is None and flag not in wrapper.values and len(rest) > 1 and flag not in _KNOWN_FLAGS:
            run.walk.invoker.run(rest[1:], scope.copy(), run.stream, via, is_sure=False)
            run.hide(f"an option of `{run.name}` is not known")
            break
    return written


_KNOWN_FLAGS: Final = frozenset(
    listed("""
        -A -B -b -E -H -i -K -k -n -P -S -s -v -V -f -p -l -c -w -a -e -q -x -o -d -u -r -m -0 -I -t -C -F -T -1 -2
        -3 -4 -5 -6 -7 -8 -9 -D -L -N -R -U -g --preserve-env --non-interactive --login --stdin --set-home
        --ignore-environment --verbose --foreground --preserve-status --wait --fork --ctty --pipe --scope --user
        --quiet --null --debug --portability --all --mount --pid --net --ipc --uts --map-root-user --shared
        --nonblock --append --help --version --unshare-all --die-with-parent --private --follow-forks
        --auto-servernum --no-new-privs --batch --idle --collect --block-signal
    """)
)
"""Flags without a value that the manuals of these programs list."""


def _note_options(run: Invocation, options: list[tuple[str, Arg | None]]) -> None:
    for value in values_of(options, "--chroot", "-R", "-D", "--chdir", "--root"):
        if run.name in ("sudo", "env", "unshare"):
            run.touch(value, How.READ)
    if run.name == "sudo" and has(options, "-e", "--edit"):
        run.hide("`sudo` edits a file with a program that is not known")
    if run.name == "sudo" and has(options, "-s", "-i", "--shell", "--login"):
        run.walk.invoker.run([arg("sh")], run.scope.copy(), run.stream, (*run.via, "sudo"), is_sure=False)
    if run.name in ("strace", "ltrace", "time"):
        for value in values_of(options, "-o", "--output"):
            run.touch(value, How.WRITE)


def sudo_edit(run: Invocation) -> None:
    """`sudoedit`, and what it edits."""
    for operand in split(run.args, frozenset())[1]:
        run.touch(operand, How.WRITE)


def env_split(run: Invocation) -> str | None:
    """`env -S 'text'`, which env itself parts into words."""
    for place, one in enumerate(run.args):
        for spelling in ("-S", "--split-string", "-vS", "-iS"):
            if one.text == spelling and place + 1 < len(run.args):
                return run.text(_with(run.args[place + 1], run.args[place + 2 :]), "env -S")
            if one.text.startswith(spelling) and len(one.text) > len(spelling):
                inner = one.text[len(spelling) :].lstrip("=")
                return run.text(_with(Arg(inner, one.is_known), run.args[place + 1 :]), "env -S")
    return None


def _with(text: Arg, rest: tuple[Arg, ...]) -> Arg:
    whole = " ".join([text.text, *("'" + one.text.replace("'", "'\\''") + "'" for one in rest)])
    return Arg(whole, text.is_known and all(one.is_known for one in rest))


def watch(run: Invocation) -> None:
    """`watch` joins its operands and has a shell read them."""
    joined(run, split(run.args, frozenset(["-n", "--interval", "-q", "--equexit"]), stops=True)[1])


def joined(run: Invocation, operands: list[Arg], stream: Stream | None = None) -> str | None:
    """Operands that are joined by blanks and read by a shell."""
    if not operands:
        return None
    text = Arg(" ".join(one.text for one in operands), all(one.is_known for one in operands))
    return run.text(text, stream=stream)
