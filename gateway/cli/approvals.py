"""`lockgate approvals`: what waits for a person, and the decisions.

The tickets are in the store that gateways share, or in the folder of this machine's gateway: whoever can write there
may approve. With `--admin` a gateway elsewhere is asked, as whom the token says.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from gateway import config as configuration
from gateway.approve.decision import Decision, Person, Undecided
from gateway.approve.desk import Desk
from gateway.approve.roster import Roster
from gateway.approve.shown import ticket_json
from gateway.approve.ticket import State, read_id
from gateway.cli.admin import PATIENCE, AdminRefused, asked, opened
from gateway.cli.terminal import plain
from gateway.cli.ticket_text import Ticket, full, line, outcome
from gateway.config import Config
from gateway.errors import ConfigError, OperatorError
from gateway.policy.call import Approver, Lasts
from gateway.state.shared import OpenRegisters
from gateway.state.sqlite import FILE

TOKEN: Final = "LOCKGATE_APPROVER_TOKEN"
"""The environment variable of an approver's token, before that of the admin."""

_SILENCE: Final = 60.0
"""Seconds without a sign of life after which a gateway that is watched counts as gone."""


def show_all(path: Path | None, admin: str | None, *, everything: bool, as_json: bool) -> int:
    """Print the tickets, or those that wait, and return 0."""
    config = _config(path)
    if admin is not None:
        found = asked(config, admin, "/approvals", None, (TOKEN,))["approvals"]
    else:
        found = asyncio.run(_at(config, _all))
    chosen = [one for one in found if everything or one["state"] == State.PENDING]
    if as_json:
        print(json.dumps(chosen, indent=2))
        return 0
    for one in chosen:
        print(line(one, time.time(), columns=_columns()))
    if not chosen:
        print("no call waits for an approval" if not everything else "there are no tickets")
    return 0


def show_one(path: Path | None, admin: str | None, id_: str, *, as_json: bool, whole: bool) -> int:
    """Print one ticket, and return 0; 1 where there is none. `whole` is with long values to their ends."""
    config = _config(path)

    def found() -> Ticket:
        if admin is not None:
            return asked(config, admin, f"/approvals/{_id(id_)}", None, (TOKEN,))
        return asyncio.run(_at(config, lambda desk, me: _found(desk, id_, me)))

    return _told(found, _as_json if as_json else lambda ticket: _shown(ticket, path, admin, cut=not whole))


def decide(path: Path | None, admin: str | None, id_: str, decision: Decision) -> int:
    """Approve or deny, print the ticket, and return 0; 1 where the decision cannot be taken."""
    config = _config(path)
    if admin is None:
        return _told(lambda: asyncio.run(_at(config, lambda desk, me: _decided(desk, id_, decision, me))), _outcome)
    body: dict[str, Any] = {"decision": "approve" if decision.is_approval else "deny", "why": decision.why}
    body |= {"by": myself()}
    if decision.lasts is not None:
        body["lasts"] = decision.lasts
    if decision.edited is not None:
        body["arguments"] = json.loads(decision.edited)
    return _told(lambda: asked(config, admin, f"/approvals/{_id(id_)}", body, (TOKEN,)), _outcome)


def watch(path: Path | None, admin: str | None, *, as_json: bool) -> int:
    """Print what waits, and what becomes of it, until interrupted; then return 0."""
    config = _config(path)

    def tell(ticket: Ticket) -> None:
        print(json.dumps(ticket) if as_json else _event(ticket, path, admin), flush=True)

    with suppress(KeyboardInterrupt):
        if admin is None:
            asyncio.run(_watched(config, tell))
        else:
            for ticket in _events(config, admin):
                tell(ticket)
    return 0


def lasting(*, once: bool, session: bool, target: bool) -> Lasts | None:
    """What the options name; None for none. Raises OperatorError for two of them."""
    named = [(once, Lasts.ONCE), (session, Lasts.SESSION), (target, Lasts.TARGET)]
    chosen = [lasts for is_given, lasts in named if is_given]
    if len(chosen) > 1:
        raise OperatorError(("an approval holds in one way; give one of --once, --session and --target, or none",))
    return chosen[0] if chosen else None


def arguments(given: str | None) -> str | None:
    """Edited arguments as JSON text; `@file` names a file that has them, `@-` is standard input. Raises
    OperatorError."""
    if given is None:
        return None
    text = given
    try:
        if given == "@-":
            text = sys.stdin.read()
        elif given.startswith("@"):
            text = Path(given[1:]).read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not UTF-8 text"
        raise OperatorError((f"--arguments: {given[1:]}: cannot be read: {reason.lower()}",)) from error
    except (ValueError, RecursionError) as error:
        raise OperatorError((f"--arguments: not JSON: {error}; accepted: JSON, @FILE or @-",)) from error
    return text


# -- on this machine, or in the store


async def _at[V](config: Config, do: Callable[[Desk, Person], Awaitable[V]]) -> V:
    async with _desk(config) as desk:
        return await do(desk, Person(myself(), Approver.APPROVER))


async def _all(desk: Desk, me: Person) -> list[Ticket]:
    return [ticket_json(one) for one in await desk.tickets(me)]


async def _found(desk: Desk, id_: str, me: Person) -> Ticket:
    return ticket_json(await desk.find(id_, me))


async def _decided(desk: Desk, id_: str, decision: Decision, me: Person) -> Ticket:
    return ticket_json(await desk.decide(id_, decision, me))


async def _watched(config: Config, tell: Callable[[Ticket], None]) -> None:
    async with _desk(config) as desk, aclosing(desk.watch(Person(myself(), Approver.APPROVER))) as watching:
        async for ticket in watching:
            tell(ticket_json(ticket))


@asynccontextmanager
async def _desk(config: Config) -> AsyncIterator[Desk]:
    """Raises ConfigError where no gateway would see what is decided."""
    state = configuration.state_folder(config, os.environ)
    place, table = configuration.store(config, os.environ), config.store
    if place is None and not state.exists():
        raise ConfigError((f"no gateway keeps its state in `{state}`; give the gateway's --config, or --admin URL",))
    store = OpenRegisters(place, PATIENCE, table.prefix, table.ca_file, state / FILE)
    try:
        assert store.lasting is not None, "there is a file"
        yield Desk(store.lasting, Roster(config.people))
    finally:
        await store.close()


def myself() -> str:
    """Who decides, as the machine knows it: four eyes are of two users, and the environment could name any."""
    if sys.platform == "win32":
        user = getpass.getuser()
    else:
        import pwd

        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # in a container a user may be a number alone
            user = f"uid {os.getuid()}"
    return f"{user}@{platform.node()}"


# -- elsewhere


def _events(config: Config, admin: str) -> Iterator[Ticket]:
    with opened(config, admin, "/approvals/events", variables=(TOKEN,), timeout=_SILENCE) as answer:
        event = ""
        try:
            for raw in answer:
                name, _, value = raw.decode(errors="replace").rstrip("\r\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data" and event == "fault":
                    raise ConfigError((f"{admin}: {plain(json.loads(value))}",))
                elif name == "data":
                    yield json.loads(value)
        except OSError as error:
            raise ConfigError((f"{admin}: the gateway is gone: {error}",)) from error
    raise ConfigError((f"{admin}: the gateway ended the answer",))


def _id(text: str) -> str:
    """As part of a path."""
    id_ = read_id(text)
    if not id_.isalnum():
        raise OperatorError((f"`{plain(text)}` is no id of a ticket; see `lockgate approvals list`",))
    return id_


# -- on the terminal


def _config(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()


def _told(get: Callable[[], Ticket], shown: Callable[[Ticket], str]) -> int:
    try:
        ticket = get()
    except Undecided as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except AdminRefused as error:
        if error.status not in {403, 404, 409, 410, 422}:
            raise
        print(f"error: {plain(error.words)}", file=sys.stderr)
        return 1
    print(shown(ticket))
    return 0


def _as_json(ticket: Ticket) -> str:
    return json.dumps(ticket, indent=2)


def _shown(ticket: Ticket, path: Path | None, admin: str | None, *, cut: bool = True) -> str:
    """With the commands as they are to be given from here."""
    options = (*(("--config", str(path)) if path is not None else ()), *(("--admin", admin) if admin else ()))
    return full(ticket, time.time(), options=options, columns=_columns(), cut=cut)


def _outcome(ticket: Ticket) -> str:
    return outcome(ticket, columns=_columns())


def _columns() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _event(ticket: Ticket, path: Path | None, admin: str | None) -> str:
    if ticket["state"] == State.PENDING:
        return _shown(ticket, path, admin)
    by = f" by {plain(ticket['by'])}" if ticket["by"] else ""
    return f"{ticket['id']}  {ticket['state']}{by}" + (f": {plain(ticket['why'])}" if ticket["why"] else "")
