"""Programs that log in to hosts, copy to them, or speak to a port: nc, ssh, scp, rsync."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import TERMINAL, Arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.network import URL, address, note_url
from gateway.policy.commands.programs.options import Options, has, split, values_of
from gateway.policy.commands.report import How

SCP: Final = re.compile(r"(?:([^/:\s]+)@)?(\[[^\]]+\]|[^/:\s\[\]]+):(?!//)(.*)", re.DOTALL)


_NC_VALUES: Final = frozenset(
    listed("""
        -e -c -p -s -w -i -g -G -o -q -T -x -X -I -O -m --exec --sh-exec --proxy --output
    """)
)


def netcat(run: Invocation) -> None:
    """nc, ncat, netcat: a host and a port, and with `-e` and `-c` a program behind them."""
    options, operands = split(run.args, _NC_VALUES)
    for value in values_of(options, "-e", "--exec", "-c", "--sh-exec"):
        run.text(value, f"{run.name} -e")
    for value in values_of(options, "-x", "--proxy"):
        host, port = address(value.text)
        run.remote(host, port, is_known=value.is_known)
    for value in values_of(options, "-o", "--output"):
        run.touch(value, How.WRITE)
    if has(options, "-l", "--listen"):
        run.hide(f"`{run.name}` waits for connections")
        return
    if operands:
        written = operands[1].text if len(operands) > 1 else ""
        number = int(written) if written.isdecimal() and len(written) < 6 else None
        sends = run.stream is not TERMINAL or has(options, "-e", "-c", "--exec", "--sh-exec")
        run.remote(operands[0].text, number, sends=sends, is_known=all(one.is_known for one in operands))


_SSH_VALUES: Final = frozenset(
    listed("""
        -b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -P -Q -R -S -W -w -B
    """)
)


def ssh(run: Invocation) -> None:
    """The host that is logged in to, those jumped over, and what is forwarded to."""
    options, operands = split(run.args, _SSH_VALUES, stops=True)
    port = next((int(value.text) for value in values_of(options, "-p", "-P") if value.text.isdecimal()), 22)
    if operands:
        text = operands[0].text
        found = URL.match(text)
        host, own = address(found[2]) if found else (text.rpartition("@")[2], None)
        sends = len(operands) > 1 or run.stream is not TERMINAL
        run.remote(host, own or port, sends=sends, is_known=operands[0].is_known)
    for value in values_of(options, "-J"):
        for hop in value.text.split(","):
            host, own = address(hop)
            run.remote(host, own or 22, is_known=value.is_known)
    for value in values_of(options, "-L", "-R", "-W"):
        parts = value.text.rsplit(":", 2)
        if len(parts) > 1 and parts[-1].isdecimal():
            run.remote(parts[-2], int(parts[-1]), is_known=value.is_known)


def copied(run: Invocation) -> None:
    """scp, rsync, sftp, rclone-like: operands are paths here, or `host:path`."""
    values = frozenset(
        listed("""
            -c -F -i -J -l -o -P -S -e --rsh --rsync-path --exclude --include --exclude-from --files-from -f -T -B
            -b
        """)
    )
    options, operands = split(run.args, values)
    port = next((int(value.text) for value in values_of(options, "-P") if value.text.isdecimal()), 22)
    for place, one in enumerate(operands):
        is_last = place == len(operands) - 1 and (len(operands) > 1 or run.name == "sftp")
        _copied(run, one, port, is_last=is_last)
    _copy_options(run, options, operands)


def _copied(run: Invocation, one: Arg, port: int, *, is_last: bool) -> None:
    if URL.match(one.text):
        note_url(run, one, sends=is_last)
    elif run.name == "sftp":
        run.remote(one.text.rpartition("@")[2].partition(":")[0], port, sends=True, is_known=one.is_known)
    elif (found := SCP.fullmatch(one.text)) and not re.fullmatch(r"[A-Za-z]:[\\/].*", one.text):
        run.remote(found[2].strip("[]"), port, one.text, sends=is_last, is_known=one.is_known)
    elif one.is_known or not is_last:
        run.touch(one, How.WRITE if is_last else How.READ)
    else:
        run.remote(one.text, None, sends=True, is_known=False)


def _copy_options(run: Invocation, options: Options, operands: list[Arg]) -> None:
    for value in values_of(options, "-e", "--rsh", "-S", "--rsync-path"):
        run.text(value, f"{run.name} -e")
    for value in values_of(options, "-o"):
        name, _, command = value.text.replace("=", " ", 1).partition(" ")
        if name.lower() in ("proxycommand", "localcommand", "knownhostscommand"):
            run.text(Arg(command, value.is_known), f"{run.name} -o")
    if has(options, "--delete", "--delete-after", "--delete-before", "--remove-source-files"):
        for one in operands[-1:]:
            run.touch(one, How.DELETE)
