"""The pins of one process that serves: what becomes of a tool is put on record, and an operator is told what waits."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from gateway.app.approving import Note
from gateway.errors import LockgateError
from gateway.exchange.recorded import WITHHELD
from gateway.pins.board import Board, Turn
from gateway.policy.integrity import Pin, digest
from gateway.state.store import Registers

EVENT: Final = "tool_pin"
"""The event of these lines in the audit and the log."""

_NAME: Final = re.compile(r"[\w./:@-]{1,128}", re.ASCII)


def board_of(registers: Registers | None, note: Note) -> Board:
    """A board whose turns are noted."""

    def told(turn: Turn) -> None:
        pin = turn.pin or Pin()
        definition = pin.waiting or pin.accepted
        note(
            EVENT,
            step=str(turn.what),
            server=_name(turn.server),
            tool=_name(turn.tool) if turn.tool else None,
            why=str(pin.why) if pin.why is not None else None,
            of=_name(pin.of) if pin.of else None,
            by=pin.by or None,
            digest=digest(definition) if definition else None,
        )

    return Board(registers, told=told)


async def read(board: Board) -> None:
    """Learn what was accepted before, and tell what was listed since. Where that cannot be, nothing that is listed is
    shown until it can."""
    with suppress(LockgateError):
        await board.look()


def status(board: Board) -> dict[str, object]:
    """What an operator is told; JSON values only."""
    return {
        "servers": len(board.known),
        "waiting": len(board.waiting),
        "read": board.is_read,
        "fault": board.fault,
    }


def _name(name: str) -> str:
    """A name that a server made up, for a record."""
    return name if _NAME.fullmatch(name) else WITHHELD
