"""A call that needs an approval, from a real client's stream to a decision by the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import Running, configured, running, until
from tests.end_to_end.test_stop import lockgate
from tests.fakes.script import Call, Say
from tests.fakes.talk import KEY
from tests.fakes.upstream import Upstream

PATIENCE = 30.0

SEND = Call("send_mail", json.dumps({"to": "x@example.com", "text": "hello"}))
SAY = Say("I will write to them.", calls=(SEND,))
TOOLS: Any = [{"type": "function", "function": {"name": "send_mail", "parameters": {"type": "object"}}}]
ASK = "Write hello to x@example.com."

TICKET = '[approvals]\nmode = "ticket"\n'


async def chat(gateway: Running, *, streamed: bool = True) -> tuple[str, list[tuple[str, Any]], str | None]:
    """What an agent gets: the text, the calls with their arguments, and how it ends."""
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1", max_retries=0) as client:
        messages: Any = [{"role": "user", "content": ASK}]
        if not streamed:
            whole = await client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)
            choice = whole.choices[0]
            calls = [(one.function.name, json.loads(one.function.arguments)) for one in choice.message.tool_calls or ()]  # type: ignore[union-attr]
            return choice.message.content or "", calls, choice.finish_reason
        text, names, arguments, ending = "", dict[int, str](), dict[int, str](), None
        stream = await client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS, stream=True)
        async for chunk in stream:
            delta = chunk.choices[0].delta
            text += delta.content or ""
            for one in delta.tool_calls or ():
                assert one.function is not None
                names[one.index] = names.get(one.index, "") + (one.function.name or "")
                arguments[one.index] = arguments.get(one.index, "") + (one.function.arguments or "")
            ending = chunk.choices[0].finish_reason or ending
        return text, [(name, json.loads(arguments[at])) for at, name in names.items()], ending


async def pending(gateway: Running) -> dict[str, Any]:
    """The one call that waits, as the command line tells it."""
    found: list[dict[str, Any]] = []

    async def one() -> bool:
        found[:] = json.loads(await lockgate(gateway, "approvals", "list", "--json"))
        return bool(found)

    await until(one, PATIENCE)
    (ticket,) = found
    return ticket


@pytest.fixture(autouse=True)
def says(upstream: Upstream) -> None:
    upstream.script = SAY


async def test_an_approval_from_the_command_line_releases_a_held_stream(start: Start) -> None:
    async with start() as gateway:
        held = asyncio.create_task(chat(gateway))
        ticket = await pending(gateway)
        assert ticket["tool"] == "send_mail"
        assert ticket["arguments"] == SEND.parsed()
        shown = await lockgate(gateway, "approvals", "show", ticket["id"])
        assert "send_mail" in shown
        assert not held.done()
        await lockgate(gateway, "approvals", "approve", ticket["id"])
        text, calls, ending = await asyncio.wait_for(held, PATIENCE)
    assert text == SAY.text
    assert calls == [("send_mail", SEND.parsed())]
    assert ending == "tool_calls"


async def test_a_denial_takes_the_calls_place_and_is_not_asked_again(start: Start) -> None:
    async with start() as gateway:
        held = asyncio.create_task(chat(gateway))
        ticket = await pending(gateway)
        await lockgate(gateway, "approvals", "deny", ticket["id"], "--why", "not to them")
        first = await asyncio.wait_for(held, PATIENCE)
        second = await asyncio.wait_for(chat(gateway), PATIENCE)
    assert first == second
    text, calls, _ = first
    assert calls == []
    assert "a person denied this call: not to them" in text


async def test_edited_arguments_take_the_place_of_the_models(start: Start) -> None:
    async with start() as gateway:
        held = asyncio.create_task(chat(gateway))
        ticket = await pending(gateway)
        edited = {**ticket["arguments"], "to": "y@example.com"}
        await lockgate(gateway, "approvals", "approve", ticket["id"], "--arguments", json.dumps(edited))
        _, calls, _ = await asyncio.wait_for(held, PATIENCE)
    assert calls == [("send_mail", {**SEND.parsed(), "to": "y@example.com"})]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_ticket_lets_the_same_call_pass_after_a_restart(
    upstream: Upstream, tmp_path: Path, streamed: bool
) -> None:
    text = configured(upstream.url, TICKET)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    text = text.replace('state_dir = "state"', f'state_dir = "{tmp_path}/state"')
    async with running(text, tmp_path / "one") as gateway:
        said, calls, _ = await chat(gateway, streamed=streamed)
        ticket = await pending(gateway)
        assert calls == []
        assert f"(ticket {ticket['id']})" in said
    async with running(text, tmp_path / "two") as gateway:
        assert (await pending(gateway))["id"] == ticket["id"]
        await lockgate(gateway, "approvals", "approve", ticket["id"])
        _, calls, _ = await chat(gateway, streamed=streamed)
        assert calls == [("send_mail", SEND.parsed())]


async def test_at_the_deadline_the_call_is_denied(start: Start) -> None:
    async with start('[approvals]\ndeadline = "100ms"\n') as gateway:
        text, calls, ending = await asyncio.wait_for(chat(gateway), PATIENCE)
    assert "nobody approved this call in time" in text
    assert (calls, ending) == ([], "stop")


async def test_edited_arguments_are_held_to_the_policy_too(start: Start) -> None:
    only = '[tools.send_mail.arguments.to]\none_of = ["x@example.com", "y@example.com"]\n'
    async with start(only) as gateway:
        held = asyncio.create_task(chat(gateway))
        ticket = await pending(gateway)
        edited = json.dumps({**ticket["arguments"], "to": "z@example.com"})
        await lockgate(gateway, "approvals", "approve", ticket["id"], "--arguments", edited)
        text, calls, _ = await asyncio.wait_for(held, PATIENCE)

        async def withdrawn() -> bool:
            shown = json.loads(await lockgate(gateway, "approvals", "show", ticket["id"], "--json"))
            return bool(shown["state"] == "withdrawn" and "the policy refuses the call" in shown["why"])

        await until(withdrawn, PATIENCE)
    assert calls == []
    assert "it was approved with other arguments, which are refused too" in text


class TestSessions:
    """Approvals for a session, of conversations that all begin with the same words."""

    @staticmethod
    async def turn(
        gateway: Running, upstream: Upstream, path: str, *before: Any, session: str | None = None
    ) -> tuple[list[Any], bool]:
        """The conversation after a turn in which the model wants to write there, and whether it may."""
        call = Call("write_file", json.dumps({"path": path}))
        upstream.script = Say(calls=(call,))
        messages: list[Any] = [{"role": "user", "content": "hi"}, *before]
        headers = {"x-lockgate-session": session} if session is not None else {}
        async with openai.AsyncOpenAI(
            api_key=KEY, base_url=f"{gateway.url}/openai/v1", max_retries=0, default_headers=headers
        ) as client:
            answer = await client.chat.completions.create(model="gpt-5", messages=messages)
        said = answer.choices[0].message
        done = [{"role": "tool", "tool_call_id": one.id, "content": "done"} for one in said.tool_calls or ()]
        return [*before, said.model_dump(exclude_none=True), *done], bool(done)

    @staticmethod
    async def approved(gateway: Running) -> None:
        """What waits is approved as is usual for it: for the session."""
        ticket = await pending(gateway)
        await lockgate(gateway, "approvals", "approve", ticket["id"])

    async def test_one_is_not_another(self, start: Start, upstream: Upstream) -> None:
        async with start() as gateway:
            _, may = await self.turn(gateway, upstream, "a")
            assert not may
            await self.approved(gateway)
            before, may = await self.turn(gateway, upstream, "a")
            assert may, "the very call"
            before, may = await self.turn(gateway, upstream, "b", *before)
            assert may, "the same conversation goes on"
            _, may = await self.turn(gateway, upstream, "c")
            assert not may, "another one begins"
            _, may = await self.turn(gateway, upstream, "d", *before)
            assert may, "which is nothing to the first"

    async def test_one_is_what_its_client_says(self, start: Start, upstream: Upstream) -> None:
        async with start() as gateway:
            await self.turn(gateway, upstream, "a", session="s-1")
            await self.approved(gateway)
            _, may = await self.turn(gateway, upstream, "b", session="s-1")
            assert may
            _, may = await self.turn(gateway, upstream, "b", session="s-2")
            assert not may
            assert not any(name.lower() == "x-lockgate-session" for one in upstream.requests for name, _ in one.headers)
