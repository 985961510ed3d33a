"""The official SDK of the Agent2Agent protocol, client and agent, through the gateway: only the URL differs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError
from a2a.helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types import (
    AgentInterface,
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    Role,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)

from gateway.app import serve_in_process
from tests.end_to_end.conftest import Start
from tests.end_to_end.running import CARD, PACK, SECRET, Running, configured, running
from tests.fakes.a2a_agent import serving
from tests.fakes.script import Raw
from tests.fakes.upstream import Upstream

MARK = "[removed by the security gateway: text that addressed the assistant]"


@dataclass(slots=True)
class Way:
    """One binding in one version of the protocol."""

    binding: str
    version: str

    def __str__(self) -> str:
        return f"{self.binding}-{self.version}"


WAYS = [Way(binding, version) for binding in ("JSONRPC", "HTTP+JSON") for version in ("1.0", "0.3")]


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture(scope="module")
def agent() -> Iterator[str]:
    with serving(AgentInterface(url="127.0.0.1:1", protocol_binding="GRPC", protocol_version="1.0")) as url:
        yield url


@pytest.fixture
async def gate(agent: str, tmp_path: Path) -> AsyncIterator[Running]:
    text = configured("http://127.0.0.1:1", f'[upstreams.fake]\ndialect = "a2a"\nbase_url = "{agent}"\n')
    async with running(text, tmp_path) as gate:
        yield gate


@asynccontextmanager
async def connected(gate: Running, way: Way, *, streaming: bool = True) -> AsyncIterator[Client]:
    async with httpx.AsyncClient() as http:
        card = await A2ACardResolver(http, f"{gate.url}/fake").get_agent_card()
        of_version = [one for one in card.supported_interfaces if one.protocol_version.startswith(way.version)]
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(of_version)
        config = ClientConfig(httpx_client=http, streaming=streaming, supported_protocol_bindings=[way.binding])
        yield ClientFactory(config).create(card)


async def said(client: Client, text: str) -> list[StreamResponse]:
    request = SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER))
    return [event async for event in client.send_message(request)]


async def finished(client: Client, text: str) -> Task:
    """The task that a client without streaming gets."""
    (answer,) = await said(client, text)
    return answer.task


async def test_the_card_leads_back_to_the_gateway(gate: Running) -> None:
    async with httpx.AsyncClient() as http:
        for name in ("agent-card.json", "agent.json"):
            card = await A2ACardResolver(http, f"{gate.url}/fake", f".well-known/{name}").get_agent_card()
            urls = {interface.url for interface in card.supported_interfaces}
            assert urls == {f"{gate.url}/fake/rpc", f"{gate.url}/fake/rest"}
            assert card.description == f"Knows things. {MARK} That is all."
            assert card.skills[0].description == f"Tells the weather. {MARK} Then ask."


async def test_what_is_clean_works_as_without_a_gateway(gate: Running, way: Way) -> None:
    async with connected(gate, way, streaming=False) as client:
        task = await finished(client, "echo all is well")
        assert task.status.state == TaskState.TASK_STATE_COMPLETED
        assert get_artifact_text(task.artifacts[0]) == "echo all is well"
        again = await client.get_task(GetTaskRequest(id=task.id))
        assert again.artifacts == task.artifacts


async def test_instructions_are_cut_out_of_what_an_agent_says(gate: Running, way: Way) -> None:
    async with connected(gate, way, streaming=False) as client:
        (hello,) = await said(client, "hello")
        assert get_message_text(hello.message) == f"Hello. {MARK} Bye."
        text, data, raw, url = (await finished(client, "artifact")).artifacts[0].parts
        assert text.text == f"Rain today. {MARK} Sun tomorrow."
        assert data.data.struct_value["note"] == f"Rain. {MARK} Wind."
        assert raw.raw == bytes(range(256))
        assert url.url == "https://files.example/map.png"


async def test_an_order_in_many_chunks_is_cut_out_of_the_stream(gate: Running, way: Way) -> None:
    async with connected(gate, way) as client:
        events = await said(client, "chunks")
        texts = [event.artifact_update.artifact.parts[0].text for event in events if event.HasField("artifact_update")]
        assert len(texts) == 9
        assert "".join(texts) == f"Rain today. {MARK} Sun tomorrow."
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def test_an_order_in_many_parts_is_cut_out_of_the_task(gate: Running, way: Way) -> None:
    """The agent keeps each chunk as a part of its own."""
    async with connected(gate, way, streaming=False) as client:
        task = await finished(client, "chunks")
        again = await client.get_task(GetTaskRequest(id=task.id))
        for one in (task, again):
            parts = [part.text for part in one.artifacts[0].parts]
            assert len(parts) == 9
            assert "".join(parts) == f"Rain today. {MARK} Sun tomorrow."


async def test_a_secret_in_two_chunks_ends_the_stream(gate: Running, way: Way) -> None:
    async with connected(gate, way) as client:
        with pytest.raises(A2AClientError, match="test-secret"):
            await said(client, "leak")
        assert (await said(client, "echo next"))[-1].HasField("status_update")


async def test_a_secret_in_two_parts_does_not_arrive(gate: Running, way: Way) -> None:
    async with connected(gate, way, streaming=False) as client:
        with pytest.raises(A2AClientError) as raised:
            await said(client, "leak")
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_secret_does_not_leave(gate: Running, way: Way, streaming: bool) -> None:
    async with connected(gate, way, streaming=streaming) as client:
        with pytest.raises(A2AClientError) as raised:
            await said(client, f"echo {SECRET}")
        if way.binding == "JSONRPC":
            assert "test-secret" in str(raised.value)
        assert (await gate.recorded(2))["code"] == "secret_blocked"


async def test_personal_data_is_redacted_on_the_way(gate: Running, way: Way) -> None:
    async with connected(gate, way, streaming=False) as client:
        assert get_artifact_text((await finished(client, f"echo {CARD}")).artifacts[0]) == "echo [CARD]"


async def test_a_client_is_asked_while_an_artifact_is_unfinished(gate: Running, way: Way) -> None:
    async with connected(gate, way) as client:
        events = await said(client, "ask")
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        assert get_message_text(events[-1].status_update.status.message) == f"where to? {MARK}"
        cancelled = await client.cancel_task(CancelTaskRequest(id=events[0].task.id))
        assert cancelled.status.state == TaskState.TASK_STATE_CANCELED


@pytest.mark.parametrize("way", [way for way in WAYS if way.version == "1.0"], ids=str, indirect=True)
async def test_the_extended_card_leads_back_too(gate: Running, way: Way) -> None:
    async with connected(gate, way) as client:
        card = await client.get_extended_agent_card(GetExtendedAgentCardRequest())
        assert {one.url for one in card.supported_interfaces} == {f"{gate.url}/fake/rpc", f"{gate.url}/fake/rest"}
        assert card.description == f"Knows things. {MARK} That is all."


@pytest.mark.parametrize("way", [way for way in WAYS if way.version == "1.0"], ids=str, indirect=True)
async def test_where_to_report_to_is_told_as_it_is(gate: Running, way: Way) -> None:
    async with connected(gate, way, streaming=False) as client:
        task = await finished(client, "echo hello")
        config = TaskPushNotificationConfig(task_id=task.id, id="c", url="https://client.example/hook", token="t-1")
        assert (await client.create_task_push_notification_config(config)).url == config.url
        config.url = f"https://client.example/{SECRET}"
        with pytest.raises(A2AClientError):
            await client.create_task_push_notification_config(config)


async def test_the_record_tells_what_was_asked_for(gate: Running) -> None:
    async with connected(gate, Way("JSONRPC", "1.0"), streaming=False) as client:
        await finished(client, "echo hello")
        record = await gate.recorded(2)
        assert (record["upstream"], record["dialect"], record["operation"]) == ("fake", "a2a", "SendMessage")
        assert (record["outcome"], record["request"]["coverage"]) == ("forwarded", "dialect")


RPC = {"jsonrpc": "2.0", "id": "q-1", "method": "message/send", "params": {}}
SAID = {"message": {"role": "user", "messageId": "m", "parts": [{"kind": "text", "text": SECRET}]}}
CARD_ELSEWHERE = {"name": "A", "url": "https://elsewhere.example/a2a", "skills": [], "protocolVersion": "0.3.0"}


class TestAgainstAFake:
    """Agents and clients that no SDK would make."""

    @pytest.fixture
    async def url(self, start: Start, upstream: Upstream) -> AsyncIterator[str]:
        async with start(f'[upstreams.fake]\ndialect = "a2a"\nbase_url = "{upstream.url}/agents/one"\n') as gate:
            yield f"{gate.url}/fake"

    async def asked(self, method: str, url: str, value: Any = None) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, json=value, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    async def test_a_refusal_answers_the_request(self, url: str, upstream: Upstream) -> None:
        status, body = await self.asked("POST", url, {**RPC, "params": SAID})
        assert (status, body["id"], body["error"]["code"]) == (200, "q-1", -32000)
        assert body["error"]["data"]["rules"] == ["test-secret"]
        assert upstream.requests == []

    async def test_a_refusal_of_a_plain_request_is_a_status(self, url: str, upstream: Upstream) -> None:
        status, body = await self.asked("POST", f"{url}/v1/message:send", SAID)
        assert (status, body["error"]["code"], body["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
        assert body["error"]["details"][0]["reason"] == "secret_blocked"
        assert upstream.requests == []

    async def test_a_batch_is_refused(self, url: str, upstream: Upstream) -> None:
        status, body = await self.asked("POST", url, [RPC, RPC])
        assert (status, body["error"]["code"]) == (400, -32600)
        assert "A2A has no batches" in body["error"]["message"]
        assert upstream.requests == []

    async def test_a_card_that_leads_elsewhere_is_refused(self, url: str, upstream: Upstream) -> None:
        upstream.script = lambda _: Raw((json.dumps(CARD_ELSEWHERE).encode(),))
        status, body = await self.asked("GET", f"{url}/.well-known/agent-card.json")
        assert status == 502
        assert "set `base_url` under [upstreams.fake]" in body["error"]["message"]
        assert "elsewhere" not in body["error"]["message"]

    async def test_a_card_may_be_anywhere(self, url: str, upstream: Upstream) -> None:
        card = {**CARD_ELSEWHERE, "url": f"{upstream.url}/agents/one/rpc"}
        upstream.script = lambda _: Raw((json.dumps(card).encode(),))
        assert await self.asked("GET", f"{url}/cards/1.json") == (200, {**card, "url": f"{url}/rpc"})

    @pytest.mark.parametrize("place", ["/agents/one/", "{base}/agents/one/"])
    async def test_an_agent_may_send_a_client_on(self, url: str, upstream: Upstream, place: str) -> None:
        upstream.script = lambda _: Raw((b"",), 307, (("Location", place.format(base=upstream.url)),))
        async with aiohttp.ClientSession() as http, http.post(url, json=RPC, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (307, f"{url}/")

    async def test_an_agent_may_not_send_a_client_past_the_gateway(self, url: str, upstream: Upstream) -> None:
        upstream.script = lambda _: Raw((b"",), 307, (("Location", "https://elsewhere.example/"),))
        status, body = await self.asked("POST", url, RPC)
        assert (status, body["id"], body["error"]["code"]) == (502, "q-1", -32603)

    async def test_what_http_says_beside_the_protocol_passes(self, url: str, upstream: Upstream) -> None:
        upstream.script = lambda _: Raw((b'{"error": "invalid_token"}',), 401, (("Content-Type", "application/json"),))
        assert await self.asked("POST", url, RPC) == (401, {"error": "invalid_token"})

    async def test_a_status_is_told_before_an_artifact_begins(self, url: str, upstream: Upstream) -> None:
        """What is decided does not wait for what comes."""
        status = {"kind": "status-update", "taskId": "t", "contextId": "c", "status": {"state": "working"}}
        chunk = {"kind": "artifact-update", "taskId": "t", "artifact": {"artifactId": "a", "parts": [{"text": "x"}]}}
        events = [{"jsonrpc": "2.0", "id": "q-1", "result": one} for one in (status, chunk)]
        lines = tuple(f"data: {json.dumps(event)}\n\n".encode() for event in events)
        fields = (("Content-Type", "text/event-stream"),)
        upstream.script = lambda _: Raw(lines, 200, fields, gap=30.0)
        async with aiohttp.ClientSession() as http, http.post(url, json=RPC) as answer:
            assert await answer.content.readany() == lines[0]


async def test_a_client_that_comes_by_proxy_gets_the_card_as_it_is(agent: str, tmp_path: Path) -> None:
    path = tmp_path / "lockgate.toml"
    text = configured("http://127.0.0.1:1", f'[upstreams.fake]\ndialect = "a2a"\nbase_url = "{agent}"\n')
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "test.toml").write_text(PACK)
    path.write_text(text)
    async with (
        serve_in_process(path, {}) as service,
        httpx.AsyncClient(proxy=f"http://{service.proxy}", trust_env=False) as http,
    ):
        card = await A2ACardResolver(http, agent).get_agent_card()
        assert f"{agent}/rpc" in {interface.url for interface in card.supported_interfaces}
        assert card.description == f"Knows things. {MARK} That is all."
