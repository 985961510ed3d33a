"""Rules for a fleet, with real gateways and a real Redis: some first, then all, or back by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.faults import post
from tests.end_to_end.running import Running, configured, running, until
from tests.end_to_end.test_stop import lockgate
from tests.fakes.script import Say
from tests.fakes.upstream import Upstream
from tests.services import redis as services

PATIENCE = 20.0
NIGHTJAR = """
[[rule]]
id = "fleet-nightjar"
why = "the name of a project that is not announced"
category = "secret.project"
severity = "critical"
words = ["project nightjar"]
hits = ["status of Project Nightjar?", "project nightjar ships"]
misses = ["a nightjar is a bird", "a project"]
"""
ASKED = json.dumps({"model": "m", "messages": [{"role": "user", "content": "status of project nightjar?"}]}).encode()
PLAIN = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello there"}]}).encode()


@asynccontextmanager
async def fleet(upstream: Upstream, folder: Path, count: int) -> AsyncIterator[list[Running]]:
    upstream.script = Say("fine")
    with services.single(folder / "redis") as server:
        store = f'[store]\nurl = "redis://127.0.0.1:{server.port}"\ntimeout = "1s"\n'
        async with AsyncExitStack() as stack:
            found = []
            for at in range(count):
                home = folder / f"gateway-{at}"
                home.mkdir()
                found.append(await stack.enter_async_context(running(configured(upstream.url, store), home)))
            await known(found)
            yield found


async def status(one: Running) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{one.admin}/status") as answer:
        told: dict[str, Any] = (await answer.json())["fleet"]
        return told


async def known(gateways: list[Running]) -> None:
    """Every gateway knows of all of them."""

    async def all_known() -> bool:
        return all([len((await status(one))["members"]) == len(gateways) for one in gateways])

    await until(all_known, PATIENCE)


async def refused(one: Running) -> bool:
    got = await post(one, ASKED)
    return got.status == 400 and got.code == "secret_blocked"


def has_it(one: Running) -> bool:
    """Whether a gateway keeps the pushed pack. To ask for what it refuses would be the jump that takes it back."""
    return (one.folder / "state" / "pushed" / "nightjar.toml").exists()


async def busy(gateways: list[Running], rounds: int = 60) -> None:
    for _ in range(rounds):
        await asyncio.gather(*(post(one, PLAIN) for one in gateways))


def packs(folder: Path, text: str) -> str:
    (folder / "packs").mkdir(exist_ok=True)
    (folder / "packs" / "nightjar.toml").write_text(text)
    return str(folder / "packs")


async def test_a_push_goes_to_some_then_to_all_and_holds_over_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    async with fleet(upstream, tmp_path, 2) as gateways:
        told = await lockgate(
            gateways[0], "rules", "push", packs(tmp_path, NIGHTJAR), "--canary", "50", "--watch", "1s", "--why", "leak"
        )
        assert "stage: canary" in told
        assert ": leak" in told

        async def one_has_it() -> bool:
            return [has_it(one) for one in gateways].count(True) == 1

        await until(one_has_it, PATIENCE)

        async def all_have_it() -> bool:
            await busy(gateways, 10)
            return all(has_it(one) for one in gateways)

        await until(all_have_it, PATIENCE)

        async def done() -> bool:
            await busy(gateways, 10)
            push = (await status(gateways[1]))["push"]
            return push is not None and push["stage"] == "done"

        await until(done, PATIENCE)
        told = await lockgate(gateways[1], "rules", "pushed")
        assert "stage: done" in told
        assert all([await refused(one) for one in gateways])
        await lockgate(gateways[0], "rules", "rollback", "--why", "a mistake")

        async def nobody_has_it() -> bool:
            return not any([await refused(one) for one in gateways])

        await until(nobody_has_it, PATIENCE)
        assert "a mistake" in await lockgate(gateways[0], "rules", "pushed")


async def test_a_push_that_blocks_what_passed_goes_back_by_itself(upstream: Upstream, tmp_path: Path) -> None:
    too_much = NIGHTJAR.replace("project nightjar", "hello there").replace("Project Nightjar?", "hello there")
    async with fleet(upstream, tmp_path, 2) as gateways:
        await busy(gateways)
        await lockgate(gateways[0], "rules", "push", packs(tmp_path, too_much), "--canary", "50", "--watch", "1h")

        async def went_back() -> bool:
            await busy(gateways, 5)
            push = (await status(gateways[0]))["push"]
            return push is not None and push["stage"] == "rolled_back"

        await until(went_back, PATIENCE)
        assert "the block rate went from" in (await status(gateways[0]))["push"]["reason"]

        async def served() -> bool:
            return all([(await post(one, PLAIN)).status == 200 for one in gateways])

        await until(served, PATIENCE)


async def test_a_push_that_proves_nothing_never_leaves(upstream: Upstream, tmp_path: Path) -> None:
    async with fleet(upstream, tmp_path, 1) as (one,):
        wrong = NIGHTJAR.replace("a nightjar", "project nightjar")
        told = await lockgate(one, "rules", "push", packs(tmp_path, wrong), code=2)
        assert "fleet-nightjar" in told
        assert "nothing was pushed" in await lockgate(one, "rules", "pushed")
        told = await lockgate(one, "rules", "rollback", code=2)
        assert "there is no push to take back" in told


async def test_one_push_at_a_time(upstream: Upstream, tmp_path: Path) -> None:
    async with fleet(upstream, tmp_path, 1) as (one,):
        await lockgate(one, "rules", "push", packs(tmp_path, NIGHTJAR), "--watch", "1h")
        told = await lockgate(one, "rules", "push", packs(tmp_path, NIGHTJAR), code=2)
        assert "is under way" in told


@pytest.mark.parametrize("command", [("push", "rules"), ("rollback",), ("pushed",)])
async def test_without_a_store_the_line_to_add_is_told(gateway: Running, command: tuple[str, ...]) -> None:
    told = await lockgate(gateway, "rules", *command, code=2)
    assert 'url = "redis://…"` under [store]' in told
