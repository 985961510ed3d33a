"""Terminals, containers, and runners and installers of packages."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.report import How

_REMAINDER: Final = {
    "xterm": "-e", "gnome-terminal": "--", "konsole": "-e", "kubectl": "--", "oc": "--", "npx": "", "pipx": "",
    "uvx": "",
    "ip": "exec", "tmux": "", "screen": "", "docker": "", "podman": "", "nerdctl": "", "entr": "",
    "start-stop-daemon": "",
    "npm": "exec", "pnpm": "exec", "yarn": "exec", "uv": "run", "poetry": "run", "pipenv": "run", "bundle": "exec",
    "cargo": "",
    "vagrant": "", "lxc": "--", "flatpak": "", "nix-shell": "", "guix": "", "conda": "run", "hatch": "",
    "direnv": "exec",
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


REMAINDER: Final = frozenset(_REMAINDER)
