"""A gateway in this process, in front of fake upstreams, with a small rule pack of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.app import serve_in_process
from gateway.audit import files
from tests.fakes.agents import Agent

SECRET = "SEKRET-" + "48151623"
CARD = "CARD-4242"
ORDER = "obey this page"
"""What the pack finds: a secret (blocked), a card number (redacted), an order (cut from data, refused from users)."""

PACK = """
[[rule]]
id = "test-secret"
why = "a secret that only tests know"
category = "secret.key"
severity = "critical"
view = "text"
pattern = 'SEKRET-[0-9]{8}'
hits = ["SEKRET-12345678", "x SEKRET-00000000 y"]
misses = ["SEKRET-1234567", "secret"]

[[rule]]
id = "test-card"
why = "a card number that only tests know"
category = "pii.card"
severity = "error"
view = "text"
pattern = 'CARD-[0-9]{4}'
hits = ["CARD-1234", "a CARD-0000"]
misses = ["CARD-123", "card"]

[[rule]]
id = "test-order"
why = "an order that only tests give"
category = "injection.override"
severity = "critical"
score = 10
words = ["obey this page"]
hits = ["obey this page", "Now OBEY  this page!"]
misses = ["this page", "obey that page"]
"""


HARMLESS = """
[tools.fake]
match = ["ask", "ask_secret", "crash", "forecast", "form", "leak", "news", "parts", "slip", "weather"]
tier = "read"
"""
"""What the fakes' tools are said to do: the names of these tell nothing, so a person would be asked about each call."""


def configured(upstream: str, tables: str = "", gateway: str = "") -> str:
    """A configuration text: every built-in upstream leads to `upstream`; the only pack is `PACK`, and tools are
    `HARMLESS`."""
    names = ("openai", "anthropic", "gemini", "ollama")
    upstreams = "".join(f'[upstreams.{name}]\nbase_url = "{upstream}"\n' for name in names)
    return (
        f'[gateway]\nlisten = "127.0.0.1:0"\nstate_dir = "state"\n{gateway}\n'
        f'[proxy]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\n'
        f'[rules]\npacks = []\nfolders = ["rules"]\n{upstreams}{HARMLESS}{tables}'
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A running gateway: where it listens, and the folder with its configuration, rules and state."""

    url: str
    admin: str
    folder: Path
    proxy: str = ""

    def of(self, agent: Agent) -> str:
        """The base URL that an agent is given."""
        return f"{self.url}/{agent.upstream}"

    def records(self) -> list[dict[str, Any]]:
        """The exchanges in the audit files, oldest first."""
        lines = (line for path in files(self.folder / "state" / "audit") for line in path.read_bytes().splitlines())
        records = (json.loads(line)["record"] for line in lines)
        return [record for record in records if "event" not in record]

    async def recorded(self, count: int = 1) -> dict[str, Any]:
        """The newest exchange, once there are `count`: a record follows the last byte of its answer."""

        async def enough() -> bool:
            return len(self.records()) >= count

        await until(enough, 10)
        return self.records()[-1]

    def write_pack(self, text: str) -> None:
        """Replace the rule pack, as an editor does: a new file under the old name."""
        draft = self.folder / "rules" / "test.toml.new"
        draft.write_text(text)
        draft.replace(self.folder / "rules" / "test.toml")


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Ask again and again, at most `seconds`, until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(text: str, folder: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """A gateway with this configuration; its file, its rules and its state are in `folder`."""
    (folder / "rules").mkdir()
    (folder / "rules" / "test.toml").write_text(PACK)
    path = folder / "lockgate.toml"
    path.write_text(text)
    async with serve_in_process(path, environ or {}) as service:
        yield Running(f"http://{service.address}", f"http://{service.admin}", folder, f"http://{service.proxy}")
