"""Approvals over workers: what one asks, the supervisor's listener shows, and the other answers by."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.app.supervised import Running, eventually, running, with_workers
from tests.app.test_alone import configured
from tests.fakes.script import Call, Say
from tests.fakes.upstream import fake_upstream
from tests.serve.loopback import Got, ask
from tests.serve.test_base_url import request
from tests.services import redis

SEND = Call("send_mail", '{"to": "x@example.com"}')
TOOLS = [{"type": "function", "function": {"name": "send_mail", "parameters": {"type": "object"}}}]
CHAT = json.dumps(
    {"model": "gpt-5", "messages": [{"role": "user", "content": "Write to x@example.com."}], "tools": TOOLS}
).encode()


async def chat(gateway: Running) -> Any:
    """The message of an answer that is no stream: a call in it cannot wait."""
    raw = request("POST /openai/v1/chat/completions", "Content-Type: application/json", body=CHAT)
    return json.loads((await ask(gateway.base_url, raw)).body)["choices"][0]["message"]


async def decide(gateway: Running, id_: str) -> Got:
    body = b'{"decision": "approve", "by": "carol"}'
    return await ask(gateway.at, request(f"POST /approvals/{id_}", "Authorization: Bearer token", body=body))


async def test_a_ticket_of_one_worker_is_good_at_the_other(tmp_path: Path) -> None:
    with redis.single(tmp_path / "redis") as server:
        async with fake_upstream() as upstream:
            upstream.script = Say("", calls=(SEND,))
            path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
            store = f'[store]\nurl = "redis://127.0.0.1:{server.port}/0"\ntimeout = "5s"\n'
            tables = f'[upstreams.openai]\nbase_url = "{upstream.url}"\n'
            path.write_text(f"{path.read_text()}{store}{tables}")
            async with running(path) as gateway:
                async with gateway.only(1):
                    said = await chat(gateway)
                (ticket,) = json.loads((await gateway.get("/approvals")).body)["approvals"]
                assert f"(ticket {ticket['id']})" in said["content"]
                got = json.loads((await decide(gateway, ticket["id"])).body)
                assert (got["state"], got["by"]) == ("approved", "admin (carol)")
                async with gateway.only(2):
                    said = await chat(gateway)
                assert said["tool_calls"][0]["function"]["name"] == "send_mail"

                async def told() -> bool:
                    return await gateway.counted("lockgate_approvals_total") == 3  # asked, approved, used

                await eventually(told)
        assert not (tmp_path / "state" / "registers.db").exists(), "what is shared is not also kept here"


async def test_the_supervisor_follows_who_may_approve(tmp_path: Path) -> None:
    path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
    path.write_text(f'{path.read_text()}[store]\nurl = "redis://127.0.0.1:1/0"\n')
    text = path.read_text()
    async with running(path) as gateway:

        async def status(token: str) -> int:
            return (await ask(gateway.at, request("GET /approvals", f"Authorization: Bearer {token}"))).status

        async def is_known() -> bool:
            return await status("zoe's") == 503  # the store is away

        async def is_unknown() -> bool:
            return await status("zoe's") == 401

        assert await status("token") == 503
        assert await is_unknown()
        path.write_text(text + f'[approvers.zoe]\ntoken_sha256 = "{hashlib.sha256(b"zoe's").hexdigest()}"\n')
        await eventually(is_known)
        path.write_text(text)
        await eventually(is_unknown)
