"""What the scenes of the demo play with: the clients, the upstream, and the row of a table that each gives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openai import APIStatusError, AsyncOpenAI

from gateway.approve.decision import Decision, Person
from gateway.approve.desk import Desk
from gateway.approve.roster import Roster
from gateway.approve.ticket import State, Ticket
from gateway.cli.demo_upstream import Call, Upstream
from gateway.policy.call import Approver
from gateway.state.sqlite import FILE, SqliteRegisters

_PATIENCE: Final = 5.0
"""Seconds until a call that waits must be seen to wait."""
_OPERATOR: Final = Person("the demo", Approver.APPROVER)


@dataclass(frozen=True, slots=True)
class Result:
    """A row of the table; `kept` is whether the scene's promise was."""

    sent: str
    model_saw: str
    came_back: str
    effect: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scene plays with. `careful` is an agent of the profile `strict`; `folder` has the gateway's state."""

    client: AsyncOpenAI
    upstream: Upstream
    busy: AsyncOpenAI
    careful: AsyncOpenAI
    folder: Path

    def seen(self, role: str) -> str:
        """The text of the last message of that role, as it reached the upstream."""
        texts = [message["content"] for message in self.upstream.seen[-1]["messages"] if message["role"] == role]
        return str(texts[-1])

    async def approve(self, why: str) -> str:
        """Wait for the one call that waits, approve it as `lockgate approvals approve` does, and return its ticket."""
        registers = SqliteRegisters(self.folder / FILE)
        try:
            desk = Desk(registers, Roster())
            async with asyncio.timeout(_PATIENCE):
                # A store tells nobody of what comes to it.
                while not (found := await _waiting(desk)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await desk.decide(found[0].id, Decision(True, why=why), _OPERATOR)
            return found[0].id
        finally:
            await registers.close()


async def _waiting(desk: Desk) -> list[Ticket]:
    return [one for one in await desk.tickets(_OPERATOR) if one.state is State.PENDING]


async def ask(client: AsyncOpenAI, model: str, messages: list[Any]) -> tuple[str, str]:
    """The answer, and the effect with its findings as the gateway's headers tell them."""
    raw = await client.chat.completions.with_raw_response.create(model=model, messages=messages)
    found = raw.headers.get("x-lockgate-findings")
    effect = raw.headers["x-lockgate-effect"] + (f" ({found})" if found else "")
    return raw.parse().choices[0].message.content or "", effect


async def stream(client: AsyncOpenAI, model: str, text: str) -> tuple[str, str | None]:
    """The text of a streamed answer, and why it ended."""
    said, _, finish = await stream_of_calls(client, model, user(text))
    return said, finish


async def stream_of_calls(
    client: AsyncOpenAI, model: str, messages: list[Any]
) -> tuple[str, tuple[Call, ...], str | None]:
    """The text and the calls of a streamed answer, and why it ended."""
    said, finish, names, arguments = "", None, dict[int, str](), dict[int, str]()
    async for chunk in await client.chat.completions.create(model=model, messages=messages, stream=True):
        for choice in chunk.choices:
            said += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or ():
                if piece.function is not None:
                    names[piece.index] = names.get(piece.index, "") + (piece.function.name or "")
                    arguments[piece.index] = arguments.get(piece.index, "") + (piece.function.arguments or "")
    return said, tuple(Call(name, arguments[index]) for index, name in names.items()), finish


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def told(error: APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return f"{type(error).__name__} {error.status_code}: {body.get('message', error.message)}"


def refused(error: APIStatusError) -> str:
    found = error.response.headers.get("x-lockgate-findings")
    return f"{error.response.headers['x-lockgate-effect']} ({found or error.code})"
