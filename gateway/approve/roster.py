"""Who may decide, as the configuration has it now: who is taken out of it decides no more, whatever is under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.approve.decision import Fault, Person, Undecided, may
from gateway.approve.ticket import Ticket, Vote


def _nobodys(_: str) -> str | None:
    return None


class Roster:
    """People by their names; `whose` tells the name to which a token belongs. `take` puts others in their place."""

    def __init__(self, people: Mapping[str, Person] | None = None) -> None:
        self._people: Mapping[str, Person] = people or {}
        self._whose: Callable[[str], str | None] = _nobodys

    def take(self, people: Mapping[str, Person], whose: Callable[[str], str | None]) -> None:
        """From now on it is these."""
        self._people, self._whose = people, whose

    @property
    def is_empty(self) -> bool:
        return not self._people

    def holder(self, token: str) -> Person | None:
        """Whose token that is; None where it is nobody's."""
        name = self._whose(token)
        return self._people.get(name) if name is not None else None

    def still(self, token: str) -> Person:
        """The same for somebody who was known a moment ago. Raises Undecided."""
        person = self.holder(token)
        if person is None:
            raise Undecided(Fault.FORBIDDEN, "your token is nobody's any more")
        return person

    def counts(self, vote: Vote, ticket: Ticket) -> bool:
        """Whether who approved may still. Users of a machine are its own business: their names have its name in them,
        which no name here can."""
        if "@" in vote.by:
            return True
        person = self._people.get(vote.by)
        return person is not None and may(ticket, person)
