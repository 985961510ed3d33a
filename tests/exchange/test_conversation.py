"""The messages between an MCP client and its server over pipes: who is told what, and what is recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Code
from gateway.exchange import conversation
from gateway.exchange.conversation import METHOD, Conversation
from gateway.exchange.conversation_steps import AskAbout, Clock, Count, Step, ToClient, ToServer
from gateway.exchange.demand import Demand
from gateway.exchange.events import Finish, LimitsTaken
from gateway.exchange.open_exchanges import MAX_OPEN
from gateway.exchange.recorded import ExchangeRecord
from gateway.policy.call import Answer
from gateway.policy.tools.wrapper import Terms
from gateway.segment import Direction
from gateway.stops.decision import Every
from gateway.verdict import Effect
from gateway.wire.lines import TOO_LONG
from tests.exchange.gates import gate
from tests.exchange.policing import Policy, policed
from tests.exchange.test_messages import CUT, POISON, progress, result

CLIENT, SERVER = Direction.REQUEST, Direction.ANSWER
KEY = "tok_abcd1234"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
DONE = {"jsonrpc": "2.0", "id": 1, "result": {}}


def talk(profile: str = "balanced") -> Conversation:
    numbers = count(1)
    return Conversation(gate(profile), upstream="mcp/n", principal="default", new_id=lambda: f"id-{next(numbers)}")


def line(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n"


def call(text: str = "hello", id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "say", "arguments": {"text": text}}}


def sampling(text: str = "hello", id: Any = 1) -> dict[str, Any]:
    content = {"role": "user", "content": {"type": "text", "text": text}}
    return {"jsonrpc": "2.0", "id": id, "method": "sampling/createMessage", "params": {"messages": [content]}}


def records(steps: Sequence[Step]) -> list[ExchangeRecord]:
    return [step.record for step in steps if isinstance(step, Finish)]


def record(steps: Sequence[Step]) -> ExchangeRecord:
    (found,) = records(steps)
    return found


def onward(steps: Sequence[Step], kind: type[ToClient | ToServer]) -> list[Any]:
    return [json.loads(step.data) for step in steps if isinstance(step, kind)]


class TestStoppedTools:
    def test_a_call_of_one_is_answered_and_not_passed_on(self) -> None:
        by = replace(gate(), stopped_tools=lambda: {"say"})
        one = Conversation(by, upstream="mcp/n", principal="default", new_id=lambda: "id-1")
        steps = one.receive(CLIENT, line(call()))
        assert not any(isinstance(step, ToServer) for step in steps)
        [answer] = [json.loads(step.data) for step in steps if isinstance(step, ToClient)]
        assert answer["result"]["isError"]
        assert "rule `stopped-tool`" in answer["result"]["content"][0]["text"]
        assert record(steps).code is Code.TOOL

    def test_with_its_server_stopped_no_tool_can_be_called(self) -> None:
        one = Conversation(
            replace(gate(), stopped_tools=Every), upstream="mcp/n", principal="default", new_id=lambda: "id-1"
        )
        assert record(one.receive(CLIENT, line(call()))).code is Code.TOOL
        assert one.receive(CLIENT, line(PING))[0] == ToServer(line(PING))


class TestCleanMessages:
    def test_a_request_and_its_answer_are_one_exchange(self) -> None:
        one = talk()
        assert one.receive(CLIENT, line(call())) == [ToServer(line(call()))]
        steps = one.receive(SERVER, line(result("hi")))
        assert steps[0] == ToClient(line(result("hi")))
        made = record(steps)
        assert (made.method, made.path, made.operation) == (METHOD, "client", "tools/call say")
        assert (made.outcome, made.effect, made.status, made.upstream) == ("forwarded", Effect.ALLOW, 0, "mcp/n")
        assert made.request.segments == 2
        assert made.answer.segments == 1
        assert made.request.coverage == made.answer.coverage == "dialect"

    def test_so_is_a_request_of_the_server(self) -> None:
        one = talk()
        assert records(one.receive(CLIENT, line(call()))) == []
        assert records(one.receive(SERVER, line(sampling()))) == []  # the same id, but another's
        made = record(one.receive(CLIENT, line(result("answer"))))
        assert (made.path, made.operation) == ("server", "sampling/createMessage")
        assert record(one.receive(SERVER, line(result("hi")))).path == "client"

    def test_a_notification_is_one_by_itself(self) -> None:
        one = talk()
        steps = one.receive(SERVER, line(progress("half")))
        assert steps[0] == ToClient(line(progress("half")))
        assert record(steps).operation == "notifications/progress"

    @pytest.mark.parametrize("raw", [b' {"jsonrpc": "2.0",  "id":1, "method":"ping"} \r\n', b"\n", b"  \r\n"])
    def test_lines_go_on_as_they_came(self, raw: bytes) -> None:
        assert talk().receive(CLIENT, raw)[0] == ToServer(raw)

    def test_a_last_line_gets_its_end(self) -> None:
        assert talk().receive(CLIENT, line(PING)[:-1])[0] == ToServer(line(PING))

    def test_an_answer_to_nothing_is_judged_and_recorded(self) -> None:
        assert record(talk().receive(SERVER, line(result("hi")))).operation == "answer"

    def test_a_batch_is_one_exchange_until_its_last_answer(self) -> None:
        one = talk()
        assert records(one.receive(CLIENT, line([call(id=1), call(id=2)]))) == []
        assert records(one.receive(SERVER, line(result("a", 1)))) == []
        assert record(one.receive(SERVER, line(result("b", 2)))).operation == "batch"

    def test_a_batch_of_answers_ends_all_that_it_answers(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call(id=1)))
        one.receive(CLIENT, line(call(id=2)))
        steps = one.receive(SERVER, line([result("a", 1), result(POISON, 2)]))
        assert [made.id for made in records(steps)] == ["id-1", "id-2"]

    def test_the_gate_may_be_replaced(self) -> None:
        one = talk("monitor")
        assert one.receive(CLIENT, line(call(KEY)))[0] == ToServer(line(call(KEY)))
        one.gate = gate()
        assert onward(one.receive(CLIENT, line(call(KEY, 2))), ToServer) == []


class TestEdits:
    def test_an_instruction_is_cut_out_of_a_result(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call()))
        steps = one.receive(SERVER, line(result(POISON)))
        assert steps[0] == ToClient(line(result(POISON)).replace(POISON.encode(), CUT.encode()))
        assert (record(steps).outcome, record(steps).effect) == ("edited", Effect.REWRITE)

    def test_a_line_keeps_its_end(self) -> None:
        data = line(result(POISON))[:-1] + b" \r\n"
        (sent, _) = talk().receive(SERVER, data)
        assert sent == ToClient(data.replace(POISON.encode(), CUT.encode()))


class TestRefusals:
    def test_a_call_is_answered_by_a_result_and_goes_nowhere(self) -> None:
        steps = talk().receive(CLIENT, line(call(KEY, "a")))
        assert onward(steps, ToServer) == []
        (told,) = onward(steps, ToClient)
        assert (told["id"], told["result"]["isError"]) == ("a", True)
        made = record(steps)
        assert (made.outcome, made.effect, made.code, made.operation) == (
            "refused",
            Effect.BLOCK,
            Code.SECRET,
            "tools/call",
        )

    def test_its_id_is_free_afterwards(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call(KEY)))
        assert one.left() == []

    def test_a_result_is_replaced(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call()))
        steps = one.receive(SERVER, line(result(KEY)))
        (told,) = onward(steps, ToClient)
        assert told["result"]["isError"] is True
        assert KEY not in json.dumps(told)
        assert (record(steps).outcome, record(steps).code) == ("refused", Code.SECRET)

    def test_a_notification_of_the_client_goes_nowhere(self) -> None:
        note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"message": KEY}}
        steps = talk().receive(CLIENT, line(note))
        assert [type(step) for step in steps] == [Finish]
        assert record(steps).outcome == "refused"

    def test_a_notification_of_the_server_becomes_a_log_message(self) -> None:
        (told,) = onward(talk().receive(SERVER, line(progress(KEY))), ToClient)
        assert told["method"] == "notifications/message"

    def test_a_request_of_the_server_is_refused_by_its_client(self) -> None:
        one = talk()
        steps = one.receive(SERVER, line(sampling(KEY)))
        assert [told["method"] for told in onward(steps, ToClient)] == ["lockgate/refused"]
        assert records(steps) == []
        error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}
        steps = one.receive(CLIENT, line(error))
        assert onward(steps, ToServer) == [error]
        assert (record(steps).outcome, record(steps).path) == ("refused", "server")

    def test_an_answer_of_the_client_becomes_an_error(self) -> None:
        one = talk()
        one.receive(SERVER, line(sampling()))
        steps = one.receive(CLIENT, line(result(KEY)))
        assert onward(steps, ToClient) == []
        (told,) = onward(steps, ToServer)
        assert told["error"]["code"] == -32010
        assert (record(steps).outcome, record(steps).path) == ("refused", "server")


class TestUnreadable:
    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            (b"this is no message\n", "JSON"),
            (b'{"jsonrpc": "2.0"}\n', "one of"),
            (b'{"jsonrpc": "2.0",\r"id": 1, "method": "ping"}\n', "carriage return"),
            (b"[" * 100 + b"]" * 100 + b"\n", "deeper"),
            (TOO_LONG, "limit"),
        ],
    )
    @pytest.mark.parametrize("sender", [CLIENT, SERVER])
    def test_it_goes_nowhere_and_the_client_is_told(self, sender: Direction, raw: bytes | None, why: str) -> None:
        steps = talk().receive(sender, raw)
        assert onward(steps, ToServer) == []
        (told,) = onward(steps, ToClient)
        assert why in told["error"]["message"]
        made = record(steps)
        assert made.outcome == "refused"
        assert why in (made.fault or "")
        assert made.code is not None

    def test_a_request_is_told_by_its_id(self) -> None:
        raw = b'{"jsonrpc": "2.0", "id": 5, "method": "ping", "method": "tools/call"}\n'
        (told,) = onward(talk().receive(CLIENT, raw), ToClient)
        assert (told["id"], told["error"]["code"]) == (5, -32600)

    def test_whoever_waits_for_an_answer_is_told(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call(id=5)))
        steps = one.receive(SERVER, b'{"jsonrpc": "2.0", "id": 5, "result": {}, "result": {"content": []}}\n')
        (told,) = onward(steps, ToClient)
        assert (told["id"], told["error"]["code"]) == (5, -32603)
        assert record(steps).operation == "tools/call say"
        assert one.left() == []

    def test_so_is_a_server(self) -> None:
        one = talk()
        one.receive(SERVER, line(sampling(id=5)))
        steps = one.receive(CLIENT, b'{"jsonrpc": "2.0", "id": 5, "result": {}, "result": {}}\n')
        assert [told["id"] for told in onward(steps, ToServer)] == [5]
        assert onward(steps, ToClient) == []
        assert record(steps).path == "server"

    def test_a_servers_noise_ends_no_call(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call()))
        one.receive(SERVER, b"debug: calling\n")
        assert record(one.receive(SERVER, line(result("hi")))).outcome == "forwarded"

    def test_a_message_that_is_too_long_can_only_answer_the_one_that_waits(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call(id=8)))
        steps = one.receive(SERVER, TOO_LONG)
        assert [told["id"] for told in onward(steps, ToClient)] == [8]
        assert record(steps).id == "id-1"
        one.receive(CLIENT, line(call(id=1)))
        one.receive(CLIENT, line(call(id=2)))
        assert [told["id"] for told in onward(one.receive(SERVER, TOO_LONG), ToClient)] == [None]

    def test_a_broken_answer_to_one_of_a_batch_ends_the_batch(self) -> None:
        one = talk()
        one.receive(CLIENT, line([call(id=1), call(id=2)]))
        steps = one.receive(SERVER, b'{"jsonrpc": "2.0", "id": 1, "result": {}, "result": {}}\n')
        (told,) = onward(steps, ToClient)
        assert [each["id"] for each in told] == [1, 2]
        assert one.left() == []

    @given(
        st.sampled_from([CLIENT, SERVER]),
        st.one_of(
            st.binary(max_size=40),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(
                            ["jsonrpc", "id", "method", "params", "result", "error", "_meta", "content", "x"]
                        ),
                        inner,
                        max_size=5,
                    )
                ),
                max_leaves=12,
            ).map(lambda value: json.dumps(value).encode()),
        ),
    )
    def test_nothing_makes_it_raise(self, sender: Direction, raw: bytes) -> None:
        one = talk()
        one.receive(CLIENT, line(call(id=0)))
        one.receive(SERVER, line(sampling(id=0)))
        for data in (raw, b'{"jsonrpc": "2.0", "id": 0, "result": %s, "result": {}}' % raw):
            steps = one.receive(sender, data + b"\n")
            assert steps
            assert not any(made.outcome == "failed" for made in records(steps))

    def test_a_failure_of_ours_is_a_refusal_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(conversation, "judge_message", fails)
        steps = talk().receive(CLIENT, line(call(id=3)))
        (told,) = onward(steps, ToClient)
        assert (told["id"], told["error"]["data"]["code"]) == (3, "internal_error")
        made = record(steps)
        assert (made.outcome, made.fault) == ("failed", "conversation: RuntimeError: broken")


class TestEndings:
    def test_whoever_waits_is_told_that_the_server_is_gone(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call(id="a")))
        one.receive(CLIENT, line([call(id=1), call(id=2)]))
        one.receive(SERVER, line(sampling(id="s")))
        steps = one.ended("it ended with code 3")
        first, second = onward(steps, ToClient)
        assert (first["id"], first["error"]["code"]) == ("a", -32603)
        assert "code 3" in first["error"]["message"]
        assert [each["id"] for each in second] == [1, 2]
        assert [(made.outcome, made.effect) for made in records(steps)] == [("failed", Effect.ALLOW)] * 3
        assert one.ended("again") == []

    def test_a_client_that_is_gone_is_told_nothing(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call()))
        steps = one.left()
        assert onward(steps, ToClient) == []
        assert record(steps).outcome == "client_gone"

    def cancelled(self, id: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}

    def test_whoever_cancels_waits_no_more(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call()))
        steps = one.receive(CLIENT, line(self.cancelled(1)))
        assert onward(steps, ToServer) == [self.cancelled(1)]
        assert [made.outcome for made in records(steps)] == ["client_gone", "forwarded"]
        assert record(one.receive(SERVER, line(result("late")))).operation == "answer"

    @pytest.mark.parametrize("id", [7, None, [1]])
    def test_what_is_not_there_cannot_be_cancelled(self, id: Any) -> None:
        one = talk()
        one.receive(CLIENT, line(call()))
        assert len(records(one.receive(CLIENT, line(self.cancelled(id))))) == 1
        no_params = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        assert len(records(one.receive(CLIENT, line(no_params)))) == 1
        assert len(one.left()) == 1

    def test_a_part_of_a_batch_can_be_cancelled(self) -> None:
        one = talk()
        one.receive(CLIENT, line([call(id=1), call(id=2)]))
        assert len(records(one.receive(CLIENT, line(self.cancelled(1))))) == 1
        assert record(one.receive(SERVER, line(result("b", 2)))).operation == "batch"

    def test_an_id_that_is_used_again_ends_what_it_stood_for(self) -> None:
        one = talk()
        one.receive(CLIENT, line(call()))
        made = record(one.receive(CLIENT, line(call())))
        assert (made.id, made.outcome, made.fault) == ("id-1", "failed", "upstream.timeout: no answer came")

    def test_what_nobody_answers_does_not_grow_for_ever(self) -> None:
        one = talk()
        steps = [step for n in range(MAX_OPEN + 2) for step in one.receive(CLIENT, line(call(id=n)))]
        assert [made.id for made in records(steps)] == ["id-1", "id-2"]

    def test_a_batch_is_over_when_nothing_of_it_is_waited_for(self) -> None:
        one = talk()
        one.receive(CLIENT, line([call(id=n) for n in range(3)]))
        steps = [s for n in range(3, MAX_OPEN + 2) for s in one.receive(CLIENT, line(call(id=n)))]
        assert records(steps) == []
        assert len(one.left()) == MAX_OPEN


class TestCalls:
    """Calls of tools that a client makes, by a policy: allowed, refused, or asked about while others go on."""

    YES = Answer(is_approved=True)
    NO = Answer(is_approved=False, words="ann said no")

    def talk(self, policy: Policy | None = None) -> Conversation:
        numbers = count(1)
        by = policed(policy)
        return Conversation(by, upstream="mcp/n", principal="default", new_id=lambda: f"id-{next(numbers)}")

    def call(self, name: str, id: Any = 1, **arguments: Any) -> bytes:
        return line(
            {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        )

    def asked(self, steps: Sequence[Step]) -> AskAbout:
        (found,) = [step for step in steps if isinstance(step, AskAbout)]
        return found

    def test_an_allowed_call_goes_on_as_it_came(self) -> None:
        came = self.call("read", path="p")
        assert self.talk().receive(CLIENT, came) == [ToServer(came), Clock("id-1", 30.0, 600.0)]

    def test_all_calls_of_a_conversation_are_of_one_session(self) -> None:
        policy = Policy()
        one = self.talk(policy)
        for id_ in (1, 2):
            one.receive(CLIENT, self.call("read", id_))
        assert [look.transcript.session for look in policy.looks] == ["id-1", "id-1"]

    def test_a_refused_call_is_answered_and_recorded(self) -> None:
        steps = self.talk().receive(CLIENT, self.call("wipe"))
        (told,) = onward(steps, ToClient)
        assert "`wipe` is not for agents" in told["result"]["content"][0]["text"]
        (called,) = record(steps).calls
        assert (called.tool, called.server, called.effect) == ("wipe", "n", Effect.BLOCK)

    def test_others_go_on_while_a_call_is_asked_about(self) -> None:
        one = self.talk()
        came = self.call("pay", 1, what="rent")
        asked = self.asked(one.receive(CLIENT, came))
        assert asked.ask.questions[0].call.arguments == {"what": "rent"}
        other = line({**PING, "id": 2})
        assert one.receive(CLIENT, other) == [ToServer(other)]
        assert one.answered(asked.id, (self.YES,))[0] == ToServer(came)
        steps = one.receive(SERVER, line(DONE))
        assert record(steps).calls[0].asked

    def test_a_call_that_was_not_approved_is_answered(self) -> None:
        one = self.talk()
        asked = self.asked(one.receive(CLIENT, self.call("pay")))
        steps = one.answered(asked.id, (self.NO,))
        (told,) = onward(steps, ToClient)
        assert "ann said no" in told["result"]["content"][0]["text"]
        assert record(steps).code is Code.APPROVAL
        assert one.left() == []

    def test_a_call_goes_on_with_the_arguments_of_who_approved(self) -> None:
        one = self.talk()
        asked = self.asked(one.receive(CLIENT, self.call("pay", what="rent")))
        (sent,) = onward(one.answered(asked.id, (Answer(is_approved=True, arguments={"what": "less"}),)), ToServer)
        assert sent["params"]["arguments"] == {"what": "less"}

    def test_a_call_that_was_cancelled_meanwhile_goes_nowhere(self) -> None:
        one = self.talk()
        asked = self.asked(one.receive(CLIENT, self.call("pay")))
        one.receive(CLIENT, line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}))
        assert one.answered(asked.id, (self.YES,)) == []

    def test_a_call_that_nobody_waits_for_goes_nowhere(self) -> None:
        one = self.talk()
        steps = one.receive(CLIENT, line({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "pay"}}))
        assert one.answered(self.asked(steps).id, (self.YES,)) == []

    def test_answers_to_nothing_do_nothing(self) -> None:
        assert self.talk().answered("id-9", (self.YES,)) == []

    def test_an_answer_too_few_lets_nothing_pass(self) -> None:
        one = self.talk()
        asked = self.asked(one.receive(CLIENT, self.call("pay")))
        steps = one.answered(asked.id, ())
        assert onward(steps, ToServer) == []
        assert record(steps).code is Code.INTERNAL

    def counting(self) -> tuple[Conversation, bytes]:
        """One that counts calls, and one that is asked about."""
        return self.talk(Policy(terms=Terms(is_counted=True))), self.call("pay", what="rent")

    def counted(self, steps: Sequence[Step]) -> Count:
        (found,) = [step for step in steps if isinstance(step, Count)]
        return found

    def test_a_call_that_is_counted_waits_for_the_limits(self) -> None:
        one, _ = self.counting()
        came = self.call("read")
        assert one.receive(CLIENT, came) == [Count("id-1", Demand(tools=("read",)))]
        assert one.limited("id-1", LimitsTaken()) == [ToServer(came), Clock("id-1", 30.0, 600.0)]
        assert record(one.receive(SERVER, line(DONE))).outcome == "forwarded"

    def test_a_call_too_many_is_answered_and_goes_nowhere(self) -> None:
        one, _ = self.counting()
        found = self.counted(one.receive(CLIENT, self.call("read")))
        steps = one.limited(found.id, LimitsTaken("tools.read", 7))
        assert onward(steps, ToServer) == []
        (told,) = onward(steps, ToClient)
        assert told["id"] == 1
        assert "the limit `tools.read` is used up; it frees again in 7 s" in told["error"]["message"]
        assert told["error"]["data"]["retry_after"] == 7
        made = record(steps)
        assert (made.code, made.limit, made.outcome) == (Code.RATE, "tools.read", "refused")
        assert one.left() == []

    def test_limits_that_nobody_can_count_let_nothing_pass(self) -> None:
        one, _ = self.counting()
        found = self.counted(one.receive(CLIENT, self.call("read")))
        steps = one.limited(found.id, LimitsTaken(unavailable="the store is gone"))
        assert onward(steps, ToServer) == []
        assert record(steps).code is Code.STORE

    def test_a_call_is_counted_once_it_is_approved_and_goes_on_as_it_was(self) -> None:
        one, came = self.counting()
        asked = self.asked(one.receive(CLIENT, came))
        found = self.counted(one.answered(asked.id, (Answer(is_approved=True, arguments={"what": "less"}),)))
        (sent,) = onward(one.limited(found.id, LimitsTaken()), ToServer)
        assert sent["params"]["arguments"] == {"what": "less"}

    def test_a_call_that_is_refused_is_not_counted(self) -> None:
        one, came = self.counting()
        assert not any(isinstance(step, Count) for step in one.receive(CLIENT, self.call("wipe", 2)))
        asked = self.asked(one.receive(CLIENT, came))
        assert not any(isinstance(step, Count) for step in one.answered(asked.id, (self.NO,)))

    def test_all_calls_of_a_batch_are_counted_together(self) -> None:
        one, _ = self.counting()
        both = [json.loads(self.call("read", id_)) for id_ in (1, 2)]
        found = self.counted(one.receive(CLIENT, line(both)))
        assert found.demand.tools == ("read", "read")
        (told,) = onward(one.limited(found.id, LimitsTaken("tools.read", 7)), ToClient)
        assert [answer["id"] for answer in told] == [1, 2]

    def test_a_call_that_was_cancelled_while_it_is_counted_goes_nowhere(self) -> None:
        one, _ = self.counting()
        found = self.counted(one.receive(CLIENT, self.call("read")))
        one.receive(CLIENT, line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}))
        assert one.limited(found.id, LimitsTaken()) == []
        assert one.limited("id-9", LimitsTaken()) == []

    def test_what_a_server_calls_is_no_call_of_a_tool(self) -> None:
        policy = Policy()
        self.talk(policy).receive(SERVER, self.call("wipe"))
        assert policy.looks == []
