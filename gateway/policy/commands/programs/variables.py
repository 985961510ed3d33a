"""Variables that change what programs run: assigning them is a way to run a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.policy.commands.evaluate.value import TERMINAL, Scope, Value
from gateway.policy.commands.listing import listed

if TYPE_CHECKING:
    from gateway.policy.commands.evaluate.walk import Walk

_COMMANDS: Final = frozenset(
    listed("""
        PAGER GIT_PAGER MANPAGER SYSTEMD_PAGER EDITOR VISUAL GIT_EDITOR GIT_SEQUENCE_EDITOR SUDO_EDITOR BROWSER
        GIT_SSH_COMMAND GIT_SSH GIT_PROXY_COMMAND GIT_EXTERNAL_DIFF GIT_ASKPASS SSH_ASKPASS SUDO_ASKPASS RSYNC_RSH
        CVS_RSH LESSOPEN LESSCLOSE PROMPT_COMMAND PS0 PS1 PS4 TAR_OPTIONS MAKEFLAGS CC CXX LD FCEDIT RUSTC_WRAPPER
        GREP
    """)
)
"""Values that some program runs as a command (the manuals of git, man, less, rsync, tar, make, bash)."""

_CODE: Final = frozenset(
    listed("""
        LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH BASH_ENV ENV ZDOTDIR
        PYTHONSTARTUP PYTHONPATH PYTHONHOME PYTHONINSPECT PERL5OPT PERL5LIB PERL5DB RUBYOPT RUBYLIB NODE_OPTIONS
        NODE_PATH JAVA_TOOL_OPTIONS _JAVA_OPTIONS PHPRC PHP_INI_SCAN_DIR GIT_CONFIG GIT_CONFIG_GLOBAL
        GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS GIT_EXEC_PATH GIT_TEMPLATE_DIR GCONV_PATH GTK_MODULES OPENSSL_CONF
        OPENSSL_ENGINES VIMINIT EXINIT
    """)
)
"""Values that lead programs to code: files that they load first, options, folders of libraries."""


def check_assignment(
    name: str, values: tuple[Value, ...], walk: Walk, scope: Scope, via: tuple[str, ...], *, is_passed: bool
) -> None:
    """Notes what an assignment leads to. `is_passed` where it stands before a command."""
    if name in _CODE:
        walk.notes.hide(f"`{name}` makes programs load code")
    elif name == "PATH":
        walk.notes.hide("`PATH` changes which programs are found")
    elif name == "IFS" and not is_passed:
        walk.notes.suspect("`IFS` is changed, which parts words elsewhere")
    elif name in _COMMANDS:
        for value in values:
            text = " ".join(value.items)
            if value.is_known and text:
                walk.text(text, scope.copy(), TERMINAL, (*via, f"${name}"), is_sure=False)
            elif text:
                walk.notes.hide(f"`{name}` is run as a command, and is not known")
