"""How a command that an agent runs in is held: the levels that policies ask for and launchers vouch for."""

from __future__ import annotations

from enum import IntEnum


class Isolation(IntEnum):
    """What holds a command that a launcher started, from nothing to a wall; a rule asks for a level or more.

    Each level takes one more thing from a command that goes wrong. A container is a namespace with files of its own: it
    stands behind the same kernel, and so on the same level.
    """

    NONE = 0  # it may do what its user may, opening connections past the gateway included
    PROCESS = 1  # its own rights are cut (seccomp, Landlock), and it still sees the network of the machine
    NAMESPACE = 2  # it has a network of its own, with the gateway as the only way out
    VM = 3  # it has a kernel of its own

    @property
    def word(self) -> str:
        """As tokens and records spell it."""
        return self.name.lower()
