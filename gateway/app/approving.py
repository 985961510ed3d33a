"""The approvals of one process that serves: whom it asks, what it masks, and who is told of each step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from ssl import SSLContext
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import keys
from gateway.app.purposes import APPROVALS_KEY, HIERARCHY_KEY
from gateway.approve.asking import Approvals
from gateway.approve.notice import TOLD, notice, slack
from gateway.approve.shown import shown_time
from gateway.approve.ticket import State, Step, Ticket, What
from gateway.config import Config, Secrets
from gateway.detect.ruleset import RuleSet
from gateway.exchange.events import Ask
from gateway.exchange.masking import without
from gateway.exchange.recorded import CallRecord, ExchangeRecord
from gateway.policy.call import Answer, Call
from gateway.policy.fingerprint import fingerprint
from gateway.serve.asking import Asker
from gateway.serve.dial import is_near
from gateway.serve.webhook import Webhook
from gateway.settings import Form
from gateway.state.store import Registers
from gateway.verdict import Effect

EVENT: Final = "approval"
"""The event of these lines in the audit and the log."""

SECRETS: Final = frozenset({"secret"})
"""Roots of the categories that no ticket holds. Personal data stays: it is whom a call is aimed at."""
PRIVATE: Final = frozenset({"secret", "pii"})
"""Roots of those that neither the audit nor a webhook is told."""

_MOST_NAME: Final = 128
"""Characters of the name of a tool, which a model may make up."""

UNASKED: Final = "this call needs an approval, and it could not be asked for one; it was not made"

type Note = Callable[..., None]
"""Takes the name of an event and its details."""


class Approving:
    """Answers questions about calls, once it has what they are asked by (`take`). `note` puts an event into the audit,
    `count` counts a step, `say` takes a line for the log. Run `follow` beside it, and close it.

    `fingerprint` names calls as firewalls do, which have the key of the hierarchy: otherwise a call with a person's
    arguments would be asked about again when it is made."""

    def __init__(
        self,
        registers: Registers,
        secret: bytes,
        config: Config,
        note: Note,
        say: Callable[[str], None],
        count: Callable[[What], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._secrets: Secrets | None = None
        self._rules: RuleSet | None = None
        self._tls: SSLContext | bool = True
        self._note = note
        self._say = say
        self._count = count
        self._webhook: Webhook | None = None
        self._webhook_for: object = None
        self._behind: set[asyncio.Task[None]] = set()
        self.fingerprint: Callable[[Call], str] = partial(fingerprint, key=keys.derive(secret, HIERARCHY_KEY))
        key = keys.derive(secret, APPROVALS_KEY)
        self._approvals = Approvals(registers, key, config.approvals.terms, self._mask, self.fingerprint, self._told)

    def take(self, config: Config, secrets: Secrets, rules: RuleSet, tls: SSLContext | bool = True) -> None:
        """Ask by these from now on."""
        self._config, self._secrets, self._rules, self._tls = config, secrets, rules, tls
        self._approvals.take(config.approvals.terms, self._mask)

    async def answers(self, asker: Asker, asked: Ask) -> tuple[Answer, ...]:
        """The answers to questions, in their order. A question that could not be asked is answered by no."""
        asking = [
            self._approvals.ask(question, asker.principal, asker.upstream, asked.is_patient)
            for question in asked.questions
        ]
        return tuple(self._answer(one) for one in await asyncio.gather(*asking, return_exceptions=True))

    def _answer(self, found: Answer | BaseException) -> Answer:
        if isinstance(found, Answer):
            return found
        if not isinstance(found, Exception):
            raise found
        self._say(f"it cannot be asked whether a call is approved: {type(found).__name__}: {found}")
        return Answer(False, UNASKED)

    def ended(self, record: ExchangeRecord) -> None:
        """See to it that who looks at a ticket learns that its edited call was refused."""
        for call in record.calls:
            if call.ticket is not None and call.by is not None and call.effect is Effect.BLOCK:
                self._do_behind(self._approvals.refused_edited(call.ticket, _refusal(call)))

    async def follow(self) -> None:
        """See what is decided elsewhere, until cancelled."""
        await self._approvals.follow()

    async def close(self) -> None:
        """Let go of all that is under way."""
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)
        if self._webhook is not None:
            await self._webhook.close()

    @property
    def pending(self) -> int:
        """Questions that wait, as last seen."""
        return self._approvals.pending

    def status(self) -> dict[str, object]:
        """What an operator is told; JSON values only."""
        return {
            "mode": str(self._config.approvals.mode),
            "pending": self.pending,
            "fault": self._approvals.fault,
            "webhook": self._secrets is not None and self._secrets.webhook is not None,
        }

    # -- what is told

    def _mask(self, text: str) -> str:
        return self._without(text, SECRETS)

    def _without(self, text: str, roots: frozenset[str]) -> str:
        assert self._rules is not None, "it was given what to ask by"
        return without(self._rules, text, roots)

    def _told(self, ticket: Ticket, step: Step) -> None:
        self._count(step.what)
        self._note(
            EVENT,
            step=str(step.what),
            ticket=ticket.id,
            agent=ticket.agent,
            upstream=ticket.upstream,
            server=ticket.server,
            tool=self._without(ticket.tool, PRIVATE)[:_MOST_NAME],
            tier=int(ticket.tier),
            approver=str(ticket.approver),
            rules=[why.rule for why in ticket.reasons if why.asks],
            by=step.by,
            why=step.why,
            lasts=str(ticket.lasts) if ticket.state is State.APPROVED else None,
            edited=ticket.edited is not None,
            deadline=shown_time(ticket.deadline),
        )
        if step.what in TOLD:
            with suppress(Exception):  # beside what counts: the audit has it, and so has the list
                self._send(ticket, step)

    def _send(self, ticket: Ticket, step: Step) -> None:
        webhook = self._known_webhook()
        if webhook is None:
            return
        make = slack if self._config.approvals.webhook_form is Form.SLACK else notice
        webhook.send(json.dumps(make(ticket, step, lambda text: self._without(text, PRIVATE))).encode())

    def _known_webhook(self) -> Webhook | None:
        """The webhook as configured now; one that is not any more ends what it has under way."""
        secrets = self._secrets
        wanted = (secrets.webhook, secrets.webhook_secret, self._tls) if secrets is not None else (None, None, None)
        if wanted != self._webhook_for:
            if self._webhook is not None:
                self._do_behind(self._webhook.close())
            self._webhook, self._webhook_for = self._made(secrets), wanted
        return self._webhook

    def _made(self, secrets: Secrets | None) -> Webhook | None:
        if secrets is None or secrets.webhook is None:
            return None
        host = urlsplit(secrets.webhook).hostname or ""
        parent = None if is_near(host) else secrets.parent_proxy
        return Webhook(secrets.webhook, secrets.webhook_secret, self._say, self._tls, parent)

    def _do_behind(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)


def _refusal(call: CallRecord) -> str:
    rules = dict.fromkeys(reason.rule for reason in call.reasons)
    return f"the policy refuses the call with these arguments too ({', '.join(rules)})"
