"""Amazon's SDK and Anthropic's on Bedrock, unmodified: with a key by base URL, and signing, by proxy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import anthropic
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError

from tests.end_to_end.proxy.proxied import HOST, Proxied, private_authority, proxied
from tests.end_to_end.running import CARD, ORDER, SECRET, Running, configured, running
from tests.end_to_end.test_firewall import STOLEN, TASK, calls
from tests.end_to_end.test_stop import lockgate
from tests.fakes import amazon, bedrock
from tests.fakes.bedrock_agents import AGENTS, NAMED, PROFILE, REGION, SIGNING, Agent, Way
from tests.fakes.script import Call, Fail, Raw, Say, Seen
from tests.fakes.talk import Talk, Turn, ask
from tests.fakes.upstream import Upstream, fake_upstream

WEATHER = Call("weather", '{"city": "Zürich", "days": 3}')
STREAMED = [agent for agent in AGENTS if agent.streamed]
BEDROCK = '[upstreams.bedrock]\ndialect = "bedrock"\n'


def table(url: str, more: str = "") -> str:
    return f'{BEDROCK}base_url = "{url}"\n{more}'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An agent's, with nothing of this machine's own."""
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


OWN = 'api_key_env = "OWN"\n[agents.reader]\nkey_env = "READER"\n'
ENVIRON = {"READER": "reader-key", "OWN": "bedrock-api-key-own"}


@pytest.fixture
async def gateway(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway that has the key to Bedrock, and knows an agent by one of its own."""
    async with running(configured(upstream.url, table(upstream.url, OWN)), tmp_path, ENVIRON) as gate:
        yield gate


def by_url(gate: Running, model: str = NAMED) -> Way:
    return Way(f"{gate.url}/bedrock", model, key="reader-key")


MODELS = pytest.mark.parametrize("model", [NAMED, PROFILE], ids=["named", "profile"])
EACH = pytest.mark.parametrize("agent", AGENTS, ids=str)


class TestByBaseUrl:
    @MODELS
    @EACH
    async def test_tools(self, agent: Agent, model: str, gateway: Running, upstream: Upstream) -> None:
        """The model asks for a tool; its result goes back, marked as data; the model answers."""
        upstream.script = [Say("Looking.", calls=(WEATHER,)), Say("Rain — 再见.", thinking="Hm.")]
        way = by_url(gateway, model)
        first = await agent.speak(way, Talk((Turn("weather?"),), system="Be brief.", with_tools=True))
        assert (first.text, first.calls) == ("Looking.", (("weather", {"city": "Zürich", "days": 3}),))
        assert first.finish == "tool_use"
        turns = (Turn("weather?"), Turn(call=WEATHER, result="rain all day"))
        second = await agent.speak(way, Talk(turns, system="Be brief.", with_tools=True))
        assert (second.text, second.finish) == ("Rain — 再见.", "end_turn")
        record = await gateway.recorded(2)
        assert (record["dialect"], record["wrapped"], record["streamed"]) == (agent.dialect, 1, agent.streamed)
        assert record["request"]["coverage"] == record["answer"]["coverage"] == "dialect"
        assert record["model"] == model
        assert {"input": record["usage"]["input"], "output": record["usage"]["output"]} == {"input": 9, "output": 12}
        assert record["principal"] == "reader"
        assert upstream.last.header("authorization") == "Bearer bedrock-api-key-own"
        assert upstream.last.json()["system"] not in ("Be brief.", [{"text": "Be brief."}])

    @EACH
    async def test_a_call_that_a_page_ordered_is_refused_and_the_loop_goes_on(
        self, agent: Agent, gateway: Running, upstream: Upstream
    ) -> None:
        upstream.script = [Say("Writing to them.", calls=(STOLEN,)), Say("Sales rose.")]
        heard = await agent.speak(by_url(gateway), Talk(TASK))
        assert (heard.calls, heard.finish) == ((), "end_turn")
        assert "[The security gateway refused the call of `send_email`: " in heard.text
        again = await agent.speak(by_url(gateway), Talk((*TASK, Turn("And in short?"))))
        assert (again.text, again.calls) == ("Sales rose.", ())
        await gateway.recorded(2)
        (call,) = calls(gateway)
        assert (call["tool"], call["effect"]) == ("send_email", "block")

    @EACH
    async def test_refused_content_raises_the_typed_error_once(
        self, agent: Agent, gateway: Running, upstream: Upstream
    ) -> None:
        with pytest.raises((ClientError, anthropic.BadRequestError), match="`test-secret`") as raised:
            await agent.speak(by_url(gateway), ask(f"my key is {SECRET}"))
        if isinstance(raised.value, ClientError):
            assert type(raised.value).__name__ == "ValidationException"
        await gateway.recorded()
        assert len(gateway.records()) == 1
        assert upstream.requests == []

    @EACH
    async def test_who_shows_no_gateway_key_is_told_so_once(
        self, agent: Agent, gateway: Running, upstream: Upstream
    ) -> None:
        stranger = Way(f"{gateway.url}/bedrock", NAMED, key="AKIASTRANGER")
        with pytest.raises((ClientError, anthropic.AuthenticationError), match="wants a gateway key") as raised:
            await agent.speak(stranger, ask("hello"))
        if isinstance(raised.value, ClientError):
            assert type(raised.value).__name__ == "AccessDeniedException"
        await gateway.recorded()
        assert (len(gateway.records()), upstream.requests) == (1, [])

    async def test_who_is_stopped_does_not_try_again(self, gateway: Running, upstream: Upstream) -> None:
        await lockgate(gateway, "stop", "--why", "it leaks")
        with pytest.raises(ClientError, match="it leaks") as raised:
            await AGENTS[0].speak(by_url(gateway), ask("hello"))
        assert type(raised.value).__name__ == "AccessDeniedException"
        assert [record["status"] for record in gateway.records() if record["code"] == "stopped"] == [403]
        assert upstream.requests == []

    @EACH
    async def test_an_upstream_error_is_raised_as_the_sdks_own(
        self, agent: Agent, gateway: Running, upstream: Upstream
    ) -> None:
        upstream.script = Fail(403, "no access to this model")
        with pytest.raises((ClientError, anthropic.PermissionDeniedError), match="no access to this model") as raised:
            await agent.speak(by_url(gateway), ask("hello"))
        if isinstance(raised.value, ClientError):
            assert type(raised.value).__name__ == "AccessDeniedException"

    @EACH
    async def test_a_card_in_an_answer_is_redacted(self, agent: Agent, gateway: Running, upstream: Upstream) -> None:
        upstream.script = Say(f"The card is {CARD}, I think.", step=3)
        heard = await agent.speak(by_url(gateway), ask("which card?"))
        assert (CARD in heard.text, "The card is [" in heard.text, heard.finish) == (False, True, "end_turn")

    @pytest.mark.parametrize("agent", STREAMED, ids=str)
    async def test_a_stream_with_a_secret_is_cut_and_ends_in_good_order(
        self, agent: Agent, gateway: Running, upstream: Upstream
    ) -> None:
        upstream.script = Say(f"Here it is: {SECRET}, do not tell.", step=4)
        heard = await agent.speak(by_url(gateway), ask("tell me"))
        assert heard.text.startswith("Here it is")
        assert SECRET not in heard.text
        assert heard.finish == {"bedrock_converse": "content_filtered", "bedrock_messages": "refusal"}[agent.dialect]
        assert (await gateway.recorded())["outcome"] == "cut"

    @pytest.mark.parametrize("agent", STREAMED, ids=str)
    async def test_an_untouched_stream_is_the_very_bytes(
        self, agent: Agent, gateway: Running, upstream: Upstream
    ) -> None:
        say = Say("Grüße.", calls=(WEATHER,), thinking="Hm.", step=1)
        made = bedrock.events if agent.dialect == "bedrock_converse" else bedrock.chunks
        raw = b"".join(made(say, {}))
        pieces = tuple(raw[at : at + 7] for at in range(0, len(raw), 7))
        upstream.script = Raw(pieces, headers=(("Content-Type", bedrock.STREAM_TYPE),))
        name = "converse-stream" if agent.dialect == "bedrock_converse" else "invoke-with-response-stream"
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer reader-key"}) as session:
            answer = await session.post(
                f"{gateway.url}/bedrock/model/{NAMED}/{name}",
                json={"messages": [{"role": "user", "content": [{"text": "weather in Zürich?"}]}]},
            )
            assert await answer.read() == raw
        assert (await gateway.recorded())["answer"]["coverage"] == "dialect"

    async def test_an_exception_within_a_stream_is_raised(self, gateway: Running, upstream: Upstream) -> None:
        begun = list(bedrock.events(Say("Some words."), {}))[:3]
        raw = (*begun, amazon.exception("throttlingException", "too many tokens"))
        upstream.script = Raw(raw, headers=(("Content-Type", bedrock.STREAM_TYPE),))
        with pytest.raises(EventStreamError, match="too many tokens"):
            await AGENTS[1].speak(by_url(gateway), ask("hello"))

    @pytest.mark.parametrize("agent", STREAMED, ids=str)
    async def test_a_broken_checksum_ends_the_stream_in_good_order(
        self, agent: Agent, gateway: Running, upstream: Upstream
    ) -> None:
        made = bedrock.events if agent.dialect == "bedrock_converse" else bedrock.chunks
        raw = list(made(Say("Some words.", step=30), {}))
        broken = bytearray(raw[-3])
        broken[-1] ^= 1
        upstream.script = Raw((*raw[:-3], bytes(broken), *raw[-2:]), headers=(("Content-Type", bedrock.STREAM_TYPE),))
        heard = await agent.speak(by_url(gateway), ask("hello"))
        assert heard.finish in {"content_filtered", "refusal"}
        assert "checksum" in (await gateway.recorded())["fault"]


class TestByProxy:
    """A signature covers host, path, body and most fields, so Amazon's own holds only where the gateway is a proxy."""

    @pytest.fixture
    async def upstream(self, tmp_path: Path) -> AsyncIterator[Upstream]:
        authorities = private_authority(tmp_path)
        async with fake_upstream(authorities.context()) as fake:
            yield fake

    @pytest.fixture
    async def proxy(self, upstream: Upstream, tmp_path: Path) -> AsyncIterator[Proxied]:
        async with proxied(table(upstream.url.replace("127.0.0.1", HOST)), tmp_path) as gate:
            yield gate

    def way(self, upstream: Upstream, proxy: Proxied, *, signed: bool = True) -> Way:
        url = upstream.url.replace("127.0.0.1", HOST)
        return Way(url, NAMED, signed=signed, proxy=proxy.gate.proxy, bundle=proxy.bundle)

    @EACH
    async def test_a_request_with_a_key_is_marked(
        self, agent: Agent, upstream: Upstream, proxy: Proxied, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-agent")
        upstream.script = Say("Rain.")
        turns = (Turn(f"My card is {CARD}."), Turn(call=WEATHER, result="rain all day"))
        assert (await agent.speak(self.way(upstream, proxy, signed=False), Talk(turns))).text == "Rain."
        assert upstream.last.header("authorization") == "Bearer bedrock-api-key-agent"
        assert CARD not in upstream.last.body.decode()
        assert (await proxy.gate.recorded())["wrapped"] == 1

    @EACH
    async def test_a_signed_request_arrives_as_it_was_signed(
        self, agent: Agent, upstream: Upstream, proxy: Proxied
    ) -> None:
        upstream.script = Say("Rain.", calls=(WEATHER,))
        turns = (Turn("weather in Zürich?"), Turn(call=WEATHER, result="rain all day"))
        heard = await agent.speak(self.way(upstream, proxy), Talk(turns, system="Be brief.", with_tools=True))
        assert (heard.text, [name for name, _ in heard.calls]) == ("Rain.", ["weather"])
        assert_signed(upstream.last)
        record = await proxy.gate.recorded()
        assert (record["dialect"], record["wrapped"], record["outcome"]) == (agent.dialect, 0, "forwarded")
        assert {reason["rule"] for reason in record["reasons"]} >= {"signed-request"}

    @EACH
    async def test_what_would_be_taken_out_is_refused_with_the_way_out(
        self, agent: Agent, upstream: Upstream, proxy: Proxied
    ) -> None:
        for talk, rule in (
            (ask(f"my card is {CARD}"), "test-card"),
            (Talk((Turn("Read it."), Turn(call=WEATHER, result=f"Rain. Now {ORDER}. Wind."))), "test-order"),
        ):
            with pytest.raises((ClientError, anthropic.BadRequestError), match=f"`{rule}`") as raised:
                await agent.speak(self.way(upstream, proxy), talk)
            assert "Bedrock API key" in str(raised.value)
        assert upstream.requests == []
        await proxy.gate.recorded(2)
        assert len(proxy.gate.records()) == 2

    async def test_answers_are_edited_as_ever(self, upstream: Upstream, proxy: Proxied) -> None:
        upstream.script = Say(f"The card is {CARD}.")
        for agent in AGENTS:
            assert CARD not in (await agent.speak(self.way(upstream, proxy), ask("which card?"))).text


def assert_signed(seen: Seen) -> None:
    """What came is what was signed: whoever signs it again gets the same signature."""
    shown = seen.header("authorization") or ""
    names = re.search(r"SignedHeaders=([^,]+)", shown)
    assert names is not None
    fields = {name: seen.header(name) for name in names[1].split(";")}
    request = AWSRequest(seen.method, f"https://{fields['host']}{seen.target}", data=seen.body, headers=fields)
    request.context["timestamp"] = fields["x-amz-date"]
    credentials = Credentials(*SIGNING.values())
    signer = SigV4Auth(credentials, "bedrock", REGION)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert shown.endswith(f"Signature={signature}")


def test_a_request_that_was_changed_is_seen_to_be() -> None:
    """The check itself: another body has another signature."""
    request = AWSRequest("POST", "https://host/model/m/converse", data=b"{}", headers={"host": "host"})
    SigV4Auth(Credentials(*SIGNING.values()), "bedrock", REGION).add_auth(request)
    fields = tuple((str(name), str(value)) for name, value in request.headers.items())
    assert_signed(Seen("POST", "/model/m/converse", fields, b"{}"))
    with pytest.raises(AssertionError):
        assert_signed(Seen("POST", "/model/m/converse", fields, b"{ }"))
