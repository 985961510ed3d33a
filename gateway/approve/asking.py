"""The gateway's side: puts a question to people, and answers it by what they said, now or earlier.

What is not approved is refused: at the deadline, without room, and where the registers cannot be used.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from msgspec.structs import replace

from gateway.approve import words
from gateway.approve.book import Book, Kept
from gateway.approve.earlier import Asked, grants, is_mistaken, standing
from gateway.approve.making import Unshowable, again, asked_of, free_id, is_stricter, made
from gateway.approve.masked import Mask, restored
from gateway.approve.passes import Passes
from gateway.approve.terms import Mode, Terms
from gateway.approve.ticket import State, Step, Ticket, What, one_line
from gateway.errors import StoreError
from gateway.policy.call import Answer, Call, Lasts, Question
from gateway.state.store import Registers

LOOK: Final = 0.25
"""Seconds between two looks for decisions that were taken elsewhere."""

MOST_PENDING: Final = 50
"""Questions of one agent that wait at once: an agent that was taken over must not bury those of others."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of all tickets together: each change has every gateway read them. One agent's may take a quarter of it."""

TRIES: Final = 3
PAUSE: Final = 0.25
"""Of a store that failed, and seconds between them: a person was waited for, so a hiccup may be too."""
ROUNDS: Final = 100
"""Of looking anew because somebody else was quicker. Each is somebody's success, so so many are a fault."""

type Fingerprint = Callable[[Call], str]
"""Names a call as `Question.fingerprint` does."""

type Told = Callable[[Ticket, Step], None]
"""Is told once, by one gateway of all, of each step that a ticket took. It must not raise."""


class Approvals:
    """Answers questions. Run `follow` beside it, which sees what was decided elsewhere and tells of it.

    `key` names calls and sessions in the registers; gateways that share them share it. `now` is Unix time in seconds.
    """

    def __init__(
        self,
        registers: Registers,
        key: bytes,
        terms: Terms,
        mask: Mask,
        fingerprint: Fingerprint,
        told: Told,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.fault: str | None = None  # why the registers could not be used when last they were
        self.pending = 0  # questions that wait, as last seen
        self._key = key
        self._terms = terms
        self._mask = mask
        self._fingerprint = fingerprint
        self._told = told
        self._now = now
        self._book = Book(registers, now)
        self._passes = Passes(registers)
        self._changed = asyncio.Event()
        self._seen = -1  # the revision at the last look

    def take(self, terms: Terms, mask: Mask) -> None:
        """Ask on these terms from now on."""
        self._terms, self._mask = terms, mask

    async def ask(self, question: Question, principal: str, upstream: str | None, may_wait: bool) -> Answer:
        """The answer to a question of that agent. Where it `may_wait` and the mode says so, it comes with a person's
        decision or at the deadline; else at once, with a ticket where nobody decided yet.

        Where the answer has `arguments`, the call with them is to be judged again; should it be refused, tell
        `refused_edited`.
        """
        asked = asked_of(self._key, question, principal)
        asked = replace(asked, needs=self._terms.needs(asked.approver))
        for tried in range(TRIES):
            try:
                return await self._answer(question, asked, upstream, may_wait and self._terms.mode is Mode.WAIT)
            except StoreError as error:
                self.fault = str(error)
            if tried + 1 < TRIES:
                await asyncio.sleep(PAUSE)
        return Answer(False, words.UNREACHABLE)

    async def refused_edited(self, ticket: str, why: str) -> None:
        """The call with a person's arguments is refused; who looks at the ticket sees why."""
        with self._forgiven():
            await self._withdraw(ticket, why)

    async def follow(self) -> None:
        """Look again and again, until cancelled, whatever goes wrong: somebody may be waiting."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 -- the outer boundary of this task: told, and tried again
                self.fault = f"approvals cannot be followed: {type(error).__name__}: {error}"
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Wake who waits where something changed, end what is over, and tell of what nobody told yet. Raises
        StoreError."""
        found = await self._book.look()
        now = self._now()
        self.pending = sum(kept.ticket.state_at(now) is State.PENDING for kept in found.values())
        if self._book.revision != self._seen:
            self._seen = self._book.revision
            self._wake()
        for kept in found.values():
            if kept.ticket.state is State.PENDING and kept.ticket.deadline <= now:
                await self._expire(kept)
            elif kept.ticket.recorded < len(kept.ticket.steps):
                await self._keep(kept, kept.ticket)
        self.fault = None

    # -- one question

    async def _answer(self, question: Question, asked: Asked, upstream: str | None, may_wait: bool) -> Answer:
        for _ in range(ROUNDS):
            found = await self._book.look()
            await self._end_mistaken(found, asked)
            known = standing((kept.ticket for kept in found.values()), asked, self._now())
            if known is not None and known.state is not State.PENDING:
                answer = await self._by(found[known.id], question, asked)
            elif asked.is_execution and (passed := await self._passes.spend(asked)) is not None:
                answer = Answer(True, ticket=passed)
            else:
                kept = found[known.id] if known is not None else None
                answer = await self._put(question, asked, upstream, found, kept, may_wait)
            if answer is not None:
                return answer
        raise StoreError("the approvals of this call change faster than they can be read")

    async def _by(self, kept: Kept, question: Question, asked: Asked) -> Answer | None:
        """The answer of a ticket that is decided; None where somebody else was quicker to use it."""
        ticket = kept.ticket
        step = Step(What.USED if ticket.edited is None else What.EDITED, self._now(), asked.agent)
        if ticket.state is State.DENIED:
            return Answer(False, words.denied(ticket), by=ticket.decided_by)
        if ticket.lasts is not Lasts.ONCE:
            bound = ticket if grants(ticket, asked) else replace(ticket, bound=asked.session)
            is_news = bound != ticket or ticket.recorded < len(ticket.steps)
            if is_news and not await self._keep(kept, bound):
                return None
            self._told(ticket, step)  # after that it was approved
        elif not await self._keep(kept, replace(_with(ticket, step), is_used=True)):
            return None
        passes, arguments = asked.passes, None
        if ticket.edited is not None:
            try:
                arguments = restored(json.loads(ticket.edited), ticket.hidden, question.call.arguments)
            except ValueError as error:
                await self.refused_edited(ticket.id, str(error))
                return Answer(False, words.withdrawn(replace(ticket, why=str(error))))
            edited = replace(question, fingerprint=self._fingerprint(replace(question.call, arguments=arguments)))
            passes = asked_of(self._key, edited, asked.agent).passes
        if not asked.is_execution:
            with self._forgiven():  # without a pass the execution is asked about: no reason to refuse this
                await self._passes.give(passes[0], ticket)
        return Answer(True, ticket=ticket.id, by=ticket.decided_by, arguments=arguments)

    async def _put(
        self,
        question: Question,
        asked: Asked,
        upstream: str | None,
        found: Mapping[str, Kept],
        kept: Kept | None,
        may_wait: bool,
    ) -> Answer | None:
        """Put the question to people, if it is not there already. None where it is to be looked at again."""
        if kept is not None and not is_stricter(kept.ticket, asked):
            return await self._waited(kept.ticket, asked, may_wait)
        if not self._has_room(found, asked.agent):
            return Answer(False, words.TOO_MANY)
        id_, terms, now = free_id(self._key, asked.call, self._book.taken), self._terms, self._now()
        lasts = terms.deadline if may_wait else terms.ticket_lifetime
        try:
            if kept is None:
                ticket = made(id_, question, asked, upstream, terms, self._mask, now, lasts)
            else:
                ticket = again(id_, kept.ticket, question, asked, terms, self._mask, now, lasts)
        except Unshowable:
            return Answer(False, words.UNSHOWABLE)
        if not await self._keep(Kept(ticket, 0, 0), ticket):
            return None
        if kept is not None:
            await self._withdraw(kept.ticket.id, f"asked anew as {id_}, for more reasons")
        return await self._waited(ticket, asked, may_wait)

    async def _waited(self, ticket: Ticket, asked: Asked, may_wait: bool) -> Answer | None:
        return await self._decided(ticket, asked) if may_wait else Answer(False, words.waits(ticket), ticket.id)

    async def _decided(self, ticket: Ticket, asked: Asked) -> Answer | None:
        """Wait until there is a decision, on this ticket or one for the session; an answer where there is none. The
        question may stay open for longer than a call is held: somebody asked it who was not."""
        until = min(ticket.deadline, self._now() + self._terms.deadline)
        while (left := until - self._now()) > 0:
            changed = self._changed
            try:
                found = await self._book.look()
                known = standing((kept.ticket for kept in found.values()), asked, self._now())
                is_open = ticket.id in found and found[ticket.id].ticket.state is State.PENDING
                if known is not None and known.id != ticket.id:
                    if is_open and known.state is not State.PENDING:
                        await self._withdraw(ticket.id, f"answered by {known.id}")
                    return None
                if not is_open:
                    break
            except StoreError as error:  # it may be back before the deadline
                self.fault, left = str(error), min(left, PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await changed.wait()
        return await self._over(ticket)

    async def _over(self, ticket: Ticket) -> Answer | None:
        """The end of waiting: an answer, but where somebody decided after all."""
        try:
            kept = (await self._book.look()).get(ticket.id)
            if kept is not None and kept.ticket.state_at(self._now()) is State.PENDING:
                return Answer(False, words.waits(ticket), ticket.id)
            if kept is not None and kept.ticket.state is State.PENDING:
                await self._expire(kept)
                kept = (await self._book.look()).get(ticket.id)
        except StoreError as error:
            self.fault = str(error)
            return Answer(False, words.UNREACHABLE)
        if kept is None or kept.ticket.state_at(self._now()) is State.EXPIRED:
            return Answer(False, words.expired(ticket))
        return Answer(False, words.withdrawn(kept.ticket)) if kept.ticket.state is State.WITHDRAWN else None

    def _has_room(self, found: Mapping[str, Kept], agent: str) -> bool:
        now, own = self._now(), [kept for kept in found.values() if kept.ticket.agent == agent]
        waiting = sum(kept.ticket.state_at(now) is State.PENDING for kept in own)
        if waiting >= MOST_PENDING or sum(kept.size for kept in own) >= MOST_BYTES // 4:
            return False
        return sum(kept.size for kept in found.values()) < MOST_BYTES

    # -- tickets

    async def _keep(self, kept: Kept, ticket: Ticket) -> bool:
        """Put a ticket in the place of what was read, and tell of the steps that nobody told; False, and nothing is
        told, where it is another one meanwhile."""
        if not await self._book.put(replace(ticket, recorded=len(ticket.steps)), kept.version):
            return False
        for step in ticket.steps[ticket.recorded :]:
            self._told(ticket, step)
        self._wake()
        return True

    async def _amend(self, id_: str, change: Callable[[Ticket], Ticket]) -> None:
        while (kept := (await self._book.look()).get(id_)) is not None:
            if await self._keep(kept, change(kept.ticket)):
                return

    async def _withdraw(self, id_: str, why: str) -> None:
        step = Step(What.WITHDRAWN, self._now(), why=one_line(why))
        await self._amend(id_, lambda known: replace(_with(known, step), state=State.WITHDRAWN, why=step.why))

    async def _end_mistaken(self, found: Mapping[str, Kept], asked: Asked) -> None:
        step = Step(What.WITHDRAWN, self._now(), why=words.MISTAKEN)

        def ended(known: Ticket) -> Ticket:
            ended = replace(_with(known, step), state=State.WITHDRAWN, why=step.why)
            return ended if is_mistaken(known, asked) else known

        for kept in found.values():
            if is_mistaken(kept.ticket, asked):
                await self._amend(kept.ticket.id, ended)

    async def _expire(self, kept: Kept) -> None:
        step = Step(What.EXPIRED, self._now())
        await self._keep(kept, replace(_with(kept.ticket, step), state=State.EXPIRED))

    @contextmanager
    def _forgiven(self) -> Iterator[None]:
        """What is only told afterwards need not keep anybody from what was decided."""
        try:
            yield
        except StoreError as error:
            self.fault = str(error)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _with(ticket: Ticket, step: Step) -> Ticket:
    return replace(ticket, steps=(*ticket.steps, step))
