"""Approvals in a gateway: what is told of them, what is kept of them, and who may give them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.app import serve_in_process
from gateway.app.alone import Alone
from gateway.approve import asking
from gateway.approve.decision import Decision, Person
from gateway.approve.desk import Desk
from gateway.approve.notice import SIGNATURE, signature
from gateway.approve.roster import Roster
from gateway.approve.ticket import Ticket
from gateway.audit import files
from gateway.config import parse, secrets
from gateway.exchange.events import Ask
from gateway.exchange.recorded import CallRecord
from gateway.policy.call import Answer, Approver, Call, Question, Tier
from gateway.policy.fingerprint import fingerprint
from gateway.serve.asking import Asker
from gateway.serve.listener import Listener
from gateway.state.sqlite import FILE, SqliteRegisters
from gateway.verdict import Effect
from tests.approve.setting import question
from tests.serve.loopback import ANY_PORT, ask, until
from tests.serve.test_base_url import request
from tests.serve.test_webhook import Receiver

KEY = "sk-proj-" + "Ab3dEf6hIj9kLmN2pQrS" * 2
"""One that the shipped rules know, built so that it looks like none that lives."""
ENVIRON = {"LOCKGATE_SECRET": "a secret of sixteen and more characters", "ADMIN": "admin's", "UMA": "uma's"}
ASKER = Asker("research", "openai", "request-1")
APPROVER = Person("alice", Approver.APPROVER)

CONFIG = """
[gateway]
listen = "127.0.0.1:0"
secret_env = "LOCKGATE_SECRET"
state_dir = "state"
[proxy]
enabled = false
[admin]
listen = "127.0.0.1:0"
token_env = "ADMIN"
[agents.research]
key_sha256 = "{zeros}"
[approvers.uma]
token_env = "UMA"
role = "user"
agents = ["research"]
[approvals]
"""


def configured(folder: Path, approvals: str = "") -> Path:
    path = folder / "lockgate.toml"
    path.write_text(CONFIG.format(zeros="0" * 64) + approvals)
    return path


@asynccontextmanager
async def gateway(path: Path, environ: dict[str, str] = ENVIRON) -> AsyncIterator[Alone]:
    async with serve_in_process(path, environ, follow=False) as made:
        yield made


@asynccontextmanager
async def desk_of(folder: Path) -> AsyncIterator[Desk]:
    """What another process of this machine has before it."""
    registers = SqliteRegisters(folder / "state" / FILE)
    try:
        yield Desk(registers, Roster({APPROVER.name: APPROVER}))
    finally:
        await registers.close()


def asked(arguments: Any = None) -> Question:
    """As a firewall asks it that names calls as the gateway does."""
    made = question({"to": "a@example.com"} if arguments is None else arguments)
    return Question(made.call, made.ruling, fingerprint(made.call, b"firewall"), made.session)


async def answer(one: Alone, question: Question, *, is_patient: bool = False) -> Answer:
    (found,) = await one.approving.answers(ASKER, Ask((question,), is_patient=is_patient))
    return found


async def waiting(desk: Desk) -> str:
    while True:
        for ticket in await desk.tickets(APPROVER):
            if ticket.state == "pending":
                return ticket.id
        await asyncio.sleep(0.01)


async def withdrawn(desk: Desk, id_: str) -> Ticket:
    """The ticket once it is: that may be before anybody could watch it."""
    while True:
        ticket = await desk.find(id_, APPROVER)
        if ticket.state == "withdrawn":
            return ticket
        await asyncio.sleep(0.01)


def audited(folder: Path) -> list[dict[str, Any]]:
    written = (line for file in files(folder / "state" / "audit") for line in file.read_text().splitlines())
    records = (json.loads(line).get("record", {}) for line in written)
    return [record for record in records if record.get("event") == "approval"]


async def test_a_call_that_waits_is_released_from_outside_and_each_step_is_in_the_audit(tmp_path: Path) -> None:
    async with gateway(configured(tmp_path)) as one, desk_of(tmp_path) as desk:
        held = asyncio.create_task(answer(one, asked({"key": KEY, "to": "a@example.com"}), is_patient=True))
        id_ = await waiting(desk)
        await desk.decide(id_, Decision(True, why="he asked for it"), APPROVER)
        assert await held == Answer(True, ticket=id_, by="alice")
        metrics = one.metrics.text().decode()
        assert one.serving()["approvals"] == {"mode": "wait", "pending": 0, "fault": None, "webhook": False}
    assert 'lockgate_approvals_total{step="approved"} 1.0' in metrics
    assert "lockgate_approvals_pending 0.0" in metrics
    lines = audited(tmp_path)
    assert [(line["step"], line["by"], line["why"]) for line in lines] == [
        ("asked", "research", ""),
        ("approved", "alice", "he asked for it"),
        ("used", "research", ""),
    ]
    assert {line["ticket"] for line in lines} == {id_}
    assert (lines[0]["agent"], lines[0]["tool"], lines[0]["tier"], lines[0]["rules"]) == (
        "research",
        "send_mail",
        3,
        ["tier"],
    )


async def test_no_secret_is_at_rest_but_whom_a_call_is_aimed_at_is_shown(tmp_path: Path) -> None:
    async with gateway(configured(tmp_path)) as one, desk_of(tmp_path) as desk:
        await answer(one, asked({"auth": f"Bearer {KEY}", "to": "a@example.com"}))
        (ticket,) = await desk.tickets(APPROVER)
    assert json.loads(ticket.arguments)["to"] == "a@example.com"
    assert KEY not in ticket.arguments
    assert ticket.hidden is not None
    assert [hidden.path for hidden in ticket.hidden] == [("auth",)]
    for file in (tmp_path / "state").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()


async def test_a_restart_loses_neither_a_question_nor_an_approval(tmp_path: Path) -> None:
    path = configured(tmp_path)
    async with gateway(path) as one:
        first = await answer(one, asked())
    async with gateway(path) as one, desk_of(tmp_path) as desk:
        assert await waiting(desk) == first.ticket
        await desk.decide(first.ticket or "", Decision(True), APPROVER)
    async with gateway(path) as one:
        assert (await answer(one, asked())).is_approved


async def test_a_call_with_a_persons_arguments_is_known_when_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(configured(tmp_path)) as one, desk_of(tmp_path) as desk:

        def named(call: Call) -> Question:
            made = question(call.arguments, server=call.server)
            return Question(made.call, made.ruling, one.approving.fingerprint(made.call), made.session)

        first = named(Call("send_mail", {"to": "a"}))
        await answer(one, first)
        await desk.decide(await waiting(desk), Decision(True, edited='{"to": "b"}'), APPROVER)
        assert (await answer(one, first)).arguments == {"to": "b"}
        assert (await answer(one, named(Call("send_mail", {"to": "b"}, server="mail")))).is_approved
        assert not (await answer(one, named(Call("send_mail", {"to": "b"}, server="mail")))).is_approved


class _Ended:
    """A record, of which only its calls are looked at."""

    def __init__(self, *calls: CallRecord) -> None:
        self.calls = calls


async def test_an_edited_call_that_is_refused_is_told_to_who_looks(tmp_path: Path) -> None:
    async with gateway(configured(tmp_path)) as one, desk_of(tmp_path) as desk:
        await answer(one, asked())
        id_ = await waiting(desk)
        await desk.decide(id_, Decision(True, edited='{"to": "b"}'), APPROVER)
        edited = await answer(one, asked())
        call = CallRecord(
            tool="send_mail",
            server=None,
            tier=Tier.SEND,
            effect=Effect.BLOCK,
            would_be=Effect.BLOCK,
            reasons=asked().ruling.reasons,
            arguments={},
            fingerprint="",
            asked=True,
            by=edited.by,
            ticket=edited.ticket,
        )
        one.approving.ended(_Ended(call))  # type: ignore[arg-type]  # as its docstring says
        ticket = await withdrawn(desk, id_)
    assert ticket.why == "the policy refuses the call with these arguments too (tier)"


async def test_the_webhook_is_told_what_may_leave_the_machine(tmp_path: Path) -> None:
    receiver = Receiver()
    listener = Listener(receiver)
    at = await listener.start(ANY_PORT)
    path = configured(tmp_path, 'webhook_env = "HOOK"\nwebhook_secret_env = "HOOK_SECRET"')
    environ = {**ENVIRON, "HOOK": f"http://{at}/hook", "HOOK_SECRET": "shared"}
    async with gateway(path, environ) as one:
        await answer(one, asked({"auth": KEY, "to": "a@example.com"}))
        await until(lambda: bool(receiver.got))
        assert one.approving.status()["webhook"] is True
    await listener.close()
    fields, body = receiver.got[0]
    assert json.loads(body)["event"] == "asked"
    assert KEY.encode() not in body
    assert b"a@example.com" not in body
    assert fields[SIGNATURE] == signature(b"shared", int(fields["X-Lockgate-Timestamp"]), body)


async def test_a_webhook_that_is_configured_anew_takes_over(tmp_path: Path) -> None:
    receivers = [Receiver(), Receiver()]
    listeners = [Listener(receiver) for receiver in receivers]
    first, second = [await listener.start(ANY_PORT) for listener in listeners]
    path = configured(tmp_path, f'webhook = "http://{first}/"\nwebhook_form = "slack"')
    async with gateway(path) as one:
        await answer(one, asked())
        await until(lambda: bool(receivers[0].got))
        configured(tmp_path, f'webhook = "http://{second}/"\nwebhook_form = "slack"')
        await one.loader.reload_now()
        await answer(one, asked({"to": "b"}))
        await until(lambda: bool(receivers[1].got))
    for listener in listeners:
        await listener.close()
    assert b'"text": "Lockgate ' in receivers[1].got[0][1]


async def test_terms_follow_the_configuration(tmp_path: Path) -> None:
    path = configured(tmp_path)
    async with gateway(path) as one:
        configured(tmp_path, 'mode = "ticket"')
        await one.loader.reload_now()
        assert (await answer(one, asked(), is_patient=True)).ticket is not None


async def test_without_the_file_nothing_is_approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0.001)
    (tmp_path / "state" / FILE).mkdir(parents=True)
    async with gateway(configured(tmp_path)) as one:
        found = await answer(one, asked(), is_patient=True)
        assert "it is no file" in str(one.approving.status()["fault"])
    assert not found.is_approved
    assert "so nobody can give one" in found.words


async def test_a_question_that_cannot_be_asked_is_answered_by_no_and_the_others_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(configured(tmp_path)) as one:
        ask_one = one.approving._approvals.ask

        async def failing(question: Question, *more: Any) -> Answer:
            if question.call.arguments == {"to": "b"}:
                raise RuntimeError("odd")
            return await ask_one(question, *more)

        monkeypatch.setattr(one.approving._approvals, "ask", failing)
        found = await one.approving.answers(ASKER, Ask((asked({"to": "b"}), asked())))
    assert [answer.is_approved for answer in found] == [False, False]
    assert "it could not be asked for one" in found[0].words
    assert found[1].ticket is not None


async def test_the_admin_listener_takes_decisions_of_who_shows_a_token(tmp_path: Path) -> None:
    async with gateway(configured(tmp_path)) as one:
        id_ = (await answer(one, asked())).ticket
        body = b'{"decision": "approve"}'
        for token, status in (("wrong", 401), ("uma's", 200)):
            got = await ask(one.admin, request(f"POST /approvals/{id_}", f"Authorization: Bearer {token}", body=body))
            assert got.status == status
        assert (await answer(one, asked())).by == "uma"


def test_whose_token_one_is() -> None:
    text = CONFIG.format(zeros="0" * 64) + '[approvers.alice]\ntoken_env = "ALICE"\n'
    config = parse(text, "gate.toml")
    roster = Roster()
    roster.take(config.people, secrets(config, {**ENVIRON, "ALICE": "alice's"}).approver)
    assert roster.holder("admin's") == Person("admin", Approver.APPROVER)
    assert roster.holder("alice's") == Person("alice", Approver.APPROVER)
    assert roster.holder("uma's") == Person("uma", Approver.USER, frozenset({"research"}))
    assert roster.holder("") is None


class TestChanges:
    """`[approvers]` of a gateway that runs."""

    DIGESTED = '\n[approvers.zoe]\ntoken_sha256 = "{digest}"\n'

    async def status(self, one: Alone, token: str) -> int:
        return (await ask(one.admin, request("GET /approvals", f"Authorization: Bearer {token}"))).status

    async def until(self, one: Alone, token: str, status: int) -> None:
        async with asyncio.timeout(30):
            while await self.status(one, token) != status:  # noqa: ASYNC110 -- no event tells of it
                await asyncio.sleep(0.02)

    async def test_they_are_followed_as_the_file_is(self, tmp_path: Path) -> None:
        path = configured(tmp_path)
        async with serve_in_process(path, ENVIRON) as one:
            assert [await self.status(one, token) for token in ("admin's", "uma's", "zoe's")] == [200, 200, 401]
            text = path.read_text()
            added = text + self.DIGESTED.format(digest=hashlib.sha256(b"zoe's").hexdigest())
            path.write_text(added)
            await self.until(one, "zoe's", 200)
            path.write_text(text + self.DIGESTED.format(digest=hashlib.sha256(b"zoe's next").hexdigest()))
            await self.until(one, "zoe's", 401)
            assert await self.status(one, "zoe's next") == 200
            path.write_text(text.replace("[approvers.uma]", "[approvers.other]"))
            await self.until(one, "zoe's next", 401)
            id_ = (await answer(one, asked())).ticket
            body = b'{"decision": "approve"}'
            got = await ask(one.admin, request(f"POST /approvals/{id_}", "Authorization: Bearer uma's", body=body))
            assert json.loads(got.body)["by"] == "other", "who has the token now"

    async def test_a_broken_file_changes_nothing(self, tmp_path: Path) -> None:
        path = configured(tmp_path)
        async with gateway(path) as one:
            path.write_text(path.read_text().replace('role = "user"', 'role = "king"'))
            await one.loader.reload_now()
            assert await self.status(one, "uma's") == 200
