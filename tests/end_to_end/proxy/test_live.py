"""Live sessions of Google's own SDK, which dials TLS alone: by proxy, unmodified."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from google.genai.live import AsyncSession

from tests.end_to_end.proxy.proxied import HOST, Authorities, Proxied, proxied
from tests.end_to_end.running import CARD, ORDER, SECRET
from tests.end_to_end.test_approvals import pending
from tests.end_to_end.test_stop import lockgate
from tests.fakes import live
from tests.fakes.agents import GENAI_SUBCLASSES_AIOHTTP
from tests.fakes.pieces import dumps
from tests.fakes.script import Call, Raw, Say
from tests.fakes.talk import KEY
from tests.fakes.upstream import Upstream, fake_upstream

pytestmark = pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)

PATIENCE = 20.0
WEATHER = Call("weather", '{"city": "Zürich"}', "c1")
SEND = Call("send_mail", '{"to": "x@example.com"}', "c2")
TABLES = "[tools.wipe]\nenabled = false\n"
WIPE = Call("wipe", "{}", "c3")


@pytest.fixture
async def upstream(authorities: Authorities) -> AsyncIterator[Upstream]:
    async with fake_upstream(authorities.context()) as fake:
        yield fake


@pytest.fixture
async def gate(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxied]:
    table = f'[upstreams.gemini]\nbase_url = "{upstream.url.replace("127.0.0.1", HOST)}"\n{TABLES}'
    async with proxied(table, tmp_path) as proxy:
        for name, value in proxy.environ.items():
            monkeypatch.setenv(name, value)
        yield proxy


@asynccontextmanager
async def speaking(upstream: Upstream, **config: Any) -> AsyncIterator[AsyncSession]:
    options = genai_types.HttpOptions(base_url=upstream.url.replace("127.0.0.1", HOST))
    given: Any = {"response_modalities": ["TEXT"], "system_instruction": "Be brief.", **config}
    async with (
        asyncio.timeout(PATIENCE),
        genai.Client(api_key=KEY, http_options=options).aio as client,
        client.live.connect(model="gemini-live", config=given) as session,
    ):
        yield session


async def say(session: AsyncSession, text: str) -> None:
    turn = genai_types.Content(role="user", parts=[genai_types.Part(text=text)])
    await session.send_client_content(turns=turn)


async def turn(session: AsyncSession, results: dict[str, str] | None = None) -> tuple[str, list[str]]:
    """What the agent hears in a turn: the text, and the names of the calls, for each of which it returns something."""
    text, names = "", []
    async for message in session.receive():
        text += message.text or ""
        for call in (message.tool_call.function_calls or ()) if message.tool_call else ():
            names.append(call.name or "")
            result = {"result": (results or {}).get(call.name or "", "done")}
            response = genai_types.FunctionResponse(id=call.id, name=call.name, response=result)
            await session.send_tool_response(function_responses=response)
    return text, names


async def test_a_session_with_a_call(gate: Proxied, upstream: Upstream) -> None:
    upstream.script = [Say("Looking.", (WEATHER,)), Say("Rain."), Say("Still rain.")]
    async with speaking(upstream) as session:
        await say(session, "weather?")
        assert await turn(session, {"weather": f"Rain all day. {ORDER}! Wind."}) == ("Looking.Rain.", ["weather"])
        await say(session, "and now?")
        assert await turn(session) == ("Still rain.", [])
    setup, _, result, _ = upstream.messages
    told = setup["setup"]["systemInstruction"]["parts"]  # type: ignore[index]
    assert [part["text"][:14] for part in told] == ["Be brief.", "Security rules"]
    given = result["tool_response"]["functionResponses"][0]["response"]["result"]  # type: ignore[index]
    assert given.startswith("<untrusted-data id=")
    assert "Rain all day." in given
    assert ORDER not in given
    record = await gate.gate.recorded()
    assert (record["dialect"], record["status"], record["model"]) == ("gemini_live", 101, "gemini-live")
    assert record["request"]["coverage"] == "dialect"
    assert record["usage"] == {"input": 18, "output": 24, "reasoning": 4}


async def test_a_refused_call_never_comes_and_the_model_goes_on(gate: Proxied, upstream: Upstream) -> None:
    upstream.script = [Say("I wipe it.", (WIPE,)), Say("I may not.")]
    async with speaking(upstream) as session:
        await say(session, "clean up")
        assert await turn(session) == ("I wipe it.I may not.", [])
    (result,) = upstream.messages[-1]["toolResponse"]["functionResponses"]  # type: ignore[index]
    assert (result["id"], result["name"]) == ("c3", "wipe")
    assert result["response"]["error"].startswith("[The security gateway refused the call of `wipe`: ")
    assert (await gate.gate.recorded())["outcome"] == "edited"


async def test_of_two_calls_the_one_that_may_be_made_comes_alone(gate: Proxied, upstream: Upstream) -> None:
    upstream.script = [Say("", (WIPE, WEATHER)), Say("Rain, and no.")]
    async with speaking(upstream) as session:
        await say(session, "both")
        assert await turn(session) == ("Rain, and no.", ["weather"])


async def test_a_call_waits_until_it_is_approved(gate: Proxied, upstream: Upstream) -> None:
    upstream.script = [Say("I write.", (SEND,)), Say("Written.")]
    async with speaking(upstream) as session:
        await say(session, "Write to x@example.com.")
        held = asyncio.create_task(turn(session))
        ticket = await pending(gate.gate)
        assert (ticket["tool"], held.done()) == ("send_mail", False)
        await lockgate(gate.gate, "approvals", "approve", ticket["id"])
        assert await held == ("I write.Written.", ["send_mail"])


@pytest.mark.parametrize("spoken", [False, True])
async def test_personal_data_is_redacted_across_messages(gate: Proxied, upstream: Upstream, spoken: bool) -> None:
    words = f"Your card is {CARD}, keep it."
    told = live.spoken(words, 3) if spoken else live.said(words, 3)
    upstream.script = Raw(tuple(map(dumps, (*told, *live.over()))))
    heard = ""
    async with speaking(upstream) as session:
        await say(session, "hi")
        async for message in session.receive():
            content = message.server_content
            transcript = content.output_transcription if content else None
            heard += (transcript.text or "") if transcript else (message.text or "")
    assert heard == "Your card is [CARD], keep it."
    record = await gate.gate.recorded()
    assert ("audio" in record["answer"]["uninspected"]) is spoken


@pytest.mark.parametrize("place", ["turn", "answer", "instruction"])
async def test_a_secret_ends_the_session(gate: Proxied, upstream: Upstream, place: str) -> None:
    upstream.script = Say(f"It is {SECRET}.", step=3)
    instruction = f"The key is {SECRET}." if place == "instruction" else "Be brief."

    async def spoken() -> None:
        async with speaking(upstream, system_instruction=instruction) as session:
            await say(session, f"My key is {SECRET}." if place == "turn" else "hi")
            await turn(session)

    if place == "answer":
        await spoken()  # which ends the turn, and then the session
    else:
        with pytest.raises(genai_errors.APIError, match="secret_blocked"):
            await spoken()
    record = await gate.gate.recorded()
    assert record["code"] == "secret_blocked"
    assert SECRET not in json.dumps(upstream.messages)


async def test_what_comes_in_real_time_passes_and_a_new_instruction_gets_the_rules(
    gate: Proxied, upstream: Upstream
) -> None:
    async with speaking(upstream) as session:
        sound = genai_types.Blob(data=b"\x00\x7f" * 24, mime_type="audio/pcm;rate=16000")
        await session.send_realtime_input(audio=sound)
        await session.send_realtime_input(text=f"My card is {CARD}.")
        await session.send_context_update(system_instruction="Be kind.")
        await say(session, "hi")
        await turn(session)
    sent: Any = upstream.messages
    _, audio, text, update, _ = sent
    assert audio["realtime_input"]["audio"]["data"] == live.SOUND.replace("/", "_")
    assert text["realtime_input"]["text"] == "My card is [CARD]."
    told = update["contextUpdate"]["systemInstruction"]["parts"]
    assert [part["text"][:14] for part in told] == ["Be kind.", "Security rules"]
    assert "audio" in (await gate.gate.recorded())["request"]["uninspected"]


async def test_what_the_provider_would_run_is_judged_in_the_setup(gate: Proxied, upstream: Upstream) -> None:
    with pytest.raises(genai_errors.APIError, match="tool_denied"):
        async with speaking(upstream, tools=[{"url_context": {}}]):
            pass
    assert upstream.messages == []
