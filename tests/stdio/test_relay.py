"""A relay between a client and a real child process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, ClassVar

import pytest

from gateway.errors import Code, ConfigError
from gateway.exchange.conversation import Conversation
from gateway.exchange.demand import Demand
from gateway.exchange.events import Ask, LimitsTaken
from gateway.exchange.gate import Gate
from gateway.exchange.recorded import ExchangeRecord
from gateway.policy.call import Answer
from gateway.policy.tools.wrapper import Terms
from gateway.stdio import relay
from gateway.stdio.relay import UNASKED, Relay, Times, exit_code
from tests.exchange.gates import gate, small
from tests.exchange.policing import Policy, policed
from tests.exchange.test_conversation import call, line, sampling
from tests.exchange.test_messages import result

ECHO = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    text = message["params"]["arguments"]["text"]
    answer = {"content": [{"type": "text", "text": text}]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}), flush=True)
"""
"""A server that says again what it is told, until the end of its input."""


class Client:
    """The client's side: what it says, and what it hears."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_gone = False

    def say(self, value: Any) -> None:
        self._said.put_nowait(line(value))

    def leave(self) -> None:
        """Close the pipe to the server."""
        self._said.put_nowait(b"")

    async def hear(self) -> Any:
        return json.loads(await self._heard.get())

    @property
    def unheard(self) -> list[Any]:
        return [json.loads(self._heard.get_nowait()) for _ in range(self._heard.qsize())]

    async def read(self) -> bytes:
        return await self._said.get()

    async def write(self, data: bytes) -> None:
        if self.is_gone:
            raise BrokenPipeError
        self._heard.put_nowait(data)


class Running:
    """A relay under test."""

    def __init__(self, by: Gate) -> None:
        self.client = Client()
        self.records: list[tuple[ExchangeRecord, int, int]] = []
        numbers = count(1)
        times = Times(lambda: f"id-{next(numbers)}")
        conversation = Conversation(by, upstream="mcp/n", principal="default", new_id=times)
        self.asked: asyncio.Queue[Ask] = asyncio.Queue()
        self.answers: asyncio.Queue[tuple[Answer, ...]] = asyncio.Queue()
        self.taken: list[tuple[str, Demand]] = []
        self.relay = Relay(
            conversation, self.client, times, lambda *made: self.records.append(made), self.approve, self.take
        )

    async def approve(self, ask: Ask) -> tuple[Answer, ...]:
        self.asked.put_nowait(ask)
        return await self.answers.get()

    async def take(self, id_: str, demand: Demand) -> LimitsTaken:
        """One call, and no more."""
        self.taken.append((id_, demand))
        return LimitsTaken() if len(self.taken) == 1 else LimitsTaken("tools.read", 7)

    async def run(self, *command: str) -> int:
        async with asyncio.timeout(20):
            return await self.relay.run(command, dict(os.environ))

    def python(self, program: str) -> asyncio.Task[int]:
        return asyncio.create_task(self.run(sys.executable, "-c", program))

    @property
    def outcomes(self) -> list[str]:
        return [record.outcome for record, _, _ in self.records]


@asynccontextmanager
async def serving(program: str, by: Gate | None = None) -> AsyncIterator[tuple[Running, asyncio.Task[int]]]:
    running = Running(by or gate())
    task = running.python(program)
    try:
        yield running, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_messages_go_both_ways_until_the_client_leaves() -> None:
    async with serving(ECHO) as (running, ended):
        client = running.client
        client.say(call("hello"))
        assert await client.hear() == result("hello")
        client.say(call("tok_abcd1234", 2))
        told = await client.hear()
        assert (told["id"], told["result"]["isError"]) == (2, True)
        client.leave()
        assert await ended == 0
        assert running.outcomes == ["forwarded", "refused"]
        for _, took, spent in running.records:
            assert took >= spent > 0


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="`no-such-program` cannot be run: no such file"):
        await Running(gate()).run("no-such-program")


@pytest.mark.parametrize(("program", "expected"), [("exit(0)", 0), ("exit(3)", 3), ("import os; os.abort()", 134)])
async def test_the_exit_code_is_the_servers(program: str, expected: int) -> None:
    assert await Running(gate()).python(program) == expected


def test_a_signal_counts_as_shells_count_it() -> None:
    assert (exit_code(0), exit_code(7), exit_code(-signal.SIGKILL)) == (0, 7, 137)


async def test_whoever_waits_for_a_server_that_crashes_is_told() -> None:
    async with serving("import sys; sys.stdin.readline(); sys.exit(5)") as (running, ended):
        running.client.say(call(id="a"))
        assert await ended == 5
        (told,) = running.client.unheard
        assert (told["id"], told["error"]["code"]) == ("a", -32603)
        assert "it ended with code 5" in told["error"]["message"]
        assert running.outcomes == ["failed"]


async def test_what_a_server_said_before_it_ended_still_arrives() -> None:
    program = f"import sys; sys.stdin.readline(); print({json.dumps(json.dumps(result('bye')))})"
    async with serving(program) as (running, ended):
        running.client.say(call())
        assert await ended == 0
        assert running.client.unheard == [result("bye")]


async def test_noise_goes_nowhere_and_does_not_end_a_call() -> None:
    async with serving("print('starting up', flush=True)" + ECHO) as (running, _):
        assert (await running.client.hear())["id"] is None
        running.client.say(call("hello"))
        assert await running.client.hear() == result("hello")
        assert running.outcomes == ["refused", "forwarded"]


async def test_a_line_that_is_too_long_is_not_kept() -> None:
    async with serving(ECHO, small(300)) as (running, _):
        running.client.say(call("x" * 1000))
        told = await running.client.hear()
        assert (told["id"], told["error"]["data"]["code"]) == (None, "body_too_large")
        running.client.say(call("y" * 150))
        assert await running.client.hear() == result("y" * 150)


async def test_a_last_line_without_an_end_is_read() -> None:
    async with serving(ECHO) as (running, ended):
        running.client.say(line(call("hello"))[:-1])
        running.client.leave()
        assert await ended == 0
        assert running.client.unheard == [result("hello")]


async def test_a_server_may_ask() -> None:
    asks = f"import sys; print({json.dumps(json.dumps(sampling()))}, flush=True); sys.exit(len(sys.stdin.readline()))"
    async with serving(asks) as (running, ended):
        assert (await running.client.hear())["method"] == "sampling/createMessage"
        answer = line(result("a"))
        running.client.say(answer)
        assert await ended == len(answer)


async def test_a_server_whose_client_does_not_listen_any_more_is_ended() -> None:
    ticks = 'import time\nwhile True: print(\'{"jsonrpc":"2.0","method":"x"}\', flush=True); time.sleep(0.01)'
    async with serving(ticks) as (running, ended):
        await running.client.hear()
        running.client.is_gone = True
        assert await ended == 128 + signal.SIGTERM


async def test_a_server_that_has_nothing_more_to_say_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "GRACE", 0.2)
    stubborn = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.close(1); time.sleep(60)"
    async with serving(stubborn) as (_, ended):
        assert await ended == 128 + signal.SIGKILL


async def test_output_that_another_process_holds_open_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "LAST_OUTPUT", 0.2)
    leaves = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)']).pid)"
    async with serving(leaves) as (_, ended):
        assert await ended == 0


async def test_a_server_that_does_not_read_gets_no_more_than_its_pipe_holds() -> None:
    async with serving("import time; time.sleep(1); exit(4)") as (running, ended):
        for number in range(40):
            running.client.say(call("x" * 10_000, number))
        assert await ended == 4
        assert {told["id"] for told in running.client.unheard} == set(range(len(running.records)))


WAITS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
print('{"jsonrpc":"2.0","method":"up"}', flush=True)
signal.pause()
"""


async def test_signals_go_to_the_server() -> None:
    async with serving(WAITS) as (running, ended):
        await running.client.hear()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await ended == 9


async def test_a_record_that_cannot_be_kept_ends_the_relay() -> None:
    async with serving(ECHO) as (running, ended):

        def fails(*_: object) -> None:
            raise OSError("disk full")

        running.relay._record = fails
        running.client.say(call())
        assert await ended == 128 + signal.SIGTERM


def calling(name: str, id: int) -> dict[str, Any]:
    params = {"name": name, "arguments": {"text": "rent"}}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


class TestLimits:
    COUNTS: ClassVar = Policy(terms=Terms(is_counted=True))

    async def test_a_call_too_many_does_not_reach_the_server_and_others_do(self) -> None:
        async with serving(ECHO, policed(self.COUNTS)) as (running, _):
            running.client.say(calling("read", 1))
            running.client.say(calling("read", 2))
            running.client.say(calling("pay", 3))
            heard = [await running.client.hear(), await running.client.hear()]
            found = {told["id"]: told for told in heard}
            assert found[1]["result"]["content"][0]["text"] == "rent"
            assert found[2]["error"]["data"]["code"] == Code.RATE
            assert running.taken == [(f"id-{number}", Demand(tools=("read",))) for number in (1, 2)]
            await running.asked.get()
            running.answers.put_nowait((Answer(is_approved=True),))
            assert (await running.client.hear())["error"]["data"]["code"] == Code.RATE

    async def test_limits_that_fail_let_nothing_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with serving(ECHO, policed(self.COUNTS)) as (running, _):

            async def fails(*_: object) -> LimitsTaken:
                raise OSError("the store is gone")

            monkeypatch.setattr(running.relay, "_take_limits", fails)
            running.client.say(calling("read", 1))
            assert (await running.client.hear())["error"]["data"]["code"] == Code.STORE
            made = running.records[0][0]
            assert made.fault == "limits: OSError: the store is gone"


class TestApprovals:
    async def test_a_call_waits_for_its_answer_while_other_messages_pass(self) -> None:
        async with serving(ECHO, policed()) as (running, _):
            running.client.say(calling("pay", 1))
            asked = await running.asked.get()
            assert asked.questions[0].call.name == "pay"
            running.client.say(calling("read", 2))
            assert (await running.client.hear())["id"] == 2
            running.answers.put_nowait((Answer(is_approved=True),))
            assert (await running.client.hear())["id"] == 1

    async def test_an_answer_too_few_is_a_no(self) -> None:
        async with serving(ECHO, policed()) as (running, _):
            running.client.say(calling("pay", 1))
            await running.asked.get()
            running.answers.put_nowait(())
            told = await running.client.hear()
            assert told["id"] == 1
            assert "error" in told

    async def test_a_question_that_fails_is_a_no(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with serving(ECHO, policed()) as (running, _):

            async def fails(_: Ask) -> tuple[Answer, ...]:
                raise OSError("the store is gone")

            monkeypatch.setattr(running.relay, "_approve", fails)
            running.client.say(calling("pay", 1))
            told = await running.client.hear()
            assert UNASKED in told["result"]["content"][0]["text"]

    async def test_a_relay_that_ends_waits_for_no_answer(self) -> None:
        async with serving(ECHO, policed()) as (running, ended):
            running.client.say(calling("pay", 1))
            await running.asked.get()
            running.client.leave()
            assert await ended == 0
