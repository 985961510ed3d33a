"""A private authority, two sites whose clients come by proxy, and a gateway that lets them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.proxy.proxied import HOST, Authorities, Proxied, opened, private_authority, proxied
from tests.fakes.web_site import WebSite, web_site


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    return private_authority(tmp_path)


@pytest.fixture
async def secure(authorities: Authorities) -> AsyncIterator[WebSite]:
    """A site over TLS."""
    async with web_site(authorities.context(HOST)) as site:
        yield site


@pytest.fixture
async def plain(authorities: Authorities) -> AsyncIterator[WebSite]:
    """A site without TLS."""
    async with web_site() as site:
        yield site


@pytest.fixture
async def through(secure: WebSite, plain: WebSite, tmp_path: Path) -> AsyncIterator[Proxied]:
    """A gateway whose agents may reach both sites."""
    async with proxied(opened(secure.port, plain.port), tmp_path) as proxy:
        yield proxy
