"""The session of a call in the answers of every dialect: of a growing conversation one, of two that begin alike two."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.dialect.families import FAMILIES
from gateway.exchange.events import AnswerData, AnswerStarted, Ask, LimitsTaken, RequestData, RequestStarted
from gateway.exchange.machine import Exchange
from gateway.policy.call import Question, Session
from gateway.policy.firewall import Firewall
from gateway.policy.profile import PROFILES
from gateway.policy.tools.toolbox import Toolbox
from tests.exchange.gates import gate
from tests.exchange.test_machine import JSON, feed, only

GATE = replace(gate(), firewall=Firewall(Toolbox(), None, PROFILES["balanced"], b"key"))

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """How one API spells things. `asks` makes a request of the user's first words and what came of each call, by id and
    path; `calls` the answer that calls. `ids` are those of two calls."""

    family: str
    path: str
    asks: Callable[[str, tuple[tuple[str, str], ...]], Json]
    calls: Callable[[str, str], Json]
    ids: tuple[str, str] = ("call_pQ8vW1zTn3KxA7rB5mYc2LdE", "call_aZ4kJ9sHq6TgU2wV8nXb1MfR")


def chat_call(id: str, path: str) -> Json:
    function = {"name": "write_file", "arguments": json.dumps({"path": path})}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": id, "type": "function", "function": function}]}


def chat_asks(first: str, made: tuple[tuple[str, str], ...]) -> Json:
    messages: list[Json] = [{"role": "user", "content": first}]
    for called, path in made:
        messages += [chat_call(called, path), {"role": "tool", "tool_call_id": called, "content": "done"}]
    return {"model": "m", "messages": messages}


def chat_calls(id: str, path: str) -> Json:
    choice = {"index": 0, "message": chat_call(id, path), "finish_reason": "tool_calls"}
    return {"object": "chat.completion", "model": "m", "choices": [choice]}


def item(id: str, path: str) -> Json:
    arguments = json.dumps({"path": path})
    return {"type": "function_call", "id": f"fc{id}", "call_id": id, "name": "write_file", "arguments": arguments}


def responses_asks(first: str, made: tuple[tuple[str, str], ...]) -> Json:
    items: list[Json] = [{"role": "user", "content": first}]
    for called, path in made:
        items += [item(called, path), {"type": "function_call_output", "call_id": called, "output": "done"}]
    return {"model": "m", "input": items}


def responses_calls(id: str, path: str) -> Json:
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [item(id, path)]}


def tool_use(id: str, path: str) -> Json:
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": id, "name": "write_file", "input": {"path": path}}],
    }


def anthropic_asks(first: str, made: tuple[tuple[str, str], ...]) -> Json:
    messages: list[Json] = [{"role": "user", "content": first}]
    for called, path in made:
        returned = {"type": "tool_result", "tool_use_id": called, "content": "done"}
        messages += [tool_use(called, path), {"role": "user", "content": [returned]}]
    return {"model": "m", "max_tokens": 9, "messages": messages}


def anthropic_calls(id: str, path: str) -> Json:
    return {"id": "msg_1", "type": "message", "model": "m", "stop_reason": "tool_use", **tool_use(id, path)}


def content(id: str, path: str) -> Json:
    call = {"name": "write_file", "args": {"path": path}} | ({"id": id} if id else {})
    return {"role": "model", "parts": [{"functionCall": call}]}


def gemini_asks(first: str, made: tuple[tuple[str, str], ...]) -> Json:
    contents: list[Json] = [{"role": "user", "parts": [{"text": first}]}]
    for called, path in made:
        returned = {"name": "write_file", "response": {"output": "done"}} | ({"id": called} if called else {})
        contents += [content(called, path), {"role": "user", "parts": [{"functionResponse": returned}]}]
    return {"contents": contents}


def gemini_calls(id: str, path: str) -> Json:
    return {"candidates": [{"index": 0, "content": content(id, path), "finishReason": "STOP"}]}


def ollama_call(path: str) -> Json:
    call = {"function": {"name": "write_file", "arguments": {"path": path}}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def ollama_asks(first: str, made: tuple[tuple[str, str], ...]) -> Json:
    messages: list[Json] = [{"role": "user", "content": first}]
    for _, path in made:
        messages += [ollama_call(path), {"role": "tool", "tool_name": "write_file", "content": "done"}]
    return {"model": "m", "stream": False, "messages": messages}


def ollama_calls(_: str, path: str) -> Json:
    return {"model": "m", "message": ollama_call(path), "done": True, "done_reason": "stop"}


def step(id: str, path: str) -> Json:
    return {"type": "function_call", "id": id, "name": "write_file", "arguments": {"path": path}}


def returned(id: str) -> Json:
    return {"type": "function_result", "call_id": id, "name": "write_file", "result": "done"}


def interactions_asks(first: str, made: tuple[tuple[str, str], ...]) -> Json:
    steps: list[Json] = [{"type": "user_input", "content": [{"type": "text", "text": first}]}]
    for called, path in made:
        steps += [step(called, path), returned(called)]
    return {"model": "m", "input": steps}


def interactions_calls(id: str, path: str) -> Json:
    return {"id": "int_1", "object": "interaction", "status": "requires_action", "steps": [step(id, path)]}


def block(id: str, path: str) -> Json:
    call = {"toolUseId": id, "name": "write_file", "input": {"path": path}}
    return {"role": "assistant", "content": [{"toolUse": call}]}


def converse_asks(first: str, made: tuple[tuple[str, str], ...]) -> Json:
    messages: list[Json] = [{"role": "user", "content": [{"text": first}]}]
    for called, path in made:
        result = {"toolUseId": called, "content": [{"text": "done"}]}
        messages += [block(called, path), {"role": "user", "content": [{"toolResult": result}]}]
    return {"messages": messages}


def converse_calls(id: str, path: str) -> Json:
    return {"output": {"message": block(id, path)}, "stopReason": "tool_use"}


NONE = ("", "")
GEMINI = "/v1beta/models/m:generateContent"
APIS = {
    "chat": Api("openai", "/v1/chat/completions", chat_asks, chat_calls),
    "chat-counted": Api("openai", "/v1/chat/completions", chat_asks, chat_calls, ("call_0", "call_1")),
    "responses": Api("openai", "/v1/responses", responses_asks, responses_calls),
    "anthropic": Api("anthropic", "/v1/messages", anthropic_asks, anthropic_calls),
    "gemini": Api("gemini", GEMINI, gemini_asks, gemini_calls),
    "gemini-without-ids": Api("gemini", GEMINI, gemini_asks, gemini_calls, NONE),
    "interactions": Api("gemini", "/v1beta/interactions", interactions_asks, interactions_calls),
    "converse": Api("bedrock", "/model/m/converse", converse_asks, converse_calls),
    "bedrock-messages": Api("bedrock", "/model/anthropic.m/invoke", anthropic_asks, anthropic_calls),
    "ollama": Api("ollama", "/api/chat", ollama_asks, ollama_calls, NONE),
}


def asked(family: str, path: str, body: Json, answer: Json, session: str = "") -> Question:
    """The one question about an answer."""
    exchange = Exchange(GATE, FAMILIES[family], id="id-1", upstream=family, principal="default")
    head = RequestStarted("POST", path, JSON, has_body=True, session=session)
    events = head, LimitsTaken(), RequestData(json.dumps(body).encode(), last=True)
    told = AnswerStarted(200, JSON), AnswerData(json.dumps(answer).encode(), last=True)
    (question,) = only(feed(exchange, *events, *told), Ask).questions
    return question


def holds(approved: Session, later: Session) -> bool:
    return approved.name in later.earlier


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> Api:
    return APIS[request.param]


def turn(api: Api, first: str, made: tuple[tuple[str, str], ...], now: tuple[str, str], session: str = "") -> Session:
    return asked(api.family, api.path, api.asks(first, made), api.calls(*now), session).session


def test_a_conversation_that_grows_stays_one(api: Api) -> None:
    one, two = (api.ids[0], "a"), (api.ids[1], "b")
    approved = turn(api, "hi", (), one)
    assert approved.name
    assert holds(approved, turn(api, "hi", (one,), two))
    assert holds(approved, turn(api, "hi", (one, two), (f"{api.ids[1]}x", "c")))


def test_another_that_begins_alike_is_another(api: Api) -> None:
    approved = turn(api, "hi", (), (api.ids[0], "a"))
    assert not holds(approved, turn(api, "hi", (), (api.ids[1], "b")))
    assert not holds(approved, turn(api, "hi", ((api.ids[1], "b"),), (f"{api.ids[1]}x", "c")))
    assert not holds(approved, turn(api, "hi", (), (api.ids[0], "a"))), "the very same is asked about once more"


def test_what_the_client_calls_it_counts_alone(api: Api) -> None:
    one, two = (api.ids[0], "a"), (api.ids[1], "b")
    approved = turn(api, "hi", (), one, "s-1")
    assert holds(approved, turn(api, "what else?", (), two, "s-1"))
    assert not holds(approved, turn(api, "hi", (one,), two, "s-2"))
    assert not holds(approved, turn(api, "hi", (one,), two))


class TestKept:
    """Conversations that the providers of the Responses and Interactions APIs keep."""

    @staticmethod
    def turn(body: Json, now: tuple[str, str]) -> Session:
        return asked("openai", "/v1/responses", {"model": "m", **body}, responses_calls(*now)).session

    @pytest.mark.parametrize("named", ["conv_1", {"id": "conv_1"}])
    def test_a_conversation_that_is_named_is_one(self, named: Any) -> None:
        one, two = APIS["responses"].ids
        approved = self.turn({"conversation": named, "input": "hi"}, (one, "a"))
        assert holds(approved, self.turn({"conversation": "conv_1", "input": "more"}, (two, "b")))
        assert not holds(approved, self.turn({"conversation": "conv_2", "input": "hi"}, (two, "b")))

    def test_a_chain_of_responses_is_one_as_far_as_the_calls_output_tells(self) -> None:
        one, two = APIS["responses"].ids
        approved = self.turn({"input": "hi"}, (one, "a"))
        output = [{"type": "function_call_output", "call_id": one, "output": "done"}]
        assert holds(approved, self.turn({"previous_response_id": "resp_1", "input": output}, (two, "b")))
        assert not holds(approved, self.turn({"previous_response_id": "resp_1", "input": "more"}, (two, "b")))

    def test_so_is_a_chain_of_interactions(self) -> None:
        one, two = APIS["interactions"].ids
        kept = {"model": "m", "previous_interaction_id": "int_1"}
        approved = turn(APIS["interactions"], "hi", (), (one, "a"))

        def later(given: Any) -> Session:
            body = {**kept, "input": given}
            return asked("gemini", "/v1beta/interactions", body, interactions_calls(two, "b")).session

        assert holds(approved, later([returned(one)]))
        assert not holds(approved, later("more"))
