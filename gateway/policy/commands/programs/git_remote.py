"""Where git goes."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.logins import SCP
from gateway.policy.commands.programs.network import URL, note_url
from gateway.policy.commands.programs.options import split


def git_remote(run: Invocation) -> None:
    """git: URLs, and `host:path`, of the commands that go to a remote."""
    _, operands = split(
        run.args, frozenset(["-c", "-C", "--git-dir", "--work-tree", "--exec-path", "--namespace"]), stops=True
    )
    if not operands or operands[0].text not in _GIT_REMOTE:
        return
    command, rest = operands[0].text, operands[1:]
    for one in rest:
        if one.text.startswith("ext::"):
            run.text(Arg(re.sub(r"%[sSGV]", "", one.text[5:]), one.is_known), "git ext::")
        elif URL.match(one.text):
            note_url(run, one, sends=command == "push")
        elif (found := SCP.fullmatch(one.text)) and not one.text.startswith("-") and command != "push":
            run.remote(found[2].strip("[]"), 22, one.text, is_known=one.is_known)
        elif found and command == "push" and "." in found[2]:
            run.remote(found[2].strip("[]"), 22, one.text, sends=True, is_known=one.is_known)
        elif not one.is_known:
            run.remote(one.text, None, sends=command == "push", is_known=False)


_GIT_REMOTE: Final = frozenset(["clone", "fetch", "pull", "push", "ls-remote", "remote", "submodule", "archive"])
