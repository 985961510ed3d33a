"""What breaks in the gateway itself: each time a refusal and a record, never a silent pass and never a hang."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import aiohttp
import pytest

from gateway import chain, record
from gateway.detect.growing import GrowingText
from gateway.detect.ruleset import RuleSet
from gateway.dialect.families import FAMILIES
from gateway.exchange import judge, machine, whole
from gateway.policy.hierarchy import Hierarchy
from gateway.serve.upstream import Pool
from gateway.state.memory import MemoryCounters
from gateway.wire.frames import Framing
from tests.end_to_end.conftest import Start
from tests.end_to_end.faults import CLEAN, CLEAN_STREAM, SECRET_BODY, UNJUDGED, post
from tests.end_to_end.running import SECRET, Running
from tests.fakes.script import Say
from tests.fakes.upstream import Upstream

CHAT = FAMILIES["openai"].endpoint("POST", "/v1/chat/completions").dialect
READER = type(CHAT.stream(Framing.SSE))
LIMITS = "[limits.any]\nrequests = 100\n"


def boom(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("boom: details for the log alone")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that breaks: the attribute that is replaced, and whether the upstream may have been asked by then."""

    owner: object
    name: str
    asked: bool
    stream: bool = False


STAGES = {
    "the store": Stage(MemoryCounters, "take", asked=False),
    "reading a request": Stage(type(CHAT), "request", asked=False),
    "scanning": Stage(RuleSet, "scan", asked=False),
    "deciding": Stage(judge, "decide", asked=False),
    "the hierarchy's rules": Stage(type(CHAT), "instruct", asked=False),
    "the hierarchy's marks": Stage(Hierarchy, "marks", asked=False),
    "editing": Stage(whole, "apply", asked=False),
    "inspecting": Stage(machine, "inspect", asked=False),
    "sending upstream": Stage(Pool, "send", asked=False),
    "reading an answer": Stage(type(CHAT), "answer", asked=True),
    "opening a stream": Stage(type(CHAT), "stream", asked=True, stream=True),
    "reading a stream": Stage(READER, "read", asked=True, stream=True),
    "noting what left": Stage(READER, "sent", asked=True, stream=True),
    "growing text": Stage(GrowingText, "feed", asked=True, stream=True),
}


@pytest.mark.parametrize("stage", STAGES)
async def test_a_stage_that_breaks_refuses_and_records(
    stage: str, start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = STAGES[stage]
    upstream.script = Say(UNJUDGED, step=50)
    async with start(LIMITS) as gateway:
        monkeypatch.setattr(broken.owner, broken.name, boom)
        got = await post(gateway, CLEAN_STREAM if broken.stream else CLEAN)
        monkeypatch.undo()
        noted = await gateway.recorded()
        assert (await post(gateway, CLEAN)).status == 200  # and the next request is served
    assert UNJUDGED not in got.body
    assert "boom" not in got.body
    assert got.status == 500 or (broken.stream and ("content_filter" in got.body or not got.whole))
    assert (noted["outcome"], noted["code"]) == ("failed", "internal_error")
    assert "boom" in noted["fault"]
    assert bool(upstream.requests[:-1]) == broken.asked


async def test_a_refusal_that_cannot_be_written_is_still_a_refusal(
    gateway: Running, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(CHAT), "refusal", boom)
    got = await post(gateway, SECRET_BODY)
    assert (got.status, got.code) == (500, "internal_error")
    assert upstream.requests == []
    assert (await gateway.recorded())["outcome"] in {"failed", "refused"}


async def test_an_ending_that_cannot_be_written_resets_the_stream(
    gateway: Running, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(READER, "ending", boom)
    upstream.script = Say(f"Key: {SECRET}")
    got = await post(gateway, CLEAN_STREAM)
    assert not got.whole
    assert "SEKRET" not in got.body
    assert (await gateway.recorded())["outcome"] in {"failed", "cut"}


@pytest.fixture(params=[OSError(28, "no space left on device"), RuntimeError("boom")], ids=["full disk", "a bug"])
def broken_audit(request: pytest.FixtureRequest) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise request.param

    return fail


async def test_an_audit_that_cannot_be_written_stops_new_work_until_it_can(
    gateway: Running, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, broken_audit: Callable[..., NoReturn]
) -> None:
    upstream.script = Say("hello")
    with monkeypatch.context() as broken:
        broken.setattr(chain, "line", broken_audit)
        await post(gateway, CLEAN)
        got = await post(gateway, CLEAN)
        assert (got.status, got.code) == (503, "stopped")
        assert len(upstream.requests) == 1
    await post(gateway, CLEAN)
    assert (await post(gateway, CLEAN)).status == 200


async def test_a_log_that_cannot_be_written_costs_neither_the_answer_nor_the_audit(
    gateway: Running, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when standard error was closed: Python then raises ValueError, not OSError."""
    monkeypatch.setattr(record, "log", boom)
    upstream.script = Say("hello")
    for count in (1, 2):
        got = await post(gateway, CLEAN)
        assert (got.status, got.whole) == (200, True)
        assert (await gateway.recorded(count))["outcome"] == "edited"
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.admin}/metrics") as metrics:
        assert 'lockgate_exchanges_total{code="none",effect="allow",outcome="edited",upstream="openai"} 2.0' in (
            await metrics.text()
        )
