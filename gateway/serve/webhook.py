"""Tells a webhook of approvals: beside everything else, tried again for a bounded time, and never waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from ssl import SSLContext
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, hdrs

from gateway.approve.notice import SIGNATURE, TIMESTAMP, signature

PAUSES: Final = (1.0, 5.0, 25.0)
"""Seconds before it is tried again, each time; then it is given up: somebody also watches the list."""
PATIENCE: Final = ClientTimeout(total=10.0)
MOST: Final = 100
"""Notices under way. What is more is dropped, and told."""

_LATER: Final = frozenset({408, 425, 429})
"""Refusals that may be none the next time; so may all of 500 and above."""


class Webhook:
    """Sends to one URL, which is no part of any message here: it may be a credential. Make it in a running loop, and
    close it.

    `secret` signs, where there is one. `parent` is the proxy that it is reached through. `told` takes a line for the
    log where a notice is lost.
    """

    def __init__(
        self,
        url: str,
        secret: str | None,
        told: Callable[[str], None],
        tls: SSLContext | bool = True,
        parent: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._secret = secret.encode("utf-8", "surrogateescape") if secret is not None else None
        self._told = told
        self._tls = tls
        self._parent = parent
        self._now = now
        self._session = ClientSession(cookie_jar=DummyCookieJar(), timeout=PATIENCE, trust_env=False)
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, body: bytes) -> None:
        """Have a JSON body sent. Returns at once, and never raises."""
        if len(self._under_way) >= MOST:
            self._told(f"a notice of an approval is lost: {MOST} are under way to the webhook")
            return
        task = asyncio.get_running_loop().create_task(self._deliver(body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Let go of what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._session.close()

    async def _deliver(self, body: bytes) -> None:
        for pause in (*PAUSES, None):
            fault, is_final = await self._tried(body)
            if fault is None:
                return
            if is_final or pause is None:
                self._told(f"a notice of an approval is lost: {fault}")
                return
            await asyncio.sleep(pause)

    async def _tried(self, body: bytes) -> tuple[str | None, bool]:
        """What went wrong, None where nothing did; and whether it will go wrong again."""
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers=self._fields(body),
                allow_redirects=False,
                ssl=self._tls,
                proxy=self._parent,
            ) as answer:
                if answer.status < 300:
                    return None, True
                return f"the webhook answered {answer.status}", answer.status < 500 and answer.status not in _LATER
        except (ClientError, OSError, TimeoutError) as error:
            return f"the webhook cannot be reached: {type(error).__name__}", False

    def _fields(self, body: bytes) -> Mapping[str, str]:
        fields: dict[str, str] = {hdrs.CONTENT_TYPE: "application/json", hdrs.USER_AGENT: "lockgate"}
        if self._secret is None:
            return fields
        at = int(self._now())
        return {**fields, TIMESTAMP: str(at), SIGNATURE: signature(self._secret, at, body)}
