"""Approvals on the admin listener: whose token may what, and what is answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.approve import desk
from gateway.approve.decision import Person
from gateway.errors import StoreError
from gateway.policy.call import Approver, Tier
from gateway.serve import approvals
from gateway.serve.admin import Admin
from gateway.serve.approvals import Approvals
from gateway.serve.identity import Site
from gateway.serve.listener import Listener
from gateway.state.memory import MemoryRegisters
from gateway.units import Address
from tests.approve.setting import ALICE, TICKET, USER, Setting, modifying, question
from tests.serve.loopback import ANY_PORT, Got, ask, dialled
from tests.serve.test_admin import view
from tests.serve.test_base_url import request

PEOPLE = {"alice-token": ALICE, "uma-token": USER, "admin-token": Person("admin", Approver.APPROVER)}


def take(setting: Setting, people: Mapping[str, Person]) -> None:
    """Have these approve, by token."""
    names = {token: one.name for token, one in people.items()}
    setting.roster.take({one.name: one for one in people.values()}, lambda token: names.get(token))


@asynccontextmanager
async def listening(setting: Setting, *, is_guarded: bool = True) -> AsyncIterator[Address]:
    take(setting, PEOPLE if is_guarded else {})
    pages = Approvals(setting.desk, setting.roster)
    shown = view()
    shown = type(shown)(shown.metrics, shown.readiness, shown.status, shown.switch, pages)
    listener = Listener(Admin(shown, Site(), "admin-token"))
    at = await listener.start(ANY_PORT)
    try:
        yield at
    finally:
        await listener.close()


@pytest.fixture
def setting() -> Setting:
    return Setting(MemoryRegisters(), TICKET)


async def get(at: Address, path: str, token: str | None = "alice-token", method: str = "GET") -> Got:
    fields = () if token is None else (f"Authorization: Bearer {token}",)
    return await ask(at, request(f"{method} {path}", *fields))


async def post(at: Address, path: str, body: Any, token: str = "alice-token") -> Got:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask(at, request(f"POST {path}", f"Authorization: Bearer {token}", body=data))


async def asked(setting: Setting, **more: Any) -> str:
    ticket = (await setting.ask(question(**more))).ticket
    assert ticket is not None
    return ticket


class TestTokens:
    @pytest.mark.parametrize("token", [None, "", "wrong", "ALICE-TOKEN"])
    async def test_nothing_is_shown_without_one(self, setting: Setting, token: str | None) -> None:
        id_ = await asked(setting)
        async with listening(setting) as at:
            for path in ("/approvals", f"/approvals/{id_}", "/approvals/events"):
                got = await get(at, path, token)
                assert (got.status, got.all("www-authenticate")) == (401, ["Bearer"])

    async def test_where_there_are_none_nobody_approves(self, setting: Setting) -> None:
        async with listening(setting, is_guarded=False) as at:
            got = await get(at, "/approvals")
        assert got.status == 403
        assert b"this needs a token: `token_env` under [admin] or [approvers.NAME]" in got.body

    async def test_pages_of_others_are_refused(self, setting: Setting) -> None:
        async with listening(setting) as at:
            raw = request("GET /approvals", "Authorization: Bearer alice-token", "Origin: https://evil.example")
            assert (await ask(at, raw)).status == 403

    async def test_a_user_sees_and_confirms_for_the_own_agents(self, setting: Setting) -> None:
        id_ = await asked(setting)
        other = (await setting.ask(agent="another")).ticket
        async with listening(setting) as at:
            listed = json.loads((await get(at, "/approvals", "uma-token")).body)["approvals"]
            assert [one["id"] for one in listed] == [id_]
            assert (await get(at, f"/approvals/{other}", "uma-token")).status == 404
            got = await post(at, f"/approvals/{id_}", {"decision": "approve"}, "uma-token")
            assert (got.status, json.loads(got.body)["by"]) == (200, "uma")

    async def test_what_needs_an_approver_a_user_does_not_approve(self, setting: Setting) -> None:
        id_ = await asked(setting, approver=Approver.APPROVER, tier=Tier.SYSTEM)
        async with listening(setting) as at:
            got = await post(at, f"/approvals/{id_}", {"decision": "approve"}, "uma-token")
            assert (got.status, got.body) == (403, f"`{id_}` needs an approver; uma decides as a user\n".encode())

    async def test_who_somebody_says_to_be_stands_beside_whose_token_it_is(self, setting: Setting) -> None:
        id_ = await asked(setting)
        async with listening(setting) as at:
            body = {"decision": "deny", "by": "carol\x1b[0m", "why": "no"}
            got = await post(at, f"/approvals/{id_}", body, "admin-token")
        assert json.loads(got.body)["by"] == "admin (carol [0m)"


class TestReading:
    async def test_one_and_all(self, setting: Setting) -> None:
        first = await asked(setting)
        await setting.decide()
        second = await asked(setting, arguments={"to": "b@example.com"})
        async with listening(setting) as at:
            everything = json.loads((await get(at, "/approvals")).body)["approvals"]
            pending = json.loads((await get(at, "/approvals?state=pending")).body)["approvals"]
            got = await get(at, f"/approvals/{second.upper()}")
        assert [one["id"] for one in everything] == [first, second]
        assert [one["id"] for one in pending] == [second]
        assert json.loads(got.body) == pending[0]
        assert pending[0]["arguments"] == {"to": "b@example.com"}
        assert got.all("cache-control") == ["no-store"]

    @pytest.mark.parametrize(
        ("method", "path", "status", "words"),
        [
            ("GET", "/approvals/zzzzzz", 404, "there is no `zzzzzz`"),
            ("GET", "/approvals?state=odd", 400, "no such state; there are: pending, approved"),
            ("POST", "/approvals", 405, "not served here"),
            ("DELETE", "/approvals/zzzzzz", 405, "not served here"),
            ("POST", "/approvals/events", 405, "not served here"),
            ("GET", "/approvalsx", 404, "no such page; there are:"),
        ],
    )
    async def test_what_is_not_there(self, setting: Setting, method: str, path: str, status: int, words: str) -> None:
        async with listening(setting) as at:
            got = await get(at, path, method=method)
        assert got.status == status
        assert words in got.body.decode()

    async def test_without_the_store_that_is_said(self, setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fails(*_: object) -> None:
            raise StoreError("the store did not answer in time")

        monkeypatch.setattr(setting.desk._book, "look", fails)
        async with listening(setting) as at:
            got = await get(at, "/approvals")
            assert (got.status, got.body) == (503, b"the store did not answer in time\n")
            assert b"event: fault" in (await get(at, "/approvals/events")).body


class TestDeciding:
    async def test_with_all_there_is(self, setting: Setting) -> None:
        id_ = await asked(setting)
        body = {"decision": "approve", "lasts": "once", "arguments": {"to": "c@example.com"}, "why": "that one"}
        async with listening(setting) as at:
            got = json.loads((await post(at, f"/approvals/{id_}", body)).body)
        assert (got["state"], got["edited"], got["why"]) == ("approved", {"to": "c@example.com"}, "that one")
        assert (await setting.ask()).arguments == {"to": "c@example.com"}

    async def test_for_the_session(self, setting: Setting) -> None:
        id_ = (await setting.ask(modifying())).ticket
        async with listening(setting) as at:
            got = await post(at, f"/approvals/{id_}", {"decision": "approve", "lasts": "session"})
        assert json.loads(got.body)["lasts"] == "session"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"{", "the body is no decision; accepted: {"),
            (b"[" * 100_000, "the body is no decision"),
            (b"[]", "the body is no decision"),
            ({}, "the body is no decision"),
            ({"decision": "maybe"}, "the body is no decision"),
            ({"decision": ["deny"]}, "the body is no decision"),
            ({"decision": "deny", "why": 1}, "the body is no decision"),
            ({"decision": "deny", "extra": 1}, "the body is no decision"),
            ({"decision": "approve", "lasts": "ever"}, "`lasts` is none of once, session, target"),
            ({"decision": "approve", "lasts": ["once"]}, "`lasts` is none of"),
            ({"decision": "deny", "lasts": "once"}, "a denial has neither `lasts` nor `arguments`"),
            ({"decision": "deny", "arguments": {}}, "a denial has neither"),
            (b" " * (approvals.MOST + 1), "the body is over 262144 bytes"),
        ],
    )
    async def test_what_is_no_decision(self, setting: Setting, body: Any, words: str) -> None:
        id_ = await asked(setting)
        async with listening(setting) as at:
            got = await post(at, f"/approvals/{id_}", body)
        assert got.status == 400
        assert words in got.body.decode()

    async def test_each_reason_has_its_status(self, setting: Setting) -> None:
        id_ = await asked(setting)
        async with listening(setting) as at:
            approve = {"decision": "approve"}
            assert (await post(at, "/approvals/zzzzzz", approve)).status == 404
            assert (await post(at, f"/approvals/{id_}", approve | {"lasts": "session"})).status == 422
            assert (await post(at, f"/approvals/{id_}", approve)).status == 200
            got = await post(at, f"/approvals/{id_}", approve)
            assert (got.status, got.body) == (409, f"`{id_}` is approved by alice already\n".encode())
            late = await asked(setting, arguments={"to": "late"})
            setting.clock.at += TICKET.ticket_lifetime
            assert (await post(at, f"/approvals/{late}", approve)).status == 410


class TestEvents:
    async def test_what_waits_and_what_becomes_of_it(self, setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(desk, "LOOK", 0.001)
        monkeypatch.setattr(approvals, "KEEPALIVE", 0.01)
        id_ = await asked(setting)
        async with listening(setting) as at, dialled(at) as (reader, writer):
            writer.write(request("GET /approvals/events", "Authorization: Bearer uma-token"))
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"text/event-stream" in head
            first = await reader.readuntil(b"\n\n")
            assert f"id: {id_}.1\nevent: pending\ndata: {{".encode() in first
            assert b": waiting" in await reader.readuntil(b": waiting\n\n")
            await setting.decide()
            assert b"event: approved\n" in await reader.readuntil(b"event: approved\n")

    async def test_so_many_may_watch(self, setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(approvals, "WATCHERS", 0)
        async with listening(setting) as at:
            got = await get(at, "/approvals/events")
        assert (got.status, got.body) == (503, b"0 watch already\n")


class TestChanges:
    """Who may approve is who may when the decision is taken."""

    async def test_who_was_taken_out_is_nobody_at_once(self, setting: Setting) -> None:
        id_ = await asked(setting)
        async with listening(setting) as at:
            assert (await get(at, "/approvals")).status == 200
            take(setting, {"uma-token": USER})
            assert (await get(at, "/approvals")).status == 401
            assert (await post(at, f"/approvals/{id_}", {"decision": "approve"})).status == 401

    async def test_a_decision_that_is_on_its_way_is_not_taken(self, setting: Setting) -> None:
        id_ = await asked(setting)
        body = b'{"decision": "approve"}'
        async with listening(setting) as at, dialled(at) as (reader, writer):
            raw = request(f"POST /approvals/{id_}", "Authorization: Bearer alice-token", body=body)
            writer.write(raw[:-1])
            assert (await get(at, "/approvals")).status == 200, "the head of the first has come by now"
            take(setting, {"uma-token": USER})
            writer.write(raw[-1:])
            answer = await reader.read(4096)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"your token is nobody's any more" in answer
        assert (await setting.desk.find(id_, ALICE)).state == "pending"

    async def test_it_is_taken_as_whom_they_are_by_then(self, setting: Setting) -> None:
        id_ = await asked(setting, approver=Approver.APPROVER, tier=Tier.SYSTEM)
        look = setting.desk._book.look

        async def demoting() -> Any:
            take(setting, {"alice-token": Person("alice", Approver.USER)})
            return await look()

        async with listening(setting) as at:
            setting.desk._book.look = demoting  # type: ignore[method-assign]  # what happens between two awaits
            got = await post(at, f"/approvals/{id_}", {"decision": "approve"})
        assert (got.status, got.body) == (403, f"`{id_}` needs an approver; alice decides as a user\n".encode())

    async def test_who_watches_is_told_no_more(self, setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(desk, "LOOK", 0.001)
        monkeypatch.setattr(approvals, "KEEPALIVE", 0.01)
        async with listening(setting) as at, dialled(at) as (reader, writer):
            writer.write(request("GET /approvals/events", "Authorization: Bearer alice-token"))
            await reader.readuntil(b": waiting\n\n")
            take(setting, {"alice-token": Person("alice", Approver.USER, frozenset({"another"}))})
            await asked(setting)
            for _ in range(3):
                assert b"event: pending" not in await reader.readuntil(b": waiting\n\n")
            take(setting, {"uma-token": USER})
            assert b"event: pending" not in await reader.readuntil(b"event: fault\n")
            assert await reader.readline() == b'data: "your token is nobody\'s any more"\n'
