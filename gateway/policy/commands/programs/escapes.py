"""Programs with a way to run others in their options, scripts or commands, where nobody looks for it."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg, arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.interpreters import read_code
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.report import How

_FIND_ENDS: Final = frozenset((";", "+", "\\;"))
_FIND_PATHS: Final = {"-fprint": How.WRITE, "-fprint0": How.WRITE, "-fls": How.WRITE, "-fprintf": How.WRITE}


def find(run: Invocation) -> None:
    """find: where it looks, what it runs, deletes and writes."""
    args = list(run.args)
    while args and args[0].text in ("-H", "-L", "-P", "-O0", "-O1", "-O2", "-O3"):
        args.pop(0)
    places: list[Arg] = []
    while args and args[0].text[:1] not in ("-", "(", "!"):
        places.append(args.pop(0))
    places = places or [arg(".")]
    for place in places:
        run.touch(place, How.READ)
    while args:
        _find_action(run, args.pop(0).text, args, places)


def _find_action(run: Invocation, action: str, args: list[Arg], places: list[Arg]) -> None:
    if action == "-delete":
        for place in places:
            run.touch(Arg(f"{place.text.rstrip('/')}/*", place.is_known, is_pattern=True), How.DELETE)
    elif action in ("-exec", "-execdir", "-ok", "-okdir"):
        command: list[Arg] = []
        while args and args[0].text not in _FIND_ENDS:
            command.append(args.pop(0))
        for place in places:
            run.run([_found(one, place) for one in command], f"find {action}")
    elif action in _FIND_PATHS and args:
        run.touch(args[0], _FIND_PATHS[action])


def _found(one: Arg, place: Arg) -> Arg:
    """`{}` as what may be found below the place: a pattern."""
    if "{}" not in one.text:
        return one
    below = f"{place.text.rstrip('/')}/*"
    return Arg(one.text.replace("{}", below), one.is_known and place.is_known, is_pattern=True, bare=below)


_GIT_KEYS: Final = re.compile(
    r"(?i)core\.(?:pager|editor|sshcommand|fsmonitor|askpass|gitproxy|alternaterefscommand)|pager\..*|alias\..*|"
    r"diff\.external|diff\..*\.(?:command|textconv)|merge\..*\.driver|filter\..*\.(?:clean|smudge|process)|credential\.helper|"
    r"credential\..*\.helper|sequence\.editor|gpg\.program|gpg\..*\.program|uploadpack\.packobjectshook|"
    r"difftool\..*\.cmd|mergetool\..*\.cmd|browser\..*\.cmd|sendemail\..*cmd|interactive\.difffilter|ssh\.variant|"
    r"trailer\..*\.(?:command|cmd)|protocol\.ext\.allow|core\.hookspath|init\.templatedir|include\.path|includeif\..*"
)
"""Settings of git whose values are commands, or lead to some (git-config(1), 2.52)."""
_GIT_FILES: Final = re.compile(r"(?i)core\.hookspath|init\.templatedir|include\.path|includeif\..*")
_GIT_VALUES: Final = frozenset(["-c", "-C", "--git-dir", "--work-tree", "--exec-path", "--namespace", "--config-env"])


def git(run: Invocation) -> None:
    """git: settings that are commands, and subcommands that run one."""
    options, operands = split(run.args, _GIT_VALUES, stops=True)
    for value in values_of(options, "-c"):
        _git_setting(run, *_pair(value))
    for value in values_of(options, "--config-env", "--exec-path"):
        run.hide("an option of `git` leads to commands that are not known")
        run.touch(value, How.EXECUTE)
    for value in values_of(options, "-C", "--git-dir", "--work-tree"):
        run.touch(value, How.READ)
    if not operands:
        return
    command, rest = operands[0].text, operands[1:]
    if not operands[0].is_known:
        run.hide("a command of `git` is not known")
    _git_command(run, command, rest)


def _git_command(run: Invocation, command: str, rest: list[Arg]) -> None:
    texts = [one.text for one in rest]
    if command == "config":
        names = [one for one in rest if not one.text.startswith("-")]
        if len(names) > 1:
            _git_setting(run, names[0].text, names[1])
    elif command == "submodule" and "foreach" in texts:
        _joined(run, [one for one in rest[texts.index("foreach") + 1 :] if one.text != "--recursive"], "git submodule")
    elif command == "bisect" and texts[:1] == ["run"]:
        run.run(rest[1:], "git bisect run")
    elif command == "filter-branch":
        for value in values_of(split(rest, frozenset(_FILTERS))[0], *_FILTERS):
            run.text(value, "git filter-branch")
    options, _ = split(
        rest,
        frozenset(
            listed("""
                -x --exec -u --upload-pack --receive-pack -c --config --template --extcmd -O --open-files-in-pager
            """)
        ),
    )
    for value in values_of(options, "-x", "--exec", "--extcmd") if command in ("rebase", "difftool", "archive") else []:
        run.text(value, f"git {command}" if command.isalpha() else "git")
    for value in (
        values_of(options, "-u", "--upload-pack", "--receive-pack", "--exec") if command in _TRANSPORTS else []
    ):
        run.text(value, "git --upload-pack")
    if command == "grep":
        for value in values_of(options, "-O", "--open-files-in-pager"):
            run.text(value, "git grep -O")
    if command == "clone":
        for value in values_of(options, "-c", "--config"):
            _git_setting(run, *_pair(value))
    _git_paths(run, command, rest)


_FILTERS: Final = listed("""
    --tree-filter --index-filter --msg-filter --env-filter --commit-filter --parent-filter --tag-name-filter --setup
""")
_TRANSPORTS: Final = frozenset(("clone", "fetch", "pull", "push", "ls-remote", "archive"))


def _git_paths(run: Invocation, command: str, rest: list[Arg]) -> None:
    operands = split(rest, frozenset(["-m", "-b", "-o", "--output", "--author", "--date", "-F", "--file"]))[1]
    how = {
        "rm": How.DELETE,
        "clean": How.DELETE,
        "mv": How.WRITE,
        "apply": How.READ,
        "add": How.READ,
        "init": How.WRITE,
    }.get(command)
    if command == "clean" and not operands and not has(split(rest, frozenset())[0], "-n", "--dry-run"):
        run.touch(Arg("*", is_pattern=True), How.DELETE)
    if command == "reset" and any(one.text == "--hard" for one in rest):
        run.touch(Arg("*", is_pattern=True), How.WRITE)
    if how is not None:
        for operand in operands:
            run.touch(operand, how)
    for value in values_of(split(rest, frozenset(("-o", "--output")))[0], "-o", "--output"):
        run.touch(value, How.WRITE)
    if command == "clone":
        for operand in operands[1:2]:
            run.touch(operand, How.WRITE)


def _pair(value: Arg) -> tuple[str, Arg]:
    name, _, setting = value.text.partition("=")
    return name, Arg(setting, value.is_known)


def _git_setting(run: Invocation, name: str, value: Arg) -> None:
    if not _GIT_KEYS.fullmatch(name):
        return
    if _GIT_FILES.fullmatch(name):
        run.touch(value, How.EXECUTE)
        run.hide("a setting of `git` leads to commands that are not known")
    elif name.lower().startswith("alias.") and not value.text.startswith("!"):
        run.text(Arg(f"git {value.text}", value.is_known), "git alias")
    else:
        run.text(Arg(value.text.lstrip("!"), value.is_known), "git -c")


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
"""Characters of a script of sed, or a command of an editor, that are read: by patterns whose time is a square of them."""
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


_RUNNING: Final = {
    "sort": ("--compress-program",),
    "split": ("--filter",),
    "rsync": ("--rsh", "-e"),
    "man": ("-P", "--pager", "-H", "--html"),
    "zip": ("-TT", "--unzip-command"),
    "xterm": (),
    "nmap": ("--script",),
    "tcpdump": ("-z",),
    "logrotate": (),
    "pdb": ("-c",),
    "psql": ("-c", "--command"),
    "mysql": ("-e", "--execute"),
    "sqlite3": ("-cmd",),
    "ffmpeg": (),
    "rg": ("--pre",),
    "make": ("--eval", "-E"),
    "wget": (),
    "entr": (),
    "apt": ("-o",),
    "apt-get": ("-o",),
    "screen": ("-X",),
    "mutt": ("-e",),
}
"""Options whose value is a command, or holds one (the programs' manuals; GTFOBins lists what is misused)."""


def by_option(run: Invocation) -> None:
    """A program with an option that runs a command."""
    names = _RUNNING[run.name]
    texts = values_of(split(run.args, frozenset(names))[0], *names)
    for place, one in enumerate(run.args[:-1]):  # long options after one dash
        if one.text in names and len(one.text) > 2 and not one.text.startswith("--"):
            texts.append(run.args[place + 1])
    for text in texts:
        _by_option(run, text)
    if run.name in ("psql", "mysql", "sqlite3"):
        for one in [*run.args, *([arg(run.stream.text)] if run.stream.text is not None else [])]:
            for line in one.text.splitlines()[:100]:
                if found := re.match(
                    r"\s*(?:\\!|\\copy.*program\s+'|\.shell|\.system|\.sh|system|\\o\s*\||\.once\s*\||\.output\s*\|)\s*(.+)",
                    line,
                ):
                    run.text(arg(found[1].rstrip("'")), f"{run.name} !")


def _by_option(run: Invocation, text: Arg) -> None:
    if run.name in ("psql", "mysql", "sqlite3", "mutt"):
        found = re.search(r"(?:\\!|!|\.shell|\.system|system)\s*(.+)", text.text)
        if found:
            run.text(Arg(found[1], text.is_known), f"{run.name} !")
    elif run.name in ("apt", "apt-get"):
        name, _, command = text.text.partition("=")
        if re.search(r"(?i)invoke|pager|editor|exec|hook", name):
            run.text(Arg(command, text.is_known), "apt -o")
    elif run.name == "nmap":
        if "/" in text.text or "." in text.text:
            run.touch(text, How.EXECUTE)
            run.hide("a script that `nmap` runs is not known")
    elif run.name == "make":
        for line in re.findall(r"(?:\$\(shell\s+([^)]*)\)|^\t(.*)|:\s*;?(.*)$|!=(.*)$)", text.text, re.MULTILINE):
            for command in filter(None, line):
                run.text(Arg(command.lstrip("@-+ "), text.is_known), "make --eval")
    else:
        run.text(text, run.name)


_REMAINDER: Final = {
    "xterm": "-e", "gnome-terminal": "--", "konsole": "-e", "kubectl": "--", "oc": "--", "npx": "", "pipx": "", "uvx": "",
    "ip": "exec", "tmux": "", "screen": "", "docker": "", "podman": "", "nerdctl": "", "entr": "", "start-stop-daemon": "",
    "npm": "exec", "pnpm": "exec", "yarn": "exec", "uv": "run", "poetry": "run", "pipenv": "run", "bundle": "exec", "cargo": "",
    "vagrant": "", "lxc": "--", "flatpak": "", "nix-shell": "", "guix": "", "conda": "run", "hatch": "", "direnv": "exec",
}  # fmt: skip


def remainder(run: Invocation) -> None:
    """Programs that start what follows a word or an operand: terminals, containers, runners of packages."""
    texts = [one.text for one in run.args]
    mark = _REMAINDER[run.name]
    if mark and mark in texts:
        rest = list(run.args[texts.index(mark) + 1 :])
        if run.name == "ip":
            rest = rest[1:]
        if run.name == "direnv":
            rest = rest[1:]
        rest = [one for place, one in enumerate(rest) if not (place == 0 and one.text == "--")]
        run.run(rest, run.name)
        return
    if run.name in ("docker", "podman", "nerdctl") and texts[:1] and texts[0] in ("run", "exec", "create"):
        _container(run)
    elif run.name in ("tmux", "screen", "nix-shell", "guix", "vagrant", "start-stop-daemon", "entr"):
        _last(run, texts)
    elif run.name in ("npx", "pipx", "uvx"):
        run.hide(f"`{run.name}` fetches what it runs")
    elif (
        run.name in ("npm", "pnpm", "yarn", "cargo")
        and texts[:1]
        and texts[0] in ("run", "start", "test", "x", "dlx", "run-script", "create", "init")
    ):
        run.hide(f"what `{run.name}` runs is not known")


_DOCKER_VALUES: Final = frozenset(
    listed("""
        -v --volume -e --env -p --publish -w --workdir -u --user --name --network --net --entrypoint --mount
        --env-file -h --hostname -m --memory --cpus --platform --label -l --add-host --cap-add --device
        --security-opt --pid --ipc --userns --restart --gpus
    """)
)


def _container(run: Invocation) -> None:
    options, operands = split(run.args[1:], _DOCKER_VALUES, stops=True)
    for value in values_of(options, "-v", "--volume"):
        run.touch(Arg(value.text.partition(":")[0], value.is_known), How.WRITE)
    for value in values_of(options, "--mount"):
        if found := re.search(r"(?:source|src)=([^,]+)", value.text):
            run.touch(Arg(found[1], value.is_known), How.WRITE)
    if has(options, "--privileged") or values_of(options, "--pid", "--device", "--cap-add"):
        run.hide(f"`{run.name}` gives a container rights over this machine")
    entry = values_of(options, "--entrypoint")
    run.run([*entry, *operands[1:]], f"{run.name} {run.args[0].text}")


def _last(run: Invocation, texts: list[str]) -> None:
    if run.name == "tmux" and any(
        word in texts
        for word in (
            "new",
            "new-session",
            "new-window",
            "neww",
            "split-window",
            "splitw",
            "send-keys",
            "send",
            "run-shell",
            "run",
            "respawn-pane",
            "popup",
            "display-popup",
            "if-shell",
        )
    ):
        for one in run.args[1:]:
            if " " in one.text or one is run.args[-1]:
                run.text(one, "tmux")
    elif run.name == "screen":
        _, operands = split(run.args, frozenset(["-S", "-c", "-e", "-h", "-p", "-s", "-t", "-T"]), stops=True)
        run.run(operands, "screen")
    else:
        for name in ("--run", "--command", "-c", "--exec", "--startas", "-x", "-a"):
            for value in values_of(split(run.args, frozenset((name,)))[0], name):
                run.text(value, run.name)
        if run.name == "entr":
            run.run(split(run.args, frozenset(), stops=True)[1], "entr")


def _joined(run: Invocation, operands: list[Arg], step: str) -> None:
    run.text(Arg(" ".join(one.text for one in operands), all(one.is_known for one in operands)), step)


def packages(run: Invocation) -> None:
    """Installers: what they fetch brings scripts of its own."""
    if any(
        one.text in ("install", "i", "add", "ci", "get", "download", "-i", "-S", "--install", "-U") for one in run.args
    ):
        run.hide(f"`{run.name}` installs code that is not known")


PACKAGES: Final = frozenset(
    listed("""
        pip pip3 npm pnpm yarn gem cargo go apt apt-get dnf yum apk brew pacman dpkg rpm snap conda uv pipx poetry
        composer cpan luarocks
    """)
)
RUNNING: Final = frozenset(_RUNNING)
REMAINDER: Final = frozenset(_REMAINDER)
