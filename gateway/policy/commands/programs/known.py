"""The tables of programs together: what each program does, by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.policy.commands.programs import (
    archives,
    builtins,
    clients,
    editing,
    escapes,
    fanout,
    files,
    git,
    git_remote,
    launchers,
    logins,
    network,
    windows,
    wrappers,
)
from gateway.policy.commands.programs.files import FILES
from gateway.policy.commands.programs.interpreters import INTERPRETERS, interpreted
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.outputs import OUTPUTS
from gateway.policy.commands.programs.shells import SHELLS, crontab, from_input, shell, ssh_command, with_command
from gateway.policy.commands.programs.wrappers import WRAPPERS

type Effect = Callable[[Invocation], str | None]


def _all(names: str, *effects: Callable[[Invocation], object]) -> dict[str, tuple[Callable[[Invocation], object], ...]]:
    return dict.fromkeys(names.split(), effects)


_TABLES: Final[tuple[dict[str, tuple[Callable[[Invocation], object], ...]], ...]] = (
    dict.fromkeys(FILES, (files.touched,)),
    dict.fromkeys(WRAPPERS, (wrappers.wrapped,)),
    dict.fromkeys(INTERPRETERS, (interpreted,)),
    dict.fromkeys(SHELLS, (shell,)),
    _all("env", wrappers.env_split),
    _all("sudoedit", wrappers.sudo_edit),
    _all("xargs", fanout.xargs),
    _all("parallel", fanout.parallel),
    _all("watch", wrappers.watch),
    _all("dd", archives.dd),
    _all("tar bsdtar gtar", archives.tar),
    _all("curl", network.curl),
    _all("wget", network.wget),
    _all(
        "aria2c axel lynx links w3m elinks youtube-dl yt-dlp ab wrk siege websocat grpcurl svn hg chromium "
        "google-chrome firefox open xdg-open nikto sqlmap",
        network.urls,
    ),
    _all("http https xh", network.httpie),
    _all("nc ncat netcat nc.openbsd nc.traditional", logins.netcat),
    _all("ssh slogin mosh autossh sshpass", logins.ssh, ssh_command),
    _all("scp rsync sftp rclone", logins.copied),
    _all(
        "telnet ftp tftp lftp whois finger ping ping6 traceroute tracepath mtr nmap masscan smbclient rlogin rsh "
        "ntpdate psql mysql mysqldump pg_dump redis-cli mongo mongosh mongodump ldapsearch mosquitto_pub mosquitto_sub",
        clients.first_host,
    ),
    _all("dig nslookup host drill kdig getent", clients.names),
    _all("mail mailx mutt sendmail msmtp swaks s-nail", clients.mail),
    _all("openssl", clients.openssl),
    _all("socat", clients.socat),
    _all("aws gsutil gcloud az s3cmd docker podman kubectl helm terraform gh", network.cloud),
    _all("git", git.git, git_remote.git_remote),
    _all("find gfind bfs", escapes.find),
    _all("sed gsed", editing.sed),
    _all("vi vim nvim view ex rvim vimdiff ed less more nano", editing.editor),
    dict.fromkeys(escapes.RUNNING, (escapes.by_option,)),
    dict.fromkeys(launchers.REMAINDER, (launchers.remainder,)),
    dict.fromkeys(launchers.PACKAGES, (launchers.packages, network.urls)),
    _all("su runuser script", with_command),
    _all("at batch", from_input),
    _all("crontab", crontab),
    _all("eval", builtins.evaluated),
    _all("source .", builtins.sourced),
    _all("export declare typeset local readonly", builtins.declared),
    _all("unset", builtins.unset),
    _all("set", builtins.positional),
    _all("shift", builtins.shifted),
    _all("alias", builtins.aliased),
    _all("trap", builtins.trapped),
    _all("read mapfile readarray", builtins.reads),
    _all("bind complete hash enable", builtins.callbacks),
    _all("cmd", windows.cmd),
    _all("powershell pwsh", windows.powershell),
    {name: (effect,) for name, effect in OUTPUTS.items()},
)


def _joined() -> dict[str, tuple[Callable[[Invocation], object], ...]]:
    effects: dict[str, tuple[Callable[[Invocation], object], ...]] = {}
    for table in _TABLES:
        for name, some in table.items():
            effects[name] = (*effects.get(name, ()), *some)
    return effects


_EFFECTS: Final = _joined()
NAMES: Final = tuple(_EFFECTS)
"""Programs that are known here."""

_VERSIONED: Final = re.compile(
    r"(python|pypy|perl|ruby|node|php|lua|bash|pip|tclsh|guile|java|gcc|clang|vim|awk)[-0-9.]+"
)
_LOADER: Final = re.compile(r"ld-linux[\w.-]*|ld-musl[\w.-]*|ld\.so")


def known_name(base: str) -> str:
    """The name by which the tables have a program: without its version."""
    if base in _EFFECTS:
        return base
    if _LOADER.fullmatch(base):
        return "nohup"  # the dynamic loader starts the program that it is given, too
    found = _VERSIONED.fullmatch(base)
    name = found[1] if found else base
    return name if name in _EFFECTS else base


def effects(base: str) -> tuple[Callable[[Invocation], object], ...]:
    """What a program does, in order; the last one gives what it writes."""
    return _EFFECTS.get(known_name(base), ())
