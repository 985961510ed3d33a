"""dd and tar: which of their arguments are paths, and the commands that options of tar run."""

from __future__ import annotations

from typing import Final

from gateway.policy.commands.evaluate.value import Arg, arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import Options, has, split, values_of
from gateway.policy.commands.report import How


def dd(run: Invocation) -> None:
    """`if=` and `of=`."""
    for one in run.args:
        name, _, path = one.text.partition("=")
        if name in ("if", "of"):
            part = Arg(path, one.is_known, one.is_pattern)
            run.touch(part, How.READ if name == "if" else How.WRITE)


_TAR_VALUES: Final = frozenset(
    listed("""
        -f -C -T -X -I -b -g -N -V --file --directory --files-from --exclude-from --use-compress-program --exclude
        --transform --to-command --checkpoint-action --rsh-command --info-script --new-volume-script --owner --group
        --mode
    """)
)


def tar(run: Invocation) -> None:
    """An archive and what goes into it; and the commands that options of tar run."""
    args = run.args
    if args and args[0].text[:1] not in ("-", "") and args[0].is_known:
        args = (arg("-" + args[0].text), *args[1:])  # the old spelling, without a dash
    options, operands = split(args, _TAR_VALUES)
    is_made = has(options, "-c", "--create", "-r", "--append", "-u", "--update", "-A")
    for value in values_of(options, "-f", "--file"):
        host, colon, _ = value.text.partition(":")
        if colon and "/" not in host:
            run.remote(host.rpartition("@")[2], 22, sends=is_made, is_known=value.is_known)
        run.touch(value, How.WRITE if is_made else How.READ)
    for value in values_of(options, "-C", "--directory"):
        run.touch(value, How.READ if is_made else How.WRITE)
    for value in values_of(options, "-T", "--files-from", "-X", "--exclude-from"):
        run.touch(value, How.READ)
    for operand in operands if is_made else ():
        run.touch(operand, How.READ)
    if has(options, "--remove-files"):
        for operand in operands:
            run.touch(operand, How.DELETE)
    _tar_commands(run, options)


def _tar_commands(run: Invocation, options: Options) -> None:
    for value in values_of(
        options, "-I", "--use-compress-program", "--to-command", "--rsh-command", "-F", "--info-script"
    ):
        run.text(value, "tar")
    for value in values_of(options, "--new-volume-script"):
        run.text(value, "tar")
    for value in values_of(options, "--checkpoint-action"):
        if value.text.startswith("exec="):
            run.text(Arg(value.text[5:], value.is_known), "tar --checkpoint-action")
