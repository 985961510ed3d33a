"""Calls that an exchange makes itself: how long they take, and what comes of their results."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from gateway.dialect.families import FAMILIES
from gateway.exchange.conversation import Conversation
from gateway.exchange.conversation_steps import Clock, ToClient, ToServer
from gateway.exchange.demand import Consults
from gateway.exchange.events import (
    AnswerData,
    AnswerStarted,
    Command,
    Consult,
    DropUpstream,
    EndAnswer,
    LimitsTaken,
    Overdue,
    RequestStarted,
    Respond,
    SendAnswer,
    StartClock,
    StartUpstream,
)
from gateway.exchange.machine import Exchange
from gateway.exchange.open_exchanges import MAX_OPEN
from gateway.policy.tools.tool import ResultPolicy
from gateway.policy.tools.wrapper import Became, Terms
from gateway.segment import Direction
from tests.exchange.policing import Policy, policed
from tests.exchange.test_conversation import CLIENT, SERVER, line, onward, record
from tests.exchange.test_machine import feed, only
from tests.exchange.test_machine import record as machine_record
from tests.exchange.test_machine_mcp import JSON, STREAM, asked, exchange
from tests.exchange.test_messages import event, progress, result

SMALL = Terms(7.0, (("small", ResultPolicy(max_size=80)),))
LARGE = "x" * 100


def call(name: str = "read", id: Any = 1, **meta: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"name": name, "arguments": {}, **({"_meta": meta} if meta else {})}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


def words(answer: dict[str, Any]) -> str:
    assert answer["result"]["isError"] is True
    return str(answer["result"]["content"][0]["text"])


class TestOverHttp:
    def calling(self, terms: Terms = SMALL) -> tuple[Any, list[Command]]:
        one = exchange(by=policed(Policy(terms=terms)))
        return one, feed(one, *asked(call()))

    def test_the_clock_starts_before_the_request_leaves(self) -> None:
        _, commands = self.calling()
        assert [type(command) for command in commands[-2:]] == [StartClock, StartUpstream]
        assert only(commands, StartClock) == StartClock(7.0, 140.0)

    def test_behind_limits_it_starts_when_they_allow_it(self) -> None:
        one = exchange(by=policed(Policy(terms=SMALL)), consults=Consults.LATE)
        started, limits, data = asked(call())
        assert not [command for command in feed(one, started, data) if isinstance(command, StartClock)]
        assert only(feed(one, limits), StartClock).seconds == 7.0

    def test_what_calls_no_tool_has_no_clock(self) -> None:
        one = exchange(by=policed())
        listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert not [command for command in feed(one, *asked(listed)) if isinstance(command, StartClock)]

    def test_a_tool_that_does_not_answer_in_time_is_answered_for(self) -> None:
        one, _ = self.calling()
        commands = feed(one, Overdue())
        assert only(commands, DropUpstream)
        reply = only(commands, Respond)
        assert reply.status == 200
        assert "has not answered within the 7 seconds" in words(json.loads(reply.body))
        line_ = machine_record(commands)
        assert [made.became for made in line_.calls] == [Became.OVERDUE]
        assert line_.outcome == "refused"
        assert feed(one, AnswerStarted(200, JSON)) == []

    def test_on_a_stream_the_answer_is_its_last_event(self) -> None:
        one, _ = self.calling()
        feed(one, AnswerStarted(200, STREAM), AnswerData(event(progress("half")), last=False))
        commands = feed(one, Overdue())
        answer = json.loads(only(commands, SendAnswer).data.split(b"data: ")[1])
        assert "has not answered" in words(answer)
        assert only(commands, EndAnswer).clean
        assert machine_record(commands).outcome == "cut"

    def test_progress_gives_more_time(self) -> None:
        one, _ = self.calling()
        commands = feed(one, AnswerStarted(200, STREAM), AnswerData(event(progress("half")), last=False))
        assert only(commands, StartClock) == StartClock(7.0, 140.0)
        commands = feed(one, AnswerData(event(result("done")), last=True))
        assert not [command for command in commands if isinstance(command, StartClock)]
        assert [made.became for made in machine_record(commands).calls] == [Became.RETURNED]

    def test_a_result_that_is_too_large_is_replaced(self) -> None:
        one, _ = self.calling()
        body = json.dumps(result(LARGE)).encode()
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(body, last=True))
        assert "[tools.small.result] allows 80" in words(json.loads(only(commands, Respond).body))
        assert [made.became for made in machine_record(commands).calls] == [Became.TOO_LARGE]
        assert machine_record(commands).outcome == "edited"

    @pytest.mark.parametrize("id_", ["1", "+1", "1.0"])
    def test_so_is_one_with_an_id_that_clients_take_for_the_call_s(self, id_: str) -> None:
        one, _ = self.calling()
        body = json.dumps({**result(LARGE), "id": id_}).encode()
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(body, last=True))
        assert "allows 80" in words(json.loads(only(commands, Respond).body))

    @pytest.mark.parametrize(
        "told",
        [{"toolResult": LARGE}, {"task": {"taskId": "t1"}}, {"x": 1, "resultType": "input_required"}],
        ids=["as in 2024-10-07", "to be fetched apart", "in a form of its own"],
    )
    def test_so_is_one_that_has_its_content_elsewhere(self, told: dict[str, Any]) -> None:
        """Or nothing would be held to what the policy says of the tool's results."""
        one, _ = self.calling()
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": told}).encode()
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(body, last=True))
        assert "no content that could be held to [tools.small.result]" in words(
            json.loads(only(commands, Respond).body)
        )
        assert [made.became for made in machine_record(commands).calls] == [Became.UNFIT]

    def test_a_question_is_no_result_yet(self) -> None:
        one, _ = self.calling()
        told = {"resultType": "input_required", "inputRequests": {}, "requestState": LARGE}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": told}).encode()
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(body, last=True))
        assert only(commands, Respond).body == body

    def test_on_a_stream_too(self) -> None:
        one, _ = self.calling()
        commands = feed(one, AnswerStarted(200, STREAM), AnswerData(event(result(LARGE), 4), last=True))
        data = only(commands, SendAnswer).data
        assert data.startswith(b"id: 4")
        assert "allows 80" in words(json.loads(data.split(b"data: ")[1]))

    def test_in_the_modern_protocol_it_says_of_which_type_it_is(self) -> None:
        one, _ = self.calling()
        answer = result(LARGE)
        answer["result"]["resultType"] = "complete"
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(json.dumps(answer).encode(), last=True))
        assert json.loads(only(commands, Respond).body)["result"]["resultType"] == "complete"

    def test_a_small_one_leaves_as_it_came(self) -> None:
        one, _ = self.calling()
        body = json.dumps(result("ok"), indent=1).encode()
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(body, last=True))
        assert only(commands, Respond).body == body

    def test_that_a_tool_failed_is_recorded(self) -> None:
        one, _ = self.calling()
        answer = result("no")
        answer["result"]["isError"] = True
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(json.dumps(answer).encode(), last=True))
        assert [made.became for made in machine_record(commands).calls] == [Became.FAILED]


class TestOverPipes:
    def talk(self, terms: Terms = SMALL) -> Conversation:
        numbers = count(1)
        by = policed(Policy(terms=terms))
        return Conversation(by, upstream="mcp/n", principal="default", new_id=lambda: f"id-{next(numbers)}")

    def test_a_tool_that_does_not_answer_in_time_is_answered_for(self) -> None:
        one = self.talk()
        assert one.receive(CLIENT, line(call()))[-1] == Clock("id-1", 7.0, 140.0)
        steps = one.overdue("id-1")
        assert "has not answered within the 7 seconds" in words(onward(steps, ToClient)[0])
        (cancelled,) = onward(steps, ToServer)
        assert (cancelled["method"], cancelled["params"]["requestId"]) == ("notifications/cancelled", 1)
        assert [made.became for made in record(steps).calls] == [Became.OVERDUE]
        assert one.left() == []

    def test_its_late_answer_goes_nowhere(self) -> None:
        one = self.talk()
        one.receive(CLIENT, line(call()))
        one.overdue("id-1")
        for id_ in (1, "1", "+1"):
            assert one.receive(SERVER, line({**result("late"), "id": id_})) == []
        one.receive(CLIENT, line(call()))
        assert record(one.receive(SERVER, line(result("ok")))).calls[0].became is Became.RETURNED

    def test_so_many_late_answers_are_known(self) -> None:
        one = self.talk()
        for number in range(MAX_OPEN + 1):
            one.receive(CLIENT, line(call(id=number)))
            one.overdue(f"id-{number + 1}")
        assert one.receive(SERVER, line({**result("late"), "id": 1})) == []
        assert one.receive(SERVER, line({**result("late"), "id": 0})) != []

    def test_nor_does_that_to_a_call_that_was_cancelled(self) -> None:
        one = self.talk()
        one.receive(CLIENT, line(call()))
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        one.receive(CLIENT, line(cancelled))
        assert one.receive(SERVER, line(result(LARGE))) == []

    def test_nor_to_one_for_which_too_many_others_wait(self) -> None:
        one = self.talk()
        for id_ in range(MAX_OPEN + 1):
            one.receive(CLIENT, line(call(id=id_)))
        assert one.receive(SERVER, line({**result(LARGE), "id": 0})) == []

    def test_a_clock_that_was_overtaken_does_nothing(self) -> None:
        one = self.talk()
        one.receive(CLIENT, line(call()))
        one.receive(SERVER, line(result("ok")))
        assert one.overdue("id-1") == []

    @pytest.mark.parametrize(("token", "clocks"), [(5, 1), (6, 0)])
    def test_progress_of_that_call_gives_more_time(self, token: int, clocks: int) -> None:
        one = self.talk()
        one.receive(CLIENT, line(call(progressToken=token)))
        report = progress("half")
        report["params"]["progressToken"] = 5
        steps = one.receive(Direction.ANSWER, line(report))
        assert len([step for step in steps if isinstance(step, Clock)]) == clocks

    def test_a_result_that_is_too_large_is_replaced(self) -> None:
        one = self.talk()
        one.receive(CLIENT, line(call()))
        steps = one.receive(SERVER, line(result(LARGE)))
        assert "allows 80" in words(onward(steps, ToClient)[0])
        assert [made.became for made in record(steps).calls] == [Became.TOO_LARGE]

    @pytest.mark.parametrize("id_", ["1", "+1", "0x1"])
    def test_so_is_one_with_an_id_that_clients_take_for_the_call_s(self, id_: str) -> None:
        one = self.talk()
        one.receive(CLIENT, line(call()))
        for told in (id_, 1):
            steps = one.receive(SERVER, line({**result(LARGE), "id": told}))
            assert "allows 80" in words(onward(steps, ToClient)[0])


class TestOfHttpTools:
    """Requests that are mapped to a tool."""

    def asked(self, terms: Terms) -> tuple[Exchange, list[Command]]:
        class Mapped(Policy):
            def requested(self, *_: Any) -> tuple[tuple[str, Any], ...]:
                return (("read", {}),)

        by = policed(Mapped(terms=terms))
        one = Exchange(by, FAMILIES["http"], id="id-1", upstream="crm", principal="default", consults=Consults.EARLY)
        started = RequestStarted("GET", "/users", (), has_body=False)
        return one, feed(one, started, LimitsTaken())

    def test_they_have_a_time(self) -> None:
        one, commands = self.asked(SMALL)
        assert only(commands, StartClock).seconds == 7.0
        reply = only(feed(one, Overdue()), Respond)
        assert b"has not answered within the 7 seconds" in reply.body

    def test_the_limits_are_told_which_tool_they_call(self) -> None:
        _, commands = self.asked(SMALL)
        assert [command.demand.tools for command in commands if isinstance(command, Consult)] == [("read",)]

    def test_an_answer_that_is_too_large_is_refused(self) -> None:
        one, _ = self.asked(SMALL)
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(json.dumps(LARGE).encode(), last=True))
        assert b"[tools.small.result] allows 80" in only(commands, Respond).body
        assert [made.became for made in machine_record(commands).calls] == [Became.TOO_LARGE]

    def test_a_small_one_leaves_as_it_came(self) -> None:
        one, _ = self.asked(SMALL)
        commands = feed(one, AnswerStarted(200, JSON), AnswerData(b'{"a": 1}', last=True))
        assert only(commands, Respond).body == b'{"a": 1}'
        assert [made.became for made in machine_record(commands).calls] == [Became.RETURNED]
